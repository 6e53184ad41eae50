"""Environment variables of the libraries below, which these libraries do not check, or in words of their own."""

from __future__ import annotations

import os

from palate.errors import SettingsError

__all__ = ["require_thread_count"]


def require_thread_count(variable: str) -> None:
    """Check an environment variable that says how many threads a library may start.

    Raises
    ------
    SettingsError
        If it is set and is no integer above 0.
    """
    value = os.environ.get(variable, "").strip()
    if value and not (value.isdecimal() and value.isascii() and int(value) > 0):
        raise SettingsError(f"the environment variable {variable} is {value!r}: set it to an integer above 0")
