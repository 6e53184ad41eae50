"""The command `palate`: it translates between the shell and the package, and computes nothing.

Modules here import what they need inside the commands, so that `palate --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

from palate.cli.interruption import is_interruption

__all__ = ["run"]


def run() -> None:
    """Run the command, and end the process: see `palate.cli.app.run`."""
    # Ctrl-C may come before the command is loaded, and when all is done.
    sys.excepthook = _print_uncaught
    from palate.cli.app import run as run_app

    run_app()


def _print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not is_interruption(error):
        sys.__excepthook__(kind, error, trace)
        return
    print("palate: interrupted", file=sys.stderr, flush=True)
    os._exit(130)
