"""Polars, imported when something of it is used first: a fit of plain numeric text starts a tenth of a second sooner.

Not by `lazy_loader.load`: before Python 3.12 several threads that ask at once for a module of that kind see it half
loaded. An import statement waits for the other thread.

Polars works on threads of its own, and a fork copies none of them: a forked process that asked Polars for something
would wait for ever. It gets an error instead.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.environment import require_thread_count
from palate.errors import ForkError

if TYPE_CHECKING:
    import polars as pl
else:

    class _Polars:
        def __getattr__(self, name: str) -> Any:
            if _fork["lost"]:
                raise ForkError(
                    "tables cannot be read or written in a process that was forked after Polars had worked: start "
                    "processes with multiprocessing.get_context('spawn') or 'forkserver', or read before the fork"
                )
            if "polars" not in sys.modules:
                require_thread_count("POLARS_MAX_THREADS")
            import polars

            return getattr(polars, name)

    pl = _Polars()

__all__ = ["pl"]

# The name of a thread that Polars computes on.
_WORKER = re.compile(r"polars-\d")
# Whether Polars had threads when the last fork began, and whether this process has lost them by a fork.
_fork = {"had threads": False, "lost": False}


def _before_fork() -> None:
    _fork["had threads"] = "polars" in sys.modules and _has_polars_threads()


def _after_fork() -> None:
    _fork["lost"] |= _fork["had threads"]


def _has_polars_threads() -> bool:
    """Whether Polars has started its threads: importing it does not yet do so."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():  # not Linux: they may be there
        return True
    for task in tasks.iterdir():
        with suppress(OSError):  # a thread that has just ended
            if _WORKER.match((task / "comm").read_text()):
                return True
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
