r"""Pilot chains: short Gibbs chains with different parts of the model on, judged on the same held-out ratings.

The squared error of a short average of draws exceeds that of a long one by the variance of its draws. For the means
:math:`m_1 \dots m_B` of B blocks of sweeps, the mean of :math:`(y - m_a)(y - m_b)` over all :math:`a \ne b` does not
contain this variance, and that is the error used here.
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
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.state import ModelParts
from palate.solvers.feature_rows import feature_rows
from palate.solvers.session import Epoch, Progress
from palate.splits import Split

__all__ = ["PairedGain", "PilotChains", "PilotFolds", "PilotInterrupted"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Sweeps until the chain with everything on has settled.
_SETTLE_SWEEPS = 100
# The blocks of sweeps of a fork whose predictions are averaged.
_BLOCK_SWEEPS, _BLOCKS = 10, 6
# A fork ends after two blocks if it is worse than the first fork by this many standard errors.
_HOPELESS = 3.0


class PilotInterrupted(Exception):
    """Ctrl-C, or the time for pilots has passed."""


class PairedGain(NamedTuple):
    """The share by which the RMSE of one candidate is below that of another, and its standard error."""

    share: float
    error: float


@dataclass
class _CandidateScore:
    """The squared error of each held-out rating (without the variance of draws), and its standardized residual."""

    squares: Doubles
    residuals: Floats


@dataclass
class PilotChains:
    """The chains of one split: a settled chain with everything on, its forks, and their scores.

    A fork continues the settled chain with some parts switched off. All forks share the settled chain's history, which
    saves its sweeps and makes their errors comparable.

    Parameters
    ----------
    split
        Standardized ratings. Held-out ids without ratings in the rest are predicted by the prior mean.
    k, seed
        Of all chains.
    adapt
        The sweeps of a fork before its predictions are averaged.
    run
        A pool.
    spread
        The standard deviation of the ratings before they were standardized, for reports.
    report
        Called with each sweep, or None.
    interrupted
        Asked after every sweep; `PilotInterrupted` is raised if it says yes.
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
        table, self.held_out = self.split
        self.train = table.compact()
        self.features = feature_rows(self.train, 1)
        self.user = _chain_rows(table.user_counts)[self.held_out.user]
        self.item = _chain_rows(table.item_counts)[self.held_out.item]
        self.limits = self.train.rating.min(), self.train.rating.max()
        self.scores: dict[ModelParts, _CandidateScore] = {}
        self.sweeps = 0

    def settle(self, parts: ModelParts) -> None:
        """Run the chain that all candidates are forked from."""
        self.settled = self._chain(parts)
        for number in range(_SETTLE_SWEEPS):
            self._sweep(self.settled, number + 1, _SETTLE_SWEEPS, None)

    def judge(self, parts: ModelParts) -> None:
        """Fork a chain with these parts and score it, unless that has been done."""
        if parts in self.scores:
            return
        chain, blocks = self._fork(parts), np.zeros((_BLOCKS, len(self.held_out)), np.float32)
        squares, noise = np.zeros(len(self.held_out)), np.zeros(len(self.held_out))
        sweeps = self.adapt + _BLOCK_SWEEPS * _BLOCKS
        count, interruption = 0, None
        try:
            for number in range(self.adapt):
                self._sweep(chain, number + 1, sweeps, None)
            for number in range(_BLOCK_SWEEPS * _BLOCKS):
                block = number // _BLOCK_SWEEPS
                rmse = sqrt(max(0.0, self._squared_errors(blocks[:block]).mean())) if block > 1 else None
                self._sweep(chain, self.adapt + number + 1, sweeps, rmse)
                predictions, variance = self._predict(chain)
                blocks[block] += predictions / _BLOCK_SWEEPS
                squares += np.square(predictions, dtype=np.float64)
                noise += variance
                count += 1
                if count == 2 * _BLOCK_SWEEPS and self._is_hopeless(blocks[:2]):
                    break
        except PilotInterrupted as error:
            interruption = error
            if count < 2 * _BLOCK_SWEEPS:
                raise
        blocks = blocks[: count // _BLOCK_SWEEPS]
        mean = blocks.mean(axis=0, dtype=np.float64)
        deviation = np.sqrt(noise / count + np.maximum(0, squares / count - mean**2))
        # Predictions are not clipped here: intervals are clipped only when they are complete.
        residuals = (self.held_out.rating - mean) / deviation
        self.scores[parts] = _CandidateScore(self._squared_errors(blocks), residuals.astype(np.float32))
        if interruption:
            raise interruption

    def _is_hopeless(self, blocks: Floats) -> bool:
        if not self.scores:
            return False
        first = next(iter(self.scores.values()))
        gain = _paired_gain(first.squares, self._squared_errors(blocks))
        return gain.share < -_HOPELESS * gain.error

    def _squared_errors(self, blocks: Floats) -> Doubles:
        """Return the squared error of each held-out rating, without the variance of draws; it may be negative."""
        errors = np.clip(blocks, *self.limits) - self.held_out.rating.astype(np.float64)
        count = len(errors)
        return np.asarray((errors.sum(axis=0) ** 2 - np.square(errors).sum(axis=0)) / (count * (count - 1)))

    def _chain(self, parts: ModelParts) -> Chain:
        return Chain(self.train.by_user, self.train.by_item, self.k, parts, self.seed, self.run, self.features)

    def _fork(self, parts: ModelParts) -> Chain:
        # Parts are only switched off. Factors adapt to that within a few sweeps, but set weights take a hundred sweeps
        # to be learnt.
        chain = self._chain(parts)
        arrays, numbers = self.settled.state()
        chain.restore({name: array.copy() for name, array in arrays.items()}, numbers)
        for side, has_noise, has_sets, has_features in (
            (chain.users, parts.user_noise, parts.user_sets, parts.user_features),
            (chain.items, parts.item_noise, parts.item_sets, parts.item_features),
        ):
            if not has_noise:
                side.noise[:] = 1
            if not has_sets:
                side.weights[:], side.prior[:] = 0, 0
            if not has_features:
                side.forget_features()
        return chain

    def _sweep(self, chain: Chain, number: int, of: int, rmse: float | None) -> None:
        started = time.perf_counter()
        chain.sweep()
        self.sweeps += 1
        if self.report:
            epoch = Epoch(
                stage="pilot",
                setting=chain.parts.describe(),
                number=number,
                of=of,
                rows=len(self.train),
                training_rmse=self.spread * sqrt(chain.squares / len(self.train)),
                validation_rmse=None if rmse is None else self.spread * rmse,
                seconds=time.perf_counter() - started,
            )
            self.report(epoch)
        if self.interrupted():
            raise PilotInterrupted

    def _predict(self, chain: Chain) -> tuple[Floats, Floats]:
        """Return the chain's prediction of each held-out rating and the variance of its noise."""
        users, items, k = chain.users.expected(), chain.items.expected(), chain.users.k
        p, q = users[self.user], items[self.item]
        predictions = np.einsum("rc,rc->r", p[:, :k], q[:, :k]) + p[:, k] + q[:, k]
        relative = chain.users.variance[self.user] * chain.items.variance[self.item]
        return predictions, np.float32(1 / chain.precision) * relative


@dataclass
class PilotFolds:
    """The same candidates judged on several folds; the errors of all folds count together."""

    folds: list[PilotChains] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many ratings were held out."""
        return sum(len(fold.held_out) for fold in self.folds)

    @property
    def judged(self) -> list[ModelParts]:
        """The candidates that have a score in every fold, in the order in which they were judged."""
        first, *others = self.folds
        return [parts for parts in first.scores if all(parts in fold.scores for fold in others)]

    def judge(self, parts: ModelParts) -> None:
        """Score a candidate in every fold where it has no score."""
        for fold in self.folds:
            fold.judge(parts)

    def rmse(self, parts: ModelParts) -> float:
        """Return the RMSE of a candidate on held-out ratings, in units of the ratings."""
        return self.folds[0].spread * sqrt(max(0.0, float(self._squares(parts).mean())))

    def gain(self, base: ModelParts, parts: ModelParts) -> PairedGain:
        """Compare two candidates, rating by rating."""
        return _paired_gain(self._squares(base), self._squares(parts))

    def residuals(self, parts: ModelParts) -> Floats:
        """Return the standardized residuals of a candidate."""
        return np.concatenate([fold.scores[parts].residuals for fold in self.folds])

    def _squares(self, parts: ModelParts) -> Doubles:
        return np.concatenate([fold.scores[parts].squares for fold in self.folds])


def _paired_gain(base: Doubles, squares: Doubles) -> PairedGain:
    mean, differences = float(base.mean()), base - squares
    if mean <= 0:
        return PairedGain(0.0, 0.0)
    share = 1 - sqrt(max(0.0, float(squares.mean())) / mean)
    return PairedGain(share, float(differences.std()) / sqrt(len(differences)) / (2 * mean))


def _chain_rows(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the chain's row of each id: ids with ratings in order; -1, the last row, for the others."""
    return np.where(counts > 0, np.cumsum(counts > 0) - 1, -1)
