"""The equations of one user (or item): factors and a bias from ratings and a prior, solved and taken apart.

A bias is treated as one more factor, the last, whose partner on the other side is 1. So a user has k + 1 parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from math import sqrt
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError

__all__ = [
    "FactorPrior",
    "RidgePenalty",
    "RowPrior",
    "UnobservedTerm",
    "design_matrix",
    "solve_row",
    "split_row",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_GREATEST = float(np.finfo(np.float32).max)
# Far above what a solver takes.
_GREATEST_EXPONENT = 10.0
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class RowPrior(NamedTuple):
    """What is assumed of one user: a normal prior of the parameters, and the weight of each rating.

    Attributes
    ----------
    mean
        float64, (k + 1,).
    shifts
        float64, (n, k + 1): how far each of the n rated items moves the mean because the user rated it, whatever the
        rating; or (1, k + 1) zeros.
    precision
        float64, (k + 1, k + 1): the inverse of the prior covariance.
    weights
        float64, (n,): the precision of each rating.
    biased
        Whether the user has a bias.
    nonnegative
        Whether factors, but not the bias, must be at least zero. The mean and the shifts are then zero.
    """

    mean: Doubles
    shifts: Doubles
    precision: Doubles
    weights: Doubles
    biased: bool = True
    nonnegative: bool = False

    def shifted(self, shift: Doubles) -> RowPrior:
        """Return the prior with another mean; nonnegative factors keep theirs."""
        return self if self.nonnegative else self._replace(mean=self.mean + shift)

    def without_zero_factors(self, factors: Floats) -> RowPrior:
        """Return the prior of the bias and of those factors that are above zero."""
        keep = np.append(factors > 0, True)
        precision = self.precision[np.ix_(keep, keep)]
        return self._replace(mean=self.mean[keep], shifts=self.shifts[:, keep], precision=precision, nonnegative=False)


class UnobservedTerm(NamedTuple):
    """What all items, rated or not, add to the equations of every user in implicit matrix factorization.

    Attributes
    ----------
    gram
        float64, (k, k): the weighted sum of :math:`q q^T` over all items.
    weight
        The sum of the weights.
    """

    gram: Doubles
    weight: float


class RidgePenalty(NamedTuple):
    """The settings with which `solve_row` finds a user where the model has no posterior; on the rating scale.

    Attributes
    ----------
    factors
        The penalty of each squared factor.
    bias
        The penalty of the squared bias; None if the model has no user biases.
    by_count
        Whether both grow with the number of ratings (as they do when a solver applies them at each rating).
    nonnegative
        Whether factors, but not the bias, must be at least zero.
    unobserved
        The weight with which each item, rated or not, counts as not chosen; 0 if only ratings count. Above 0, the
        target of a rated item is 1, every item also has the target 0 with this weight, and the penalty grows with the
        sum of ratings and weights to the power of `exponent`: see `palate.ImplicitALS`.
    exponent
        See `unobserved`.
    confidence
        The factor that turns a rating into the weight of the target 1; 0 to give every rating the weight 1.
    liked
        The rating from which a pair is a choice, where `unobserved` is above 0: a lower rating has no weight. None if
        every rated pair is a choice.
    """

    factors: float
    bias: float | None
    by_count: bool
    nonnegative: bool = False
    unobserved: float = 0.0
    exponent: float = 1.0
    confidence: float = 0.0
    liked: float | None = None

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> RidgePenalty:
        """Return the penalty of a file.

        Raises
        ------
        TypeError, ValueError
            If a setting is missing, or is no number that a solver would write.
        """
        penalty = cls(**values)
        numbers = {"factors": penalty.factors, "unobserved": penalty.unobserved, "confidence": penalty.confidence}
        numbers |= {"exponent": penalty.exponent} | ({} if penalty.bias is None else {"bias": penalty.bias})
        if any(isinstance(number, bool) or not 0 <= number <= _GREATEST for number in numbers.values()):
            raise ValueError("a penalty is negative or too large")
        if penalty.exponent > _GREATEST_EXPONENT:
            raise ValueError("the exponent of the penalty is too large")
        if penalty.liked is not None:
            numbers["liked"] = penalty.liked
            if not abs(penalty.liked) <= _GREATEST:
                raise ValueError("the rating from which a pair is a choice is not finite")
        floats: dict[str, Any] = {name: float(number) for name, number in numbers.items()}
        return penalty._replace(**floats)

    def unobserved_term(self, item_factors: Floats) -> UnobservedTerm | None:
        """Return what all items add to every user's equations; None if only ratings count."""
        if not self.unobserved:
            return None
        factors = item_factors.astype(np.float64)
        return UnobservedTerm(self.unobserved * (factors.T @ factors), self.unobserved * len(factors))

    def row_prior(self, ratings: Floats, k: int, unobserved: UnobservedTerm | None) -> RowPrior:
        """Return the prior that amounts to the penalty, for a user with these ratings."""
        count = float(max(1, len(ratings)) if self.by_count else 1)
        diagonal = np.full(k + 1, self.factors)
        diagonal[k] = 1.0 if self.bias is None else self.bias
        weights, precision = np.ones(len(ratings)), np.zeros((k + 1, k + 1))
        if unobserved is not None:
            is_choice = np.ones(len(ratings)) if self.liked is None else (ratings >= np.float32(self.liked)) * 1.0
            count = (is_choice.sum() + unobserved.weight) ** self.exponent
            precision[:k, :k] = unobserved.gram
            weights = is_choice * (ratings.astype(np.float64) * self.confidence if self.confidence else weights)
        precision += np.diag(diagonal * count)
        mean, shifts = np.zeros(k + 1), np.zeros((1, k + 1))
        return RowPrior(mean, shifts, precision, weights, self.bias is not None, self.nonnegative)


