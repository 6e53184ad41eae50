"""Selects the parts of the Bayesian model that make a table's predictions better, by pilots on held-out ratings.

Rated sets are informative where people choose what they rate, and misleading where everybody is shown the same items.
Noise that differs by user helps on films and costs accuracy on jokes. So a fifth of the ratings is held out, and one
chain with all candidate parts on runs until it has settled. It is then forked for each candidate: some parts are
switched off, the factors adapt within a few sweeps, and the predictions of the following sweeps are averaged. The forks
share the settled chain, and they are compared rating by rating. A fifth of a small table is little evidence. While some
candidate looks better than the selected one, but not surely better than the plain model, the next fifth is held out
too.

The plain model has only those parts on that a person has fixed. Whatever is switched on must beat it by two standard
errors of the paired difference. The steps are: sets of both sides, or of one side if that is better alone; then noise,
beside the selected sets; then once more the sets that were not selected, beside the selected noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import ceil
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.pilot_chains import PilotChains, PilotFolds, PilotInterrupted
from palate.solvers.bayes.state import ModelParts
from palate.solvers.session import Progress
from palate.splits import k_fold

__all__ = ["PartSelection", "select_parts"]

# The table is cut into this many folds, and one of them is held out.
_FOLDS = 5
# A table with fewer ratings than this may be judged on several folds, ...
_SMALL = 80_000
# ... while the users and items of all folds together are at most this many: they take most of the time of a sweep.
_MOST_ROWS = 20_000
# Sweeps until a fork has adapted. With few ratings a chain moves more freely and takes longer to adapt: after 30 sweeps
# the error of sets was 0.3% off in either direction.
_ADAPT, _ADAPT_SMALL = 30, 80
# A larger table is judged by all ratings of some of its users.
_MOST_RATINGS = 250_000
# With fewer validation ratings the selection would be a matter of chance.
_LEAST_VALIDATION = 50
# More factors do not change the outcome.
_MOST_FACTORS = 15
# A candidate must beat the plain model by this many standard errors. A part that is off by mistake costs a part of the
# gain; a part that is on by mistake makes the default worse than the plain model.
_SURE = 2.0
# Sets of one side must beat those of both by this many standard errors: sets that help usually help together.
_BETTER_ALONE = 1.5
# Noise of one side must beat none by this many standard errors, after noise of both sides has been found harmful.
_NOISE_ALONE = 1.0
# Quantiles of standardized errors, from which the widths of intervals are read.
_QUANTILES = 200
# The largest share of the standardized errors that is put down to the shortness of the pilots.
_MOST_SHORTNESS = np.float32(1.03)


@dataclass(frozen=True)
class PartSelection:
    """The outcome of the pilots.

    Attributes
    ----------
    parts
        Which parts are to be on.
    records
        A sentence about each decision, for people.
    calibration
        float32, ascending: equally spaced quantiles of the sizes of standardized errors. A standardized error is the
        error of the selected candidate on a held-out rating, divided by its predicted standard deviation (from the
        spread of the prediction over the draws, and the noise). Empty without pilots.
    sweeps
        The number of sweeps of all pilots.
    """

    parts: ModelParts
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
        return cls(ModelParts(*plain["parts"]), tuple(plain["records"]), calibration, plain["sweeps"])


def select_parts(
    ratings: Ratings,
    k: int,
    fixed: Mapping[str, bool | None],
    seed: int,
    run: Run,
    *,
    spread: float = 1.0,
    report: Progress | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> PartSelection:
    """Decide which parts of the model are on, from the training ratings alone.

    Parameters
    ----------
    ratings
        The training ratings, standardized to mean 0 and standard deviation 1; every id has at least one.
    k
        The number of factors of the fit; pilots have at most 15.
    fixed
        For each field of `ModelParts` True or False, which then stays, or None to let pilots decide.
    seed
        Of the held-out ratings and of all draws.
    run
        A pool. The result is the same for any number of threads.
    spread
        The standard deviation of the ratings before they were standardized, for reports and records.
    report
        Called with every sweep.
    interrupted
        Asked after every sweep. If it says yes, the selection follows from what has been judged.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from palate.datasets import make_ratings
    >>> from palate.parallel import pool
    >>> ratings = make_ratings(60, 40, 1000, seed=1).compact()
    >>> ratings = replace(ratings, rating=ratings.rating - ratings.rating.mean())
    >>> fixed = {"user_noise": False, "item_noise": False, "user_sets": True, "item_sets": False}
    >>> with pool() as run:
    ...     select_parts(ratings, 4, fixed, 0, run).parts.describe()
    'user sets'
    """
    free = [name for name, is_on in fixed.items() if is_on is None]
    plain = ModelParts(**{name: bool(is_on) for name, is_on in fixed.items()})
    if not free:
        return PartSelection(plain)
    ratings = _sample_users(ratings, seed)
    if len(ratings) < _FOLDS * _LEAST_VALIDATION:
        return PartSelection(plain, (f"{_names(free)}: off, as {len(ratings):,} ratings are too few to judge",))
    search, adapt = _PartSearch(plain, free), _ADAPT_SMALL if len(ratings) < _SMALL else _ADAPT
    most = max(1, min(ceil(_SMALL / len(ratings)), _MOST_ROWS // (len(ratings.users) + len(ratings.items))))
    for split in islice(k_fold(ratings, _FOLDS, seed=seed), most):
        search.decide(PilotChains(split, min(k, _MOST_FACTORS), seed, adapt, run, spread, report, interrupted))
        if search.is_over():
            break
    return search.selection()


@dataclass
class _PartSearch:
    """The candidates judged so far, and the best of them."""

    plain: ModelParts
    free: Sequence[str]
    pilots: PilotFolds = field(default_factory=PilotFolds)
    records: dict[str, str] = field(default_factory=dict)
    is_cut_short: bool = False
    discarded_sweeps: int = 0

    def __post_init__(self) -> None:
        self.best = self.plain

    def decide(self, fold: PilotChains) -> None:
        """Decide anew, with one more fold."""
        previous_best, previous_records = self.best, self.records
        self.best, self.records = self.plain, {}
        self.pilots.folds.append(fold)
        sets, noise = (
            [name for name in ModelParts._fields if name.endswith(kind) and name in self.free]
            for kind in ("sets", "noise")
        )
        try:
            fold.settle(self.plain._replace(**dict.fromkeys(self.free, True)))
            self.pilots.judge(self.plain)
            self._select_sets(sets)
            self._select_noise(noise)
            if any(getattr(self.best, name) for name in noise):
                self._add_sets(sets)
            self._add_features([name for name in self.free if name.endswith("features")])
        except PilotInterrupted:
            self.is_cut_short = True
            if previous_records:  # the decision of the earlier folds stands
                self.best, self.records = previous_best, previous_records
                self.discarded_sweeps = self.pilots.folds.pop().sweeps
            else:
                self._select_from_judged()
        except DataError as error:
            self.is_cut_short = True
            self.records["all"] = f"not all parts could be judged: {error}"

    def is_over(self) -> bool:
        """Whether no candidate looks better than the selected one without being surely better than the plain model."""
        if self.is_cut_short:
            return True
        selected = self.pilots.rmse(self.best)
        return all(self._is_sure(parts) or self.pilots.rmse(parts) >= selected for parts in self.pilots.judged)

    def _select_sets(self, free: Sequence[str]) -> None:
        """Try sets of both sides, and of each side alone."""
        if not free:
            return
        together = self._judge(self.plain, free)
        alone = [self._judge(self.plain, [name]) for name in free] if len(free) > 1 else []
        sure = [parts for parts in alone if self._is_sure(parts)]
        best = min(sure, key=self.pilots.rmse, default=self.plain)
        if self._is_sure(together) and self._standard_errors(together, best) <= _BETTER_ALONE:
            best = together
        self._accept(best, free)

    def _select_noise(self, free: Sequence[str]) -> None:
        """Try noise of both sides beside the selected sets; if that is no gain, try noise of each side alone."""
        if not free:
            return
        base = self.best
        best = together = self._judge(base, free)
        if not (self._is_sure(together) and self._standard_errors(base, together) > 0):
            alone = [self._judge(base, [name]) for name in free] if len(free) > 1 else []
            gaining = [
                parts for parts in alone if self._is_sure(parts) and self._standard_errors(base, parts) > _NOISE_ALONE
            ]
            best = min(gaining, key=self.pilots.rmse, default=base)
        self._accept(best, free)

    def _add_sets(self, free: Sequence[str]) -> None:
        """Try the sets that were not selected once more, beside the selected noise."""
        off = [name for name in free if not getattr(self.best, name)]
        if off:
            extended = self._judge(self.best, off)
            if self._is_sure(extended) and self._standard_errors(self.best, extended) > 0:
                self._accept(extended, off)

    def _add_features(self, free: Sequence[str]) -> None:
        """Try attributes beside the selected parts. Their scale is sampled, so that they stay on unless they harm."""
        if not free:
            return
        base = self.best
        together = self._judge(base, free)
        alone = [self._judge(base, [name]) for name in free] if len(free) > 1 else []
        best = min([together, *alone], key=self.pilots.rmse)
        if best != together and self._standard_errors(together, best) <= _NOISE_ALONE:
            best = together
        if self._standard_errors(base, best) < -_NOISE_ALONE:
            best = base
        self._accept(best, free)

    def _select_from_judged(self) -> None:
        """Select the best of the candidates judged so far, when there is no time for more."""
        judged = self.pilots.judged
        self.best = min(filter(self._is_sure, judged), key=self.pilots.rmse, default=self.plain)
        self.records["all"] = f"no time to judge all parts: {self.best.describe()} is the best of {len(judged)} tried"

    def _judge(self, base: ModelParts, names: Sequence[str]) -> ModelParts:
        """Score the candidate with these parts on beside those of another; return it."""
        parts = base._replace(**dict.fromkeys(names, True))
        self.pilots.judge(parts)
        return parts

    def _standard_errors(self, base: ModelParts, parts: ModelParts) -> float:
        """Return by how many standard errors a candidate is better than another."""
        gain = self.pilots.gain(base, parts)
        return gain.share / max(gain.error, 1e-12)

    def _is_sure(self, parts: ModelParts) -> bool:
        return self._standard_errors(self.plain, parts) > _SURE

    def _accept(self, best: ModelParts, free: Sequence[str]) -> None:
        """Make a candidate the best one, and record what this decides about the free parts."""
        base, self.best = self.best, best
        on = [name for name in free if getattr(best, name)]
        off = [name for name in free if name not in on]
        if on:
            self._record(on, "on", base, best)
        if off:
            extended = best._replace(**dict.fromkeys(off, True))
            is_judged = extended in self.pilots.judged
            self._record(off, "off", best, extended if is_judged else base._replace(**dict.fromkeys(free, True)))

    def _record(self, names: Sequence[str], verdict: str, before: ModelParts, after: ModelParts) -> None:
        rmse, rows = self.pilots.rmse, self.pilots.rows
        change = f"RMSE {rmse(before):.4f} -> {rmse(after):.4f} on {rows:,} validation ratings"
        self.records[_names(names)] = f"{_names(names)}: {verdict}, {change}"

    def selection(self) -> PartSelection:
        """Return the outcome."""
        sweeps = self.discarded_sweeps + sum(fold.sweeps for fold in self.pilots.folds)
        selection = PartSelection(self.best, tuple(self.records.values()), sweeps=sweeps)
        if self.best not in self.pilots.judged:
            return selection
        return dataclasses.replace(selection, calibration=_calibration(self.pilots.residuals(self.best)))


def _calibration(residuals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return quantiles of the sizes of standardized residuals, corrected for the shortness of the pilots.

    The few draws of a pilot vary less than those of a fit, so its predicted deviations are too small. The sizes are
    divided by their root mean square where it is above 1, but at most by 1.03: an excess beyond that comes from the
    ratings, and intervals must cover it.
    """
    sizes = np.abs(residuals)
    sizes /= np.clip(np.sqrt(np.square(sizes).mean()), 1, _MOST_SHORTNESS)
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.quantile(sizes, levels).astype(np.float32)


def _names(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _sample_users(ratings: Ratings, seed: int) -> Ratings:
    """Return all ratings of random users, about a quarter of a million; a smaller table is returned whole."""
    if len(ratings) <= _MOST_RATINGS:
        return ratings
    order = np.random.default_rng([seed, 3]).permutation(len(ratings.users))
    count = np.searchsorted(np.cumsum(ratings.user_counts[order]), _MOST_RATINGS) + 1
    is_chosen = np.zeros(len(ratings.users), bool)
    is_chosen[order[:count]] = True
    return ratings.take(is_chosen[ratings.user]).compact()
