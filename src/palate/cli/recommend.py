"""The command that recommends items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.headings import EVERYONE, ITEMS, command, option
from palate.cli.model_options import (
    at_option,
    count_option,
    find_user,
    interval_level,
    level_option,
    load_model,
    model_argument,
    model_id,
    moment_marks,
    print_scored,
    print_timeless,
    rated_option,
    scored_values,
    texts_option,
    user_option,
)
from palate.cli.options import device_option, json_option, quiet_option, threads_option
from palate.cli.output import json_text, paragraph, percent
from palate.cli.recommend_all import check_all_options, check_one_user, recommend_all, recommend_all_on_spark
from palate.cli.spark_options import engine_options, runs_on_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from palate.model import Model, Scored

__all__ = ["recommend"]


@command()
@model_argument
@user_option
@rated_option
@count_option("How many items.")
@option("--lowest", is_flag=True, help="The lowest items instead, by default those of the prediction.", heading=ITEMS)
@option("--seen", is_flag=True, help="Include items that the user has rated.", heading=ITEMS)
@option("--only", multiple=True, metavar="ID", help="Choose from these items; repeat it.", heading=ITEMS)
@option("--exclude", multiple=True, metavar="ID", help="Leave this item out; repeat it.", heading=ITEMS)
@option(
    "--least", type=click.IntRange(min=0), default=0, help="Only items with at least this many ratings.", heading=ITEMS
)
@option(
    "--by",
    type=click.Choice(["interest", "choice", "prediction", "lower-bound", "chance"]),
    help="Rank by interest (how likely the user chooses the item and likes it), by the chance of a choice alone, by "
    "the predicted rating, by the low end of its interval, or by a draw from its distribution. "
    "[interest; prediction if the model knows no choices]",
    heading=ITEMS,
)
@at_option
@level_option
@option(
    "--explore",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    default=0.0,
    help="Give this share of the places to items with fewer than five ratings, chosen by chance. [none]",
    heading=ITEMS,
)
@option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of the draws of --by chance and --explore. [new draws each time]",
    heading=ITEMS,
)
@texts_option
@option(
    "--all",
    "everyone",
    is_flag=True,
    help="For all users, written to -o FILE: user, rank, item, score; with --level also the interval.",
    heading=EVERYONE,
)
@option(
    "--users",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="As --all, for the ids in FILE, a line each.",
    heading=EVERYONE,
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of --all: .parquet or .csv; with --engine spark a folder.",
    heading=EVERYONE,
)
@option("--titles", is_flag=True, help="With --all: write titles too.", heading=EVERYONE)
@threads_option
@device_option
@engine_options("with --all or --users")
@quiet_option
@json_option
def recommend(
    model: str,
    user: str | None,
    rated: tuple[str, ...],
    count: int,
    lowest: bool,
    seen: bool,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    least: int,
    by: str | None,
    at: str | None,
    level: float | None,
    explore: float,
    seed: int | None,
    texts: bool,
    everyone: bool,
    users: Path | None,
    output: Path | None,
    titles: bool,
    threads: int | None,
    device: str | None,
    engine: str,
    master: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Recommend items that a user has not rated; with --all, to everyone."""
    from palate.model.recommend import check_rank_by

    options: dict[str, Any] = {
        "lowest": lowest,
        "seen": seen,
        "only": only or None,
        "exclude": exclude,
        "least": least,
    }
    ranking_of = by.replace("-", " ") if by else None
    on_spark = runs_on_spark(
        engine, master, {"device": device == "cuda", "threads": threads, "at": at, "explore": explore}
    )
    if everyone or users:
        one_user = {
            "user": user,
            "rated": rated,
            "seed": not explore and seed is not None,
            "texts": texts,
        }
        if on_spark:
            check_one_user(users, one_user)
            options |= {"titles": titles, "intervals": level is not None, "by": ranking_of, "master": master}
            options |= {} if level is None else {"level": level}
            recommend_all_on_spark(model, output, count, users, quiet=quiet, as_json=as_json, **options)
            return
        path = check_all_options(model, users, output, one_user)
        fitted = load_model(model) if at is None else load_model(model).at(at)
        options |= {"titles": titles, "threads": threads, "device": device or "auto", "intervals": level is not None}
        options |= {"by": ranking_of, "level": interval_level(fitted, level), "explore": explore, "seed": seed}
        recommend_all(fitted, path, count, users, quiet=quiet, as_json=as_json, **options)
        return
    if output or titles or device or on_spark:
        raise click.UsageError("-o, --titles, --device and --engine spark go with --all or --users")
    if user is None and not rated:
        raise click.UsageError("give --user, --rated ITEM=RATING for somebody new, or --all for everyone")
    any_moment = load_model(model)
    fitted = any_moment if at is None else any_moment.at(at)
    who = find_user(fitted, user, rated)
    level = interval_level(fitted, level)
    ranking = check_rank_by(fitted, ranking_of, lowest, level, seed)
    ranked = fitted.recommend(who, count, by=ranking, level=level, seed=seed, explore=explore, **options)
    score = {"prediction": "predicted", "lower bound": "at most" if lowest else "at least", "chance": "drawn"}.get(
        ranking, ranking
    )
    intervals = _beside(fitted, who, ranked, level)
    if as_json:
        key = "prediction" if ranking == "prediction" else score.replace(" ", "_")
        rows = zip(ranked, intervals, strict=True)
        recommendations = [{**scored_values(one, key, fitted), **interval} for one, interval in rows]
        about = {"user": model_id(fitted.users, user), "by": ranking, **moment_marks(any_moment, at)}
        json_text({**about, "recommendations": recommendations})
        return
    title = f"{'Lowest' if lowest else 'Best'} {'' if seen else 'unseen '}items for "
    title += f"user {user}" if user else "the new user"
    if not ranked and not seen:
        click.echo(f"{title}: none are left (--seen lists what was rated, too)")
        return
    if fitted.scale.low == fitted.scale.high:  # every prediction is that rating
        intervals = [{name: row[name] for name in row if name == "choice_chance"} for row in intervals]
    more = _interval_columns(intervals, level, with_prediction=ranking != "prediction")
    heading = "choice score" if ranking == "choice" else score
    print_scored(title, heading, ranked, fitted, texts=texts, more=more, form=_form(fitted, ranking))
    if ranking == "interest" and not texts:
        paragraph("Interest: the chance that the user chooses an item, times that of liking it.", "")
    if any(f"{row['low']:.2f}" == f"{row['high']:.2f}" for row in intervals if "low" in row):
        click.echo("Where an interval has one rating only, the model expects more than the scale has.")
    print_timeless(any_moment, at)


