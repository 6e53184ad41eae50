"""Commands that judge one model or one solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from palate.cli.options import json_option, quiet_option, threads_option
from palate.cli.output import json_text, paragraph
from palate.cli.reading_options import (
    ReadingOptions,
    complete_source,
    fold_option,
    reading_options,
    require_one_source,
)
from palate.cli.scores import counted_rows, outcome, print_scores
from palate.cli.solver_options import SolverCommand, make_solver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from palate.evaluation import Evaluation
    from palate.model import Model
    from palate.splits import Split

__all__ = ["cross_validate", "evaluate"]


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("test", metavar="TEST")
@json_option
@reading_options
def evaluate(model: str, test: str, as_json: bool, reading: ReadingOptions) -> None:
    """Judge MODEL on the ratings of TEST, beside baselines fitted on the model's own training ratings.

    Every row of TEST counts; users and items that the model does not know are predicted by the mean.
    """
    from palate.evaluation.evaluate import evaluate, require_ratings_predicted
    from palate.storage import load

    fitted = load(model)
    name = str(fitted.solver.get("name", "model"))
    require_ratings_predicted(name, fitted.predicts)
    evaluation = evaluate(fitted, reading.ratings(test))
    if as_json:
        json_text(evaluation.as_dict())
        return
    print_scores(f"Errors on {counted_rows(evaluation)}", {name: evaluation.scores, **evaluation.baselines})


@click.command("cross-validate", cls=SolverCommand)
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@click.option("--folds", type=int, default=5, show_default=True, help="Cut RATINGS into this many folds.")
@fold_option
@threads_option
@quiet_option
@json_option
@reading_options
def cross_validate(
    source: str | None,
    folds: int,
    files: tuple[tuple[str, str], ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    reading: ReadingOptions,
    **settings: Any,
) -> None:
    """Fit and judge a solver on several folds.

    The folds are random parts of RATINGS, or pairs of files. What the solver chooses by itself, it chooses inside the
    training part of each fold.
    """
    from palate.check import check_ratings
    from palate.evaluation.cross_validate import cross_validate
    from palate.evaluation.evaluate import require_ratings_predicted
    from palate.splits import k_fold
    from palate.workflow import split_seed

    require_one_source(source, files)
    chosen = make_solver(solver, settings)
    require_ratings_predicted(solver, chosen.predicts)
    silent = quiet or as_json
    splits: Iterable[Split] = reading.folds(files)
    if source:
        ratings = reading.ratings(source)
        splits = k_fold(ratings, folds, seed=split_seed(chosen))
        if not silent:
            paragraph(check_ratings(ratings)[0], "", err=True)
    done = None if silent else _fold_printer(len(files) or folds)
    result = cross_validate(chosen, splits, threads=threads, done=done)
    if as_json:
        json_text({"solver": solver, **result.as_dict()})
        return
    count = len(result.folds)
    over = f"{count} folds (± standard deviation between folds)" if count > 1 else "one fold"
    print_scores(f"Mean errors over {over}", {solver: result.mean, **result.baselines}, result.spread)


def _fold_printer(count: int) -> Callable[[Evaluation, Model], None]:
    """Return a function that is called after each fold and prints a line about it."""
    done = 0

    def print_fold(fold: Evaluation, model: Model) -> None:
        nonlocal done
        done += 1
        rmse = f"RMSE {fold.scores['rmse']:.4f} on {counted_rows(fold)}"
        paragraph(f"fold {done} of {count}: {rmse} ({outcome(model.training)})", "", err=True)

    return print_fold
