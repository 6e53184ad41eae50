"""One user (or item) as numbers: factors and a bias from ratings and a prior, and what each rating did to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Contribution",
    "Explanation",
    "Given",
    "Penalty",
    "Prior",
    "Profile",
    "Unobserved",
    "contributions",
    "design",
    "solve",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# A non-negative profile is done when no number moves by more than this share of the largest, or after so many passes.
_STILL = 1e-9
_PASSES = 1000


class Given(NamedTuple):
    """What is known of one user before the ratings themselves are looked at; a bias is a last factor, its partner is 1.

    Attributes
    ----------
    mean
        (k + 1,): of the factors and the bias.
    parts
        (n, k + 1): what each of the n rated items adds to the mean by having been rated, or (1, k + 1) zeros.
    precision
        (k + 1, k + 1): the inverse of their covariance.
    weights
        (n,): the precision of each rating.
    biased
        Whether there is a bias.
    nonnegative
        Whether factors must not be below zero; the mean and the parts are zero then.
    """

    mean: Doubles
    parts: Doubles
    precision: Doubles
    weights: Doubles
    biased: bool = True
    nonnegative: bool = False

    def free(self, factors: Floats) -> Given:
        """Leave out the factors that the bound holds at zero."""
        keep = np.append(factors > 0, True)
        left = self.precision[np.ix_(keep, keep)]
        return self._replace(mean=self.mean[keep], parts=self.parts[:, keep], precision=left, nonnegative=False)


class Unobserved(NamedTuple):
    """What a user's equations owe to all items, whether chosen or not.

    Attributes
    ----------
    gram
        float64 (k, k): the weighted sum of q q' over all items.
    weight
        The sum of their weights.
    """

    gram: Doubles
    weight: float


class Penalty(NamedTuple):
    """The ridge penalty of a fold-in, on the rating scale, and what else its equations depend on.

    Attributes
    ----------
    factors
        On each squared factor.
    bias
        On the squared bias; None where the model has no user biases.
    by_count
        Whether both grow with the number of ratings (as they do when a solver applies them at each rating).
    nonnegative
        Whether factors, but not the bias, must not be below zero.
    unobserved
        What each item counts as not chosen, whether it was or not; 0 where ratings are all that counts. Above 0 every
        rated item has the target 1, all items have the target 0 with this weight, and the penalty grows with the sum of
        ratings and weights to the power of `exponent`: see `palate.ImplicitALS`.
    confidence
        The weight of the target 1 is then the rating times this; 0 for 1, whatever the rating.
    """

    factors: float
    bias: float | None
    by_count: bool
    nonnegative: bool = False
    unobserved: float = 0.0
    exponent: float = 1.0
    confidence: float = 0.0

    def given(self, ratings: Floats, k: int, rest: Unobserved | None) -> Given:
        """Return the prior that amounts to the penalty, for a user with these ratings."""
        count = float(max(1, len(ratings)) if self.by_count else 1)
        diagonal = np.full(k + 1, self.factors)
        diagonal[k] = 1.0 if self.bias is None else self.bias
        weights, precision = np.ones(len(ratings)), np.zeros((k + 1, k + 1))
        if rest is not None:
            count = (len(ratings) + rest.weight) ** self.exponent
            precision[:k, :k] = rest.gram
            weights = ratings.astype(np.float64) * self.confidence if self.confidence else weights
        precision += np.diag(diagonal * count)
        empty = np.zeros(k + 1), np.zeros((1, k + 1))
        return Given(*empty, precision, weights, self.bias is not None, self.nonnegative)


@dataclass(frozen=True, eq=False)
class Prior:
    r"""The normal distribution of one side's factors and biases: :math:`N(\mu + \sum_j W_j / \sqrt n, \Lambda^{-1})`.

    The sum goes over the n partners j that have a rating with the row: whom it was rated by, whatever the rating.

    Attributes
    ----------
    mean, precision
        float64, (k + 1,) and (k + 1, k + 1).
    sets
        float32, (others, k + 1): W; (0, k + 1) without sets.
    noise
        float64, (others,): the variance of a rating with each partner.
    """

    mean: Doubles
    precision: Doubles
    sets: Floats
    noise: Doubles

    def rescaled(self, spread: float) -> Prior:
        """Return the same for ratings of another unit, divided by `spread` before: products of factors grow by it."""
        unit = np.full(len(self.mean), sqrt(spread))
        unit[-1] = spread
        sets = (self.sets * unit).astype(np.float32)
        return Prior(self.mean * unit, self.precision / np.outer(unit, unit), sets, self.noise * spread**2)

    def given(self, others: NDArray[np.int32], k: int) -> Given:
        """Return what is known of a row with ratings by these partners."""
        parts = np.zeros((1, k + 1))
        if len(self.sets) and len(others):
            parts = self.sets[others].astype(np.float64) / np.sqrt(len(others))
        return Given(self.mean, parts, self.precision, 1 / self.noise[others])


@dataclass(frozen=True, eq=False)
class Profile:
    """A user, known or folded in; or a folded-in item.

    Attributes
    ----------
    bias, factors
        float, and float32 (k,).
    items, ratings
        int32 and float32, (n,): what was rated; empty where the model does not keep it. For an item: the users.
    covariance
        float64, (k + 1, k + 1), of the factors and the bias; None where it is not known.
    kind
        "user" or "item".
    """

    bias: float
    factors: Floats
    items: NDArray[np.int32]
    ratings: Floats
    covariance: Doubles | None = None
    kind: str = "user"

    def __repr__(self) -> str:
        return f"Profile({len(self.items):,} ratings)"


class Contribution(NamedTuple):
    """How much one rated item moves a prediction, in rating points."""

    item: int | str
    rating: float
    contribution: float
    title: str


class Explanation(NamedTuple):
    """How a prediction comes about: `intercept` plus the sum of the contributions, before clipping to the scale.

    Attributes
    ----------
    prediction
        On the rating scale, not clipped.
    intercept
        What is predicted for this item before anything is known of the user.
    contributions
        One for each rated item, the largest in size first.
    remainder
        What the user's factors hold beyond these ratings (0 for a folded-in user).
    """

    item: int | str
    title: str
    prediction: float
    intercept: float
    contributions: tuple[Contribution, ...]
    remainder: float


def design(factors: Floats, biased: bool = True) -> Doubles:
    """Return what factors and a bias are multiplied with: (n, k + 1)."""
    return np.column_stack([factors.astype(np.float64), np.full(len(factors), float(biased))])


def _minimum(matrix: Doubles, right: Doubles, bounded: int) -> Doubles:
    """Minimize x'Mx - 2x.right with the first `bounded` of x at or above zero, by turns (Franc et al. 2005)."""
    found = np.zeros(len(right))
    for _ in range(_PASSES):
        before = found.copy()
        for j in range(len(right)):
            found[j] += (right[j] - matrix[j] @ found) / matrix[j, j]
            if j < bounded:
                found[j] = max(found[j], 0.0)
        if np.abs(found - before).max(initial=0) <= _STILL * np.abs(found).max(initial=0):
            break
    return found


