"""How answers look on a terminal, and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from palate.evaluation import Scores
    from palate.solvers import Epoch

__all__ = ["epochs", "errors", "json_text", "outcome", "paragraph", "size", "table", "transfer"]


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
    """Print a table: the first `left` columns and those of words to the left, numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    grid.show_header = any(columns)
    for number, name in enumerate(columns):
        words = number < left or any(_is_words(row[number]) for row in rows)
        grid.add_column(name, justify="left" if words else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(_cell(value)) for value in row))
    Console(highlight=False).print(grid)


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and any(letter.isalpha() for letter in value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def paragraph(text: str, indent: str = "    ") -> None:
    """Print a text with its own line breaks, wrapped and indented."""
    import shutil
    import textwrap

    width = min(100, shutil.get_terminal_size().columns)
    for line in text.splitlines():
        click.echo(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent))


def outcome(training: Mapping[str, Any]) -> str:
    """Say in a line how a fit went.

    >>> outcome({"regularization": 0.055, "epochs": 37, "interrupted": False, "notes": []})
    'regularization 0.055, epochs 37'
    """
    return ", ".join(f"{name} {value:g}" for name, value in training.items() if type(value) in (int, float))


def size(count: int) -> str:
    """Return a number of bytes for people.

    >>> size(1234567)
    '1.2 MB'
    """
    from rich.filesize import decimal

    return decimal(count)


def errors(title: str, named: dict[str, Scores], spread: Scores | None = None) -> None:
    """Print a table of errors, the best first; `spread` belongs to the first of `named`."""
    first = next(iter(named))
    rows = []
    for name, scores in sorted(named.items(), key=lambda entry: entry[1]["rmse"]):
        rmse = f"{scores['rmse']:.4f}"
        if spread and name == first and isfinite(spread["rmse"]):
            rmse += f" ± {spread['rmse']:.4f}"
        rows.append([name, rmse, scores["mae"], scores["nmae"]])
    table(title, ["", "RMSE", "MAE", "NMAE"], rows)


@contextmanager
def epochs(quiet: bool) -> Iterator[Callable[[Epoch], None] | None]:
    """Show a fit on stderr: a bar on a terminal, elsewhere a line after each stage."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[state]}"))
    bars: dict[str, TaskID] = {}
    last: dict[str, str] = {}
    shown = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=False) as progress:

        def show(epoch: Epoch) -> None:
            nonlocal shown
            key = f"{epoch.stage}, {epoch.setting}"
            if key not in bars:
                bars[key] = progress.add_task(key, total=epoch.of, state="")
            held = "" if epoch.validation_rmse is None else f" · validation {epoch.validation_rmse:.4f}"
            last[key] = (
                f"{epoch.number}/{epoch.of} · training RMSE {epoch.training_rmse:.4f}{held}"
                f" · {epoch.ratings_per_second / 1e6:.1f} M ratings/s"
            )
            progress.update(bars[key], completed=epoch.number, state=last[key])
            # Drawing takes longer than an epoch over a small table.
            if time.monotonic() - shown > 0.1 or epoch.number == epoch.of:
                progress.refresh()
                shown = time.monotonic()

        yield show
        progress.refresh()
    if not console.is_terminal:
        for key, state in last.items():
            click.echo(f"{key}: {state}", err=True)


@contextmanager
def transfer(name: str, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show a download on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
