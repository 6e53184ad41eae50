"""What is shown on stderr while something runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from palate.evaluation.compare import SplitResult
    from palate.solvers import Epoch

__all__ = ["counter", "epochs", "splits", "transfer"]


@contextmanager
def epochs(quiet: bool) -> Iterator[Callable[[Epoch], None] | None]:
    """Show a fit: a bar for each stage on a terminal, elsewhere a line after each stage."""
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
                # A stage that stopped early is finished too.
                progress.update(bars[key], total=number, completed=number, state=state)

        def show(epoch: Epoch) -> None:
            nonlocal shown
            key = f"{epoch.stage}, {epoch.setting}" if epoch.stage == "pilot" else epoch.stage
            if key not in bars:
                finish()
                name = f"pilot {len(bars) + 1}" if epoch.stage == "pilot" else epoch.stage
                bars[key] = progress.add_task(name, total=epoch.of, state="")
            if epoch.validation_rmse is None:
                error = f"training RMSE {epoch.training_rmse:.4f}"
            else:
                error = f"validation RMSE {epoch.validation_rmse:.4f}"
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


def splits(quiet: bool, count: int) -> tuple[Callable[[str, int], None], Callable[[SplitResult], None]]:
    """Return two functions that show a comparison: one is called before each fit, the other after it."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()

    def begun(name: str, split: int) -> None:
        if terminal and not quiet:
            click.echo(f"split {split} of {count}, {name} …", err=True, nl=False)

    def done(result: SplitResult) -> None:
        if quiet:
            return
        outcome = f"failed: {result.failure}"
        if result.evaluation:
            names = {"rmse": "RMSE", "ndcg@10": "NDCG@10"}
            scores = result.evaluation.scores
            figures = ", ".join(f"{title} {scores[name]:.4f}" for name, title in names.items() if name in scores)
            outcome = f"{figures} in {result.seconds:.1f} s"
        elapsed = f"{time.monotonic() - started:.0f} s so far"
        clear = "\r\x1b[K" if terminal else ""
        click.echo(f"{clear}split {result.split} of {count}, {result.name}: {outcome} ({elapsed})", err=True)

    return begun, done


@contextmanager
def transfer(name: str, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show a download, if stderr is a terminal."""
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
    """Show how many of all are done, if stderr is a terminal."""
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
