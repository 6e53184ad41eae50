"""Choice heads: how likely users choose items, from what they have chosen before.

A head holds arrays and answers in arrays. It scores all items for one user or for many at once; a score says how much
an item fits a user's choices, and only its order among items and its calibration (`palate.model.interest`) mean
anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import StorageError
from palate.model.row_solve import RidgePenalty, RowPrior, UnobservedTerm, solve_row
from palate.ranking import scores
from palate.ratings import Grouped

__all__ = ["ChoiceHead", "FactorsHead", "PopularityHead", "WeightsHead", "restore_head"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

# For fewer users, one after the other is faster than side by side.
_BLOCK = 3


class ChoiceHead(ABC):
    """How likely users choose items.

    Users are described by their choices: the indices of the items that they rated, and the ratings. Known users are
    rows of the grouped table that the head was fitted on; a new user is one pair of arrays.

    Attributes
    ----------
    kind
        The name of the class in a file.
    liked
        The rating from which a pair is a choice; None if every rated pair is one.
    """

    kind: ClassVar[str]
    liked: float | None

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of items."""

    @abstractmethod
    def new_user_scores(self, items: Indices, ratings: Floats) -> Floats:
        """Return the score of every item for a user who rated these items: float32, (items,)."""

    @abstractmethod
    def contributions(self, items: Indices, ratings: Floats, targets: Indices) -> tuple[Doubles, Doubles]:
        """Split the scores of some items.

        Returns
        -------
        parts : ndarray
            float64, (targets, n): what each rated item adds.
        intercepts : ndarray
            float64, (targets,): what holds for every user.
        """

    @abstractmethod
    def similarities(self, item: int) -> Floats:
        """Return how alike the choosers of each item are to those of one item, at most 1: float32, (items,)."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a file keeps, by name."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the plain values that a file keeps."""

    @abstractmethod
    def fits(self, users: int, items: int) -> bool:
        """Return whether the arrays of a file belong to a model of this size, and all scores are finite."""

    def without_users(self, keep: NDArray[np.bool_]) -> ChoiceHead:
        """Return the head for the users that are kept: bool, (users,)."""
        return self

    def user_scores(self, users: Indices, table: Grouped) -> Floats:
        """Return the score of every item for users of the training table: float32, (users, items).

        A row does not depend on the other users asked for.
        """
        block = np.empty((len(users), self.size), np.float32)
        for row, user in enumerate(users.tolist()):
            block[row] = self.new_user_scores(*table[user])
        return block

    def _choices(self, items: Indices, ratings: Floats) -> NDArray[np.bool_]:
        return np.ones(len(items), bool) if self.liked is None else ratings >= self.liked


