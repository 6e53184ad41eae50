"""Decides whether effects of time are on, by pilots on held-out ratings, beside the parts that are selected already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.calibration import calibrate
from palate.solvers.bayes.part_selection import sample_users
from palate.solvers.bayes.pilot_chains import PilotChains, PilotInterrupted, Pilots
from palate.solvers.bayes.state import ModelParts
from palate.solvers.session import Progress
from palate.splits import k_fold

__all__ = ["TimeSelection", "select_times"]

# One of this number of folds is held out, of a table with at least this number of ratings.
_FOLDS, _LEAST_RATINGS = 5, 250
# Sweeps until a chain has adapted to effects of time, and the most factors.
_ADAPT, _MOST_FACTORS = 80, 15
# Effects must lower the error by this many standard errors.
_SURE = 2.0


@dataclass(frozen=True)
class TimeSelection:
    """The outcome of the pilots.

    Attributes
    ----------
    is_on
        Whether there are effects of time.
    records
        A sentence about the decision, for people; empty without pilots.
    calibration
        float32, ascending: equally spaced quantiles of the sizes of standardized errors of ratings at their moments, as
        in `palate.model.uncertainty.Posterior`. Empty without pilots.
    sweeps
        The number of sweeps of the pilots.
    """

    is_on: bool = False
    records: tuple[str, ...] = ()
    calibration: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    sweeps: int = 0

    def plain(self) -> dict[str, Any]:
        """Return the selection as plain values, for a checkpoint."""
        return {**asdict(self), "calibration": self.calibration.tolist()}

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> Self:
        """Return the selection from which `plain` was made."""
        calibration = np.array(plain["calibration"], np.float32)
        return cls(plain["is_on"], tuple(plain["records"]), calibration, plain["sweeps"])


def select_times(
    ratings: Ratings,
    k: int,
    parts: ModelParts,
    fixed: bool | None,
    seed: int,
    run: Run,
    *,
    spread: float = 1.0,
    report: Progress | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> TimeSelection:
    """Compare chains with and without effects of time on a random fifth of the ratings.

    Parameters
    ----------
    ratings
        The training ratings, standardized, with times.
    k
        The number of factors of the fit; pilots have at most 15.
    parts
        The other parts.
    fixed
        None if the pilots decide. True if effects are on in any case: the pilots then calibrate intervals.
    seed, run, spread, report, interrupted
        As in `palate.solvers.bayes.part_selection.select_parts`.
    """
    if len(ratings) < _LEAST_RATINGS:
        return TimeSelection(
            bool(fixed), (f"times: off, as {len(ratings):,} ratings are too few to judge",) * (not fixed)
        )
    split = next(k_fold(sample_users(ratings, seed), _FOLDS, seed=seed))
    fold = PilotChains(split, min(k, _MOST_FACTORS), seed, _ADAPT, run, spread, report, interrupted)
    untimed, timed = parts._replace(times=False), parts._replace(times=True)
    try:
        fold.settle(untimed)
        fold.judge_settled(untimed)
        fold.judge(timed)
    except (PilotInterrupted, DataError) as error:
        reason = "no time to judge them" if isinstance(error, PilotInterrupted) else str(error)
        return TimeSelection(bool(fixed), (f"times: {reason}",), sweeps=fold.sweeps)
    pilots = Pilots([fold])
    gain = pilots.gain(untimed, timed)
    is_on = bool(fixed) or gain.share > _SURE * gain.error
    record = (
        f"times: {'on' if is_on else 'off'}, RMSE {pilots.rmse(untimed):.4f} -> {pilots.rmse(timed):.4f} on "
        f"{pilots.rows:,} validation ratings"
    )
    return TimeSelection(is_on, (record,), calibrate(pilots.residuals([timed], [1.0])), fold.sweeps)
