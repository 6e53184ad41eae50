"""Which parts of the Bayesian model a table is better off with: short chains, judged on ratings that they do not see.

Rated sets say much about people who choose what they rate, and mislead where everybody is shown the same; noise of
single users helps on films and costs accuracy on jokes. So a fifth of the ratings is held out, one chain runs with
everything that may be on until it has settled, and is forked for each candidate: parts are switched off, the factors
adapt within a few sweeps, and the predictions of the sweeps after that are averaged. All candidates share what costs
most, and most of their luck, and they are compared rating by rating. A fifth of a small table says little: while
something looks better than what is chosen, but not surely better than nothing, the next fifth is held out, too.

Whatever is switched on must beat the plain model, that with all off but what a person has fixed, by two standard errors
of the paired difference: sets of both sides, or of one, if one is better alone; then noise, beside the chosen sets; and
once more the sets that were not chosen, beside the chosen noise.
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
from palate.solvers.bayes.chain import Parts
from palate.solvers.bayes.pilot_chains import Folds, Interrupted, Trials
from palate.solvers.session import Progress
from palate.splits import k_fold

__all__ = ["Choice", "choose_parts"]

# Into so many parts a table is cut, of which one is held out. If it is smaller than this, one is after the other, while
# all of them together have no more users and items than that: they are what takes time.
_FOLDS, _SMALL, _MOST_ROWS = 5, 80_000, 20_000
# Sweeps until a fork has adapted. Few ratings hold a chain less, and it takes longer: after 30 sweeps sets looked 0.3%
# better, or worse, than they were.
_ADAPT, _ADAPT_SMALL = 30, 80
# Larger tables are judged by the ratings of some of their users.
_MOST_RATINGS = 250_000
# Fewer validation ratings than this would choose by chance.
_FEWEST_VALIDATION = 50
# More factors do not change the verdict.
_MOST_FACTORS = 15
# How many standard errors a candidate must gain on the plain model: what is off by mistake costs a part of the gain,
# what is on by mistake makes the default worse than what everybody has.
_SURE = 2.0
# How many standard errors one part must be better alone than two together: parts that help usually help together.
_BETTER_ALONE = 1.5
# The same for the noise of one side against none, once that of both has been found harmful.
_NOISE_ALONE = 1.0
# Of the errors' sizes, which the widths of intervals are read from.
_QUANTILES = 200
_SHORT = np.float32(1.03)


@dataclass(frozen=True)
class Choice:
    """What the pilots decided.

    Attributes
    ----------
    parts
        What is to be on.
    records
        A sentence about each decision, for people.
    calibration
        float32, ascending: equally spaced quantiles of the sizes of standardized errors, that is of what the chosen
        candidate left of the validation ratings, divided by the standard deviations that were predicted (spread of the
        prediction over the draws, and noise); empty without pilots.
    sweeps
        How many were run in all.
    """

    parts: Parts
    records: tuple[str, ...] = ()
    calibration: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    sweeps: int = 0

    def plain(self) -> dict[str, Any]:
        """Return the choice as plain values, for a checkpoint."""
        return {**asdict(self), "calibration": self.calibration.tolist()}

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> Self:
        """Return the choice that `plain` was made of."""
        calibration = np.array(plain["calibration"], np.float32)
        return cls(Parts(*plain["parts"]), tuple(plain["records"]), calibration, plain["sweeps"])


def choose_parts(
    ratings: Ratings,
    k: int,
    given: Mapping[str, bool | None],
    seed: int,
    run: Run,
    *,
    spread: float = 1.0,
    report: Progress | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Choice:
    """Decide which parts of the model are on, inside the training ratings.

    Parameters
    ----------
    ratings
        The training ratings, scaled to mean 0 and standard deviation 1; every id has some.
    k
        Factors of the fit; pilots have no more than 15.
    given
        For each field of `Parts` True or False, which is then not varied, or None.
    seed
        Of the validation part and of all draws.
    run
        Of a `palate.parallel.pool`; the result is the same for any number of threads.
    spread
        The standard deviation of the ratings before they were scaled, for reports and records.
    report
        Told about every sweep.
    interrupted
        Asked after every sweep; if it says yes, what has been found so far decides.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from palate.datasets import make_ratings
    >>> from palate.parallel import pool
    >>> ratings = make_ratings(60, 40, 1000, seed=1).compact()
    >>> ratings = replace(ratings, rating=ratings.rating - ratings.rating.mean())
    >>> given = {"user_noise": False, "item_noise": False, "user_sets": True, "item_sets": False}
    >>> with pool() as run:
    ...     choose_parts(ratings, 4, given, 0, run).parts.describe()
    'user sets'
    """
    free = [name for name, on in given.items() if on is None]
    plain = Parts(**{name: bool(on) for name, on in given.items()})
    if not free:
        return Choice(plain)
    ratings = _some_users(ratings, seed)
    if len(ratings) < _FOLDS * _FEWEST_VALIDATION:
        return Choice(plain, (f"{_names(free)}: off, as {len(ratings):,} ratings are too few to judge",))
    search, adapt = _Search(plain, free), _ADAPT_SMALL if len(ratings) < _SMALL else _ADAPT
    most = max(1, min(ceil(_SMALL / len(ratings)), _MOST_ROWS // (len(ratings.users) + len(ratings.items))))
    for split in islice(k_fold(ratings, _FOLDS, seed=seed), most):
        search.decide(Trials(split, min(k, _MOST_FACTORS), seed, adapt, run, spread, report, interrupted))
        if search.is_over():
            break
    return search.choice()


@dataclass
class _Search:
    """The candidates tried, and the best so far."""

    plain: Parts
    free: Sequence[str]
    folds: Folds = field(default_factory=Folds)
    records: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    lost: int = 0

    def __post_init__(self) -> None:
        self.best = self.plain

    def decide(self, trials: Trials) -> None:
        """Decide anew, with one fold more."""
        before, self.best, self.records = (self.best, self.records), self.plain, {}
        self.folds.trials.append(trials)
        sets, noise = (
            [name for name in Parts._fields if name.endswith(kind) and name in self.free] for kind in ("sets", "noise")
        )
        try:
            trials.settle(self.plain._replace(**dict.fromkeys(self.free, True)))
            self.folds.judge(self.plain)
            self._extend_sets(sets)
            self._extend_noise(noise)
            if any(getattr(self.best, name) for name in noise):
                self._add_sets(sets)
        except Interrupted:
            self.is_cut = True
            if before[1]:  # the verdict of the folds before stands
                self.best, self.records = before
                self.lost = self.folds.trials.pop().sweeps
            else:
                self._conclude()
        except DataError as error:
            self.is_cut = True
            self.records["all"] = f"not all parts could be judged: {error}"

    def is_over(self) -> bool:
        """Whether nothing looks better than what was chosen that could not be, for want of ratings to judge by."""
        if self.is_cut:
            return True
        reached = self.folds.rmse(self.best)
        return all(self._is_sure(parts) or self.folds.rmse(parts) >= reached for parts in self.folds.judged)

    def _extend_sets(self, free: Sequence[str]) -> None:
        """Try sets of both sides and of each side alone."""
        if not free:
            return
        together = self._judged(self.plain, free)
        alone = [self._judged(self.plain, [name]) for name in free] if len(free) > 1 else []
        candidates = [parts for parts in alone if self._is_sure(parts)]
        best = min(candidates, key=self.folds.rmse, default=self.plain)
        if self._is_sure(together) and self._gains(together, best) <= _BETTER_ALONE:
            best = together
        self._settle_on(best, free)

    def _extend_noise(self, free: Sequence[str]) -> None:
        """Try noise of both sides beside the sets that were chosen; if that is no gain, of each side alone."""
        if not free:
            return
        base = self.best
        best = together = self._judged(base, free)
        if not (self._is_sure(together) and self._gains(base, together) > 0):
            alone = [self._judged(base, [name]) for name in free] if len(free) > 1 else []
            candidates = [parts for parts in alone if self._is_sure(parts) and self._gains(base, parts) > _NOISE_ALONE]
            best = min(candidates, key=self.folds.rmse, default=base)
        self._settle_on(best, free)

    def _add_sets(self, free: Sequence[str]) -> None:
        """Try sets that were not chosen once more, beside the noise that was since."""
        off = [name for name in free if not getattr(self.best, name)]
        if off:
            more = self._judged(self.best, off)
            if self._is_sure(more) and self._gains(self.best, more) > 0:
                self._settle_on(more, off)

    def _conclude(self) -> None:
        """Settle on the best of what has been judged, when there is no time for more."""
        sure = [parts for parts in self.folds.judged if self._is_sure(parts)]
        self.best = min(sure, key=self.folds.rmse, default=self.plain)
        count = len(self.folds.judged)
        self.records["all"] = f"no time to judge all parts: {self.best.describe()} is the best of {count} tried"

    def _judged(self, base: Parts, names: Sequence[str]) -> Parts:
        parts = base._replace(**dict.fromkeys(names, True))
        self.folds.judge(parts)
        return parts

    def _gains(self, base: Parts, parts: Parts) -> float:
        """Return by how many standard errors a candidate is better than another."""
        gain = self.folds.gain(base, parts)
        return gain.share / max(gain.error, 1e-12)

    def _is_sure(self, parts: Parts) -> bool:
        return self._gains(self.plain, parts) > _SURE

    def _settle_on(self, best: Parts, free: Sequence[str]) -> None:
        base, self.best = self.best, best
        on = [name for name in free if getattr(best, name)]
        off = [name for name in free if name not in on]
        if on:
            self._record(on, "on", base, best)
        if off:
            more = best._replace(**dict.fromkeys(off, True))
            tried = more in self.folds.judged
            self._record(off, "off", best, more if tried else base._replace(**dict.fromkeys(free, True)))

    def _record(self, names: Sequence[str], verdict: str, before: Parts, after: Parts) -> None:
        rmse, rows = self.folds.rmse, self.folds.rows
        change = f"RMSE {rmse(before):.4f} -> {rmse(after):.4f} on {rows:,} validation ratings"
        self.records[_names(names)] = f"{_names(names)}: {verdict}, {change}"

    def choice(self) -> Choice:
        """Return what was found."""
        sweeps = self.lost + sum(trials.sweeps for trials in self.folds.trials)
        found = Choice(self.best, tuple(self.records.values()), sweeps=sweeps)
        if self.best not in self.folds.judged:
            return found
        places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        sizes = np.abs(self.folds.residuals(self.best))
        # The few draws of a trial spread less than those of a fit: that much of what errors exceed them is its doing.
        sizes /= np.clip(np.sqrt(np.square(sizes).mean()), 1, _SHORT)
        return dataclasses.replace(found, calibration=np.quantile(sizes, places).astype(np.float32))


def _names(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _some_users(ratings: Ratings, seed: int) -> Ratings:
    """Return all ratings of so many random users that they have no more than a quarter of a million or so."""
    if len(ratings) <= _MOST_RATINGS:
        return ratings
    order = np.random.default_rng([seed, 3]).permutation(len(ratings.users))
    taken = np.searchsorted(np.cumsum(ratings.user_counts[order]), _MOST_RATINGS) + 1
    chosen = np.zeros(len(ratings.users), bool)
    chosen[order[:taken]] = True
    return ratings.take(chosen[ratings.user]).compact()
