"""When the work for a request must end: work on a thread looks at its deadline and stops by itself.

A thread cannot be stopped from outside. So every piece of work that may take long calls `check_deadline` between steps
of a few milliseconds. The deadline reaches the thread by a context variable, which `run_in_threadpool` copies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from palate.errors import ServiceError

__all__ = ["Deadline", "DeadlineError", "check_deadline", "current_deadline", "until_deadline"]

T = TypeVar("T")


class DeadlineError(ServiceError):
    """The work for a request was stopped, because its time is over or because the service ends."""


class Deadline:
    """The moment at which the work for a request must end.

    Parameters
    ----------
    seconds
        The time from now.
    stopping
        Is set when the service ends: the work then stops, however much time is left.
    """

    def __init__(self, seconds: float, stopping: threading.Event) -> None:
        self.seconds, self.stopping = seconds, stopping
        self.ends = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `DeadlineError` if the work must end."""
        if self.stopping.is_set():
            raise DeadlineError("the service ends: send the request again")
        if time.monotonic() > self.ends:
            raise DeadlineError(f"the answer took longer than {self.seconds:g} s: ask for less at once")


#: The deadline of the request that this task or thread works for.
current_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def check_deadline() -> None:
    """Raise `DeadlineError` if the time of the current request is over; do nothing outside of requests."""
    deadline = current_deadline.get()
    if deadline is not None:
        deadline.check()


def until_deadline(steps: Iterable[T]) -> Iterator[T]:
    """Yield the steps of a piece of work, and check the deadline before each."""
    for step in steps:
        check_deadline()
        yield step
