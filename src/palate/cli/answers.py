"""Commands that ask a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli import show
from palate.cli.everyone import check_everyone, recommend_to_everyone
from palate.cli.options import json_option, quiet_option, threads_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palate.model import Model, Profile, Scored
    from palate.ratings import Vocabulary

__all__ = ["ask", "explain", "info", "predict", "recommend", "similar"]

_USUAL_LEVEL = 0.9

model_argument = click.argument("model", metavar="MODEL")
user_option = click.option("--user", metavar="ID", help="A user of the model.")
level_option = click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="How probable it is that the rating lies in the interval. [0.9]",
)
rated_option = click.option(
    "--rated", multiple=True, metavar="ITEM=RATING", help="Instead of --user: a new user who rated this; repeat it."
)


def _load(path: str) -> Model:
    from palate.storage import load

    return load(path)


def _who(model: Model, user: str | None, rated: tuple[str, ...]) -> str | Profile:
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


def _own(vocabulary: Vocabulary, id: str | None) -> int | str | None:
    """Return an id as the model spells it, so that JSON has numbers where the table had."""
    index = vocabulary.find(id) if id is not None else -1
    return vocabulary[index] if index >= 0 else id


def _described(model: Model, item: int | str) -> dict[str, Any]:
    entry = model.catalogue.get(item)
    return {"title": model.catalogue.title(item), "text": entry.text} if entry else {"title": None, "text": None}


def _named(scored: Scored, score: str, model: Model, *, items: bool = True) -> dict[str, Any]:
    kind = "item" if items else "user"
    return {kind: scored.id, score: scored.score, **(_described(model, scored.id) if items else {})}


@click.command()
@model_argument
@user_option
@rated_option
@click.option("--item", required=True, metavar="ID", help="An item of the model.")
@click.option("--unknown", type=click.Choice(["error", "mean"]), default="error", help="What to do about unknown ids.")
@level_option
@json_option
def predict(
    model: str, user: str | None, rated: tuple[str, ...], item: str, unknown: Any, level: float | None, as_json: bool
) -> None:
    """Predict one rating, and between which ratings it lies where the model knows how sure it is."""
    fitted = _load(model)
    who = _who(fitted, user, rated)
    level = _level(fitted, level)
    prediction, *ends = _with_ends(fitted, who, item, level, unknown)
    if as_json:
        answer = {"user": _own(fitted.users, user), "item": _own(fitted.items, item), "prediction": prediction}
        scale = [fitted.scale.low, fitted.scale.high]
        show.json_text({**answer, **_interval(ends, level), "scale": scale, **_described(fitted, item)})
        return
    between = f" ({ends[0]:.2f} to {ends[1]:.2f} with {100 * level:g}%)" if ends else ""
    whose = "user " + user if user else "the new user"
    click.echo(f"{prediction:.2f}{between} on a scale from {fitted.scale}: {whose} on item {item}")
    _say_unknown(fitted, user, item)
    _show_text(fitted, item)


def _level(model: Model, given: float | None) -> float:
    if given is not None:
        model.require_posterior()  # a level that would have no effect is refused
    return _USUAL_LEVEL if given is None else given


def _with_ends(model: Model, who: Any, item: Any, level: float, unknown: Any = "error") -> tuple[Any, ...]:
    """Return the prediction, and the ends of its interval where the model knows them."""
    if model.posterior is None:
        return (model.predict(who, item, unknown=unknown),)
    return tuple(model.predict(who, item, unknown=unknown, interval=level))


def _predicted(model: Model, who: Any, found: list[Scored], level: float) -> list[dict[str, float]]:
    """Return the prediction and the interval of each recommendation, nothing where the model does not know."""
    if not found or model.posterior is None:
        return [{} for _ in found]
    told = model.predict(who, [one.id for one in found], interval=level)
    rows = zip(told.rating.tolist(), told.low.tolist(), told.high.tolist(), strict=True)
    return [{"prediction": rating, **_interval(ends, level)} for rating, *ends in rows]


def _interval(ends: Sequence[float], level: float) -> dict[str, float]:
    return {"low": ends[0], "high": ends[1], "level": level} if ends else {}


def _say_unknown(model: Model, user: str | None, item: str) -> None:
    for vocabulary, id in ((model.users, user), (model.items, item)):
        if id is not None and vocabulary.find(id) < 0:
            click.echo(f"The model does not know {vocabulary.kind} {id}: this is what it expects of any.")


def _show_text(model: Model, item: int | str) -> None:
    if model.catalogue.get(item):
        show.paragraph(model.catalogue.text(item))


@click.command()
@model_argument
@user_option
@rated_option
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many items.")
@click.option("--lowest", is_flag=True, help="The items with the lowest predicted ratings instead.")
@click.option("--seen", is_flag=True, help="Include items that the user has rated.")
@click.option("--only", multiple=True, metavar="ID", help="Choose from these items; repeat it.")
@click.option("--exclude", multiple=True, metavar="ID", help="Leave this item out; repeat it.")
@click.option("--least", type=click.IntRange(min=0), default=0, help="Only items with so many ratings at least.")
@click.option(
    "--by",
    type=click.Choice(["prediction", "lower-bound", "chance"]),
    default="prediction",
    show_default=True,
    help="Rank by the prediction, by what is surely reached, or by a draw from what it may be.",
)
@level_option
@click.option("--seed", type=click.IntRange(min=0), help="Of the draws of --by chance. [new draws each time]")
@click.option("--texts", is_flag=True, help="Show whole texts instead of titles.")
@click.option("--all", "everyone", is_flag=True, help="For all users, written to -o FILE: user, rank, item, score.")
@click.option(
    "--users", type=click.Path(path_type=Path), metavar="FILE", help="As --all, for the ids in FILE, a line each."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The Parquet file of --all.")
@click.option("--titles", is_flag=True, help="With --all: write titles too.")
@threads_option
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
    by: Any,
    level: float | None,
    seed: int | None,
    texts: bool,
    everyone: bool,
    users: Path | None,
    output: Path | None,
    titles: bool,
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Recommend items that a user has not rated; with --all, to everyone."""
    filters: dict[str, Any] = {"only": only or None, "exclude": exclude, "least": least}
    if everyone or users:
        own = {"user": user, "rated": rated, "by": by != "prediction", "level": level, "seed": seed, "texts": texts}
        path = check_everyone(model, users, output, own)
        options = {"lowest": lowest, "seen": seen, "titles": titles, "threads": threads, **filters}
        recommend_to_everyone(_load(model), path, count, users, quiet=quiet, as_json=as_json, **options)
        return
    if output or titles:
        raise click.UsageError("-o and --titles go with --all or --users")
    fitted = _load(model)
    who = _who(fitted, user, rated)
    by, level = by.replace("-", " "), _level(fitted, level)
    found = fitted.recommend(who, count, lowest=lowest, seen=seen, by=by, level=level, seed=seed, **filters)
    bound = "at most" if lowest else "at least"
    score = {"prediction": "predicted", "lower bound": bound, "chance": "drawn"}[by]
    more = _predicted(fitted, who, found, level)
    if as_json:
        key = "prediction" if by == "prediction" else score.replace(" ", "_")
        recommendations = [{**_named(one, key, fitted), **extra} for one, extra in zip(found, more, strict=True)]
        show.json_text({"user": _own(fitted.users, user), "recommendations": recommendations})
        return
    shown = {"predicted": "prediction", f"{100 * level:g}% from": "low", "to": "high"} if any(more) else {}
    if by == "prediction":
        shown.pop("predicted", None)
    columns = {name: [f"{extra[end]:.2f}" for extra in more] for name, end in shown.items()}
    what = "Lowest" if lowest else "Best"
    who = f"user {user}" if user else "the new user"
    title = f"{what} {'' if seen else 'unseen '}items for {who}"
    _show_scored(title, score, found, fitted, items=True, texts=texts, more=columns)


