"""LIBMF, from the source distribution of PyPI's libmf, with AVX and OpenMP, which that is published without.

The program is ours (libmf.cpp), as the distribution has none. LIBMF has no biases.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data import Skip, Task, Turn

PROGRAM = Path(os.environ.get("PALATE_BENCH", Path(__file__).parents[2] / ".bench"), "libmf")
REQUIREMENTS: tuple[str, ...] = ()
SOURCE = "libmf==0.9.2"
FLAGS = [
    "-O3",
    "-std=c++11",
    "-march=native",
    "-mavx",
    "-DUSEAVX",
    "-DUSEOMP",
    "-fopenmp",
    "-pthread",
    "-include",
    "string",
]


def install() -> None:
    """Compile it, with g++."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-binary",
            "libmf",
        ]
        subprocess.run([*pip, "--dest", str(folder), SOURCE], check=True, capture_output=True, text=True)
        with tarfile.open(next(folder.glob("libmf-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = next(folder.rglob("mf.cpp"))
        driver = Path(__file__).parents[1] / "libmf.cpp"
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        command = ["g++", *FLAGS, f"-I{source.parent}", driver, source, "-o", PROGRAM]
        subprocess.run(command, check=True, capture_output=True, text=True)


def sgd(task: Task) -> Turn:
    """An epoch: the difference of two fits, as the first iteration updates only eight factors."""
    from jobs.sgd import REGULARIZATION

    model = task.text.with_suffix(".libmf")

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        one, many = run(task, model, f"1,{passes}", task.factors, REGULARIZATION, 0.05)[1:3]
        return (many - one) / (passes - 1), lambda: task.rmse(predicted(model, task))

    return turn


def race(task: Task) -> Turn:
    """The whole command: reading the text, fitting, saving."""
    from jobs.race import LIBMF

    model = task.text.with_suffix(".libmf")

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        started = time.perf_counter()
        run(task, model, str(passes), *LIBMF)
        return time.perf_counter() - started, lambda: task.rmse(predicted(model, task))

    return turn


def run(task: Task, model: Path, passes: str, *settings: float) -> list[float]:
    """Return the seconds of reading, of each fit and of saving; settings are factors, penalty and learning rate."""
    if not PROGRAM.exists():
        raise Skip("it is not compiled")
    factors, penalty, rate = settings
    arguments = [PROGRAM, task.text, model, factors, passes, task.threads, penalty, rate]
    done = subprocess.run([*map(str, arguments)], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def predicted(model: Path, task: Task) -> Any:
    """Read the saved text; rows of users and items that it has not met are NaN there and stand for the mean.

    Lines start with p1 or q1 for id 1 and so on, a T and the factors; row 0 is no id.
    """
    sides: dict[str, list[str]] = {"p": [], "q": []}
    with model.open() as file:
        head = dict(next(file).split() for _ in range(5))
        for line in file:
            sides[line[0]].append(line)
    p, q = (
        np.array([np.fromstring(line.split(" ", 2)[2], np.float32, sep=" ") for line in lines[1:]], np.float32)
        for lines in sides.values()
    )
    found = task.products(p, q)
    return np.where(np.isnan(found), float(head["b"]), found)