def _form(model: Model, ranking: str) -> str | Callable[[float], str]:
    """Return how the scores of a ranking are printed."""
    if ranking == "interest":
        return percent
    if ranking == "choice":
        return ".3g"
    # Items are ordered by draws that may lie beyond the scale.
    return lambda score: f"{float(model.scale.clip(score)):.2f}"


def _beside(model: Model, who: Any, ranked: list[Scored], level: float) -> list[dict[str, float]]:
    """Return what the model knows of each recommendation: the prediction and its interval, the chance of a choice."""
    known: list[dict[str, float]] = [{} for _ in ranked]
    ids = [one.id for one in ranked]
    if ranked and model.predicts == "rating":
        if model.posterior is not None:
            predictions = model.predict(who, ids, interval=level)
            columns = zip(predictions.rating.tolist(), predictions.low.tolist(), predictions.high.tolist(), strict=True)
            known = [{"prediction": rating, "low": low, "high": high, "level": level} for rating, low, high in columns]
        else:
            known = [{"prediction": rating} for rating in model.predict(who, ids).tolist()]
    if ranked and model.interest is not None:
        chances = model.choice_chances(who)[model.items.index(ids)]
        known = [{**row, "choice_chance": chance} for row, chance in zip(known, chances.tolist(), strict=True)]
    return known


def _interval_columns(rows: list[dict[str, float]], level: float, *, with_prediction: bool) -> dict[str, list[str]]:
    names = {"predicted": "prediction"} if with_prediction else {}
    names |= {f"{100 * level:g}% from": "low", "to": "high", "chance of choice": "choice_chance"}
    columns = {title: name for title, name in names.items() if rows and name in rows[0]}
    forms = {"choice_chance": percent}
    return {title: [forms.get(name, "{:.2f}".format)(row[name]) for row in rows] for title, name in columns.items()}
