"""Which parts of the Bayesian model a table is better off with: short chains, judged on ratings that they do not see.

Rated sets say much about people who choose what they rate, and mislead where everybody is shown the same; noise of
single users helps on films and costs accuracy on jokes. So a fifth of the ratings is held out, one chain runs with
everything that may be on until it has settled, and is forked for each candidate: parts are switched off, the factors
adapt within a few sweeps, and the predictions of the sweeps after that are averaged. All candidates share what costs
most, and most of their luck, and they are compared rating by rating.

Whatever is switched on must beat the plain model, that with all off but what a person has fixed, by two standard errors
of the paired difference: sets of both sides, or of one, if one is better alone; then noise, beside the chosen sets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.ratings import Ratings
from palate.solvers.gibbs.chain import Parts
from palate.solvers.gibbs.trials import Interrupted, Trials
from palate.solvers.training import Progress
from palate.splits import holdout
from palate.threads import Run

__all__ = ["Choice", "choose_parts"]

_HELD = 0.2
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
        Of a `palate.threads.pool`; the result is the same for any number of threads.
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
    >>> from palate.threads import pool
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
    if _HELD * len(ratings) < _FEWEST_VALIDATION:
        return Choice(plain, (f"{_names(free)}: off, as {len(ratings):,} ratings are too few to judge",))
    split = holdout(ratings, _HELD, seed=seed)
    search = _Search(Trials(split, min(k, _MOST_FACTORS), seed, run, spread, report, interrupted), plain)
    try:
        search.trials.settle(plain._replace(**dict.fromkeys(free, True)))
        search.trials.judge(plain)
        search.extend_sets([name for name in ("user_sets", "item_sets") if name in free])
        search.extend_noise([name for name in ("user_noise", "item_noise") if name in free])
    except Interrupted:
        search.conclude()
    except DataError as error:
        search.records.append(f"not all parts could be judged: {error}")
    return search.choice()


@dataclass
class _Search:
    """The candidates tried, and the best so far."""

    trials: Trials
    plain: Parts
    records: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = self.plain

    def extend_sets(self, free: Sequence[str]) -> None:
        """Try sets of both sides and of each side alone."""
        if not free:
            return
        together = self._judged(self.plain, free)
        alone = [self._judged(self.plain, [name]) for name in free] if len(free) > 1 else []
        candidates = [parts for parts in alone if self._is_sure(parts)]
        best = min(candidates, key=self.trials.rmse, default=self.plain)
        if self._is_sure(together) and self._gains(together, best) <= _BETTER_ALONE:
            best = together
        self._settle_on(best, free)

    def extend_noise(self, free: Sequence[str]) -> None:
        """Try noise of both sides beside the sets that were chosen; if that is no gain, of each side alone."""
        if not free:
            return
        base = self.best
        best = together = self._judged(base, free)
        if not (self._is_sure(together) and self._gains(base, together) > 0):
            alone = [self._judged(base, [name]) for name in free] if len(free) > 1 else []
            candidates = [parts for parts in alone if self._is_sure(parts) and self._gains(base, parts) > _NOISE_ALONE]
            best = min(candidates, key=self.trials.rmse, default=base)
        self._settle_on(best, free)

    def conclude(self) -> None:
        """Settle on the best of what has been judged, when there is no time for more."""
        sure = [parts for parts in self.trials.scores if self._is_sure(parts)]
        self.best = min(sure, key=self.trials.rmse, default=self.plain)
        count = len(self.trials.scores)
        self.records.append(f"no time to judge all parts: {self.best.describe()} is the best of {count} tried")

    def _judged(self, base: Parts, names: Sequence[str]) -> Parts:
        parts = base._replace(**dict.fromkeys(names, True))
        self.trials.judge(parts)
        return parts

    def _gains(self, base: Parts, parts: Parts) -> float:
        """Return by how many standard errors a candidate is better than another."""
        gain = self.trials.gain(base, parts)
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
            tried = more in self.trials.scores
            self._record(off, "off", best, more if tried else base._replace(**dict.fromkeys(free, True)))

    def _record(self, names: Sequence[str], verdict: str, before: Parts, after: Parts) -> None:
        rmse, rows = self.trials.rmse, len(self.trials.held)
        change = f"RMSE {rmse(before):.4f} -> {rmse(after):.4f} on {rows:,} validation ratings"
        self.records.append(f"{_names(names)}: {verdict}, {change}")

    def choice(self) -> Choice:
        """Return what was found."""
        score, found = self.trials.scores.get(self.best), Choice(self.best, tuple(self.records))
        if score is None:
            return dataclasses.replace(found, sweeps=self.trials.sweeps)
        places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        sizes = np.abs(score.residuals)
        # The few draws of a trial spread less than those of a fit: that much of what errors exceed them is its doing.
        sizes /= np.clip(np.sqrt(np.square(sizes).mean()), 1, _SHORT)
        calibration = np.quantile(sizes, places).astype(np.float32)
        return dataclasses.replace(found, calibration=calibration, sweeps=self.trials.sweeps)


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
