"""How answers look on a terminal, and as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from palate.evaluation.evaluate import Scores
    from palate.evaluation.standings import Trial
    from palate.solvers import Epoch

__all__ = [
    "counter",
    "epochs",
    "errors",
    "json_text",
    "outcome",
    "paragraph",
    "plus_minus",
    "score",
    "size",
    "table",
    "transfer",
    "trials",
    "uncertainty",
]


# Cells that are never broken.
_SHORT = 20


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

    Columns for which there is no room go on below, the first ones repeated.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if title:
        click.secho(title, bold=True)
    console = Console(highlight=False)
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if "title" in columns:  # one line each: what does not fit is cut
        place = columns.index("title")
        room = max(12, console.width - sum(widths) + widths[place] - 3 * len(columns))
        for row in cells:
            row[place] = row[place] if len(row[place]) <= room else row[place][: room - 1].rstrip(" …") + "…"
    else:
        parts = _side_by_side(widths, console.width, left)
        if len(parts) > 1:
            for part in parts:
                table(
                    "", [columns[place] for place in part], [[row[place] for place in part] for row in rows], left=left
                )
            return
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for number, name in enumerate(columns):
        words = number < left or any(_is_words(row[number]) for row in rows)
        short = widths[number] <= _SHORT
        grid.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=short or name == "title")
    for row in cells:
        grid.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines() if line.strip()))


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
    import textwrap

    width = min(100, shutil.get_terminal_size().columns)
    for line in text.splitlines():
        click.echo(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent), err=err)


def outcome(training: Mapping[str, Any]) -> str:
    """Say in a line how a fit went.

    Parameters
    ----------
    training
        Of a model.

    Examples
    --------
    >>> outcome({"regularization": 0.055, "epochs": 37, "interrupted": False, "notes": []})
    'regularization 0.055, epochs 37'
    """
    if "pilot_sweeps" in training:
        sweeps, pilots, rank = (training[name] for name in ("sweeps", "pilot_sweeps", "rank"))
        said = [f"{sweeps:,} sweeps after {pilots:,} of pilots, collapsed to rank {rank}"]
        if training["error_left_percent"] is not None:
            said.append(f"{training['error_left_percent']:.2g}% of the error left to gain by more")
    else:
        said = [f"{name} {value:g}" for name, value in training.items() if type(value) in (int, float)]
    if training.get("stage") == "pilot":
        said.append("cut short in a pilot, which leaves the validation part of the ratings out")
    return ", ".join(said)


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
    more = uncertainty(named.values())
    rows = []
    for solver, scores in sorted(named.items(), key=lambda entry: entry[1]["rmse"]):
        rmse = plus_minus(scores["rmse"], spread["rmse"] if spread and solver == first else None)
        rows.append([solver, rmse, scores["mae"], scores["nmae"], *(score(scores, name) for name in more.values())])
    table(title, ["", "RMSE", "MAE", "NMAE", *more], rows)


def plus_minus(value: float, error: float | None, form: str = ".4f") -> str:
    """Return a number with its uncertainty, where that is known.

    >>> plus_minus(0.87654, 0.0012), plus_minus(0.87654, None)
    ('0.8765 ± 0.0012', '0.8765')
    """
    return f"{value:{form}}" + (f" ± {error:.4f}" if error is not None and isfinite(error) else "")


def uncertainty(scores: Iterable[Scores]) -> dict[str, str]:
    """Return columns for likelihood and coverage with the scores they show, none if no model has intervals.

    >>> uncertainty([{"rmse": 1.0}, {"rmse": 1.0, "log_likelihood": -1.2, "coverage_90": 0.91}])
    {'log-likelihood': 'log_likelihood', 'in 90%': 'coverage_90'}
    """
    names = {name for one in scores for name in one}
    columns = {"log-likelihood": "log_likelihood"} if "log_likelihood" in names else {}
    covered = sorted(name for name in names if name.startswith("coverage_"))
    return columns | {f"in {name.removeprefix('coverage_')}%": name for name in covered}


def score(scores: Scores, name: str) -> str:
    """Return a score as it is shown: coverage as a percentage, a dash where the model has none.

    >>> score({"coverage_90": 0.9127}, "coverage_90"), score({}, "log_likelihood")
    ('91.3%', '–')
    """
    if name not in scores:
        return "–"
    return f"{scores[name]:.1%}" if name.startswith("coverage_") else _cell(scores[name])


@contextmanager
def epochs(quiet: bool) -> Iterator[Callable[[Epoch], None] | None]:
    """Show a fit on stderr: a bar for each stage on a terminal, elsewhere a line after each stage."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=len("pilot 10"))),
        BarColumn(8, table_column=Column(min_width=8)),
        TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    bars: dict[str, TaskID] = {}
    last: dict[str, tuple[int, str]] = {}
    shown = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=False) as progress:

        def finish() -> None:
            for key, (number, state) in last.items():
                # A stage that stopped early is done all the same.
                progress.update(bars[key], total=number, completed=number, state=state)

        def show(epoch: Epoch) -> None:
            nonlocal shown
            key = f"{epoch.stage}, {epoch.setting}" if epoch.stage == "pilot" else epoch.stage
            if key not in bars:
                finish()
                name = f"pilot {len(bars) + 1}" if epoch.stage == "pilot" else epoch.stage
                bars[key] = progress.add_task(name, total=epoch.of, state="")
            held = epoch.validation_rmse
            error = f"training RMSE {epoch.training_rmse:.4f}" if held is None else f"validation RMSE {held:.4f}"
            speed = f"{epoch.ratings_per_second / 1e6:.0f} million ratings/s"
            state = f"{epoch.number}/{epoch.of} · {error} · {epoch.setting if epoch.stage == 'pilot' else speed}"
            last[key] = epoch.number, state
            progress.update(bars[key], completed=epoch.number, state=state)
            # Drawing takes longer than an epoch over a small table.
            if time.monotonic() - shown > 0.1:
                progress.refresh()
                shown = time.monotonic()

        yield show
        finish()
        progress.refresh()
    if not console.is_terminal:
        for key, (_, state) in last.items():
            click.echo(f"{key.partition(',')[0]}: {state}", err=True)


def trials(quiet: bool, splits: int) -> tuple[Callable[[str, int], None], Callable[[Trial], None]]:
    """Return what shows a comparison on stderr: before each fit, on a terminal, and after it."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()

    def begun(name: str, split: int) -> None:
        if terminal and not quiet:
            click.echo(f"split {split} of {splits}, {name} …", err=True, nl=False)

    def done(trial: Trial) -> None:
        if quiet:
            return
        judged = trial.evaluation
        said = f"RMSE {judged.scores['rmse']:.4f} in {trial.seconds:.1f} s" if judged else f"failed: {trial.failure}"
        elapsed = f"{time.monotonic() - started:.0f} s so far"
        clear = "\r\x1b[K" if terminal else ""
        click.echo(f"{clear}split {trial.split} of {splits}, {trial.name}: {said} ({elapsed})", err=True)

    return begun, done


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


@contextmanager
def counter(name: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show on stderr how many of all are done, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(name, total=None)
        yield lambda done, of: progress.update(bar, completed=done, total=of)
