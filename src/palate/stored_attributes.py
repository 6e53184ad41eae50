"""Attributes and their weights in a model file: arrays, and plain values for the header."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.attributes import AttributeColumn, Attributes
from palate.model import AttributeWeights

__all__ = ["attribute_arrays", "attribute_header", "restored_attributes"]

_NAMES = ("indptr", "indices", "values")
_KINDS = ("number", "flag", "category", "list", "text", "year")


def attribute_arrays(known: AttributeWeights) -> dict[str, NDArray[Any]]:
    """Return the arrays to be written, without the ids."""
    arrays = {name: getattr(known.attributes, name) for name in _NAMES} | {"weights": known.weights}
    return arrays if known.base is None else arrays | {"base": known.base}


def attribute_header(known: AttributeWeights) -> dict[str, Any]:
    """Return what else is to be written: plain values."""
    columns = [dataclasses.asdict(column) for column in known.attributes.columns]
    for column in columns:
        if column["separator"] == AttributeColumn.separator:
            del column["separator"]  # unknown to older versions, which read the file then
    return {"columns": columns, "notes": list(known.attributes.notes)}


def restored_attributes(
    ids: NDArray[Any], arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], k: int
) -> AttributeWeights:
    """Return what `attribute_arrays` and `attribute_header` were made of, for a model of k factors.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a part is missing or the parts do not belong together.
    """
    columns = tuple(map(_column, header["columns"]))
    indptr, indices, values = (arrays[name] for name in _NAMES)
    attributes = Attributes(ids, columns, indptr, indices, values, tuple(header["notes"]))
    known = AttributeWeights(attributes, arrays["weights"], arrays.get("base"))
    if not _fits(known, k):
        raise ValueError("attributes do not fit together")
    return known


def _column(values: Mapping[str, Any]) -> AttributeColumn:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    column = AttributeColumn(**{**values, **lists})
    numbers = [column.center, column.spread, *column.weights, *column.edges]
    if column.kind not in _KINDS or not np.isfinite(np.array(numbers, np.float64)).all() or column.spread == 0:
        raise ValueError("an attribute has no kind, or no numbers")
    if not isinstance(column.separator, str) or not column.separator:
        raise ValueError("a list has no separator")
    if column.kind == "text" and len(column.weights) != len(column.values):
        raise ValueError("words lack weights")
    return column


def _fits(known: AttributeWeights, k: int) -> bool:
    one = known.attributes
    indptr, indices, values = one.indptr, one.indices, one.values
    if [part.dtype for part in (indptr, indices, values, known.weights)] != ["i8", "i4", "f4", "f4"]:
        return False
    if indptr.shape != (len(one) + 1,) or indices.ndim != 1 or indices.shape != values.shape or not len(one):
        return False
    if indptr[0] != 0 or indptr[-1] != len(indices) or (indptr[1:] < indptr[:-1]).any():
        return False
    if indices.min(initial=0) < 0 or indices.max(initial=0) >= one.width or known.weights.shape != (one.width, k + 1):
        return False
    if known.base is not None and (known.base.dtype != np.float32 or known.base.shape != (k + 1,)):
        return False
    is_sorted = one.ids.ndim == 1 and bool((one.ids[1:] > one.ids[:-1]).all())
    return (
        is_sorted
        and bool(np.isfinite(values).all() and np.isfinite(known.weights).all())
        and (known.base is None or bool(np.isfinite(known.base).all()))
    )
