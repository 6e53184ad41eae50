"""Options that several commands share."""

from __future__ import annotations

import click

from palate.cli.headings import MODEL, RUN, option

__all__ = ["choices_option", "device_option", "json_option", "liked_option", "quiet_option", "share", "threads_option"]

json_option = option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of tables.")
threads_option = option(
    "--threads", type=click.IntRange(min=1), help="How many. Does not change the result. [all cores]", heading=RUN
)
device_option = option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Of --all: where to compute lists by prediction; auto is a graphics card if there is one and there is much to "
    "rank. Does not change the result. [auto]",
    heading=RUN,
)
liked_option = option(
    "--liked",
    type=float,
    help="The rating from which an item is liked; to ease and implicit, the rating from which a pair is a choice. "
    "[guessed; ease, implicit: every rated pair is a choice]",
    heading=MODEL,
)
choices_option = option(
    "--choices",
    type=click.Choice(["auto", "none", "popularity", "ease", "implicit"]),
    default="auto",
    show_default=True,
    help="What lists know beside predicted ratings: how likely a user chooses an item. auto decides on held-out lists.",
    heading=MODEL,
)
quiet_option = option("--quiet", "-q", is_flag=True, help="Show no progress.")

#: A number between 0 and 1.
share = click.FloatRange(0, 1, min_open=True, max_open=True)
