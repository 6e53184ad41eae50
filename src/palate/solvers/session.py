"""What every iterative solver shares: progress, interruption, checkpoints."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError, StorageError
from palate.files import read_arrays, write_arrays
from palate.parallel import Run, pool
from palate.ratings import Ratings
from palate.solvers.settings import check

__all__ = ["Checkpoint", "Epoch", "Progress", "Session", "fitting", "require_ratings"]

CHECKPOINT_FORMAT = 1
#: Returns the arrays and the plain values that the rest of a fit depends on.
State = Callable[[], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]

# Seconds before the first checkpoint, and between two: fitting a small table takes less than writing one.
_BETWEEN = 1.0


@dataclass(frozen=True)
class Epoch:
    """What one pass over the ratings (an epoch, or a sweep) did.

    Attributes
    ----------
    stage
        "pilot" (validation part left out, to choose settings) or "fit".
    setting
        What this stage has that others have not, such as "λ = 0.06".
    number, of
        Counted from 1, and the most there can be.
    rows
        Distinct ratings that were trained on in this epoch.
    training_rmse, validation_rmse
        On the rating scale; the first measured on each rating just before its step, the second None without a
        validation part.
    seconds
        How long it took, validation included.
    """

    stage: str
    setting: str
    number: int
    of: int
    rows: int
    training_rmse: float
    validation_rmse: float | None
    seconds: float

    @property
    def ratings_per_second(self) -> float:
        """Trained ratings a second."""
        return self.rows / max(self.seconds, 1e-9)


Progress = Callable[[Epoch], None]


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question that a loop can ask; the second one interrupts as usual.

    Signals reach the main thread only: elsewhere the answer is always no.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def require_ratings(ratings: Ratings) -> Ratings:
    """Return the ratings without ids that have none.

    Raises
    ------
    DataError
        If there are no ratings, or one of them is not finite.
    """
    if not len(ratings):
        raise DataError("there are no ratings to fit")
    if not np.isfinite(ratings.rating).all():
        raise DataError("the table holds NaN or infinite ratings: read it with on_error='skip' to leave them out")
    return ratings.compact()


def _fingerprint(solver: Any, ratings: Ratings) -> str:
    # The same only for the same settings and the same table.
    columns = ratings.user, ratings.item, ratings.rating
    with pool() as run:
        digests = run(lambda column: hashlib.sha256(np.ascontiguousarray(column).data).hexdigest(), columns)
    parts = (solver, ratings.scale, len(ratings.users), len(ratings.items), digests)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@contextmanager
def fitting(
    solver: Any, ratings: Ratings, threads: int | None, progress: Progress | None, checkpoint: Path | None
) -> Iterator[Session]:
    """Check settings and ratings, and open what a fit needs while it runs.

    Raises
    ------
    SettingsError, DataError
        As the solvers' `fit`.
    """
    check(solver)
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise SettingsError(f"threads must be an integer and at least 1, not {threads!r}")
    ratings = require_ratings(ratings)
    kept = Checkpoint(checkpoint, solver, ratings)
    with pool(threads) as run, interruptible() as interrupted:
        yield Session(ratings, run, progress, kept, interrupted)


@dataclass
class Session:
    """What one fit works with, and its epochs so far."""

    ratings: Ratings
    run: Run
    progress: Progress | None
    checkpoint: Checkpoint
    interrupted: Callable[[], bool]
    history: list[Epoch] = field(default_factory=list)

    def report(self, epoch: Epoch) -> None:
        """Remember an epoch, and tell it to whoever wants to know."""
        self.history.append(epoch)
        if self.progress:
            self.progress(epoch)

    def plain_history(self) -> list[dict[str, Any]]:
        """Return the history as plain values."""
        return [dict(vars(epoch)) for epoch in self.history]  # not asdict, which copies deeply


@dataclass
class Checkpoint:
    """A file that holds where a fit stands, replaced whole after an epoch, but not more often than once a second.

    Parameters
    ----------
    path
        Where it is kept; None keeps nothing.
    solver, ratings
        The fit it belongs to.
    """

    path: Path | None
    solver: Any
    ratings: Ratings
    saved: float = field(default_factory=time.monotonic)

    @cached_property
    def fingerprint(self) -> str:
        """A text that is the same only for the same settings and the same table."""
        return _fingerprint(self.solver, self.ratings)

    def save(self, state: State, *, now: bool = False) -> None:
        """Replace the file, if there is one and it is time, or at once if `now`; only then `state` is called.

        It is not flushed to the disk: losing some epochs in a power cut is cheaper than waiting.
        """
        if self.path is not None and (now or time.monotonic() - self.saved > _BETWEEN):
            arrays, numbers = state()
            header = {"format": CHECKPOINT_FORMAT, "fingerprint": self.fingerprint, **numbers}
            write_arrays(self.path, arrays, header, durable=False)
            self.saved = time.monotonic()

    def load(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return what `save` wrote, None if there is no file.

        Raises
        ------
        StorageError
            If the file is damaged, or belongs to other ratings, settings or another version.
        """
        if self.path is None or not self.path.exists():
            return None
        arrays, header = read_arrays(self.path, "checkpoint")
        if header.get("format") != CHECKPOINT_FORMAT or header.get("fingerprint") != self.fingerprint:
            raise StorageError(
                f"checkpoint {self.path} belongs to other ratings or settings: give the same ones, or do not resume"
            )
        return arrays, header
