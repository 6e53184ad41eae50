"""Output in the encoding of the terminal: characters that it does not have are spelled with those that it has."""

from __future__ import annotations

import codecs
import io
import os
import sys

__all__ = ["replace_closed_outputs", "write_what_the_terminal_can_show"]

_SPELLED = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "─": "-", "━": "-", "·": "-", "×": "x", "→": "->", "λ": "lambda", "≥": ">=",
     "≤": "<=", "‘": "'", "’": "'", "“": '"', "”": '"', "²": "^2", "±": "+-"}
)  # fmt: skip


def replace_closed_outputs() -> None:
    """Have what is said to a closed standard output or standard error (`>&-`) go nowhere: the work is done anyway."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends


def write_what_the_terminal_can_show() -> None:
    """Have standard output and standard error replace what their encodings lack, "?" where nothing comes near."""
    codecs.register_error("palate", _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="palate")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    spelled = error.object[error.start : error.end].translate(_SPELLED)
    return spelled.encode("ascii", "replace").decode(), error.end
