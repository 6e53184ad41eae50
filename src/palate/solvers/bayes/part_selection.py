"""Selects the parts of the Bayesian model that make a table's predictions better, by pilots on held-out ratings.

Rated sets are informative where people choose what they rate, and misleading where everybody is shown the same items.
Noise that differs by user helps on films and costs accuracy on jokes. So a fifth of the ratings is held out.

On a table of fewer than 200,000 ratings each combination has a chain of its own, and combinations are averaged: see
`palate.solvers.bayes.stacked_selection`. On a larger one held-out ratings tell combinations apart, and chains take
longer. One chain with all candidate parts on runs until it has settled. It is then forked for each candidate: some
parts are switched off, the factors adapt within a few sweeps, and the predictions of the following sweeps are averaged.
The forks share the settled chain, and they are compared rating by rating.

The plain model has only those parts on that a person has fixed. Whatever is switched on must beat it by two standard
errors of the paired difference. The steps are: sets of both sides, or of one side if that is better alone; then noise,
beside the selected sets; then once more the sets that were not selected, beside the selected noise.

Where all parts are fixed, one chain with these parts is judged, for the widths of the intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from palate.errors import DataError
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.calibration import calibrate
from palate.solvers.bayes.combinations import Combination, Member, PartSelection
from palate.solvers.bayes.pilot_chains import PilotChains, PilotInterrupted, Pilots
from palate.solvers.bayes.stacked_selection import select_members
from palate.solvers.bayes.state import ModelParts
from palate.solvers.session import Progress
from palate.splits import k_fold

__all__ = ["sample_users", "select_parts"]

# The table is cut into this many folds, and one of them is held out.
_FOLDS = 5
# On a table with fewer ratings than this several combinations are averaged.
_SPARSE = 200_000
# Sweeps until a fork has adapted.
_ADAPT = 30
# Sweeps until a chain of its own has settled from its start, on a small table and on a larger one.
_SETTLE_SPARSE, _SETTLE = 30, 60
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
        For each field of `ModelParts` but "times" True or False, which then stays, or None to let pilots decide.
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
    is_sparse = len(ratings) < _SPARSE
    ratings = sample_users(ratings, seed)
    if len(ratings) < _FOLDS * _LEAST_VALIDATION:
        return _unjudged(plain, free, len(ratings))
    adapt = _SETTLE_SPARSE if is_sparse else _ADAPT if free else _SETTLE
    folds = (
        PilotChains(split, min(k, _MOST_FACTORS), seed, adapt, run, spread, report, interrupted)
        for split in k_fold(ratings, _FOLDS, seed=seed)
    )
    if is_sparse or not free:
        return select_members(fixed, folds, bound_noise=is_sparse)
    search = _PartSearch(plain, free, next(folds))
    search.decide()
    return search.selection()


def _unjudged(plain: ModelParts, free: Sequence[str], rows: int) -> PartSelection:
    """Leave free parts off, but for attributes: they were given to be used, and weights that tell little stay small."""
    wanted = [name for name in free if name.endswith("features")]
    groups = (("off, as", [name for name in free if name not in wanted]), ("on, as they are given and", wanted))
    records = tuple(
        f"{_names(names)}: {state} {rows:,} ratings are too few to judge" for state, names in groups if names
    )
    return PartSelection((Member(Combination(plain._replace(**dict.fromkeys(wanted, True)))),), records)


@dataclass
class _PartSearch:
    """The candidates judged so far on one fold of a large table, and the best of them."""

    plain: ModelParts
    free: Sequence[str]
    fold: PilotChains
    records: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.best, self.pilots = self.plain, Pilots([self.fold])

    def decide(self) -> None:
        """Judge one candidate after the other."""
        sets, noise = (
            [name for name in ModelParts._fields if name.endswith(kind) and name in self.free]
            for kind in ("sets", "noise")
        )
        try:
            self.fold.settle(self.plain._replace(**dict.fromkeys(self.free, True)))
            self.fold.judge(self.plain)
            self._select_sets(sets)
            self._select_noise(noise)
            if any(getattr(self.best, name) for name in noise):
                self._add_sets(sets)
            self._add_features([name for name in self.free if name.endswith("features")])
        except PilotInterrupted:
            self._select_from_judged()
        except DataError as error:
            self.records["all"] = f"not all parts could be judged: {error}"

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
        judged = list(self.fold.scores)
        sure = [parts for parts in judged if isinstance(parts, ModelParts) and self._is_sure(parts)]
        self.best = min(sure, key=self.pilots.rmse, default=self.plain)
        self.records["all"] = f"no time to judge all parts: {self.best.describe()} is the best of {len(judged)} tried"

    def _judge(self, base: ModelParts, names: Sequence[str]) -> ModelParts:
        """Score the candidate with these parts on beside those of another; return it."""
        parts = base._replace(**dict.fromkeys(names, True))
        self.fold.judge(parts)
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
            is_judged = extended in self.fold.scores
            self._record(off, "off", best, extended if is_judged else base._replace(**dict.fromkeys(free, True)))

    def _record(self, names: Sequence[str], verdict: str, before: ModelParts, after: ModelParts) -> None:
        rmse, rows = self.pilots.rmse, self.pilots.rows
        change = f"RMSE {rmse(before):.4f} -> {rmse(after):.4f} on {rows:,} validation ratings"
        self.records[_names(names)] = f"{_names(names)}: {verdict}, {change}"

    def selection(self) -> PartSelection:
        """Return the outcome."""
        members, records = (Member(Combination(self.best)),), tuple(self.records.values())
        if self.best not in self.fold.scores:
            return PartSelection(members, records, sweeps=self.fold.sweeps)
        return PartSelection(members, records, calibrate(self.pilots.residuals([self.best], [1.0])), self.fold.sweeps)


def _names(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def sample_users(ratings: Ratings, seed: int) -> Ratings:
    """Return all ratings of random users, about a quarter of a million; a smaller table is returned whole."""
    if len(ratings) <= _MOST_RATINGS:
        return ratings
    order = np.random.default_rng([seed, 3]).permutation(len(ratings.users))
    count = np.searchsorted(np.cumsum(ratings.user_counts[order]), _MOST_RATINGS) + 1
    is_chosen = np.zeros(len(ratings.users), bool)
    is_chosen[order[:count]] = True
    return ratings.take(is_chosen[ratings.user]).compact()
