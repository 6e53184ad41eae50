"""The whole story in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli import show
from palate.cli.answers import arithmetic
from palate.cli.options import check_output, complete_source, json_option, load_catalogue, load_ratings, reading_options

if TYPE_CHECKING:
    from palate.evaluation import Evaluation
    from palate.model import Model, Scored

__all__ = ["demo"]

_LEVEL = 0.9


@click.command()
@click.option(
    "--dataset",
    "source",
    shell_complete=complete_source,
    default="sample",
    show_default=True,
    metavar="RATINGS",
    help="A data set's name, a file, or a database URL with --query.",
)
@click.option("--items", metavar="ITEMS", help="Titles and texts, where RATINGS is a file.")
@click.option("--item", metavar="ID", help="Whose similar items to show. [default: the most rated]")
@click.option("--user", metavar="ID", help="Whom to recommend to. [default: one with a middling number of ratings]")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default="demo.palate",
    show_default=True,
    help="The model file.",
)
@json_option
@reading_options
def demo(
    source: str, items: str | None, item: str | None, user: str | None, output: Path, as_json: bool, **reading: Any
) -> None:
    """Show the whole story: read, fit, judge, compare, recommend, predict, save.

    Without options it works offline, on an embedded sample: 120 jokes and generated ratings.
    """
    import dataclasses

    from palate.check import check_ratings
    from palate.evaluation import evaluate
    from palate.solvers import SOLVERS
    from palate.splits import holdout
    from palate.storage import save

    check_output(output, source, items)
    ratings, catalogue = load_ratings(source, **reading)
    train, test = holdout(ratings, 0.1)
    looked = [*ratings.notes, *check_ratings(ratings)]
    if not as_json:
        _heading(f"1. The ratings: {source}")
        for line in looked:
            show.paragraph(line, "")
        _heading("2. The fit, with 10% of the ratings held out")
    with show.epochs(as_json) as progress:
        model = SOLVERS["bayes"].fit(train, progress=progress)
    if model.training["interrupted"]:
        raise click.Abort
    model = dataclasses.replace(model, catalogue=load_catalogue(items, catalogue, reading["on_error"]))
    result = evaluate(model, test)
    save(model, output)
    chosen_item = model.items.require(item) if item is not None else _most_rated(model)
    chosen_user = model.users.require(user) if user is not None else _middling(model)
    story = _Story(model, result, model.items[chosen_item], model.users[chosen_user])
    if as_json:
        show.json_text({"notes": looked, **story.as_dict(), "model": str(output)})
        return
    story.tell()
    _heading("8. The model file")
    click.echo(f"{output.resolve()} ({show.size(output.stat().st_size)}). Ask it more:\n")
    click.echo(f"  palate recommend {output} --user {story.user}")
    click.echo(f"  palate explain {output} --user {story.user} --item {story.best[0].id if story.best else story.item}")
    click.echo(f"  palate info {output}")


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _most_rated(model: Model) -> int:
    import numpy as np

    return int(np.bincount(model.seen.indices).argmax()) if model.seen else 0


def _middling(model: Model) -> int:
    import numpy as np

    counts = np.diff(model.seen.indptr) if model.seen else np.zeros(1)
    return int(np.argsort(counts, kind="stable")[len(counts) // 2])


class _Story:
    """What is told of one model."""

    def __init__(self, model: Model, result: Evaluation, item: int | str, user: int | str) -> None:
        self.model, self.result, self.item, self.user = model, result, item, user
        self.similar = model.similar_items(item, 3)
        self.best = model.recommend(user, 3)
        self.telling = model.ask(model.fold_in({}), 1)
        self.worst = model.recommend(user, 3, lowest=True)
        self.prediction = model.predict(user, item, interval=_LEVEL)

    def as_dict(self) -> dict[str, Any]:
        return {
            "holdout": self.result.as_dict(),
            "item": self.item,
            "user": self.user,
            "similar": [one._asdict() for one in self.similar],
            "best": [one._asdict() for one in self.best],
            "worst": [one._asdict() for one in self.worst],
            "prediction": self.prediction._asdict(),
            "ask": [one._asdict() for one in self.telling],
            "numbers": self.model.size,
        }

    def tell(self) -> None:
        training = self.model.training
        click.echo(f"Fitted: {show.outcome(training)}.")
        for line in training["choices"]:
            show.paragraph(line, "")
        named = {"bayes": self.result.scores, **self.result.baselines}
        show.errors(f"Errors on {self.result.ratings:,} held-out ratings", named)
        _heading(f"3. People who liked item {self.item} also liked")
        click.echo(f"\nitem {self.item}:")
        show.paragraph(self.model.catalogue.text(self.item))
        self._texts(self.similar, "similarity")
        _heading(f"4. For user {self.user}: the best unseen items, and the worst")
        self._texts(self.best, "predicted")
        click.echo("\n… and what to avoid:")
        self._texts(self.worst, "predicted")
        _heading("5. A predicted rating")
        rating, low, high = self.prediction
        click.echo(f"user {self.user} on item {self.item}: {rating:.2f}, on a scale from {self.model.scale};")
        click.echo(f"with {_LEVEL:.0%} between {low:.2f} and {high:.2f}.")
        _heading("6. What to ask somebody new: the rating that tells most")
        self._texts(self.telling, "tells")
        _heading("7. The storage argument")
        show.paragraph(arithmetic(self.model), "")

    def _texts(self, found: list[Scored], score: str) -> None:
        if not found:
            click.echo("\n(none are left)")
        for one in found:
            shown = f"{one.score:.1%}" if score == "tells" else f"{one.score:.2f}"
            click.echo(f"\nitem {one.id}, {score} {shown}:")
            show.paragraph(self.model.catalogue.text(one.id))
