"""One user as numbers: a bias and factors, found from ratings by ridge regression, and what each rating did to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contribution", "Penalty", "Profile", "Unobserved", "contributions", "ridge"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# A non-negative profile is done when no number moves by more than this share of the largest, or after so many passes.
_STILL = 1e-9
_PASSES = 1000


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


class Unobserved(NamedTuple):
    """What a user's equations owe to all items, whether rated or not.

    Attributes
    ----------
    gram
        float64 (k, k): the weighted sum of q q' over all items.
    weight
        The sum of their weights.
    """

    gram: Doubles
    weight: float


@dataclass(frozen=True, eq=False)
class Profile:
    """A user, known or folded in.

    Attributes
    ----------
    bias, factors
        float, and float32 (k,).
    items, ratings
        int32 and float32, (n,): what was rated; empty where the model does not keep it.
    """

    bias: float
    factors: Floats
    items: NDArray[np.int32]
    ratings: Floats

    def __repr__(self) -> str:
        return f"Profile({len(self.items):,} ratings)"


class Contribution(NamedTuple):
    """How much one rated item moves a prediction, in rating points."""

    item: int | str
    rating: float
    contribution: float
    title: str


def _design(factors: Floats, penalty: Penalty) -> Doubles:
    # A bias is a factor whose partner is 1.
    design = factors.astype(np.float64)
    return design if penalty.bias is None else np.column_stack([design, np.ones(len(design))])


def _normal_matrix(design: Doubles, penalty: Penalty, rest: Unobserved | None) -> Doubles:
    diagonal = np.full(design.shape[1], penalty.factors)
    if penalty.bias is not None:
        diagonal[-1] = penalty.bias
    matrix = design.T @ design
    weight = float(max(1, len(design)) if penalty.by_count else 1)
    if rest is not None:
        matrix, weight = matrix + rest.gram, (len(design) + rest.weight) ** penalty.exponent
    return np.asarray(matrix + np.diag(diagonal * weight))


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


def ridge(
    factors: Floats, residuals: Doubles, penalty: Penalty, rest: Unobserved | None = None
) -> tuple[float, Floats]:
    r"""Solve for the bias and factors of one user.

    Minimizes :math:`\sum_i (e_i - b - p \cdot q_i)^2 + \lambda |p|^2 + \lambda_b b^2`, and with `rest` the weighted
    squares of all scores too; p is not below zero where the penalty says so.

    Parameters
    ----------
    factors
        (n, k): of the rated items.
    residuals
        (n,): ratings minus intercept and item biases.
    penalty
        Of the fold-in.
    rest
        Of all items, where they count too.

    Returns
    -------
    tuple
        The bias (0 without one) and the factors (k,).
    """
    design = _design(factors, penalty)
    matrix, right, k = _normal_matrix(design, penalty, rest), design.T @ residuals, factors.shape[1]
    solution = _minimum(matrix, right, k) if penalty.nonnegative else np.linalg.solve(matrix, right)
    return (float(solution[k]) if penalty.bias is not None else 0.0), solution[:k].astype(np.float32)


def contributions(
    profile: Profile,
    factors: Floats,
    residuals: Doubles,
    target: Floats,
    penalty: Penalty,
    rest: Unobserved | None = None,
) -> tuple[Doubles, float]:
    """Split bias + factors . target of one user into a part for each rated item.

    By ridge regression the user's parameters are a sum over ratings, ``M @ residuals``. Parameters found in another way
    (by SGD, say) are met exactly by the smallest change of the residuals that does so; what no change can reach is the
    remainder.

    Returns
    -------
    tuple
        The parts (n,) and the remainder; together they are ``bias + factors @ target``.
    """
    free = profile.factors > 0 if penalty.nonnegative else slice(None)
    factors, target, own = factors[:, free], target[free], profile.factors[free]
    design = _design(factors, penalty)
    toward = _design(target[None, :], penalty)[0]
    weights = np.linalg.solve(_normal_matrix(design, penalty, rest), design.T)
    held = own.astype(np.float64)
    if penalty.bias is not None:
        held = np.append(held, profile.bias)
    missing = held - weights @ residuals
    change = np.linalg.lstsq(weights, missing, rcond=None)[0]
    parts = (toward @ weights) * (residuals + change)
    return parts, float(toward @ held - parts.sum())
