"""Operations on vectors of eight floats, for kernels.

LLVM does not vectorise loops as short as a row of factors by itself (measured at k = 16: scalar code, four times
slower), and where it does, it reorders sums. These operations have the same result on any CPU: LLVM splits the vectors
where the CPU has shorter ones. Rows are padded with zeros to a multiple of `LANES` columns.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic

__all__ = [
    "HAS_AVX512",
    "LANES",
    "add",
    "add_products_1x1",
    "add_products_1x2",
    "add_products_1x3",
    "add_products_4x2",
    "add_products_8x1",
    "add_products_8x2",
    "add_products_8x4",
    "fma",
    "load",
    "mul",
    "prefetch",
    "splat",
    "store",
    "total",
]

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


def _splat(builder: Any, number: Any, kind: Any = _VECTOR) -> Any:
    first = builder.insert_element(_undefined(kind), number, _INT32(0))
    return builder.shuffle_vector(first, _undefined(kind), ir.Constant(ir.VectorType(_INT32, kind.count), None))


def _fma(builder: Any, *args: Any) -> Any:
    kind = args[0].type
    name, function = f"llvm.fmuladd.v{kind.count}f32", ir.FunctionType(kind, [kind] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), args)


@intrinsic
def load(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Return array[row, column:column + 8]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args), align=4)

    return _float32x8(array, row, column), generate


@intrinsic
def store(typing_context: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Set array[row, column:column + 8] = value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[3], _pointer(context, builder, signature, args), align=4)
        return context.get_dummy_value()

    return types.void(array, row, column, value), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Load array[row, column] into the cache, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_ = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [bytes_, _INT32, _INT32, _INT32]), "llvm.prefetch.p0"
        )
        place = builder.bitcast(_pointer(context, builder, signature, args), bytes_)
        builder.call(function, [place, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """Return a vector of eight times the same float32."""
    return _float32x8(types.float32), lambda context, builder, signature, args: _splat(builder, *args)


@intrinsic
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """Return a + b, lane by lane."""
    return _float32x8(a, b), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def mul(typing_context: Any, a: Any, b: Any) -> Any:
    """Return a * b, lane by lane."""
    return _float32x8(a, b), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, lane by lane, fused where the CPU can."""
    return _float32x8(a, b, c), lambda context, builder, signature, args: _fma(builder, *args)


@intrinsic
def total(typing_context: Any, a: Any) -> Any:
    """Return the sum of the lanes: both halves are added, again and again."""

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


def _products(rows: int, vectors: int, lanes: int = LANES) -> Any:
    """Make out[row:row + rows, column:column + width] += sign * left[:size, row:row + rows]' right[:size, column:...].

    The width is lanes * vectors. The sums stay in registers: four rows by two vectors take eight of 16 registers, which
    leaves enough for the factors, and a load serves four products (GFLOP/s of one core, measured: 92 for 4 x 2, 45 for
    8 x 1, 87 for a single-threaded matrix product of BLAS). `left` and `out` may be the same array if no row is both
    read and written. The terms of each sum are added in the same order for any number of rows, vectors and lanes, so
    the bits are the same.
    """
    kind = ir.VectorType(ir.FloatType(), lanes)
    if numba.config.DISABLE_JIT:

        def plain(left: Any, right: Any, size: int, row: int, column: int, sign: Any, out: Any) -> None:
            columns = slice(column, column + lanes * vectors)
            out[row : row + rows, columns] += sign * (left[:size, row : row + rows].T @ right[:size, columns])

        return plain

    @intrinsic
    def products(
        typing_context: Any, left: Any, right: Any, size: Any, row: Any, column: Any, sign: Any, out: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def pointer_to(number: int, *where: Any) -> Any:
                array = context.make_array(signature.args[number])(context, builder, args[number])
                return cgutils.get_item_pointer(
                    context, builder, signature.args[number], array, where, wraparound=False
                )

            def vector(pointer: Any) -> Any:
                return builder.bitcast(pointer, kind.as_pointer())

            zero = ir.Constant(kind, [0.0] * lanes)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)] for _ in range(rows)]
            size, row, column = args[2:5]
            step = [ir.Constant(column.type, lanes * number) for number in range(vectors)]
            with cgutils.for_range(builder, size) as loop:
                partners = [
                    builder.load(vector(pointer_to(1, loop.index, builder.add(column, offset))), align=4)
                    for offset in step
                ]
                for line in range(rows):
                    number = builder.load(pointer_to(0, loop.index, builder.add(row, ir.Constant(row.type, line))))
                    factor = _splat(builder, number, kind)
                    for partner, running in zip(partners, sums[line], strict=True):
                        builder.store(_fma(builder, factor, partner, builder.load(running)), running)
            scale = _splat(builder, args[5], kind)
            for line in range(rows):
                for offset, running in zip(step, sums[line], strict=True):
                    place = vector(
                        pointer_to(6, builder.add(row, ir.Constant(row.type, line)), builder.add(column, offset))
                    )
                    total = _fma(builder, scale, builder.load(running), builder.load(place, align=4))
                    builder.store(total, place, align=4)
            return context.get_dummy_value()

        return types.void(left, right, types.intp, types.intp, types.intp, types.float32, out), generate

    return products


add_products_8x1 = _products(8, 1)
add_products_1x3, add_products_1x2, add_products_1x1 = _products(1, 3), _products(1, 2), _products(1, 1)
add_products_4x2, add_products_8x2 = _products(4, 2), _products(8, 1, 2 * LANES)
add_products_8x4 = _products(8, 2, 2 * LANES)
# Whether the CPU has 32 registers of 16 floats, as `add_products_8x2` needs.
HAS_AVX512 = bool(get_host_cpu_features().get("avx512f")) and not numba.config.CPU_NAME


if numba.config.DISABLE_JIT:  # the same operations for kernels that run as plain Python
    globals().update(
        load=lambda array, row, column: array[row, column : column + LANES].copy(),
        store=lambda array, row, column, value: array[row].__setitem__(slice(column, column + LANES), value),
        prefetch=lambda array, row, column: None,
        splat=lambda number: np.full(LANES, number, np.float32),
        add=np.add,
        mul=np.multiply,
        fma=lambda a, b, c: a * b + c,
        total=lambda a: np.float32(a.sum()),
    )
