"""A contender in a process of its own, which stands still while others have their turn."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from data import Case, Skip, Task

__all__ = ["Here", "Process"]

LIMIT = "limit"
_SCORELESS = float("nan")


class Here:
    """A contender in this process: for tests, and inside the processes of others."""

    def __init__(self, contender: str, task: Task) -> None:
        from jobs import jobs

        module, _, function = contender.partition(".")
        try:
            start = (
                jobs()[task.case.job].limit if module == LIMIT else getattr(import_module(f"peers.{module}"), function)
            )
            assert start is not None
            start(task.warm())(2)
            self.turn_of = start(task)
        except ImportError as error:
            raise Skip(f"not installed ({error})") from None

    def turn(self, passes: int) -> float:
        """Return the seconds of a turn."""
        seconds, self.scored = self.turn_of(passes)
        return float(seconds)

    def score(self) -> float:
        """Return the score of the last turn, NaN if it has none."""
        return self.scored() if self.scored else _SCORELESS

    def close(self) -> None:
        """Do nothing."""


class Process:
    """The same in a new process, with the threads of everything in it set before anything is loaded.

    Raises
    ------
    Skip
        If it cannot start, fails, or takes too long; it is not running then.
    """

    def __init__(self, contender: str, task: Task, patience: float) -> None:
        self.patience, module = patience, contender.partition(".")[0]
        theirs = {} if module == LIMIT else getattr(import_module(f"peers.{module}"), "ENVIRONMENT", {})
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
        threads = {name: str(task.threads) for name in names}
        # BLAS by itself is never what should be parallel, but for the limit.
        blas = {f"{name}_NUM_THREADS": str(task.threads if module == LIMIT else 1) for name in ("OPENBLAS", "MKL")}
        theirs = {name: value.format(threads=task.threads) for name, value in theirs.items()}
        given = json.dumps(
            {"contender": contender, "case": asdict(task.case), "threads": task.threads, "folder": task.folder}
        )
        self.answers, answers = os.pipe()
        self.log = Path(task.folder, f"{contender}.log").open("w+")  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(answers), given],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, pass_fds=[answers], text=True,
            start_new_session=True, env=os.environ | threads | blas | theirs,
        )  # fmt: skip
        os.close(answers)
        self.reader = os.fdopen(self.answers)
        try:
            self._answer()
        except Skip:  # it is closed
            raise
        except BaseException:
            self.close()
            raise

    def turn(self, passes: int) -> float:
        """Return the seconds of a turn."""
        return self._ask(passes)

    def score(self) -> float:
        """Return the score of the last turn, NaN if it has none."""
        return self._ask("score")

    def close(self) -> None:
        """End it, and all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self.reader.close()
        self.log.close()

    def _ask(self, what: Any) -> float:
        os.killpg(self.process.pid, signal.SIGCONT)
        assert self.process.stdin is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> float:
        ready, _, _ = select.select([self.reader], [], [], self.patience)
        line = self.reader.readline() if ready else json.dumps({"skip": f"took more than {self.patience:.0f} s"})
        if not line:
            self.log.seek(0)
            last = [line for line in self.log.read().splitlines() if line.strip()]
            line = json.dumps({"skip": f"failed: {last[-1] if last else 'it was ended'}"})
        answer = json.loads(line)
        if "skip" in answer:
            self.close()
            raise Skip(answer["skip"])
        os.killpg(self.process.pid, signal.SIGSTOP)
        return float(answer["value"])


def serve(answers: IO[str], given: dict[str, Any]) -> None:
    """Answer questions until they end."""

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    try:
        contender = Here(given["contender"], Task(Case(**given["case"]), given["threads"], given["folder"]))
        answer(value=0)
        for line in sys.stdin:
            what = json.loads(line)
            answer(value=contender.score() if what == "score" else contender.turn(what))
    except Skip as reason:
        answer(skip=str(reason))


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[1]), "w") as pipe:
        serve(pipe, json.loads(sys.argv[2]))
