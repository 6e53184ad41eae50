"""One user as numbers: a bias and factors, found from ratings by ridge regression, and what each rating did to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contribution", "Penalty", "Profile", "contributions", "ridge"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Penalty(NamedTuple):
    """The ridge penalty of a fold-in, on the rating scale.

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
    """

    factors: float
    bias: float | None
    by_count: bool
    nonnegative: bool = False


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


def _normal_matrix(design: Doubles, penalty: Penalty) -> Doubles:
    diagonal = np.full(design.shape[1], penalty.factors)
    if penalty.bias is not None:
        diagonal[-1] = penalty.bias
    return design.T @ design + np.diag(diagonal * (max(1, len(design)) if penalty.by_count else 1))


def ridge(factors: Floats, residuals: Doubles, penalty: Penalty) -> tuple[float, Floats]:
    r"""Solve for the bias and factors of one user.

    Minimizes :math:`\sum_i (e_i - b - p \cdot q_i)^2 + \lambda |p|^2 + \lambda_b b^2`.

    Parameters
    ----------
    factors
        (n, k): of the rated items.
    residuals
        (n,): ratings minus intercept and item biases.
    penalty
        Of the fold-in.

    Returns
    -------
    tuple
        The bias (0 without one) and the factors (k,).
    """
    design = _design(factors, penalty)
    solution = np.linalg.solve(_normal_matrix(design, penalty), design.T @ residuals)
    k = factors.shape[1]
    return (float(solution[k]) if penalty.bias is not None else 0.0), solution[:k].astype(np.float32)


def contributions(
    profile: Profile, factors: Floats, residuals: Doubles, target: Floats, penalty: Penalty
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
    design = _design(factors, penalty)
    toward = _design(target[None, :], penalty)[0]
    weights = np.linalg.solve(_normal_matrix(design, penalty), design.T)
    held = profile.factors.astype(np.float64)
    if penalty.bias is not None:
        held = np.append(held, profile.bias)
    missing = held - weights @ residuals
    change = np.linalg.lstsq(weights, missing, rcond=None)[0]
    parts = (toward @ weights) * (residuals + change)
    return parts, float(toward @ held - parts.sum())
