"""The headings of ``--help``: an option is declared with the heading that it stands under."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

__all__ = [
    "ATTRIBUTES",
    "EVERYONE",
    "ITEMS",
    "MODEL",
    "OPTIONS",
    "PAGE",
    "READING",
    "RUN",
    "SAFETY",
    "SPARK",
    "SPLIT",
    "Command",
    "Group",
    "Option",
    "command",
    "option",
]

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS = "Options"
ITEMS = "Which items"
EVERYONE = "Lists of many users"
MODEL = "The model"
SPLIT = "How ratings are split into a training part and a test part"
READING = "Reading the table"
ATTRIBUTES = "Attributes of items and users"
PAGE = "The page"
SAFETY = "Who may use it"
RUN = "How long, and on what"
SPARK = "Apache Spark"

# From the most used to the least used. The headings of single solvers follow.
_ORDER = (OPTIONS, ITEMS, EVERYONE, MODEL, SPLIT, READING, ATTRIBUTES, PAGE, SAFETY, RUN, SPARK)


class Option(click.Option):
    """An option that stands under a heading of ``--help``.

    Parameters
    ----------
    declarations, attributes
        As of `click.Option`.
    heading
        One of the constants of this module, or a text, which comes after them.
    """

    def __init__(self, declarations: list[str], *, heading: str = OPTIONS, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.heading = heading


class _AnsweringToH(click.Command):
    """A command with ``-h`` beside ``--help``.

    Click keeps the first answer, and takes the names from the context that asks first, which need not know of ``-h``.
    """

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        return ["-h", "--help"]


class Command(_AnsweringToH):
    """A command whose ``--help`` shows its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, the most used ones first."""
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in _ORDER}
        for parameter in self.get_params(ctx):
            row = None if isinstance(parameter, click.Argument) else parameter.get_help_record(ctx)
            if row is not None:
                rows.setdefault(getattr(parameter, "heading", OPTIONS), []).append(row)
        for heading, records in rows.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class Group(_AnsweringToH, click.Group):
    """A group whose commands show their options under headings."""

    command_class = Command


command = partial(click.command, cls=Command)


def option(*declarations: str, **attributes: Any) -> Callable[[Function], Function]:
    """Declare an option as `click.option` does, with its ``heading``."""
    return click.option(*declarations, cls=Option, **attributes)
