"""The command `palate`: it translates between the shell and the package, and computes nothing.

Modules here import what they need inside the commands, so that `palate --help` answers at once.
"""

from __future__ import annotations

from palate.cli.app import main, run

__all__ = ["main", "run"]