@dataclass(frozen=True, eq=False)
class PopularityHead(ChoiceHead):
    """The same scores for all users: what share of them chose an item.

    Parameters
    ----------
    share
        float32, (items,).
    liked
        See `ChoiceHead`.
    """

    share: Floats
    liked: float | None = None
    kind: ClassVar[str] = "popularity"

    @classmethod
    def of(cls, item_counts: NDArray[np.integer[Any]], users: int, liked: float | None = None) -> Self:
        """Return the head of a table with this number of choices of each item, and this number of users.

        Each item has half a choice more, so that one which nobody has chosen yet, but whose attributes are known, is in
        lists.
        """
        return cls(((item_counts + 0.5) / (users + 1)).astype(np.float32), liked)

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.share)

    def new_user_scores(self, items: Indices, ratings: Floats) -> Floats:
        """Return the shares: see `ChoiceHead`."""
        return self.share.copy()

    def contributions(self, items: Indices, ratings: Floats, targets: Indices) -> tuple[Doubles, Doubles]:
        """Return zeros and the shares: see `ChoiceHead`."""
        return np.zeros((len(targets), len(items))), self.share[targets].astype(np.float64)

    def similarities(self, item: int) -> Floats:
        """Return zeros: popularity says nothing about which items belong together."""
        return np.zeros(self.size, np.float32)

    def fits(self, users: int, items: int) -> bool:
        """Return whether there is a share for each item: see `ChoiceHead`."""
        return _is_float32(self.share, (items,))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return float32 `share`, (items,)."""
        return {"share": self.share}

    def settings(self) -> dict[str, Any]:
        """Return `liked`."""
        return {"liked": self.liked}


@dataclass(frozen=True, eq=False)
class FactorsHead(ChoiceHead):
    """Products of factors: the result of `palate.ImplicitALS`.

    Parameters
    ----------
    user_factors, item_factors
        float32, (users, k) and (items, k).
    penalty
        The settings with which new users' factors are found; `unobserved` is above zero.
    liked
        See `ChoiceHead`.
    """

    user_factors: Floats
    item_factors: Floats
    penalty: RidgePenalty
    liked: float | None = None
    kind: ClassVar[str] = "factors"

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.item_factors)

    def user_scores(self, users: Indices, table: Grouped) -> Floats:
        """Return products of the users' factors: see `ChoiceHead`."""
        block = np.empty((len(users), self.size), np.float32)
        for row, user in enumerate(users.tolist()):
            block[row] = self._products(self.user_factors[user])
        return block

    def new_user_scores(self, items: Indices, ratings: Floats) -> Floats:
        """Solve for the user's factors and return their products: see `ChoiceHead`."""
        is_chosen = self._choices(items, ratings)
        items, prior = items[is_chosen], self._prior(ratings[is_chosen])
        _, factors, _ = solve_row(self.item_factors[items], np.ones(len(items)), prior)
        return self._products(factors)

    def contributions(self, items: Indices, ratings: Floats, targets: Indices) -> tuple[Doubles, Doubles]:
        """Split the scores into a part for each choice; their sum is the score of a new user: see `ChoiceHead`."""
        is_chosen, parts = self._choices(items, ratings), np.zeros((len(targets), len(items)))
        chosen, prior = self.item_factors[items[is_chosen]].astype(np.float64), self._prior(ratings[is_chosen])
        k = chosen.shape[1]
        weighted = chosen.T * prior.weights
        gains = np.linalg.solve(weighted @ chosen + prior.precision[:k, :k], weighted)
        parts[:, is_chosen] = self.item_factors[targets].astype(np.float64) @ gains
        return parts, np.zeros(len(targets))

    def similarities(self, item: int) -> Floats:
        """Return the cosine of the items' factors: see `ChoiceHead`."""
        lengths = np.linalg.norm(self.item_factors, axis=1)
        lengths *= lengths[item]
        products = self.item_factors @ self.item_factors[item]
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines

    def fits(self, users: int, items: int) -> bool:
        """Return whether there are factors for each user and item: see `ChoiceHead`."""
        k = self.item_factors.shape[-1]
        sides = ((self.user_factors, users), (self.item_factors, items))
        return all(_is_float32(factors, (rows, k), terms=k, power=2) for factors, rows in sides)

    def without_users(self, keep: NDArray[np.bool_]) -> FactorsHead:
        """Return the head for the users that are kept: see `ChoiceHead`."""
        return replace(self, user_factors=self.user_factors[keep])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return float32 `user_factors` (users, k) and `item_factors` (items, k)."""
        return {"user_factors": self.user_factors, "item_factors": self.item_factors}

    def settings(self) -> dict[str, Any]:
        """Return `liked` and the penalty."""
        return {"liked": self.liked, "penalty": self.penalty._asdict()}

    @cached_property
    def _unobserved(self) -> UnobservedTerm | None:
        return self.penalty.unobserved_term(self.item_factors)

    def _prior(self, ratings: Floats) -> RowPrior:
        return self.penalty.row_prior(ratings, self.item_factors.shape[1], self._unobserved)

    def _products(self, factors: Floats) -> Floats:
        return scores(self.item_factors, np.zeros(self.size, np.float32), factors, 0.0)


@dataclass(frozen=True, eq=False)
class WeightsHead(ChoiceHead):
    """A sparse matrix of weights between items: a score is the sum of the weights from a user's choices to an item.

    Parameters
    ----------
    indptr, targets, weights
        int64 (items + 1,), int32 (n,) and float32 (n,): weights[indptr[i]:indptr[i + 1]] lead from item i to the items
        `targets`, which ascend.
    variance
        float32, (items,): how much of each item's choices the other items leave open. It turns weights into partial
        correlations.
    liked
        See `ChoiceHead`.
    """

    indptr: NDArray[np.int64]
    targets: Indices
    weights: Floats
    variance: Floats
    liked: float | None = None
    kind: ClassVar[str] = "weights"
    names: ClassVar[tuple[str, ...]] = ("indptr", "targets", "weights", "variance")

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.variance)

    def new_user_scores(self, items: Indices, ratings: Floats) -> Floats:
        """Add up the weights of the choices, in their order: see `ChoiceHead`."""
        from palate.kernels.ease import add_rows

        total = np.zeros(self.size, np.float32)
        add_rows(self.indptr, self.targets, self.weights, items[self._choices(items, ratings)], total)
        return total

    def user_scores(self, users: Indices, table: Grouped) -> Floats:
        """Add up the weights of the choices of many users side by side: see `ChoiceHead`."""
        from palate.kernels.ease import score_users

        block, least = np.empty((len(users), self.size), np.float32), -np.inf if self.liked is None else self.liked
        arrays = self.indptr, self.targets, self.weights, table.indptr, table.indices, table.values
        if len(users) >= _BLOCK and score_users(*arrays, np.float32(least), users.astype(np.int32), block):
            return block
        return super().user_scores(users, table)

    def contributions(self, items: Indices, ratings: Floats, targets: Indices) -> tuple[Doubles, Doubles]:
        """Return the weight of each choice: see `ChoiceHead`."""
        is_chosen, parts = self._choices(items, ratings), np.zeros((len(targets), len(items)))
        row = np.full(self.size, -1)
        row[targets] = np.arange(len(targets))
        for place in np.flatnonzero(is_chosen):
            entries = slice(self.indptr[items[place]], self.indptr[items[place] + 1])
            rows = row[self.targets[entries]]
            parts[rows[rows >= 0], place] = self.weights[entries][rows >= 0]
        return parts[row[targets]], np.zeros(len(targets))

    def similarities(self, item: int) -> Floats:
        """Return the partial correlations with one item, given all others: see `ChoiceHead`."""
        start, stop = self.indptr[item], self.indptr[item + 1]
        targets, correlations = self.targets[start:stop], np.zeros(self.size, np.float32)
        correlations[targets] = self.weights[start:stop] * np.sqrt(self.variance[item] / self.variance[targets])
        return correlations

    def fits(self, users: int, items: int) -> bool:
        """Return whether all weights lead from an item to an item: see `ChoiceHead`."""
        indptr, targets, count = self.indptr, self.targets, len(self.weights)
        if indptr.dtype != np.int64 or indptr.shape != (items + 1,) or indptr[0] != 0 or indptr[-1] != count:
            return False
        if targets.dtype != np.int32 or targets.shape != (count,) or (np.diff(indptr) < 0).any():
            return False
        if targets.min(initial=0) < 0 or targets.max(initial=0) >= items or not self.variance.min(initial=1) > 0:
            return False
        return _is_float32(self.weights, (count,), terms=items) and _is_float32(self.variance, (items,))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the four arrays: see the parameters."""
        return {name: getattr(self, name) for name in self.names}

    def settings(self) -> dict[str, Any]:
        """Return `liked`."""
        return {"liked": self.liked}