def solve(factors: Floats, residuals: Doubles, given: Given) -> tuple[float, Floats, Doubles]:
    r"""Solve for the bias and factors of one user.

    With x the factors and the bias, z the partners' factors and a one, e the residuals, w their weights, minimizes

    .. math:: \sum_i w_i (e_i - x \cdot z_i)^2 + (x - m)^T \Lambda (x - m),

    which is the mean of x given the ratings.

    Parameters
    ----------
    factors
        (n, k): of the rated items.
    residuals
        (n,): ratings minus intercept and item biases.
    given
        The prior.

    Returns
    -------
    tuple
        The bias (0 without one), the factors (k,) and the covariance of both, (k + 1, k + 1).
    """
    known = design(factors, given.biased)
    mean = given.mean + given.parts.sum(axis=0)
    weighted = known.T * given.weights
    matrix = weighted @ known + given.precision
    covariance = np.asarray(np.linalg.inv(matrix), np.float64)
    if given.nonnegative:
        solution = _minimum(matrix, weighted @ residuals, len(matrix) - 1)
    else:
        solution = mean + covariance @ (weighted @ (residuals - known @ mean))
    k = factors.shape[1]
    found: Floats = solution[:k].astype(np.float32)
    return float(solution[k]) * given.biased, found, covariance


def contributions(
    profile: Profile, factors: Floats, residuals: Doubles, target: Floats, given: Given
) -> tuple[Doubles, float, float]:
    """Split bias + factors . target of one user into a part for each rated item.

    Given the prior, the user's parameters are its mean plus a sum over ratings. Parameters found in another way (by
    SGD, say) are met exactly by the smallest change of the residuals that does so; what no change can reach is the
    remainder.

    Returns
    -------
    tuple
        The parts (n,), what the prior's mean alone says, and the remainder; their sum is ``bias + factors @ target``.
    """
    own = profile.factors
    if given.nonnegative:
        free = own > 0
        given, factors, target, own = given.free(own), factors[:, free], target[free], own[free]
    known = design(factors, given.biased)
    toward = design(target[None, :], given.biased)[0]
    weighted = known.T * given.weights
    gains = np.linalg.solve(weighted @ known + given.precision, weighted)
    mean = given.mean + given.parts.sum(axis=0)
    held = np.append(own.astype(np.float64), profile.bias)
    surprise = residuals - known @ mean
    change = np.linalg.lstsq(gains, held - mean - gains @ surprise, rcond=None)[0]
    parts = (toward @ gains) * (surprise + change) + given.parts @ toward
    before = float(toward @ given.mean)
    return parts, before, float(toward @ held - parts.sum() - before)
