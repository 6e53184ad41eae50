"""What is measured, one module for each job.

A job's module has the name of the job and a `JOB`. Its contenders are functions of peers: the first is palate's, and what
the others take is divided by what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from data import Case, Task, Turn

__all__ = ["Job", "copying", "jobs", "multiplying"]


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes
    ----------
    title
        What the seconds are of.
    note
        What else a reader must know, as text of the manual.
    cases
        Its rows.
    contenders
        Shown name and "module.function" of `peers`.
    passes
        How many passes a turn has: of all, or of each contender. Several numbers are swept once, and the quickest whose
        score is good enough is then timed.
    score
        What the score is called; it is always better if lower.
    goal
        Given the scores that each contender's numbers of passes reached, the score that is good enough.
    limit
        The time that the hardware alone would take.
    limited_by
        What that limit is.
    """

    title: str
    note: str
    cases: tuple[Case, ...]
    contenders: dict[str, str]
    passes: int | dict[str, tuple[int, ...]] = 1
    score: str = ""
    goal: Callable[[dict[str, dict[int, float]]], float] | None = None
    limit: Callable[[Task], Turn] | None = None
    limited_by: str = ""


def jobs() -> dict[str, Job]:
    """Return all jobs by name."""
    paths = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    return {path.stem: import_module(f"jobs.{path.stem}").JOB for path in paths}


def multiplying(operations: Callable[[Task], float]) -> Callable[[Task], Turn]:
    """Return a limit: the time of these floating point operations at the rate of this machine's float32 matrix product."""

    def limit(task: Task) -> Turn:
        import numpy as np
        from threadpoolctl import threadpool_limits

        size = 2048 if task.case.ratings > 500_000 else 512
        a, b = np.random.default_rng(0).random((2, size, size), np.float32)
        product = np.empty_like(a)

        def turn(_: int) -> tuple[float, None]:
            seconds = []
            with threadpool_limits(task.threads, user_api="blas"):
                for _ in range(9):
                    started = time.perf_counter()
                    np.matmul(a, b, out=product)
                    seconds.append(time.perf_counter() - started)
            return operations(task) / (2 * size**3 / median(seconds)), None

        return turn

    return limit


def copying(moved: Callable[[Task], float]) -> Callable[[Task], Turn]:
    """Return a limit: the time of these bytes, read and written at the rate of a copy in memory by all threads."""

    def limit(task: Task) -> Turn:
        from concurrent.futures import ThreadPoolExecutor

        import numpy as np

        parts = [np.ones((2, 1 << 24), np.float32) for _ in range(task.threads)]  # 64 MiB a side: more than caches

        def copy(part: Any) -> None:
            part[1] = part[0]

        def turn(_: int) -> tuple[float, None]:
            seconds = []
            with ThreadPoolExecutor(task.threads) as pool:
                for _ in range(9):
                    started = time.perf_counter()
                    list(pool.map(copy, parts))
                    seconds.append(time.perf_counter() - started)
            return moved(task) / (sum(part.nbytes for part in parts) / median(seconds)), None

        return turn

    return limit
