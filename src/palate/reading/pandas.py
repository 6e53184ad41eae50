"""Tables of pandas: frames, and series whose index names users and items. Read without Arrow, which pandas can lack."""

from __future__ import annotations

from typing import Any

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.objects import from_array, from_objects
from palate.reading.raw import RawTable, from_columns

__all__ = ["read_pandas"]


def read_pandas(source: Any) -> RawTable:
    """Read a frame or series.

    Levels of the index are columns too where they say something: where they have names, or are several. An index
    without a name labels the rows; it holds the users where the frame is in the wide layout.

    Raises
    ------
    ReadError
        If it is neither a frame nor a series with an index of two levels.
    """
    dimensions = getattr(source, "ndim", 0)
    if dimensions == 1 and getattr(source.index, "nlevels", 1) == 2:
        source = source.to_frame("rating" if source.name is None else source.name)
    elif dimensions != 2 or not hasattr(source, "iloc"):  # such as what groupby makes
        raise ReadError(
            f"a pandas {type(source).__name__} is no table: hand over a DataFrame with three columns, or a Series "
            "whose index has two levels, user and item"
        )
    names = _names(source)
    index, labels = source.index, None
    ahead: list[Any] = []
    if index.nlevels > 1 or (index.name is not None and str(index.name) not in names):
        ahead = [index.get_level_values(level) for level in range(index.nlevels)]
        unnamed = ("user", "item") if index.nlevels == 2 else ("",) * index.nlevels
        names = [str(default if name is None else name) for name, default in zip(index.names, unnamed)] + names
    elif not _counts_rows(index):
        labels = len(names)
        names = [*names, ""]

    def column(position: int) -> pl.Series:
        if position == labels:
            return _series(index)
        return _series(ahead[position] if position < len(ahead) else source.iloc[:, position - len(ahead)])

    return from_columns(names, column, len(names), "the pandas frame", first=0, index=labels)


def _names(frame: Any) -> list[str]:
    columns = frame.columns
    if columns.nlevels > 1:  # as pivot_table makes them, with the name of the values above
        levels = [level for level in range(columns.nlevels) if columns.get_level_values(level).nunique() > 1]
        if len(levels) > 1:
            raise ReadError("the pandas frame has columns of several levels: keep one of them, with droplevel()")
        columns = columns.get_level_values(levels[0] if levels else -1)
    return [str(name) for name in columns]


def _counts_rows(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex"


def _series(values: Any) -> pl.Series:
    array = values.to_numpy()
    if array.dtype.kind in "iufM":
        return from_array(array)
    if array.dtype.kind == "m":
        return from_objects([str(value) for value in array])
    return from_objects([None if missing else value for value, missing in zip(array, values.isna(), strict=True)])
