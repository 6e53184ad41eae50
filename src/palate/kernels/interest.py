"""Interest of many items for one user: what `palate.model.chance_math` computes with NumPy, with the same bits.

Every operation is one that NumPy does too and rounds to float32; branches are choices of numbers, so that loops become
operations on vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from palate.kernels.jit import jit

__all__ = ["chances_of_choosing", "chances_of_liking", "powers"]

_ONE, _HALF, _TWO, _ZERO = np.float32(1), np.float32(0.5), np.float32(2), np.float32(0)
# Of the exponential function and the logarithm (Moshier, Cephes library) and the complementary error function (Press et
# al.): see `palate.model.chance_math`.
_LOG2_E, _ROUND = np.float32(1.44269504088896341), np.float32(12582912)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LEAST, _MOST = np.float32(-86), np.float32(86)
E0, E1, E2, E3, E4, E5 = (
    np.float32(number)
    for number in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
L0, L1, L2, L3, L4, L5, L6, L7, L8 = (
    np.float32(number)
    for number in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 = (
    np.float32(number)
    for number in (
        -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
        0.17087277,
    )
)  # fmt: skip


@intrinsic
def _exponent(typing_context, x):
    """Return the float32 for the exponent e of x = m 2^e with m from sqrt(1/2) to sqrt(2)."""

    def generate(context, builder, signature, args):
        i32 = ir.IntType(32)
        bits = builder.sub(builder.bitcast(args[0], i32), ir.Constant(i32, 0x3F3504F3))
        return builder.sitofp(builder.ashr(bits, ir.Constant(i32, 23)), ir.FloatType())

    return types.float32(x), generate


@intrinsic
def _mantissa(typing_context, x):
    """Return m of x = m 2^e."""

    def generate(context, builder, signature, args):
        i32 = ir.IntType(32)
        bits = builder.bitcast(args[0], i32)
        above = builder.and_(builder.sub(bits, ir.Constant(i32, 0x3F3504F3)), ir.Constant(i32, -(1 << 23)))
        return builder.bitcast(builder.sub(bits, above), ir.FloatType())

    return types.float32(x), generate


@intrinsic
def _scaled(typing_context, x, rounded):
    """Return x times 2^n, where rounded is n + 12582912: the bits of that sum end with n."""

    def generate(context, builder, signature, args):
        i32 = ir.IntType(32)
        n = builder.shl(builder.bitcast(args[1], i32), ir.Constant(i32, 23))
        return builder.bitcast(builder.add(builder.bitcast(args[0], i32), n), ir.FloatType())

    return types.float32(x, rounded), generate


if numba.config.DISABLE_JIT:

    def _exponent(x):
        return np.float32((np.float32(x).view(np.int32) - np.int32(0x3F3504F3)) >> np.int32(23))

    def _mantissa(x):
        bits = np.float32(x).view(np.int32)
        return (bits - ((bits - np.int32(0x3F3504F3)) & np.int32(-(1 << 23)))).view(np.float32)

    def _scaled(x, rounded):
        return (np.float32(x).view(np.int32) + (np.float32(rounded).view(np.int32) << np.int32(23))).view(np.float32)


@jit(fused=False)
def _log(x):
    e, f = _exponent(x), _mantissa(x) - _ONE
    z = f * f
    y = ((((((((L0 * f + L1) * f + L2) * f + L3) * f + L4) * f + L5) * f + L6) * f + L7) * f + L8) * f * z
    y = y + _LN2_LOW * e - _HALF * z
    return f + y + _LN2_HIGH * e


@jit(fused=False)
def _exp(x):
    x = min(max(x, _LEAST), _MOST)
    rounded = x * _LOG2_E + _ROUND
    n = rounded - _ROUND
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    y = (((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5) * (r * r) + r + _ONE
    return _scaled(y, rounded)


@jit(fused=False)
def chances_of_choosing(scores, floor, weight, slope, terms, constant, trend, trends):
    """Replace scores, (n,), by chances: see `palate.model.chance_math.choosing`.

    Three loops, because LLVM does not vectorise the one.
    """
    for i in range(scores.size):
        positive = max(scores[i], _ZERO)
        scores[i] = weight * _log(positive + floor) + slope * positive
    for i in range(scores.size):
        scores[i] = scores[i] + terms[i] + constant + trend * trends[i]
    for i in range(scores.size):
        scores[i] = min(_exp(scores[i]), _ONE)


@jit(fused=False)
def chances_of_liking(predictions, variance, boundary):
    """Replace predictions, (n,), by the chances that ratings are above the boundary."""
    for i in range(predictions.size):
        x = (predictions[i] - boundary) / np.sqrt(_TWO * variance[i])
        a = abs(x)
        t = _ONE / (_ONE + a * _HALF)
        series = ((((((((C9 * t + C8) * t + C7) * t + C6) * t + C5) * t + C4) * t + C3) * t + C2) * t + C1) * t + C0
        tail = t * _exp(series - a * a) * _HALF
        predictions[i] = tail if x < _ZERO else _ONE - tail


@jit(fused=False)
def powers(chances, power):
    """Replace chances, (n,), by a power of them."""
    for i in range(chances.size):
        chances[i] = _exp(power * _log(max(chances[i], np.float32(1e-37))))
