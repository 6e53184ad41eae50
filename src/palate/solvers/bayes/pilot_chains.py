r"""Pilot chains: short Gibbs chains with different parts of the model on, judged on the same held-out ratings.

The squared error of a short average of draws exceeds that of a long one by the variance of its draws. For the means
:math:`m_1 \dots m_B` of B blocks of sweeps, the mean of :math:`(y - m_a)(y - m_b)` over all :math:`a \ne b` does not
contain this variance, and that is the error used here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.combinations import Combination
from palate.solvers.bayes.start import start_from_als
from palate.solvers.bayes.state import ModelParts
from palate.solvers.bayes.time_effects import HeldOutGroups
from palate.solvers.feature_rows import feature_rows
from palate.solvers.session import Epoch, Progress
from palate.splits import Split

__all__ = ["Candidate", "PairedGain", "PilotChains", "PilotInterrupted", "Pilots"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: A candidate is forked from the chain with all parts, or a combination with a chain of its own.
Candidate = ModelParts | Combination

# Sweeps until the chain with everything on has settled.
_SETTLE_SWEEPS = 100
# The sweeps of a block, and the blocks of a fork and of a chain of its own, whose predictions are averaged.
_BLOCK_SWEEPS, _BLOCKS, _OWN_BLOCKS = 10, 6, 3
# A fork ends after two blocks if it is worse than the first fork by this many standard errors.
_HOPELESS = 3.0


class PilotInterrupted(Exception):
    """Ctrl-C, or the time for pilots has passed."""


class PairedGain(NamedTuple):
    """The share by which the RMSE of one candidate is below that of another, and its standard error."""

    share: float
    error: float


@dataclass
class CandidateScore:
    """What a candidate says of each held-out rating.

    Attributes
    ----------
    squares
        The squared error, without the variance of draws.
    errors
        The prediction minus the rating. Predictions are not clipped: intervals are clipped only when they are complete.
    variance
        The predicted variance of the rating around its prediction.
    noise
        The mean variance of the noise over all ratings.
    blocks
        float32 (blocks, ratings): the errors of the mean prediction of each block of sweeps, clipped to the ratings.
    is_complete
        Whether all blocks were run: the candidate is not hopeless, and nothing interrupted it.
    """

    squares: Doubles
    errors: Doubles
    variance: Doubles
    noise: float
    blocks: Floats
    is_complete: bool


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
        self.time = self.train.time_by_user
        self.limits = self.train.rating.min(), self.train.rating.max()
        self.scores: dict[Candidate, CandidateScore] = {}
        self.groups: HeldOutGroups | None = None
        self.sweeps = 0

    def settle(self, parts: ModelParts) -> None:
        """Run the chain that all candidates are forked from."""
        self.settled = self._chain(parts, self.k)
        start_from_als(self.settled.users, self.settled.items, self.run)
        for number in range(_SETTLE_SWEEPS):
            self._sweep(self.settled, number + 1, _SETTLE_SWEEPS, None)

    def judge(self, parts: ModelParts) -> None:
        """Fork a chain with these parts and score it, unless that has been done."""
        if parts not in self.scores:
            self._score(parts, self._fork(parts), self.adapt, _BLOCKS)

    def judge_settled(self, parts: ModelParts) -> None:
        """Score a fork with the parts of the settled chain, which has nothing to adapt to."""
        self._score(parts, self._fork(parts), 0, _BLOCKS)

    def judge_alone(self, combination: Combination) -> None:
        """Score a combination with a chain of its own, unless that has been done."""
        if combination not in self.scores:
            chain = self._chain(combination.parts, self.k if combination.has_factors else 0)
            start_from_als(chain.users, chain.items, self.run)
            self._score(combination, chain, self.adapt, _OWN_BLOCKS)

    def _score(self, candidate: Candidate, chain: Chain, adapt: int, wanted: int) -> None:
        blocks = np.zeros((wanted, len(self.held_out)), np.float32)
        squares, noise, common = np.zeros(len(self.held_out)), np.zeros(len(self.held_out)), 0.0
        sweeps = adapt + _BLOCK_SWEEPS * wanted
        count, interruption = 0, None
        try:
            for number in range(adapt):
                self._sweep(chain, number + 1, sweeps, None)
            for number in range(_BLOCK_SWEEPS * wanted):
                block = number // _BLOCK_SWEEPS
                rmse = sqrt(max(0.0, self._squared_errors(blocks[:block]).mean())) if block > 1 else None
                self._sweep(chain, adapt + number + 1, sweeps, rmse)
                predictions, draws, variance = self._predict(chain)
                blocks[block] += predictions / _BLOCK_SWEEPS
                squares += np.square(draws, dtype=np.float64)
                noise += variance
                common += 1 / chain.precision
                count += 1
                if count == 2 * _BLOCK_SWEEPS and self._is_hopeless(blocks[:2]):
                    break
        except PilotInterrupted as error:
            interruption = error
            if count < 2 * _BLOCK_SWEEPS:
                raise
        blocks = blocks[: count // _BLOCK_SWEEPS]
        mean = blocks.mean(axis=0, dtype=np.float64)
        variance = noise / count + np.maximum(0, squares / count - mean**2)
        errors = mean - self.held_out.rating
        self.scores[candidate] = CandidateScore(
            self._squared_errors(blocks),
            errors,
            variance,
            noise=common / count,
            blocks=self._errors(blocks).astype(np.float32),
            is_complete=len(blocks) == wanted,
        )
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
        errors = self._errors(blocks)
        count = len(errors)
        return np.asarray((errors.sum(axis=0) ** 2 - np.square(errors).sum(axis=0)) / (count * (count - 1)))

    def _errors(self, blocks: Floats) -> Doubles:
        return np.asarray(np.clip(blocks, *self.limits) - self.held_out.rating.astype(np.float64))

    def _chain(self, parts: ModelParts, k: int) -> Chain:
        return Chain(self.train.by_user, self.train.by_item, k, parts, self.seed, self.run, self.time, self.features)

    def _fork(self, parts: ModelParts) -> Chain:
        # Parts are only switched off. Factors adapt to that within a few sweeps, but set weights take a hundred sweeps
        # to be learnt.
        chain = self._chain(parts, self.k)
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
                setting=Combination(chain.parts, chain.users.k > 0).describe(),
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

    def _predict(self, chain: Chain) -> tuple[Floats, Floats, Floats]:
        """Return the chain's prediction of each held-out rating, a draw of it, and the variance of its noise.

        They differ where the user or the item has no ratings: the prediction is the mean, and the draw is any row.
        """
        users, items, k = chain.users.expected(), chain.items.expected(), chain.users.k
        shift: Doubles | float = 0.0
        unknown: Doubles | float = 0.0
        if chain.times and self.held_out.time is not None:
            if self.groups is None:
                self.groups = chain.times.find(self.user, self.item, self.held_out.time)
            shift, unknown = chain.times.predict(self.groups), chain.times.unknown_variance(self.groups)

        def multiply() -> Floats:
            p, q = users[self.user], items[self.item]
            return np.asarray(np.einsum("rc,rc->r", p[:, :k], q[:, :k]) + p[:, k] + q[:, k] + shift, np.float32)

        predictions = multiply()
        users[-1], items[-1] = (side.population_draw(chain.sweeps) for side in (chain.users, chain.items))
        relative = chain.users.variance[self.user] * chain.items.variance[self.item]
        noise = np.asarray(np.float32(1 / chain.precision) * relative + unknown, np.float32)
        return predictions, multiply(), noise


@dataclass
class Pilots:
    """The same candidates judged on some folds; the errors of all folds count together."""

    folds: Sequence[PilotChains]

    @property
    def rows(self) -> int:
        """How many ratings were held out."""
        return sum(len(fold.held_out) for fold in self.folds)

    def rmse(self, candidate: Candidate) -> float:
        """Return the RMSE of a candidate on held-out ratings, in units of the ratings."""
        return self.folds[0].spread * sqrt(max(0.0, float(self._squares(candidate).mean())))

    def gain(self, base: Candidate, candidate: Candidate) -> PairedGain:
        """Compare two candidates, rating by rating."""
        return _paired_gain(self._squares(base), self._squares(candidate))

    def products(self, candidates: Sequence[Candidate]) -> Doubles:
        """Return the mean products of the errors of each two candidates, without the variance of draws."""
        blocks = np.concatenate(
            [[fold.scores[candidate].blocks for candidate in candidates] for fold in self.folds], axis=2
        )
        total, count = blocks.sum(axis=1, dtype=np.float64), blocks.shape[1]
        same = sum(blocks[:, block] @ blocks[:, block].T for block in range(count))
        return np.asarray((total @ total.T - same) / (count * (count - 1) * blocks.shape[2]))

    def errors(self, candidate: Candidate) -> Doubles:
        """Return the predictions of a candidate minus the ratings."""
        return np.concatenate([fold.scores[candidate].errors for fold in self.folds])

    def noise(self, candidate: Candidate) -> float:
        """Return the mean variance of the noise."""
        return float(np.mean([fold.scores[candidate].noise for fold in self.folds]))

    def residuals(self, candidates: Sequence[Candidate], shares: Sequence[float]) -> Floats:
        """Return the standardized residuals of an average of candidates.

        Its variance is the average variance of the candidates and the variance between their predictions.
        """
        errors = np.array([self.errors(candidate) for candidate in candidates])
        variances = np.array(
            [np.concatenate([fold.scores[candidate].variance for fold in self.folds]) for candidate in candidates]
        )
        weights = np.asarray(shares)
        mean = weights @ errors
        variance = weights @ (variances + np.square(errors - mean))
        return np.asarray(-mean / np.sqrt(variance), np.float32)

    def unknown(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return of which held-out ratings the user, and the item, has no other ratings: bool (rows,) each."""
        return (
            np.concatenate([fold.user < 0 for fold in self.folds]),
            np.concatenate([fold.item < 0 for fold in self.folds]),
        )

    def _squares(self, candidate: Candidate) -> Doubles:
        return np.concatenate([fold.scores[candidate].squares for fold in self.folds])


def _paired_gain(base: Doubles, squares: Doubles) -> PairedGain:
    mean, differences = float(base.mean()), base - squares
    if mean <= 0:
        return PairedGain(0.0, 0.0)
    share = 1 - sqrt(max(0.0, float(squares.mean())) / mean)
    return PairedGain(share, float(differences.std()) / sqrt(len(differences)) / (2 * mean))


def _chain_rows(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the chain's row of each id: ids with ratings in order; -1, the last row, for the others."""
    return np.where(counts > 0, np.cumsum(counts > 0) - 1, -1)
