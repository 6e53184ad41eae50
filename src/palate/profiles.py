"""One user (or item) as numbers: factors and a bias from ratings and a prior, and what each rating did to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contribution", "Given", "Penalty", "Prior", "Profile", "SidePrior", "contributions", "design", "solve"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


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
    """

    mean: Doubles
    parts: Doubles
    precision: Doubles
    weights: Doubles
    biased: bool


class SidePrior(Protocol):
    """Tells what is known of a user who has rated these items."""

    def given(self, others: NDArray[np.int32], k: int) -> Given: ...  # noqa: D102


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
    """

    factors: float
    bias: float | None
    by_count: bool

    def given(self, others: NDArray[np.int32], k: int) -> Given:
        """Return the prior that amounts to the penalty."""
        diagonal = np.full(k + 1, self.factors)
        diagonal[k] = 1.0 if self.bias is None else self.bias
        scaled = np.diag(diagonal * (max(1, len(others)) if self.by_count else 1))
        return Given(np.zeros(k + 1), np.zeros((1, k + 1)), scaled, np.ones(len(others)), self.bias is not None)


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
        return Given(self.mean, parts, self.precision, 1 / self.noise[others], True)


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
    """

    bias: float
    factors: Floats
    items: NDArray[np.int32]
    ratings: Floats
    covariance: Doubles | None = None

    def __repr__(self) -> str:
        return f"Profile({len(self.items):,} ratings)"


class Contribution(NamedTuple):
    """How much one rated item moves a prediction, in rating points."""

    item: int | str
    rating: float
    contribution: float
    title: str


def design(factors: Floats, biased: bool = True) -> Doubles:
    """Return what factors and a bias are multiplied with: (n, k + 1)."""
    return np.column_stack([factors.astype(np.float64), np.full(len(factors), float(biased))])


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
    covariance = np.asarray(np.linalg.inv(weighted @ known + given.precision), np.float64)
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
    known = design(factors, given.biased)
    toward = design(target[None, :], given.biased)[0]
    weighted = known.T * given.weights
    gains = np.linalg.solve(weighted @ known + given.precision, weighted)
    mean = given.mean + given.parts.sum(axis=0)
    held = np.append(profile.factors.astype(np.float64), profile.bias)
    surprise = residuals - known @ mean
    change = np.linalg.lstsq(gains, held - mean - gains @ surprise, rcond=None)[0]
    parts = (toward @ gains) * (surprise + change) + given.parts @ toward
    before = float(toward @ given.mean)
    return parts, before, float(toward @ held - parts.sum() - before)
