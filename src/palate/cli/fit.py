"""The command that fits a model."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.feature_options import FeatureOptions, feature_options
from palate.cli.fit_report import fit_warnings, outcome, print_chosen, print_warnings
from palate.cli.headings import RUN, SPARK, option
from palate.cli.options import choices_option, json_option, liked_option, quiet_option, share, threads_option
from palate.cli.output import json_text, paragraph, size
from palate.cli.progress import epochs
from palate.cli.reading_options import ReadingOptions, complete_source, load_catalogue, reading_options
from palate.cli.scores import print_evaluation
from palate.cli.solver_options import SolverCommand, make_solver
from palate.cli.spark_options import engine_options

if TYPE_CHECKING:
    from palate.heads import Choices
    from palate.workflow import FitResult

__all__ = ["fit"]

_INTERRUPTED = 130


@click.command(cls=SolverCommand)
@click.argument("sources", metavar="RATINGS...", nargs=-1, required=True, shell_complete=complete_source)
@option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The model file.")
@option("--items", metavar="ITEMS", help="Titles and texts: a CSV, u.item, or numbered HTML blocks.")
@option(
    "--holdout",
    type=share,
    metavar="SHARE",
    help="Hold out this share of the ratings, and judge the model on it.",
)
@choices_option
@liked_option
@option(
    "--resume",
    is_flag=True,
    help="Go on from the checkpoint that an interrupted fit left beside the model.",
    heading=RUN,
)
@engine_options("als, implicit, bayes")
@option(
    "--work-folder",
    metavar="FOLDER",
    help="spark: a folder for the fit; best one that all machines see.",
    heading=SPARK,
)
@option(
    "--checkpoint", metavar="URI", help="spark: the checkpoint, on any file system that Spark knows.", heading=SPARK
)
@threads_option
@quiet_option
@json_option
@feature_options
@reading_options
def fit(
    sources: tuple[str, ...],
    output: Path,
    items: str | None,
    holdout: float | None,
    choices: Choices,
    liked: float | None,
    resume: bool,
    engine: str,
    master: str | None,
    work_folder: str | None,
    checkpoint: str | None,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    reading: ReadingOptions,
    features: FeatureOptions,
    **settings: Any,
) -> None:
    """Fit a model on RATINGS and save it. Several files are fitted as one table.

    A checkpoint lies beside the model while the fit runs. Ctrl-C ends the fit after the running epoch or sweep and
    saves what has been reached.

    An epoch, or sweep, is a pass over the ratings. A pilot is a trial fit on a part of the ratings, which chooses
    settings; the rest of the ratings, the validation part, says which settings are best.
    """
    from palate.datasets import DATASETS
    from palate.workflow import check_fit_output, checkpoint_path, describe_ratings, fit_and_save

    spark_options: dict[str, Any] = {"master": master, "work_folder": work_folder, "checkpoint": checkpoint}
    if engine == "local" and any(spark_options.values()):
        raise click.UsageError("--master, --work-folder and --checkpoint go with --engine spark")
    if engine == "spark" and features != FeatureOptions():
        raise click.UsageError("attributes are learnt by --engine local only")
    check_fit_output(output, *sources, items, features.item_features, features.user_features)
    chosen = make_solver(solver, settings, liked)
    features.require_learner(chosen)
    ratings: Any = list(sources)
    catalogue, notes, arguments = None, [], {}
    if engine == "spark" and not any(source in DATASETS for source in sources):
        arguments = reading.spark_arguments()
    else:
        ratings, catalogue = reading.load_all(sources)
        notes = describe_ratings(ratings, catalogue)
    catalogue = load_catalogue(items, catalogue, reading.on_error)
    if engine == "local":
        ratings = features.add(ratings, catalogue, items or reading.dataset_folder(sources[0]))
        notes = describe_ratings(ratings, catalogue)
    if not as_json:
        for line in notes:
            paragraph(line, "")
    if engine == "local" and resume and not checkpoint_path(output).exists():
        click.echo(f"there is no checkpoint {checkpoint_path(output)}: the fit starts at its beginning", err=True)
    with epochs(quiet or as_json) as progress:
        run: Any = fit_and_save
        if engine == "spark":
            from palate.spark import fit_and_save as fit_on_spark

            run = partial(fit_on_spark, reading=arguments, **spark_options)
        result = run(
            chosen,
            ratings,
            output,
            choices=choices,
            liked=liked,
            catalogue=catalogue,
            holdout=holdout,
            threads=threads,
            progress=progress,
            resume=resume,
        )
    if not result.saved:
        click.echo(f"interrupted too early: {output} is left as it was; --resume goes on", err=True)
        sys.exit(_INTERRUPTED)
    if as_json:
        json_text({**result.as_dict(), "notes": notes, "warnings": fit_warnings(result.model.training)})
    else:
        _print(result, solver, holdout)
    if result.interrupted:
        paragraph(f"interrupted: {output} holds what was reached; the same command with --resume goes on", "", err=True)
        sys.exit(_INTERRUPTED)


def _print(result: FitResult, solver: str, holdout: float | None) -> None:
    model, training = result.model, result.model.training
    part = f" (the other {1 - holdout:.0%}; leave --holdout out to fit on all)" if holdout else ""
    factors = model.solver.get("factors", model.factors)
    what = f" {factors} factors" if factors else ""
    paragraph(f"Fitted{what} in {result.seconds:.1f} s{part}: {outcome(training)}.", "")
    print_chosen(training)
    print_warnings(training)
    click.echo(f"Saved {result.output} ({size(result.output.stat().st_size)}).")
    if result.evaluation:
        print_evaluation(solver, result.evaluation, "held-out")
