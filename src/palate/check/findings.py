"""What is worth knowing about a table, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXAMPLES", "Example", "Finding", "many"]

EXAMPLES = 3


@dataclass(frozen=True)
class Example:
    """One place where something was found, and the value there."""

    where: str
    value: str


@dataclass(frozen=True)
class Finding:
    """Something worth knowing about a table.

    Parameters
    ----------
    level
        "error": `palate fit` refuses the table unless told otherwise; "warning": look at it; "note": good to know.
    code
        A word for programs.
    message
        A sentence for people.
    count
        How many rows, pairs, ids or ratings it concerns.
    examples
        The first few of them.
    """

    level: str
    code: str
    message: str
    count: int
    examples: tuple[Example, ...] = ()


def many(count: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
