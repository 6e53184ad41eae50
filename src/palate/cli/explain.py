"""The command that explains a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from palate.cli.headings import command, option
from palate.cli.model_options import (
    at_option,
    count_option,
    find_user,
    load_model,
    model_argument,
    model_id,
    moment_marks,
    print_timeless,
    rated_option,
    user_option,
)
from palate.cli.options import json_option
from palate.cli.output import json_text, table

if TYPE_CHECKING:
    from palate.model import Contribution

__all__ = ["explain"]

# A remainder that would be printed as 0.00 is not shown.
_VISIBLE = 0.005


@command()
@model_argument
@user_option
@rated_option
@option("--item", required=True, metavar="ID", help="The item whose prediction is to be explained.")
@count_option("How many rated items to show.")
@at_option
@json_option
def explain(
    model: str, user: str | None, rated: tuple[str, ...], item: str, count: int, at: str | None, as_json: bool
) -> None:
    """Say which rated items speak for and against a prediction.

    The contributions of all rated items, the intercept and the remainder add up to the prediction (before it is clipped
    to the scale), with what the effects of time add at the moment of --at.
    """
    fitted = any_moment = load_model(model)
    if at is not None and rated:
        fitted = fitted.at(at)
    explanation = fitted.explain(find_user(fitted, user, rated), item, at=None if rated else at)
    if as_json:
        contributions = [part._asdict() for part in explanation.contributions]
        user_id = model_id(fitted.users, user)
        attributes = [part._asdict() for part in explanation.attributes]
        choices = [part._asdict() for part in explanation.choices]
        parts = {"contributions": contributions, "attributes": attributes, "choices": choices}
        json_text({"user": user_id, **moment_marks(any_moment, at), **explanation._asdict(), **parts})
        return
    clipped = fitted.scale.clip(explanation.prediction)
    on_scale = "" if clipped == explanation.prediction else f" ({clipped:.2f} on the scale from {fitted.scale})"
    has_titles = len(fitted.catalogue) > 0
    is_choice = fitted.predicts == "choice"
    form = ".4f" if is_choice else ".2f"  # scores of choices are small
    of = f"is {'the score of' if is_choice else 'predicted for'} item {explanation.item}"
    of += f": {explanation.title}" * has_titles
    click.echo(f"{explanation.prediction:{form}}{on_scale} {of}")
    if any(part.item == explanation.item for part in explanation.contributions):
        click.echo("The user has rated this very item: its own rating is among the reasons.")
    click.echo(f"{explanation.intercept:+{form}} before anything is known of the user, and from what the user rated:")
    shown, rest = explanation.contributions[:count], explanation.contributions[count:]
    rows = [[f"{part.contribution:+{form}}", f"{part.rating:.2f}", str(part.item)] for part in shown]
    if has_titles:
        rows = [[*row, part.title] for row, part in zip(rows, shown, strict=True)]
    blank = [""] * (1 + has_titles)
    if rest:
        rows.append([f"{sum(part.contribution for part in rest):+{form}}", *blank, f"({len(rest)} more rated items)"])
    if abs(explanation.remainder) >= _VISIBLE:
        rows.append([f"{explanation.remainder:+.2f}", *blank, "(what the factors hold beyond these ratings)"])
    if abs(explanation.time) >= _VISIBLE:
        rows.append([f"{explanation.time:+.2f}", *blank, f"(what the moment adds: {at})"])
    table("", ["adds", "rated", "id", "title"][: 3 + has_titles], rows, left=0)
    if explanation.attributes:
        rows_of_attributes = [
            [f"{part.contribution:+.2f}", part.of, part.attribute] for part in explanation.attributes[:count]
        ]
        table("What attributes say by themselves, before any rating", ["adds", "of", "attribute"], rows_of_attributes)
    _print_choices(explanation.choices[:count], has_titles)
    print_timeless(any_moment, at)


def _print_choices(choices: Sequence[Contribution], has_titles: bool) -> None:
    """Print what speaks for the choice of the item, which is another question than its rating."""
    rows = [
        [f"{part.contribution:+.3f}", str(part.item), *[part.title] * has_titles]
        for part in choices
        if part.contribution > 0
    ]
    if rows:
        heading = "People who chose these choose it, too: what they add to its choice score"
        table(heading, ["adds", "id", "title"][: 2 + has_titles], rows, left=0)
