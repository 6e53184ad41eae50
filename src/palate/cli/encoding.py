"""Output in the encoding of the terminal: characters that it does not have are spelled with those that it has."""

from __future__ import annotations

import codecs
import io
import sys

__all__ = ["write_what_the_terminal_can_show"]

_SPELLED = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "─": "-", "━": "-", "·": "-", "×": "x", "→": "->", "λ": "lambda", "≥": ">=",
     "≤": "<=", "‘": "'", "’": "'", "“": '"', "”": '"', "²": "^2", "±": "+-"}
)  # fmt: skip


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