@click.command()
@model_argument
@user_option
@rated_option
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many items.")
@click.option("--exclude", multiple=True, metavar="ID", help="Leave this item out; repeat it.")
@click.option("--texts", is_flag=True, help="Show whole texts instead of titles.")
@json_option
def ask(
    model: str,
    user: str | None,
    rated: tuple[str, ...],
    count: int,
    exclude: tuple[str, ...],
    texts: bool,
    as_json: bool,
) -> None:
    """Name the items whose ratings would tell most about a user.

    Without --user and --rated: about somebody of whom nothing is known. The score is the share of the uncertainty about
    all of the user's ratings that one rating would take away.
    """
    fitted = _load(model)
    who = _who(fitted, user, rated) if user or rated else fitted.fold_in({})
    found = fitted.ask(who, count, exclude=exclude)
    if as_json:
        questions = [_named(one, "tells", fitted) for one in found]
        show.json_text({"user": _own(fitted.users, user), "questions": questions})
        return
    about = f"user {user}" if user else "the new user"
    _show_scored(f"What to ask {about}", "tells", found, fitted, items=True, texts=texts, form=".1%")


def _show_scored(
    title: str,
    score: str,
    found: list[Scored],
    model: Model,
    *,
    items: bool,
    texts: bool,
    more: Mapping[str, list[str]] | None = None,
    form: str = ".2f",
) -> None:
    if not found:
        click.echo(f"{title}: none are left")
        return
    if texts:
        click.echo(title)
        for one in found:
            click.echo(f"\nitem {one.id}, {score} {one.score:{form}}:")
            show.paragraph(model.catalogue.text(one.id))
        return
    columns, rows = ["id", score], [[str(one.id), f"{one.score:{form}}"] for one in found]
    for name, cells in (more or {}).items():
        columns.append(name)
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    if items and model.seen:
        columns.append("ratings")
        for row, one in zip(rows, found, strict=True):
            row.append(f"{model.item_counts[model.items.require(one.id)]:,}")
    if items and len(model.catalogue):
        columns.append("title")
        for row, one in zip(rows, found, strict=True):
            row.append(one.title)
    show.table(title, columns, rows)


