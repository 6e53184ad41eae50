r"""Candidates of a Gibbs chain, judged on the same held-out ratings.

The error of a short average of draws is that of a long one plus the variance of its draws. For the means :math:`m_1
\dots m_B` of B blocks of sweeps, the mean of :math:`(y - m_a)(y - m_b)` over all :math:`a \ne b` is free of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run
from palate.solvers.bayes.chain import Chain, Parts
from palate.solvers.session import Epoch, Progress
from palate.splits import Split

__all__ = ["Folds", "Gain", "Interrupted", "Trials"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Sweeps until the chain with everything on has settled, and what is averaged of a fork.
_SETTLE, _BLOCK, _BLOCKS = 100, 10, 6
# A fork is given up after two blocks if it is worse than the first one by so many standard errors.
_HOPELESS = 3.0


class Interrupted(Exception):
    """The person wants to stop."""


class Gain(NamedTuple):
    """By what share the RMSE of one candidate is less than another's, and the standard error of that."""

    share: float
    error: float


@dataclass
class _Score:
    """How a candidate did: the squared error of each validation rating, and its standardized residual."""

    squares: Doubles
    residuals: Floats


@dataclass
class Trials:
    """One settled chain, its forks and their scores.

    Parameters
    ----------
    split
        Scaled ratings; those held out may have ids that have none in the rest, which are answered by the prior mean.
    k, seed
        Of all chains.
    adapt
        How many sweeps a fork has until its predictions are averaged.
    spread
        What errors in reports are multiplied with.
    report
        Told about every sweep.
    interrupted
        Asked after every sweep; `Interrupted` is raised if it says yes.
    """

    split: Split
    k: int
    seed: int
    adapt: int
    run: Run
    spread: float
    report: Progress | None
    interrupted: Callable[[], bool]

    def __post_init__(self) -> None:
        full, self.held = self.split
        self.train = full.compact()
        self.user = _renumbered(full.user_counts)[self.held.user]
        self.item = _renumbered(full.item_counts)[self.held.item]
        self.limits = self.train.rating.min(), self.train.rating.max()
        self.scores: dict[Parts, _Score] = {}
        self.sweeps = 0

    def settle(self, parts: Parts) -> None:
        """Run the chain that all candidates are forked from."""
        self.settled = self._chain(parts)
        for number in range(_SETTLE):
            self._sweep(self.settled, number + 1, _SETTLE, None)

    def judge(self, parts: Parts) -> None:
        """Score a candidate, unless it has been."""
        if parts in self.scores:
            return
        chain, blocks = self._fork(parts), np.zeros((_BLOCKS, len(self.held)), np.float32)
        squares, noise = np.zeros(len(self.held)), np.zeros(len(self.held))
        count, stopped = 0, None
        try:
            for number in range(self.adapt):
                self._sweep(chain, number + 1, self.adapt + _BLOCK * _BLOCKS, None)
            for number in range(_BLOCK * _BLOCKS):
                block = number // _BLOCK
                rmse = sqrt(max(0.0, self._squares(blocks[:block]).mean())) if block > 1 else None
                self._sweep(chain, self.adapt + number + 1, self.adapt + _BLOCK * _BLOCKS, rmse)
                predicted, variance = self._predict(chain)
                blocks[block] += predicted / _BLOCK
                squares += np.square(predicted, dtype=np.float64)
                noise += variance
                count += 1
                if count == 2 * _BLOCK and self._is_hopeless(blocks[:2]):
                    break
        except Interrupted as stop:
            stopped = stop
            if count < 2 * _BLOCK:
                raise
        blocks = blocks[: count // _BLOCK]
        mean = blocks.mean(axis=0, dtype=np.float64)
        deviation = np.sqrt(noise / count + np.maximum(0, squares / count - mean**2))
        residuals = (self.held.rating - mean) / deviation  # not clipped, as intervals are not before they are done
        self.scores[parts] = _Score(self._squares(blocks), residuals.astype(np.float32))
        if stopped:
            raise stopped

    def _is_hopeless(self, blocks: Floats) -> bool:
        if not self.scores:
            return False
        gain = _gain(next(iter(self.scores.values())).squares, self._squares(blocks))
        return gain.share < -_HOPELESS * gain.error

    def _squares(self, blocks: Floats) -> Doubles:
        errors = np.clip(blocks, *self.limits) - self.held.rating.astype(np.float64)
        count = len(errors)
        return np.asarray((errors.sum(axis=0) ** 2 - np.square(errors).sum(axis=0)) / (count * (count - 1)))

    def _chain(self, parts: Parts) -> Chain:
        return Chain(self.train.by_user, self.train.by_item, self.k, parts, self.seed, self.run)

    def _fork(self, parts: Parts) -> Chain:
        # Parts are only switched off: factors adapt to that within a few sweeps, but sets take a hundred to be learnt.
        chain = self._chain(parts)
        arrays, numbers = self.settled.state()
        chain.restore({name: array.copy() for name, array in arrays.items()}, numbers)
        for side, noise, sets in (
            (chain.users, parts.user_noise, parts.user_sets),
            (chain.items, parts.item_noise, parts.item_sets),
        ):
            if not noise:
                side.noise[:] = 1
            if not sets:
                side.weights[:], side.prior[:] = 0, 0
        return chain

    def _sweep(self, chain: Chain, number: int, of: int, rmse: float | None) -> None:
        started = time.perf_counter()
        chain.sweep()
        self.sweeps += 1
        if self.report:
            training = self.spread * sqrt(chain.squares / len(self.train))
            validation = None if rmse is None else self.spread * rmse
            seconds = time.perf_counter() - started
            setting = chain.parts.describe()
            self.report(Epoch("pilot", setting, number, of, len(self.train), training, validation, seconds))
        if self.interrupted():
            raise Interrupted

    def _predict(self, chain: Chain) -> tuple[Floats, Floats]:
        """Return the chain's prediction of each validation rating and its noise variance."""
        users, items, k = chain.users.expected(), chain.items.expected(), chain.users.k
        p, q = users[self.user], items[self.item]
        predicted = np.einsum("rc,rc->r", p[:, :k], q[:, :k]) + p[:, k] + q[:, k]
        relative = chain.users.variance[self.user] * chain.items.variance[self.item]
        return predicted, np.float32(1 / chain.precision) * relative


@dataclass
class Folds:
    """The same candidates judged on one part of the ratings after the other: their errors count together."""

    trials: list[Trials] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many ratings were held out."""
        return sum(len(trials.held) for trials in self.trials)

    @property
    def judged(self) -> list[Parts]:
        """The candidates that were scored everywhere, in the order in which they were."""
        first, *others = self.trials
        return [parts for parts in first.scores if all(parts in trials.scores for trials in others)]

    def judge(self, parts: Parts) -> None:
        """Score a candidate wherever it has not been."""
        for trials in self.trials:
            trials.judge(parts)

    def rmse(self, parts: Parts) -> float:
        """Return the validation error of a candidate, in the units of the ratings."""
        return self.trials[0].spread * sqrt(max(0.0, float(self._squares(parts).mean())))

    def gain(self, base: Parts, parts: Parts) -> Gain:
        """Compare two candidates, rating by rating."""
        return _gain(self._squares(base), self._squares(parts))

    def residuals(self, parts: Parts) -> Floats:
        """Return the standardized residuals of a candidate."""
        return np.concatenate([trials.scores[parts].residuals for trials in self.trials])

    def _squares(self, parts: Parts) -> Doubles:
        return np.concatenate([trials.scores[parts].squares for trials in self.trials])


def _gain(base: Doubles, squares: Doubles) -> Gain:
    mean, better = float(base.mean()), base - squares
    share = 1 - sqrt(max(0.0, float(squares.mean())) / mean) if mean > 0 else 0.0
    error = float(better.std()) / sqrt(len(better)) / (2 * mean) if mean > 0 else 0.0
    return Gain(share, error)


def _renumbered(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each id's index among those that have ratings; -1, the last row of a chain, for the others."""
    return np.where(counts > 0, np.cumsum(counts > 0) - 1, -1)
