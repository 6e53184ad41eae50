"""The command that says what to ask a user."""

from __future__ import annotations

import click

from palate.cli.headings import command, option
from palate.cli.model_options import (
    count_option,
    find_user,
    load_model,
    model_argument,
    model_id,
    print_scored,
    rated_option,
    scored_values,
    texts_option,
    user_option,
)
from palate.cli.options import json_option
from palate.cli.output import json_text

__all__ = ["ask"]


@command()
@model_argument
@user_option
@rated_option
@count_option("How many items.")
@option("--exclude", multiple=True, metavar="ID", help="Leave this item out; repeat it.")
@option("--least", type=click.IntRange(min=0), default=0, help="Only items with at least this many ratings.")
@texts_option
@json_option
def ask(
    model: str,
    user: str | None,
    rated: tuple[str, ...],
    count: int,
    exclude: tuple[str, ...],
    least: int,
    texts: bool,
    as_json: bool,
) -> None:
    """Name the items to ask a user about: their ratings would say most, and the user can probably rate them.

    Without --user and --rated: somebody of whom nothing is known. The score is the share of the uncertainty about all
    of the user's ratings that one rating would remove, times the chance that the user can answer.
    """
    fitted = load_model(model)
    who = find_user(fitted, user, rated) if user or rated else fitted.fold_in({})
    ranked = fitted.ask(who, count, exclude=exclude, least=least)
    if as_json:
        questions = [scored_values(one, "tells", fitted) for one in ranked]
        json_text({"user": model_id(fitted.users, user), "questions": questions})
        return
    whom = f"user {user}" if user else "the new user"
    title = f"What to ask {whom}, and how much of the uncertainty is removed on average"
    print_scored(title, "removes", ranked, fitted, texts=texts, form=".1%")
