"""Delimited text: read quickly where it is plain, else as text."""

from __future__ import annotations

from palate.lazy import pl
from palate.reading.lines import Body, read_strings
from palate.reading.plain import PLAIN_FROM, Columns, read_plain
from palate.reading.raw import Chosen, RawTable
from palate.reading.sniff import BLANKS, RATINGS_WANTED, sniff, take_sample
from palate.reading.source import Bytes
from palate.reading.times import as_times, to_seconds

__all__ = ["read_text"]


def read_text(
    content: Bytes, source: str, *, separator: str | None, header: bool | None, wanted: str = RATINGS_WANTED
) -> RawTable:
    """Recognise the columns of a text: see `palate.reading.read_table`. `wanted` names the columns for messages.

    Raises
    ------
    ReadError
        If it is no table.
    """
    dialect, rows, _ = sniff(take_sample(content), separator, header, source, wanted=wanted)
    body = Body(content, dialect)

    def quick(chosen: Chosen) -> Columns | None:
        if len(body.content) < PLAIN_FROM or dialect.separator == BLANKS:
            return None
        return _read_quickly(body, chosen, rows)

    note = f"separated by {dialect.describe()}{'; no header' * (dialect.names is None)}"
    if dialect.preface:
        note += f"; {dialect.preface} line{'s' * (dialect.preface > 1)} above the header left out"
    return RawTable(
        source,
        dialect.width,
        lambda positions: read_strings(body, positions),
        dialect.names,
        rows,
        note,
        quick,
        body.locate,
    )


def _read_quickly(body: Body, chosen: Chosen, rows: list[list[str]]) -> Columns | None:
    positions = dict(chosen.positions)
    spelled = chosen.time is not None and any("-" in row[chosen.time] for row in rows if chosen.time < len(row))
    if spelled:
        del positions["time"]
    columns = read_plain(body.content, body.dialect.separator, body.dialect.width, positions)
    if columns is None:
        return None
    if spelled and chosen.time is not None:
        times = as_times(read_strings(body, [chosen.time]).columns[0], "")
        if times.dtype != pl.Int64 or times.null_count() or len(times) != len(columns["user"]):
            return None  # the patient way says what is wrong
        columns["time"] = times.to_numpy()
    elif chosen.time is not None:
        columns["time"] = to_seconds(columns["time"])
    return columns
