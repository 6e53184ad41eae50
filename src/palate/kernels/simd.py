"""Eight floats at a time: the few vector operations that kernels spell out.

LLVM's own vectoriser gives up on loops as short as a row of factors (measured: scalar code at k = 16, four times
slower), and where it does vectorise it reorders sums. These operations say exactly what is to happen, on any CPU: LLVM
splits the vectors where the machine's are shorter. Rows are padded with zeros to a multiple of `LANES` columns.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic

__all__ = ["LANES", "add", "fma", "load", "mul", "splat", "store", "total"]

LANES = 8
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INT32 = ir.IntType(32)


class _Float32x8(types.Type):
    def __init__(self) -> None:
        super().__init__(name="float32x8")


_float32x8 = _Float32x8()


@register_default(_Float32x8)
class _Float32x8Model(PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _VECTOR)


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    where = [
        context.cast(builder, value, kind, types.intp)
        for value, kind in zip(args[1:3], signature.args[1:3], strict=True)
    ]
    element = cgutils.get_item_pointer(context, builder, signature.args[0], array, where, wraparound=False)
    return builder.bitcast(element, _VECTOR.as_pointer())


def _undefined(kind: Any) -> Any:
    return ir.Constant(kind, ir.Undefined)


@intrinsic
def load(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Read array[row, column:column + 8]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args), align=4)

    return _float32x8(array, row, column), generate


@intrinsic
def store(typing_context: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Write array[row, column:column + 8] = value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[3], _pointer(context, builder, signature, args), align=4)
        return context.get_dummy_value()

    return types.void(array, row, column, value), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """Eight times the same float32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.insert_element(_undefined(_VECTOR), args[0], _INT32(0))
        lanes = ir.Constant(ir.VectorType(_INT32, LANES), None)
        return builder.shuffle_vector(first, _undefined(_VECTOR), lanes)

    return _float32x8(types.float32), generate


@intrinsic
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """A + b, lane by lane."""
    return _float32x8(a, b), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def mul(typing_context: Any, a: Any, b: Any) -> Any:
    """A * b, lane by lane."""
    return _float32x8(a, b), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c, lane by lane, fused where the CPU can."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
        return builder.call(function, args)

    return _float32x8(a, b, c), generate


@intrinsic
def total(typing_context: Any, a: Any) -> Any:
    """The sum of the lanes, added in halves."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector, width = args[0], LANES
        while width > 1:
            width //= 2
            halves = [
                builder.shuffle_vector(
                    vector,
                    _undefined(vector.type),
                    ir.Constant(ir.VectorType(_INT32, width), [_INT32(lane + half) for lane in range(width)]),
                )
                for half in (0, width)
            ]
            vector = builder.fadd(*halves)
        return builder.extract_element(vector, _INT32(0))

    return types.float32(a), generate


if numba.config.DISABLE_JIT:  # the same operations for kernels that run as plain Python
    globals().update(
        load=lambda array, row, column: array[row, column : column + LANES].copy(),
        store=lambda array, row, column, value: array[row].__setitem__(slice(column, column + LANES), value),
        splat=lambda number: np.full(LANES, number, np.float32),
        add=np.add,
        mul=np.multiply,
        fma=lambda a, b, c: a * b + c,
        total=lambda a: np.float32(a.sum()),
    )
