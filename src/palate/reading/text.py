"""Delimited text: read quickly where it is plain, else as text."""

from __future__ import annotations

import os
from collections.abc import Mapping

from palate.errors import SettingsError
from palate.lazy import pl
from palate.reading.columns import Column, by_name, choose_columns
from palate.reading.lines import Body, read_strings
from palate.reading.plain import PLAIN_FROM, read_plain
from palate.reading.sniff import BLANKS, sniff, take_sample
from palate.reading.source import open_text
from palate.reading.table import Table, as_ids, as_ratings
from palate.reading.wide import counts_match, read_wide

__all__ = ["read_text"]

_LAYOUTS = ("auto", "long", "wide")


def read_text(
    path: str | os.PathLike[str],
    told: Mapping[str, Column],
    *,
    separator: str | None,
    header: bool | None,
    layout: str,
    missing: float,
) -> Table:
    """Read ratings from a text file: see `palate.reading.read_table`.

    Raises
    ------
    ReadError
        If it is no text, no table, or some line has another number of columns than the others.
    SettingsError
        If there is no such layout, or columns are named in a wide one.
    """
    source = os.fspath(path)
    named = [role for role, column in told.items() if column is not None]
    if layout not in _LAYOUTS:
        raise SettingsError(f"layout must be one of {', '.join(_LAYOUTS)}, not {layout!r}")
    if layout == "wide" and named:
        raise SettingsError(f"a wide table has no {named[0]} column: leave out {named[0]}= or layout='wide'")
    content = open_text(path)
    dialect, rows, _ = sniff(take_sample(content), separator, header, source)
    body = Body(content, dialect, source)
    if layout == "wide" or (
        layout == "auto" and not named and len(by_name(dialect.names or [])) < 2 and counts_match(rows, missing)
    ):
        return read_wide(body, missing)
    positions, chosen = choose_columns(dialect.names, dialect.width, told, source)
    notes = (f"separated by {dialect.describe()}; {'no header; ' * (dialect.names is None)}{chosen}",)
    if len(body.content) >= PLAIN_FROM and dialect.separator != BLANKS:
        plain = read_plain(body.content, dialect.separator, dialect.width, positions)
        if plain is not None:
            return Table(plain, source, notes, body.locate)
    (user, item, rating), locate, encoding = read_strings(body, positions)
    frame = pl.DataFrame(
        {"user": as_ids(user, source), "item": as_ids(item, source), "rating": as_ratings(rating, source)}
    )
    return Table(frame, source, (*notes, *filter(None, [encoding])), locate)