@click.command()
@model_argument
@click.option("--item", metavar="ID", help="Find items that the same people like.")
@click.option("--user", metavar="ID", help="Find users with the same taste.")
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--by", type=click.Choice(["cosine", "dot"]), default="cosine", show_default=True, help="Of the factors.")
@click.option("--texts", is_flag=True, help="Show whole texts instead of titles.")
@json_option
def similar(model: str, item: str | None, user: str | None, count: int, by: Any, texts: bool, as_json: bool) -> None:
    """Find similar items, or similar users."""
    if (item is None) == (user is None):
        raise click.UsageError("give either --item or --user")
    fitted = _load(model)
    if item is not None:
        found = fitted.similar_items(item, count, by=by)
        asked: dict[str, Any] = {"item": _own(fitted.items, item), **_described(fitted, item)}
    else:
        found = fitted.similar_users(str(user), count, by=by)
        asked = {"user": _own(fitted.users, user)}
    if as_json:
        show.json_text(
            {**asked, "by": by, "similar": [_named(one, "similarity", fitted, items=item is not None) for one in found]}
        )
        return
    if item is not None:
        click.echo(f"Item {item}:")
        show.paragraph(fitted.catalogue.text(item))
    title = "People who liked it also liked" if item is not None else f"Users like {user}"
    _show_scored(title, "similarity", found, fitted, items=item is not None, texts=texts)


@click.command()
@model_argument
@user_option
@rated_option
@click.option("--item", required=True, metavar="ID", help="The item whose prediction is to be explained.")
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many rated items to show."
)
@json_option
def explain(model: str, user: str | None, rated: tuple[str, ...], item: str, count: int, as_json: bool) -> None:
    """Say which rated items speak for and against a prediction.

    The contributions of all rated items, the intercept and the remainder add up to the prediction (before it is clipped
    to the scale).
    """
    fitted = _load(model)
    found = fitted.explain(_who(fitted, user, rated), item)
    shown = found.contributions[:count]
    if as_json:
        contributions = [part._asdict() for part in found.contributions]
        show.json_text({"user": _own(fitted.users, user), **found._asdict(), "contributions": contributions})
        return
    clipped = fitted.scale.clip(found.prediction)
    off = "" if clipped == found.prediction else f" ({clipped:.2f} on the scale from {fitted.scale})"
    click.echo(f"{found.prediction:.2f}{off} is predicted for item {found.item}: {found.title}")
    if any(part.item == found.item for part in found.contributions):
        click.echo("The user has rated this very item: its own rating is among the reasons.")
    click.echo(f"{found.intercept:+.2f} before anything is known of the user, and from what the user rated:")
    rows = [[f"{part.contribution:+.2f}", f"{part.rating:.2f}", str(part.item), part.title] for part in shown]
    rest = found.contributions[count:]
    if rest:
        rows.append([f"{sum(part.contribution for part in rest):+.2f}", "", "", f"({len(rest)} more rated items)"])
    if abs(found.remainder) >= 0.005:
        rows.append([f"{found.remainder:+.2f}", "", "", "(what the factors hold beyond these ratings)"])
    show.table("", ["speaks", "rated", "id", "title"], rows, left=0)


