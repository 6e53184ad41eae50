"""How far predictions vary between the samples of a chain, observed on a few pairs of each user and item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.kernels.layout import are_rated, sum_remainders
from palate.kernels.pairs import pair_products
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.chain import Chain

__all__ = ["BATCH_SWEEPS", "PredictiveSpread"]

Doubles = NDArray[np.float64]

#: The sweeps of a batch at first; the means of batches are compared (see `PredictiveSpread.mean_error`).
BATCH_SWEEPS = 25
# Pairs of each user and of each item, and of the user and the item without ratings.
_PAIRS, _UNKNOWN_PAIRS = 4, 200
# Pairs that one task works on.
_CHUNK = 1 << 14
# Rounds of alternating least squares in `spread`.
_ROUNDS = 20
# How often a partner is drawn again because the pair was rated.
_TRIES = 12
# When there are this many batches, neighbours are joined in pairs.
_MOST_BATCHES = 64


class PredictiveSpread:
    """Running moments of the predictions of some pairs: each user with popular items, each item with busy users.

    Parameters
    ----------
    ratings
        Partners are drawn as often as they occur here. One more user and one more item, without ratings, have pairs
        too.
    rng
        Draws the partners.

    Attributes
    ----------
    user, item
        int32 (pairs,): the pairs.
    mean, squares
        float64 (pairs,): the weighted mean of the predictions so far, and the weighted sum of squared deviations.
    batches
        float64 (batches, pairs): sums of predictions over stretches of the chain; the last one is incomplete.
    """

    #: What a checkpoint must hold, beside `total_weight` and `batch_sweeps`.
    ARRAYS = ("mean", "squares", "batches")

    def __init__(self, ratings: Ratings, rng: np.random.Generator) -> None:
        users, items = len(ratings.users) + 1, len(ratings.items) + 1
        each_user, each_item = (
            np.repeat(np.arange(rows, dtype=np.int32), [_PAIRS] * (rows - 1) + [_UNKNOWN_PAIRS])
            for rows in (users, items)
        )
        # The last user and the last item have rated nothing.
        indptr = np.append(ratings.by_user.indptr, len(ratings))

        def draw_partners(column: NDArray[np.int32], rows: NDArray[np.int32], is_user: bool) -> NDArray[np.int32]:
            """Draw a partner from a column of the table for each row, as a rule one without a rating.

            The prediction of a rated pair varies less than that of the pairs for which predictions are wanted.
            """
            partners = column[rng.integers(len(column), size=len(rows))]
            again = np.arange(len(rows))
            for attempt in range(_TRIES):
                rated = np.empty(len(again), np.bool_)
                pairs = rows[again], partners[again]
                are_rated(indptr, ratings.by_user.indices, *(pairs if is_user else pairs[::-1]), rated)
                again = again[rated]
                popular = column[rng.integers(len(column), size=len(again))]
                is_early = 2 * attempt < _TRIES
                partners[again] = popular if is_early else rng.integers(column.max() + 1, size=len(again))
            return partners

        self.user = np.concatenate([each_user, draw_partners(ratings.user, each_item, False)])
        self.item = np.concatenate([draw_partners(ratings.item, each_user, True), each_item])
        self.shape = users, items
        self.unknown = np.flatnonzero((self.user == users - 1) | (self.item == items - 1))
        self.total_weight, self.mean, self.squares = 0.0, np.zeros(len(self.user)), np.zeros(len(self.user))
        self.batch_sweeps, self.batches = BATCH_SWEEPS, np.zeros((1, len(self.user)))

    def add(self, chain: Chain, share: float, weight: float, run: Run) -> None:
        """Add the predictions of a chain's present state, with a weight (West 1979, after Welford).

        `share` is the weight among the chains of one sweep.
        """
        predictions = self._predict(chain, run)
        self.total_weight += weight
        deviation = predictions - self.mean
        self.mean += deviation * (weight / self.total_weight)
        self.squares += weight * deviation * (predictions - self.mean)
        self.batches[-1] += share * predictions

    def end_sweep(self, number: int) -> None:
        """Begin a new batch where this sweep is the last one of a batch."""
        if number % self.batch_sweeps == 0:
            if len(self.batches) == _MOST_BATCHES:
                self.batch_sweeps, self.batches = 2 * self.batch_sweeps, self.batches[::2] + self.batches[1::2]
            self.batches = np.vstack([self.batches, np.zeros(len(self.user))])

    def _predict(self, chain: Chain, run: Run) -> NDArray[np.float32]:
        partners, biases = chain.items.partners_and_biases()
        predictions, size = np.empty(len(self.user), np.float32), len(self.user)

        def predict_chunk(start: int) -> None:
            stop = min(start + _CHUNK, size)
            pair_products(chain.users.factors, partners, self.user, self.item, start, stop, predictions)

        run(predict_chunk, range(0, size, _CHUNK))
        predictions += biases[self.item]
        predictions[self.unknown] = self._predict_unknown(chain)
        return predictions

    def _predict_unknown(self, chain: Chain) -> NDArray[np.float32]:
        """Return the predictions of pairs whose user or item has no ratings, and so may be like any other."""
        users, items, k = chain.users, chain.items, chain.users.k
        user, item = self.user[self.unknown], self.item[self.unknown]
        p, q = users.factors[user, : k + 1], items.factors[item, : k + 1]
        p[user == self.shape[0] - 1] = users.population_draw(chain.sweeps)
        q[item == self.shape[1] - 1] = items.population_draw(chain.sweeps)
        return np.asarray(np.einsum("rc,rc->r", p[:, :k], q[:, :k]) + p[:, k] + q[:, k])

    def mean_error(self) -> float:
        """Return the variance of the mean prediction that is due to the finite length of the chain (batch means)."""
        means = self.batches[(len(self.batches) - 1) // 4 : -1] / self.batch_sweeps
        return float(means.var(axis=0, ddof=1).mean()) / len(means) if len(means) > 1 else float("inf")

    def spread(self) -> tuple[Doubles, Doubles]:
        """Split the variance of each pair into a part of its user and a part of its item.

        Returns
        -------
        tuple of arrays
            float64 (users + 1,) and (items + 1,), none negative: their sums fit the variances of the pairs best, in
            least squares. Users and items are solved for by turns.
        """
        variance = self.squares / self.total_weight
        user, item = (np.full(rows, float(variance.mean()) / 2) for rows in self.shape)
        counts = [np.bincount(index, minlength=rows) for index, rows in zip((self.user, self.item), self.shape)]
        for _ in range(_ROUNDS):
            user = np.zeros_like(user)
            sum_remainders(self.user, variance, item, self.item, user)
            user = np.maximum(0, user / counts[0])
            item = np.zeros_like(item)
            sum_remainders(self.item, variance, user, self.user, item)
            item = np.maximum(0, item / counts[1])
        return user, item
