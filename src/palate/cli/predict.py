"""The command that predicts one rating."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import SPARK, command, option
from palate.cli.model_options import (
    at_option,
    find_user,
    interval_level,
    item_texts,
    level_option,
    load_model,
    model_argument,
    model_id,
    moment_marks,
    print_item_text,
    print_timeless,
    rated_option,
    user_option,
)
from palate.cli.options import json_option
from palate.cli.output import json_text
from palate.cli.spark_options import engine_options, print_written, runs_on_spark, written_folder

if TYPE_CHECKING:
    from palate.model import Model

__all__ = ["predict"]


@command()
@model_argument
@user_option
@rated_option
@option("--item", metavar="ID", help="An item of the model.")
@option("--unknown", type=click.Choice(["error", "mean"]), default="error", help="What to do about unknown ids.")
@at_option
@level_option
@option(
    "--pairs",
    metavar="TABLE",
    help="With --engine spark: predict each row of a table of users and items, and of times.",
    heading=SPARK,
)
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Of --pairs.", heading=SPARK)
@engine_options("with --pairs")
@json_option
def predict(
    model: str,
    user: str | None,
    rated: tuple[str, ...],
    item: str | None,
    unknown: Any,
    at: str | None,
    level: float | None,
    pairs: str | None,
    output: Path | None,
    engine: str,
    master: str | None,
    as_json: bool,
) -> None:
    """Predict one rating, and between which ratings it lies where the model knows how sure it is.

    With --pairs, predict the rows of a table.
    """
    on_spark = runs_on_spark(engine, master, {"user": user, "rated": rated, "item": item, "at": at} if pairs else {})
    if bool(pairs) != on_spark or (output and not pairs):
        raise click.UsageError("--pairs, -o and --engine spark go together")
    if on_spark:
        from palate.spark import predict_pairs

        folder = written_folder("--pairs", output)
        rows = predict_pairs(model, pairs, folder, unknown=unknown, level=level, master=master)
        print_written(rows.count(), "predictions", folder, quiet=False, as_json=as_json)
        return
    if item is None:
        raise click.UsageError("Missing option '--item'.")
    fitted = load_model(model)
    any_moment = fitted
    if at is not None:
        fitted = fitted.at(at)
    who = find_user(fitted, user, rated)
    level = interval_level(fitted, level)
    interval: dict[str, float] = {}
    if fitted.posterior is None:
        prediction = fitted.predict(who, item, unknown=unknown)
    else:
        prediction, low, high = fitted.predict(who, item, unknown=unknown, interval=level)
        interval = {"low": low, "high": high, "level": level}
    if as_json:
        ids = {"user": model_id(fitted.users, user), "item": model_id(fitted.items, item)}
        ids |= moment_marks(any_moment, at)
        scale = [fitted.scale.low, fitted.scale.high]
        json_text({**ids, "prediction": prediction, **interval, "scale": scale, **item_texts(fitted, item)})
        return
    between = f" ({_between(**interval)} with {100 * level:g}%)" if interval else ""
    whose = f"user {user}" if user else "the new user"
    click.echo(f"{prediction:.2f}{between} on a scale from {fitted.scale}: {whose} on item {item}")
    print_timeless(any_moment, at)
    _print_unknown(fitted, user, item)
    print_item_text(fitted, item)


def _between(low: float, high: float, level: float) -> str:
    """Say where a rating lies; an interval beyond an end of the scale has shrunk to this end."""
    return f"{low:.2f} to {high:.2f}" if f"{low:.2f}" != f"{high:.2f}" else f"{low:.2f}, the end of the scale,"


def _print_unknown(model: Model, user: str | None, item: str) -> None:
    for vocabulary, id in ((model.users, user), (model.items, item)):
        if id is not None and vocabulary.find(id) < 0:
            kind = vocabulary.kind
            click.echo(f"The model does not know {kind} {id}: this is the prediction for any unknown {kind}.")
