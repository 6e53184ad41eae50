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
def epochs(quiet: bool) -> Iterator[Callable[[Epoch], None] | bool]:
    """Show a fit: a bar for each stage on a terminal, elsewhere a line after each stage."""
    if quiet:
        yield False
        return
    from palate.solvers.progress import progress_bar

    with progress_bar(lambda line: click.echo(line, err=True)) as show:
        yield show


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