@dataclass(frozen=True, eq=False)
class FactorPrior:
    r"""The normal prior of one side's factors and biases: :math:`N(\mu + \sum_j W_j / \sqrt n, \Lambda^{-1})`.

    The sum goes over the n partners j on the other side that have a rating with the row, whatever the rating.

    Attributes
    ----------
    mean
        float64, (k + 1,): :math:`\mu`.
    precision
        float64, (k + 1, k + 1): :math:`\Lambda`.
    sets
        float32, (others, k + 1): :math:`W`; (0, k + 1) if the prior does not depend on who rated what.
    noise
        float64, (others,): the variance of a rating with each partner.
    """

    mean: Doubles
    precision: Doubles
    sets: Floats
    noise: Doubles

    def rescaled(self, spread: float) -> FactorPrior:
        """Return the prior for ratings that were divided by `spread` before the fit: products of factors grow by it."""
        unit = np.full(len(self.mean), sqrt(spread))
        unit[-1] = spread
        sets = (self.sets * unit).astype(np.float32)
        return FactorPrior(self.mean * unit, self.precision / np.outer(unit, unit), sets, self.noise * spread**2)

    def moved(self, bias: float) -> FactorPrior:
        """Return the prior with another mean bias, by this difference."""
        return replace(self, mean=np.append(self.mean[:-1], self.mean[-1] + bias))

    def row_prior(self, others: NDArray[np.int32], k: int) -> RowPrior:
        """Return the prior of a row that has ratings with these partners."""
        shifts = np.zeros((1, k + 1))
        if len(self.sets) and len(others):
            shifts = self.sets[others].astype(np.float64) / np.sqrt(len(others))
        return RowPrior(self.mean, shifts, self.precision, 1 / self.noise[others])


def design_matrix(factors: Floats, biased: bool = True) -> Doubles:
    """Return the partners' factors and a last column of ones (zeros without a bias): float64, (n, k + 1)."""
    return np.column_stack([factors.astype(np.float64), np.full(len(factors), float(biased))])


