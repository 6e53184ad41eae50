"""From columns without roles to a table of ratings: long or wide."""

from __future__ import annotations

import re
from dataclasses import replace

from palate.errors import ReadError, SettingsError
from palate.lazy import pl
from palate.reading.columns import Guess, choose_columns
from palate.reading.id_columns import as_ids, padding_note
from palate.reading.numbers import as_ratings, may_be_thousands
from palate.reading.raw import Chosen, Part, RawTable, Wanted
from palate.reading.table import Table, shortened
from palate.reading.times import as_times
from palate.reading.wide import looks_wide, read_wide

__all__ = ["arrange"]

_LAYOUTS = ("auto", "long", "wide")
# Numbers with a separator between, or a list of anything.
_BASKET = re.compile(r"\d+(?:[,;| ]+\d+)*|\[.*\]|\{.*\}")
# One comma alone may be that of a decimal.
_SEVERAL = r"^[\[{].*,|\d[;|]|\d[, ]+\d+[, ]+\d"
_FEWEST = 2


def arrange(raw: RawTable, wanted: Wanted) -> Table:
    """Give the columns of a table their roles.

    Raises
    ------
    ReadError
        If it is not clear which column is what, or a column holds what it cannot hold.
    SettingsError
        If there is no such layout, or columns are named that a wide table has not.
    """
    if wanted.layout not in _LAYOUTS:
        raise SettingsError(f"layout must be one of {', '.join(_LAYOUTS)}, not {wanted.layout!r}")
    if wanted.layout == "wide" or (wanted.layout == "auto" and looks_wide(raw, wanted)):
        return read_wide(raw, wanted)
    if raw.doubt and wanted.user is None:
        raise ReadError(f"{raw.source}: {raw.doubt}")
    chosen = choose_columns(raw, wanted)
    _refuse_baskets(raw, chosen)
    note = type(chosen.note)("; ".join(filter(None, [raw.note, chosen.note])))  # a guess stays a guess
    quick = raw.quick(chosen) if raw.quick is not None else None
    table = (
        Table(quick, raw.source, (note,), raw.locate, has_ratings=chosen.rating is not None)
        if quick is not None
        else _from_part(raw, chosen, raw.read(list(chosen.positions.values())), note)
    )
    thousand = None if chosen.rating is None else may_be_thousands(raw.values(chosen.rating))
    if thousand is not None:
        note = Guess(
            f"ratings such as {thousand!r} are read with a decimal point: if it separates thousands, write them without"
        )
        table = replace(table, notes=(*table.notes, note))
    return table if wanted.missing is None else table.without(wanted.missing)


def _refuse_baskets(raw: RawTable, chosen: Chosen) -> None:
    """Refuse cells that hold several items of a user.

    Raises
    ------
    ReadError
        If all values of the column of items are lists, or numbers with commas or the like between.
    """
    values = raw.values(chosen.item)
    if len(values) < _FEWEST or not all(map(_BASKET.fullmatch, values)):
        return
    several = [value for value in values if re.search(_SEVERAL, value)]
    if several:
        raise ReadError(
            f"{raw.source}: column {raw.name(chosen.item)!r} holds several items in a cell, such as "
            f"{shortened(several[0], 40)!r}: write a row for each of them"
        )


def _from_part(raw: RawTable, chosen: Chosen, part: Part, note: str) -> Table:
    values = dict(zip(chosen.positions, part.columns, strict=True))
    notes = [note, *part.notes]
    columns: dict[str, pl.Series] = {}
    for role in ("user", "item"):
        columns[role] = as_ids(values[role], raw.source, part.padded)
        if part.padded is not None and columns[role].dtype == pl.String:
            notes += padding_note(values[role], columns[role], role)
    if chosen.rating is None:
        columns["rating"] = pl.repeat(1.0, len(columns["user"]), dtype=pl.Float32, eager=True)
    else:
        columns["rating"], spelling = as_ratings(values["rating"], raw.source)
        notes += [spelling] if spelling else []
    if chosen.time is not None:
        times, trouble = _times(values["time"], _usable(columns), chosen, raw)
        columns |= {} if times is None else {"time": times}
        notes += [trouble] if trouble else []
    return Table(pl.DataFrame(columns), raw.source, tuple(notes), part.locate, part.bad, chosen.rating is not None)


def _usable(columns: dict[str, pl.Series]) -> pl.Series:
    """Say of each row whether its ids and its rating can be used."""
    rating = columns["rating"]
    if rating.dtype == pl.String:
        rating = rating.str.strip_chars().cast(pl.Float64, strict=False)
    return columns["user"].is_not_null() & columns["item"].is_not_null() & rating.is_not_null()


def _times(column: pl.Series, usable: pl.Series, chosen: Chosen, raw: RawTable) -> tuple[pl.Series | None, str]:
    """Return the times, or None with a note where they were only guessed and cannot all be read.

    Rows that cannot be used anyway may have any time.
    """
    if not usable.all() and column.dtype == pl.String:
        column = column.zip_with(usable, pl.Series([None], dtype=pl.String))
    try:
        times = as_times(column, raw.source)
    except ReadError as error:
        if not chosen.guessed_time:
            raise
        return None, f"times are left out: {str(error).removeprefix(f'{raw.source}: ')}"
    missing = (times.is_null() & usable).sum()
    if not chosen.guessed_time or (times.dtype == pl.Int64 and not missing):
        return times, ""
    if times.dtype == pl.Int64:
        trouble = f"{missing:,} of {len(times):,} are missing"
    else:
        trouble = f"some, such as {_first_odd(times)!r}, cannot be read"
    name = raw.name(chosen.time or 0)
    return None, f"the times in column {name!r} are left out: {trouble} (time={name!r}, --time, insists on them)"


def _first_odd(times: pl.Series) -> str:
    odd = times.filter(times.str.strip_chars().str.contains(r"^[\d\s.,:/TZ+-]+$").not_())
    return str((odd if len(odd) else times.drop_nulls())[0])