@click.command()
@model_argument
@json_option
def info(model: str, as_json: bool) -> None:
    """Tell what a model is made of, how it was fitted, and what it saves over the full matrix."""
    from palate.storage import FORMAT

    fitted = _load(model)
    history = fitted.training.get("history", [])
    sizes = fitted.size
    kept = sizes["factors"] + sizes["biases"]
    told: dict[str, Any] = {
        "model": model,
        "format": FORMAT,
        "bytes": Path(model).stat().st_size,
        "users": len(fitted.users),
        "items": len(fitted.items),
        "catalogue": len(fitted.catalogue),
        "never_rated": sum(not _rated(fitted, id) for id in fitted.catalogue.entries),
        "ratings": len(fitted.seen.values) if fitted.seen else None,
        "factors": fitted.factors,
        "scale": [fitted.scale.low, fitted.scale.high],
        "mean": fitted.mean,
        "solver": dict(fitted.solver),
        "training": {name: value for name, value in fitted.training.items() if name != "history"},
        "training_rmse": history[-1]["training_rmse"] if history else None,
        "numbers": {**sizes, "kept": kept, "share": kept / max(1, sizes["matrix"])},
    }
    if as_json:
        show.json_text({**told, "history": history})
        return
    given = {name: value for name, value in fitted.solver.items() if name != "name" and value is not None}
    catalogue = f"{told['catalogue']:,} items, {told['never_rated']:,} of them never rated (no factors, no score)"
    rows = [
        ["file", f"{model}, {show.size(told['bytes'])}, format {FORMAT}"],
        ["users × items", f"{told['users']:,} × {told['items']:,}, {told['ratings'] or 0:,} ratings"],
        ["catalogue", catalogue if told["catalogue"] else "none"],
        ["scale", f"{fitted.scale}, mean {fitted.mean:.2f}"],
        ["solver", f"{fitted.solver.get('name')}: " + ", ".join(f"{name} {value}" for name, value in given.items())],
        ["fit", show.outcome(fitted.training)],
        ["training RMSE", f"{told['training_rmse']:.4f}" if history else "–"],
        *(
            [f"RMSE of {held['ratings']:,} held out", f"{held['rmse']:.4f}"]
            for held in [fitted.training.get("holdout")]
            if held
        ),
        *(["chosen", text] for text in fitted.training.get("choices", [])),
        *(
            [trace["name"], f"effective sample size {trace['effective_size']:.0f}, split-R̂ {trace['split_rhat']:.2f}"]
            for trace in fitted.training.get("traces", [])
        ),
    ]
    show.table("", ["", ""], rows, left=2)
    show.paragraph(arithmetic(fitted), "")


def _rated(model: Model, item: int | str) -> bool:
    return model.items.find(item) >= 0


def arithmetic(model: Model) -> str:
    """Return the article's storage argument for this model."""
    m, n, k, sizes = len(model.users), len(model.items), model.factors, model.size
    kept = sizes["factors"] + sizes["biases"]
    return (
        f"The full matrix has {m:,} × {n:,} = {sizes['matrix']:,} cells. The factors keep ({m:,} + {n:,}) × {k} = "
        f"{sizes['factors']:,} numbers and {sizes['biases']:,} biases: {kept / max(1, sizes['matrix']):.2%} of it. "
        "(The file also holds the ids, the training ratings and the texts.)"
    )