def _refuse_unsolvable(solve: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Have a function raise a `DataError` where its equations have no solution in float64."""

    @wraps(solve)
    def solve_or_refuse(*arguments: Parameters.args, **more: Parameters.kwargs) -> Result:
        try:
            with np.errstate(all="ignore"):
                result = solve(*arguments, **more)
            if all(np.isfinite(part).all() for part in result):  # type: ignore[attr-defined]
                return result
        except (np.linalg.LinAlgError, RuntimeError):  # nnls finds no minimum
            pass
        raise DataError(
            "the ratings and the numbers of this model lie too far apart to be solved for: fit it again, with ratings "
            "of a usual size and regularization above 0"
        )

    return solve_or_refuse


@_refuse_unsolvable
def solve_row(factors: Floats, residuals: Doubles, prior: RowPrior) -> tuple[float, Floats, Doubles]:
    r"""Solve for the bias and factors of one user.

    With x the user's parameters, z the rows of the design matrix, e the residuals and w their weights, minimizes

    .. math:: \sum_i w_i (e_i - x \cdot z_i)^2 + (x - m)^T \Lambda (x - m),

    where m is the prior mean with its shifts. The minimum is the posterior mean of x.

    Parameters
    ----------
    factors
        float32, (n, k): of the rated items.
    residuals
        float64, (n,): ratings minus intercept and item biases.
    prior
        The prior and the weights.

    Returns
    -------
    bias : float
        0 if the prior has no bias.
    factors : ndarray
        float32, (k,).
    covariance : ndarray
        float64, (k + 1, k + 1): of the factors and the bias.

    Raises
    ------
    DataError
        If float64 is not precise enough for the equations.
    """
    design = design_matrix(factors, prior.biased)
    mean = prior.mean + prior.shifts.sum(axis=0)
    weighted = design.T * prior.weights
    matrix = weighted @ design + prior.precision
    covariance = np.asarray(np.linalg.inv(matrix), np.float64)
    if prior.nonnegative:
        solution = _solve_nonnegative(matrix, weighted @ residuals)
    else:
        solution = mean + covariance @ (weighted @ (residuals - design @ mean))
    k = factors.shape[1]
    return float(solution[k]) * prior.biased, solution[:k].astype(np.float32), covariance


def _solve_nonnegative(matrix: Doubles, right: Doubles) -> Doubles:
    """Minimize x'Mx - 2x.right where all of x but the last must be at least zero.

    The last is eliminated (by the Schur complement); the rest is a least-squares problem in the Cholesky factor of M.
    """
    from scipy.optimize import nnls

    corner, column = matrix[-1, -1], matrix[:-1, -1]
    root = np.linalg.cholesky(matrix[:-1, :-1] - np.outer(column, column) / corner)
    target = np.linalg.solve(root, right[:-1] - column * right[-1] / corner)
    bounded, _ = nnls(root.T, target, maxiter=100 * len(right))
    return np.append(bounded, (right[-1] - column @ bounded) / corner)


@_refuse_unsolvable
def split_row(factors: Floats, residuals: Doubles, prior: RowPrior) -> tuple[Doubles, Doubles]:
    r"""Split the solution of `solve_row` into what the prior says and what each rating adds.

    With :math:`A = \sum_i w_i z_i z_i^T + \Lambda` and the prior mean :math:`m + \sum_i s_i`, the solution is

    .. math:: x = m + \sum_i A^{-1} \left( w_i z_i (e_i - z_i \cdot c) + \Lambda s_i \right)
              + A^{-1} \sum_i w_i z_i \, z_i \cdot (c - m)

    for any c. Here c is m with the user's own bias, so that a rating adds what it says beyond the level at which the
    user rates; of the last term, the level itself, each rating adds the same share. A prediction is linear in x: one
    solve explains any number of items.

    Parameters
    ----------
    factors, residuals, prior
        As in `solve_row`.

    Returns
    -------
    before : ndarray
        float64, (k + 1,): the prior mean without any rating, m.
    shares : ndarray
        float64, (n, k + 1): what each rating adds. ``before + shares.sum(axis=0)`` is the solution; its last entry is
        the bias.
    """
    bias, solution, _ = solve_row(factors, residuals, prior)
    keep = np.ones(len(solution) + 1, bool)
    if prior.nonnegative:
        # Among the factors that are above zero, the constraints are not felt: the solution is that of the equations.
        keep[:-1] = solution > 0
        prior = prior.without_zero_factors(solution)
    design = design_matrix(factors, prior.biased)[:, keep]
    weighted = design.T * prior.weights
    level = np.zeros(int(keep.sum()))
    level[-1] = bias - prior.mean[-1] if prior.biased else 0.0
    right = weighted * (residuals - design @ (prior.mean + level)) + prior.precision @ prior.shifts.T
    right += (weighted @ (design @ level) / max(1, len(factors)))[:, None]
    before, shares = np.zeros(len(keep)), np.zeros((len(factors), len(keep)))
    before[keep] = prior.mean
    shares[:, keep] = np.linalg.solve(weighted @ design + prior.precision, right).T
    if not prior.biased:
        before[-1] = shares[:, -1] = 0
    return before, shares
