"""Commands that judge one model or one solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from palate.cli.feature_options import FeatureOptions, feature_options
from palate.cli.fit_report import fit_warnings, outcome
from palate.cli.headings import command, option
from palate.cli.options import choices_option, json_option, liked_option, quiet_option, threads_option
from palate.cli.output import json_text, paragraph
from palate.cli.reading_options import (
    ReadingOptions,
    complete_source,
    fold_option,
    reading_options,
    require_one_source,
)
from palate.cli.scores import counted_rows, print_evaluation, print_lists, print_scores
from palate.cli.solver_options import SolverCommand, make_solver
from palate.cli.spark_options import engine_options, runs_on_spark
from palate.cli.split_options import SplitOptions, split_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from palate.evaluation import Evaluation
    from palate.heads import Choices
    from palate.model import Model
    from palate.splits import Split, UserSplit

__all__ = ["cross_validate", "evaluate"]


@command()
@click.argument("model", metavar="MODEL")
@click.argument("test", metavar="TEST")
@option("--given", metavar="FILE", help="Ratings of users whom MODEL does not know: they are folded in first.")
@liked_option
@threads_option
@engine_options("for a large TEST; without baselines")
@json_option
@reading_options
def evaluate(
    model: str,
    test: str,
    given: str | None,
    liked: float | None,
    threads: int | None,
    engine: str,
    master: str | None,
    as_json: bool,
    reading: ReadingOptions,
) -> None:
    """Judge MODEL on the ratings of TEST, beside baselines fitted on the model's own training ratings.

    Three things are judged: the errors of predicted ratings, the order among what each user did rate (rated NDCG), and
    lists from the whole catalogue without what the user has rated before. Every row of TEST counts in the errors; users
    and items that the model does not know are predicted by the mean. Lists are judged for users with training ratings,
    or with ratings in --given.
    """
    from palate.evaluation.evaluate import judge
    from palate.storage import load

    if runs_on_spark(engine, master, {"given": given, "threads": threads}):
        from palate import spark

        evaluation: Evaluation = spark.evaluate(model, test, liked=liked, master=master, **reading.spark_arguments())
        name = "model"
    else:
        fitted = load(model)
        known = None if given is None else reading.ratings(given)
        evaluation = judge(fitted, reading.ratings(test), given=known, liked=liked, threads=threads)
        name = str(fitted.solver.get("name", "model"))
    if evaluation.seen:
        paragraph(f"warning: {evaluation.notes[0]}", "", err=True)
    if as_json:
        json_text(evaluation.as_dict())
        return
    print_evaluation(name, evaluation)


@click.command("cross-validate", cls=SolverCommand)
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@split_options
@fold_option
@choices_option
@liked_option
@threads_option
@quiet_option
@json_option
@feature_options
@reading_options
def cross_validate(
    source: str | None,
    splitting: SplitOptions,
    files: tuple[tuple[str, str], ...],
    choices: Choices,
    liked: float | None,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    reading: ReadingOptions,
    features: FeatureOptions,
    **settings: Any,
) -> None:
    """Fit and judge a solver on several splits of RATINGS.

    The solver is fitted as `palate fit` does. What it chooses by itself, it chooses inside the training part. Random
    splits are folds; all others are named by --split. Pairs of files can be given instead of RATINGS.
    """
    from palate.check import check_ratings
    from palate.evaluation.cross_validate import cross_validate
    from palate.workflow import BothHeads, split_seed

    require_one_source(source, files)
    chosen = make_solver(solver, settings, liked)
    features.require_learner(chosen)
    silent = quiet or as_json
    splits: Iterable[Split | UserSplit] = features.add_to(reading.folds(files)) if files else ()
    count, protocol = len(files), "the given splits"
    splitting.check(files)
    if source:
        ratings, catalogue = reading.load(source)
        ratings = features.add(ratings, catalogue, reading.dataset_folder(source))
        splits, count, protocol = splitting.of(ratings, split_seed(chosen), folds=5)
        if not silent:
            paragraph(check_ratings(ratings)[0], "", err=True)
    done = None if silent else _fold_printer(count)
    estimator = BothHeads(chosen, choices, liked)
    result = cross_validate(estimator, splits, liked=liked, threads=threads, done=done)
    if as_json:
        json_text({"solver": solver, "protocol": protocol, **result.as_dict()})
        return
    named, over = {solver: result.mean, **result.baselines}, f"{protocol}"
    over += " (± standard deviation between them)" if count > 1 else ""
    print_scores(f"Errors: {over}", named, result.spread)
    print_lists(f"Lists: {over}", named, result.spread)


def _fold_printer(count: int) -> Callable[[Evaluation, Model], None]:
    """Return a function that is called after each fold and prints a line about it."""
    done = 0

    def print_fold(fold: Evaluation, model: Model) -> None:
        nonlocal done
        done += 1
        figures = [f"{title} {fold.scores[name]:.4f}" for name, title in _SHOWN.items() if name in fold.scores]
        about = f"{', '.join(figures)} on {counted_rows(fold)}"
        paragraph(f"fold {done} of {count}: {about} ({outcome(model.training)})", "", err=True)
        for warning in fit_warnings(model.training):
            paragraph(f"warning: {warning}", "", err=True)

    return print_fold


_SHOWN = {"rmse": "RMSE", "ndcg@10": "NDCG@10"}
