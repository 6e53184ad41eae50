"""Chances of many items in float32, by NumPy or by kernels, with the same bits.

Exponentials and logarithms are those of the Cephes library (Moshier), accurate to about 2e-7 of their value; every
operation rounds to float32, so that one user, a batch and all users get the same bits on any machine.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

__all__ = ["choosing", "liking", "powers"]

Floats = NDArray[np.float32]

_EXPONENTIAL = [
    np.float32(number)
    for number in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
]
_LOGARITHM = [
    np.float32(number)
    for number in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
]  # fmt: skip
# The complementary error function to a share of 1.2e-7 (Press et al. 1992, "Numerical recipes in C", section 6.2).
_TAIL = [
    np.float32(number)
    for number in (
        0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
        -1.26551223,
    )
]  # fmt: skip
_LOG2_E, _ROUND = np.float32(1.44269504088896341), np.float32(12582912)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
# Exponentials beyond these would leave the range of float32.
_LEAST, _MOST = np.float32(-86), np.float32(86)
_TINY = np.float32(1e-37)
_ONE, _HALF, _TWO = np.float32(1), np.float32(0.5), np.float32(2)
# The bits of the square root of 1/2: mantissas lie from there to the square root of 2.
_MIDDLE = np.int32(0x3F3504F3)
# Below this number of chances NumPy computes them, unless the kernels are loaded already.
_LARGE = 1 << 16


def choosing(
    scores: Floats, form: tuple[float, float, float], terms: Floats, constant: NDArray[np.floating] | float,
    activity: NDArray[np.floating] | float = 0.0, trends: Floats | None = None,
) -> Floats:  # fmt: skip
    r"""Return chances, at most 1, whose logarithms are :math:`b \log(s^+ + f) + e s^+ + t_i + c_u + a_u z_i`.

    Parameters
    ----------
    scores
        s: float32, (users, items) or (items,).
    form
        f, b and e.
    terms
        t: float32, (items,).
    constant, activity
        c and a: (users,), or one number.
    trends
        z: float32, (items,); None for zeros.
    """
    rows = np.array(scores, np.float32, ndmin=2)
    constants, activities = (np.broadcast_to(np.float32(side), len(rows)) for side in (constant, activity))
    moves = np.zeros(rows.shape[1], np.float32) if trends is None else trends
    floor, weight, slope = (np.float32(number) for number in form)
    if _compiled(rows.size):
        from palate.kernels.interest import chances_of_choosing

        for row, each, active in zip(rows, constants, activities, strict=True):
            chances_of_choosing(row, floor, weight, slope, terms, each, active, moves)
    else:
        positive = np.maximum(rows, np.float32(0))
        logarithms = weight * _log(positive + floor) + slope * positive
        logarithms = logarithms + terms + constants[:, np.newaxis] + activities[:, np.newaxis] * moves
        rows = np.minimum(_exp(logarithms.astype(np.float32, copy=False)), _ONE)
    return rows.reshape(np.shape(scores))


# Variances above cannot be doubled in float32; ratings of such a spread are liked or not alike.
_LARGEST = 1e37


def liking(predictions: Floats, variance: NDArray[np.floating] | float, boundary: float) -> Floats:
    r"""Return :math:`\Phi((\hat r - t) / \sigma)` of predictions, float32; the variance is like them or one number."""
    values = np.array(predictions, np.float32, ndmin=1)
    spread = np.ascontiguousarray(np.broadcast_to(np.float32(np.minimum(variance, _LARGEST)), values.shape))
    if _compiled(values.size):
        from palate.kernels.interest import chances_of_liking

        chances_of_liking(values.reshape(-1), spread.reshape(-1), np.float32(boundary))
        return values.reshape(np.shape(predictions))
    x = (values - np.float32(boundary)) / np.sqrt(_TWO * spread)
    a = np.abs(x)
    t = _ONE / (_ONE + a * _HALF)
    tail = t * _exp(_polynomial(_TAIL, t) - a * a) * _HALF
    chances: Floats = np.where(x < 0, tail, _ONE - tail).reshape(np.shape(predictions))
    return chances


def powers(chances: Floats, power: float) -> Floats:
    """Return a power of chances, float32."""
    if power == 1:
        return chances
    values = np.array(chances, np.float32, ndmin=1)
    if _compiled(values.size):
        from palate.kernels.interest import powers

        powers(values.reshape(-1), np.float32(power))
    else:
        values = _exp(np.float32(power) * _log(np.maximum(values, _TINY)))
    return values.reshape(np.shape(chances))


def _compiled(size: int) -> bool:
    return size >= _LARGE or "palate.kernels.interest" in sys.modules


def _polynomial(coefficients: list[np.float32], x: Floats) -> Floats:
    total = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * x + coefficient
    return total


def _log(x: Floats) -> Floats:
    bits = x.view(np.int32)
    exponent_bits = bits - _MIDDLE
    e = (exponent_bits >> np.int32(23)).astype(np.float32)
    f = (bits - (exponent_bits & np.int32(-(1 << 23)))).view(np.float32) - _ONE
    z = f * f
    y = _polynomial(_LOGARITHM, f) * f * z
    y = y + _LN2_LOW * e - _HALF * z
    logarithm: Floats = f + y + _LN2_HIGH * e
    return logarithm


def _exp(x: Floats) -> Floats:
    x = np.minimum(np.maximum(x, _LEAST), _MOST)
    rounded = x * _LOG2_E + _ROUND
    n = rounded - _ROUND
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    y = _polynomial(_EXPONENTIAL, r) * (r * r) + r + _ONE
    # The bits of the rounded number end with n, and adding them to the exponent multiplies by 2^n.
    power: Floats = (y.view(np.int32) + (rounded.view(np.int32) << np.int32(23))).view(np.float32)
    return power
