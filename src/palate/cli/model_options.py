"""MODEL, and whom it is asked about: what the commands that ask a fitted model share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from palate.cli.headings import option
from palate.cli.options import share
from palate.cli.output import paragraph, table

if TYPE_CHECKING:
    from palate.model import Model, Profile, Scored
    from palate.ratings import Vocabulary

__all__ = [
    "at_option",
    "count_option",
    "find_user",
    "interval_level",
    "item_texts",
    "level_option",
    "load_model",
    "model_argument",
    "model_id",
    "moment_marks",
    "print_item_text",
    "print_scored",
    "print_timeless",
    "rated_option",
    "scored_values",
    "texts_option",
    "user_option",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_USUAL_LEVEL = 0.9

model_argument = click.argument("model", metavar="MODEL")
user_option = option("--user", metavar="ID", help="A user of the model.")
level_option = option("--level", type=share, help="How probable it is that the rating lies in the interval. [0.9]")
rated_option = option(
    "--rated", multiple=True, metavar="ITEM=RATING", help="Instead of --user: a new user who rated this; repeat it."
)
at_option = option(
    "--at",
    metavar="MOMENT",
    help="When: a date or time such as 1998-01-31 or 1998-01-31T20:00 (UTC without a zone), or seconds since 1970. It "
    "matters to models with effects of time. [no particular moment]",
)
texts_option = option("--texts", is_flag=True, help="Show whole texts instead of titles.")


def count_option(help: str) -> Callable[[Function], Function]:
    """Return the option ``-n``."""
    return option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help=help)


def load_model(path: str) -> Model:
    """Read MODEL."""
    from palate.storage import load

    return load(path)


def find_user(model: Model, user: str | None, rated: tuple[str, ...]) -> str | Profile:
    """Return the id of --user, or the profile of a new user who gave the ratings of --rated."""
    if (user is None) == (not rated):
        raise click.UsageError("give either --user or --rated ITEM=RATING")
    if user is not None:
        return user
    ratings: dict[int | str, float] = {}
    for text in rated:
        item, equals, rating = text.rpartition("=")
        try:
            if not equals:
                raise ValueError
            value = float(rating)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not ITEM=RATING", param_hint="--rated") from None
        if item in ratings:
            raise click.BadParameter(f"item {item!r} is rated twice", param_hint="--rated")
        ratings[item] = value
    return model.fold_in(ratings)


def interval_level(model: Model, level: float | None) -> float:
    """Return the level of intervals; one that was asked for is refused where it would have no effect."""
    if level is None:
        return _USUAL_LEVEL
    model.require_posterior()
    return level


def model_id(vocabulary: Vocabulary, id: str | None) -> int | str | None:
    """Return an id as the model spells it, so that JSON has numbers where the table had."""
    index = vocabulary.find(id) if id is not None else -1
    return vocabulary[index] if index >= 0 else id


def item_texts(model: Model, item: int | str) -> dict[str, Any]:
    """Return the title and the text of an item for JSON."""
    entry = model.catalogue.get(item)
    return {"title": model.catalogue.title(item), "text": entry.text} if entry else {"title": None, "text": None}


def scored_values(scored: Scored, score: str, model: Model, *, items: bool = True) -> dict[str, Any]:
    """Return an item or a user with its score for JSON."""
    if not items:
        return {"user": scored.id, score: scored.score}
    return {"item": scored.id, score: scored.score, **item_texts(model, scored.id)}


def print_item_text(model: Model, item: int | str) -> None:
    """Print the text of an item, if the model has one."""
    if model.catalogue.get(item):
        paragraph(model.catalogue.text(item))


def moment_marks(model: Model, at: str | None) -> dict[str, Any]:
    """Return what JSON says of --at: the moment, and whether the model knows effects of time."""
    return {} if at is None else {"at": at, "times": model.times is not None}


def print_timeless(model: Model, at: str | None) -> None:
    """Say that --at has no effect where it has none."""
    if at is not None and model.times is None:
        click.echo("The model has no effects of time: this holds for any moment.")


def _formatted(form: str, value: float) -> str:
    return f"{value:{form}}"


def print_scored(
    title: str,
    score: str,
    ranked: list[Scored],
    model: Model,
    *,
    items: bool = True,
    texts: bool = False,
    more: Mapping[str, list[str]] | None = None,
    form: str | Callable[[float], str] = ".2f",
) -> None:
    """Print items or users with their scores, the best first.

    Parameters
    ----------
    title, score
        The headings of the table and of the column of scores.
    ranked
        The items, or the users if `items` is false.
    texts
        Whether to print the texts of the items instead of a table.
    more
        Further columns: heading → a cell for each of `ranked`.
    form
        How a score is printed: as in `format`, or by a function.
    """
    show = form if callable(form) else partial(_formatted, form)
    if not ranked:
        click.echo(f"{title}: none are left")
        return
    if texts:
        click.echo(title)
        for one in ranked:
            click.echo(f"\nitem {one.id}, {score} {show(one.score)}:")
            paragraph(model.catalogue.text(one.id))
        return
    columns = {"id": [str(one.id) for one in ranked], score: [show(one.score) for one in ranked], **(more or {})}
    # The chance of a choice says how well known an item is.
    if items and model.seen and "chance of choice" not in columns:
        columns["ratings"] = [f"{model.item_counts[model.items.require(one.id)]:,}" for one in ranked]
    if items and len(model.catalogue):
        columns["title"] = [one.title for one in ranked]
    table(title, list(columns), list(zip(*columns.values(), strict=True)))
