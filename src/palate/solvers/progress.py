"""The bar of a fit on a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from palate.solvers.session import Epoch

__all__ = ["is_quiet", "is_watched", "progress_bar", "quietly"]

_quiet: ContextVar[bool] = ContextVar("palate_quiet", default=False)


@contextmanager
def quietly() -> Iterator[None]:
    """Neither show bars nor warn of ratings by default: for programs that fit many times, or tell it themselves."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def is_quiet() -> bool:
    """Return whether `quietly` is in force."""
    return _quiet.get()


def is_watched() -> bool:
    """Return whether somebody is likely to watch: standard error is a terminal, or Python runs in a notebook."""
    if _quiet.get():
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" or bool(sys.stderr and sys.stderr.isatty())


@contextmanager
def progress_bar(written: Callable[[str], None] | None = None) -> Iterator[Callable[[Epoch], None]]:
    """Yield a function that shows epochs: a bar for each stage of the fit.

    Parameters
    ----------
    written
        Where nobody watches, it is called at the end with a line about each stage.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    visible = console.is_terminal or console.is_jupyter
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=len("pilot 10"))),
        BarColumn(8, table_column=Column(min_width=8)),
        TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    bars: dict[str, TaskID] = {}
    last: dict[str, tuple[int, str]] = {}
    shown = 0.0
    with Progress(*columns, console=console, disable=not visible, auto_refresh=False) as progress:

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
            last[key] = epoch.number, _state(epoch)
            progress.update(bars[key], completed=epoch.number, state=last[key][1])
            # Drawing takes longer than an epoch over a small table.
            if time.monotonic() - shown > 0.1:
                progress.refresh()
                shown = time.monotonic()

        yield show
        finish()
        progress.refresh()
    if not visible and written is not None:
        for key, (_, state) in last.items():
            written(f"{key.partition(',')[0]}: {state}")


def _state(epoch: Epoch) -> str:
    if epoch.validation_rmse is None:
        error = f"training RMSE {epoch.training_rmse:.4f}"
    else:
        error = f"validation RMSE {epoch.validation_rmse:.4f}"
    about = epoch.setting if epoch.stage == "pilot" else _speed(epoch.ratings_per_second)
    return f"{epoch.number}/{epoch.of} · {error} · {about}"


def _speed(ratings_per_second: float) -> str:
    """Return how many ratings a second were trained on, to two digits.

    >>> _speed(2_345_678), _speed(45_678), _speed(12)
    ('2.3 million ratings/s', '46,000 ratings/s', '12 ratings/s')
    """
    rounded = float(f"{ratings_per_second:.2g}")
    return f"{rounded / 1e6:g} million ratings/s" if rounded >= 1e6 else f"{rounded:,g} ratings/s"
