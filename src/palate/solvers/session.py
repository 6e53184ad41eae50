"""What every fit shares: checks, progress, interruption, checkpoints."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import DataError, SettingsError, StorageError
from palate.files import read_arrays, write_arrays
from palate.gpu.pool import with_device
from palate.model import Model
from palate.parallel import Run, pool
from palate.ratings import Ratings, lost_distances
from palate.solvers.feature_rows import with_unrated
from palate.solvers.settings import check

__all__ = ["Checkpoint", "Epoch", "Progress", "Session", "interruptible", "open_session"]

#: The version of the format. It is raised when what a fit saves changes.
CHECKPOINT_FORMAT = 2
#: Returns the arrays and the plain values that the rest of a fit depends on.
State = Callable[[], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]

# Seconds before the first checkpoint, and between two. A fit of a small table takes less time than one checkpoint.
_CHECKPOINT_INTERVAL = 1.0


@dataclass(frozen=True)
class Epoch:
    """What one pass over the ratings (an epoch of SGD, a sweep of the other solvers) did.

    Attributes
    ----------
    stage
        "pilot" for a short fit on part of the ratings, whose error on the rest chooses settings; "fit" for the fit of
        all ratings.
    setting
        What distinguishes this stage from the others, such as "λ = 0.06".
    number, of
        The number of the pass, from 1, and the largest number there can be.
    rows
        How many distinct ratings the pass trained on.
    training_rmse, validation_rmse
        In units of the ratings. The first compares each rating with its prediction just before its step; the second is
        None without a validation part.
    seconds
        The time of the pass and of its validation.
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
        """How many ratings a second the pass trained on."""
        return self.rows / max(self.seconds, 1e-9)


Progress = Callable[[Epoch], None]


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed. A second Ctrl-C raises KeyboardInterrupt as usual.

    Signals reach the main thread only: in other threads the function always says no.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


def _checked(ratings: Ratings) -> Ratings:
    """Return the ratings without ids that have none; refuse an empty table and ratings that are not finite."""
    if not len(ratings):
        raise DataError("there are no ratings to fit")
    if not np.isfinite(ratings.rating).all():
        raise DataError("the table holds NaN or infinite ratings: read it with on_error='skip' to leave them out")
    lost = lost_distances(ratings.rating)
    if lost:
        raise DataError(lost)
    return with_unrated(ratings.compact())


@contextmanager
def open_session(
    solver: Any,
    ratings: Ratings,
    threads: int | None,
    progress: Progress | None,
    checkpoint: str | Path | None,
    start: Model | None = None,
) -> Iterator[Session]:
    """Check the settings and the ratings, and open what a fit needs while it runs.

    The parameters are those of `palate.solvers.Solver.fit`.

    Raises
    ------
    SettingsError
        If a setting or the number of threads is impossible, or there is no graphics card that a setting asks for.
    MissingExtraError
        If a setting asks for a graphics card and PyTorch is not installed.
    DataError
        If there are no ratings, or one of them is not finite.
    """
    check(solver)
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise SettingsError(f"threads must be an integer and at least 1, not {threads!r}")
    ratings = _checked(ratings)
    with pool(threads) as threads_run, interruptible() as interrupted:
        run = with_device(threads_run, getattr(solver, "device", "cpu"), solver.products(len(ratings)))
        saved = Checkpoint(None if checkpoint is None else Path(checkpoint), solver, ratings, start)
        yield Session(ratings, run, progress, saved, interrupted, start=start)


@dataclass
class Session:
    """What one fit works with, and its epochs so far.

    Attributes
    ----------
    ratings
        Finite ratings; every id has at least one.
    run
        A pool of threads, with a graphics card where the solver uses one.
    progress
        Called with each epoch, or None.
    checkpoint
        Where the fit saves its state.
    interrupted
        Says whether Ctrl-C was pressed.
    history
        The epochs so far.
    start
        The model from which the fit goes on, None for a fit from the start.
    """

    ratings: Ratings
    run: Run
    progress: Progress | None
    checkpoint: Checkpoint
    interrupted: Callable[[], bool]
    history: list[Epoch] = field(default_factory=list)
    start: Model | None = None

    def report(self, epoch: Epoch) -> None:
        """Add an epoch to the history and pass it to `progress`."""
        self.history.append(epoch)
        if self.progress:
            self.progress(epoch)

    def plain_history(self) -> list[dict[str, Any]]:
        """Return the history as plain values."""
        return [dict(vars(epoch)) for epoch in self.history]  # not asdict, which copies deeply


@dataclass
class Checkpoint:
    """A file with the state of a fit, replaced whole after an epoch, but at most once a second.

    Parameters
    ----------
    path
        Of the file; None writes nothing.
    solver, ratings, start
        The fit that the file belongs to.
    """

    path: Path | None
    solver: Any
    ratings: Ratings
    start: Model | None = None
    saved: float = field(default_factory=time.monotonic)

    @cached_property
    def fingerprint(self) -> str:
        """A text that differs between fits with different settings or tables."""
        columns: list[NDArray[Any]] = [self.ratings.user, self.ratings.item, self.ratings.rating]
        columns += [] if self.ratings.time is None else [self.ratings.time]
        columns += [] if self.start is None else [self.start.item_factors, self.start.item_bias]
        with pool() as run:
            digests = run(lambda column: hashlib.sha256(np.ascontiguousarray(column).data).hexdigest(), columns)
        tables = self.ratings.user_features, self.ratings.item_features
        digests += [table.fingerprint for table in tables if table is not None]
        shape = len(self.ratings.users), len(self.ratings.items)
        return hashlib.sha256(repr((self.solver, self.ratings.scale, *shape, digests)).encode()).hexdigest()

    def save(self, state: State, *, now: bool = False) -> None:
        """Replace the file if a second has passed since the last time, or if `now`; `state` is called only then.

        The file is not flushed to the disk: the loss of some epochs in a power cut costs less than the waiting.
        """
        if self.path is not None and (now or time.monotonic() - self.saved > _CHECKPOINT_INTERVAL):
            arrays, numbers = state()
            header = {"format": CHECKPOINT_FORMAT, "fingerprint": self.fingerprint, **numbers}
            write_arrays(self.path, arrays, header, durable=False)
            self.saved = time.monotonic()

    def load(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return the arrays and plain values that `save` wrote, None if there is no file.

        Raises
        ------
        StorageError
            If the file is damaged, or belongs to other ratings, settings or another version.
        """
        if self.path is None or not self.path.exists():
            return None
        arrays, header = read_arrays(self.path, "checkpoint")
        if header.get("format") != CHECKPOINT_FORMAT:
            raise StorageError(
                f"checkpoint {self.path} is of another version of palate: go on with that version, or do not resume"
            )
        if header.get("fingerprint") != self.fingerprint:
            raise StorageError(
                f"checkpoint {self.path} belongs to other ratings or settings: give the same ones, or do not resume"
            )
        return arrays, header