def _is_float32(array: NDArray[Any], shape: tuple[int, ...], terms: int = 1, power: Literal[1, 2] = 1) -> bool:
    """Whether an array has this shape, and the sum of `terms` of its values, each to this power, is finite."""
    if array.dtype != np.float32 or array.shape != shape:
        return False
    largest = max(float(array.max(initial=0)), -float(array.min(initial=0)))
    return terms * largest * (largest if power == 2 else 1) <= float(np.finfo(np.float32).max)


def restore_head(kind: str, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ChoiceHead:
    """Return the head of which a file keeps the kind, the settings and the arrays.

    Raises
    ------
    StorageError
        If the kind is unknown, or a setting or an array is missing.
    """
    try:
        if kind == PopularityHead.kind:
            return PopularityHead(arrays["share"], settings["liked"])
        if kind == WeightsHead.kind:
            return WeightsHead(**{name: arrays[name] for name in WeightsHead.names}, liked=settings["liked"])
        if kind == FactorsHead.kind:
            penalty = RidgePenalty.restored(settings["penalty"])
            return FactorsHead(arrays["user_factors"], arrays["item_factors"], penalty, settings["liked"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"the choice head of kind {kind!r} is incomplete: {error}") from error
    raise StorageError(f"the choice head has the unknown kind {kind!r}: a newer palate may have written the file")
