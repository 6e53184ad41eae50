"""How answers look on a terminal, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from math import isfinite
from typing import Any

import click

__all__ = ["json_text", "paragraph", "percent", "size", "table"]

# Cells of at most this width are never broken, and titles are not cut below this one.
_SHORT, _TITLE = 20, 12


def json_text(value: Any) -> None:
    """Print a value as JSON; what is not a finite number becomes null."""
    click.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, left: int = 1) -> None:
    """Print a table: the first `left` columns and those of words to the left, numbers to the right.

    Columns for which there is no room follow below, with the first `left` columns repeated.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if title:
        click.secho(textwrap.fill(title, max(_SHORT, console.width)), bold=True)
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(columns, *cells, strict=True)]
    order = list(range(len(columns)))
    if "title" in columns:
        order = _fit_titles(columns.index("title"), cells, widths, console.width, left)
    if "title" not in columns or columns[order[-1]] != "title":
        parts = _side_by_side([widths[place] for place in order], console.width, left)
        if len(parts) > 1:
            for part in parts:
                places = [order[at] for at in part]
                rows = [[row[place] for place in places] for row in cells]
                table("", [columns[place] for place in places], rows, left=left)
            return
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for number, name in enumerate(columns):
        words = number < left or any(_is_words(row[number]) for row in rows)
        short = widths[number] <= _SHORT
        grid.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=short or name == "title")
    for row in cells:
        grid.add_row(*map(Text, row))
    # A narrow terminal breaks the lines itself, rather than that ids lose their ends.
    width = sum(min(width, _SHORT) for width in widths) + 3 * len(widths)
    console = Console(highlight=False, width=max(console.width, width))
    with console.capture() as captured:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines() if line.strip()))


def _fit_titles(place: int, cells: list[list[str]], widths: list[int], width: int, left: int) -> list[int]:
    """Cut titles to one line each, and return the order of the columns.

    Where there is hardly room for titles at the end, they stay with the ids, and the rest follows below.
    """
    order = list(range(len(widths)))
    room = width - sum(widths) + widths[place] - 3 * len(widths)
    if room < _TITLE and len(widths) > left + 1:
        order = [*order[:left], place, *(other for other in order[left:] if other != place)]
        room = width - sum(widths[:left]) - 3 * (left + 1)
    for row in cells:
        row[place] = _cut(row[place], max(_TITLE, room))
    widths[place] = max(len("title"), *(_width(row[place]) for row in cells)) if cells else len("title")
    return order


def _width(text: str) -> int:
    """Return how wide a text is on a terminal, where Chinese characters take two places."""
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, room: int) -> str:
    from rich.cells import set_cell_size

    return text if _width(text) <= room else set_cell_size(text, room - 1).rstrip(" …") + "…"


def _side_by_side(widths: list[int], room: int, left: int) -> list[list[int]]:
    needed = [min(width, _SHORT) + 3 for width in widths]
    first = list(range(left))
    parts = [first]
    for place in range(left, len(widths)):
        if len(parts[-1]) > left and sum(needed[other] for other in parts[-1]) + needed[place] > room:
            parts.append(first)
        parts[-1] = [*parts[-1], place]
    return parts


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and any(letter.isalpha() for letter in value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def paragraph(text: str, indent: str = "    ", *, err: bool = False) -> None:
    """Print a text with its own line breaks, wrapped and indented; on stderr if `err`."""
    import shutil

    width = min(100, shutil.get_terminal_size().columns)
    for line in text.splitlines():
        click.echo(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent), err=err)


def size(count: int) -> str:
    """Return a number of bytes for people.

    >>> size(1234567)
    '1.2 MB'
    """
    from rich.filesize import decimal

    return decimal(count)


def percent(chance: float) -> str:
    """Return a chance for people: small ones with two digits that are not zero.

    >>> percent(0.4567), percent(0.0345), percent(0.000321)
    ('45.7%', '3.5%', '0.032%')
    """
    return f"{chance:.1%}" if chance >= 0.01 else f"{100 * chance:.2g}%"
