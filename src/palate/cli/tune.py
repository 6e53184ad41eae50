"""The command that searches for better settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli.feature_options import FeatureOptions, feature_options
from palate.cli.fit_report import fit_warnings, print_chosen, print_warnings
from palate.cli.headings import SPLIT, option
from palate.cli.options import json_option, liked_option, quiet_option, share, threads_option
from palate.cli.output import json_text, paragraph, size
from palate.cli.reading_options import ReadingOptions, complete_source, reading_options
from palate.cli.solver_options import SolverCommand, make_solver

if TYPE_CHECKING:
    from palate.evaluation.tune import Trial

__all__ = ["tune"]

_UNITS = {"s": 1, "m": 60, "h": 3600}


def _seconds(ctx: click.Context, param: click.Parameter, text: str) -> float:
    """Read seconds, or numbers with units such as 90s, 5m or 1h30m."""
    value = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is no duration: write seconds, or for example 90s, 5m or 1h30m")
    return seconds


@click.command(cls=SolverCommand)
@click.argument("source", metavar="RATINGS", shell_complete=complete_source)
@option("--metric", default="rmse", show_default=True, help="What to improve: rmse, or ndcg@10, recall@20 and so on.")
@option("--budget", callback=_seconds, default="5m", show_default=True, help="How long to search, such as 90s or 1h.")
@option("--trials", type=click.IntRange(min=1), help="How many settings to try at most.")
@option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="The number of folds that settings are judged on.",
    heading=SPLIT,
)
@option(
    "--holdout",
    type=share,
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Keep this share of the ratings for the one figure at the end.",
    heading=SPLIT,
)
@liked_option
@option(
    "--study",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep all trials in this SQLite file; the same command goes on from it.",
)
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="MODEL",
    help="Fit the best settings on all ratings, and save the model.",
)
@threads_option
@quiet_option
@json_option
@reading_options
@feature_options
def tune(
    source: str,
    metric: str,
    budget: float,
    trials: int | None,
    folds: int,
    holdout: float,
    liked: float | None,
    study: Path | None,
    output: Path | None,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    reading: ReadingOptions,
    features: FeatureOptions,
    **settings: Any,
) -> None:
    """Search for better settings of a solver.

    Settings are judged on folds of RATINGS, and given up early where they are worse than the best so far. What is
    found is compared with the settings before on ratings that nothing was chosen on. Settings that are given stay as
    they are.
    """
    import dataclasses

    from palate.evaluation.tune import tune as search
    from palate.storage import save
    from palate.workflow import BothHeads, check_model_output, check_output, fit, split_seed

    chosen = make_solver(solver, settings, liked)
    if study:
        check_output(study, source)
    if output:
        check_model_output(output, source)
    features.require_learner(chosen)
    ratings, catalogue = reading.load(source)
    ratings = features.add(ratings, catalogue, reading.dataset_folder(source))
    result = search(
        ratings,
        chosen,
        metric=metric,
        budget=budget,
        trials=trials,
        fixed=[name for name, value in settings.items() if value is not None],
        folds=folds,
        share=holdout,
        liked=liked,
        study=study,
        seed=split_seed(chosen),
        heads=lambda tried: BothHeads(tried, liked=liked),
        threads=threads,
        done=None if quiet or as_json else lambda trial: _tell(trial, metric),
    )
    model = None
    if output is not None:
        model = fit(ratings, result.solver, liked=liked, threads=threads)
        save(dataclasses.replace(model, catalogue=catalogue or model.catalogue), output)
    if as_json:
        fitted = {"model": str(output), "warnings": fit_warnings(model.training)} if model else {"model": None}
        json_text({**result.as_dict(), **fitted})
        return
    paragraph(f"{result}.", "")
    if model is not None and output is not None:
        print_chosen(model.training)
        print_warnings(model.training)
        click.echo(f"Saved {output}, fitted on all ratings ({size(output.stat().st_size)}).")


def _tell(trial: Trial, metric: str) -> None:
    settings = ", ".join(f"{name} {value:.3g}" for name, value in trial.settings.items())
    if trial.value is None:
        state = "could not be fitted, or the time was over"
    else:
        value = trial.value**0.5 if metric == "rmse" else trial.value
        state = f"{metric} {value:.4f}{', cut short' * trial.pruned}{', the best so far' * trial.best}"
    paragraph(f"trial {trial.number} ({settings or 'as it was'}): {state}", "", err=True)
