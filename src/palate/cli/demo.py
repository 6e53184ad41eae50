"""The whole story in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.fit_report import outcome, print_chosen, print_warnings
from palate.cli.headings import command, option
from palate.cli.info import storage_argument
from palate.cli.options import json_option
from palate.cli.output import json_text, paragraph, percent, size
from palate.cli.progress import epochs
from palate.cli.reading_options import ReadingOptions, complete_source, load_catalogue, reading_options
from palate.cli.scores import print_evaluation
from palate.cli.solver_options import DEFAULT_SOLVER

if TYPE_CHECKING:
    from palate.evaluation import Evaluation
    from palate.model import Model, Scored

__all__ = ["demo"]

_LEVEL = 0.9


@command()
@option(
    "--dataset",
    "source",
    shell_complete=complete_source,
    default="sample",
    show_default=True,
    metavar="RATINGS",
    help="A data set's name, a file, or a database URL with --query.",
)
@option("--items", metavar="ITEMS", help="Titles and texts, where RATINGS is a file.")
@option("--item", metavar="ID", help="Whose similar items to show. [default: the most rated]")
@option("--user", metavar="ID", help="Whom to recommend to. [default: one with a middling number of ratings]")
@option(
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
    source: str,
    items: str | None,
    item: str | None,
    user: str | None,
    output: Path,
    as_json: bool,
    reading: ReadingOptions,
) -> None:
    """Show the whole story: read, fit, judge, recommend, predict, save.

    Without options it works offline, on an embedded sample: 120 jokes and generated ratings.
    """
    import dataclasses

    from palate.evaluation import evaluate
    from palate.splits import holdout
    from palate.storage import save
    from palate.workflow import check_model_output, describe_ratings, fit

    check_model_output(output, source, items)
    ratings, catalogue = reading.load(source)
    train, test = holdout(ratings, 0.1)
    notes = describe_ratings(ratings)
    if not as_json:
        _heading(f"1. The ratings: {source}")
        for line in notes:
            paragraph(line, "")
        _heading("2. The fit, with 10% of the ratings held out")
    with epochs(as_json) as progress:
        model = fit(train, DEFAULT_SOLVER, progress=progress)
    if model.training.get("interrupted"):
        raise click.Abort
    model = dataclasses.replace(model, catalogue=load_catalogue(items, catalogue, reading.on_error))
    result = evaluate(model, test)
    save(model, output)
    chosen_item = model.items.require(item) if item is not None else _most_rated(model)
    chosen_user = model.users.require(user) if user is not None else _usual_user(model)
    story = _Story(model, result, model.items[chosen_item], model.users[chosen_user])
    if as_json:
        json_text({"notes": notes, **story.as_dict(), "model": str(output)})
        return
    story.print()
    _heading("8. The model file")
    click.echo(f"{output.resolve()} ({size(output.stat().st_size)}). Ask it more:\n")
    click.echo(f"  palate recommend {output} --user {story.user}")
    click.echo(f"  palate explain {output} --user {story.user} --item {story.best[0].id if story.best else story.item}")
    click.echo(f"  palate info {output}")


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _most_rated(model: Model) -> int:
    return int(model.item_counts.argmax())


def _usual_user(model: Model) -> int:
    """Return a user whose number of ratings is the median."""
    import numpy as np

    counts = np.diff(model.seen.indptr) if model.seen else np.zeros(1)
    return int(np.argsort(counts, kind="stable")[len(counts) // 2])


class _Story:
    """What the demo shows of one model."""

    def __init__(self, model: Model, result: Evaluation, item: int | str, user: int | str) -> None:
        self.model, self.result, self.item, self.user = model, result, item, user
        self.similar = model.similar_items(item, 3)
        self.best = model.recommend(user, 3)
        self.questions = model.ask(model.fold_in({}), 1)
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
            "ask": [one._asdict() for one in self.questions],
            "numbers": self.model.size,
        }

    def print(self) -> None:
        training = self.model.training
        paragraph(f"Fitted: {outcome(training)}.", "")
        print_chosen(training)
        print_warnings(training)
        print_evaluation(DEFAULT_SOLVER, self.result, "held-out")
        _heading(f"3. People who liked item {self.item} also liked")
        click.echo(f"\nitem {self.item}:")
        paragraph(self.model.catalogue.text(self.item))
        self._print_texts(self.similar, "similarity")
        _heading(f"4. For user {self.user}: the best unseen items, and the worst")
        if self.model.interest is not None:
            paragraph("Interest: the chance that the user chooses an item, times that of liking it.", "")
        self._print_texts(self.best, "predicted" if self.model.interest is None else "interest")
        click.echo("\n… and what to avoid:")
        self._print_texts(self.worst, "predicted")
        _heading("5. A predicted rating")
        rating, low, high = self.prediction
        click.echo(f"user {self.user} on item {self.item}: {rating:.2f}, on a scale from {self.model.scale};")
        click.echo(f"with {_LEVEL:.0%} between {low:.2f} and {high:.2f}.")
        _heading("6. What to ask somebody new: the rating that removes most uncertainty")
        self._print_texts(self.questions, "removes")
        _heading("7. The storage argument: factors take less room than the full matrix")
        paragraph(storage_argument(self.model), "")

    def _print_texts(self, ranked: list[Scored], score: str) -> None:
        if not ranked:
            click.echo("\n(none are left)")
        for one in ranked:
            shown = percent(one.score) if score in ("removes", "interest") else f"{one.score:.2f}"
            click.echo(f"\nitem {one.id}, {score} {shown}:")
            paragraph(self.model.catalogue.text(one.id))
