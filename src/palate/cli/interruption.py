"""Ctrl-C in its disguises."""

from __future__ import annotations

__all__ = ["is_interruption"]


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error began as Ctrl-C, which Python and libraries turn into errors of their own during imports."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
