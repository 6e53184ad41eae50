"""The command that compares solvers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from palate.cli.options import json_option, quiet_option, share, threads_option
from palate.cli.output import json_text, paragraph, table
from palate.cli.progress import splits
from palate.cli.reading_options import (
    ReadingOptions,
    complete_source,
    fold_option,
    reading_options,
    require_one_source,
)
from palate.cli.scores import legend, metrics_in, plus_minus, score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palate.evaluation.compare import Comparison, SolverResult, SplitResult
    from palate.evaluation.metrics import Metric
    from palate.splits import Split

__all__ = ["compare"]

_FAILED, _INTERRUPTED = 2, 130


@click.command()
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@click.option("--holdout", type=share, metavar="SHARE", help="Judge on this random share of the ratings. [0.1]")
@click.option("--repeats", type=click.IntRange(min=1), help="How many holdouts, each with the next seed. [1]")
@click.option("--folds", type=int, help="Cut RATINGS into this many folds instead.")
@fold_option
@click.option(
    "--solvers",
    metavar="NAME,...",
    help="Which solvers, such as sgd,bayes. [those that predict ratings, without variants such as article]",
)
@click.option("--reference", metavar="NAME", help="Take differences from this one. [the one with the lowest RMSE]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the splits and the solvers.")
@threads_option
@quiet_option
@json_option
@reading_options
def compare(
    source: str | None,
    holdout: float | None,
    repeats: int | None,
    folds: int | None,
    files: tuple[tuple[str, str], ...],
    solvers: str | None,
    reference: str | None,
    seed: int,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    reading: ReadingOptions,
) -> None:
    """Fit all solvers and baselines on the same splits, and print one table.

    Solvers have their defaults. ± is a standard error, and differences are paired: solver against solver on the same
    rows. Time (s) and memory (MB) are those of a fit; memory is what it takes at most beyond the ratings. "in 90%" is
    the share of the ratings that lie in their intervals of 90%. A solver that fails is shown with its reason, and the
    exit code is 2. Ctrl-C shows what is finished.
    """
    from palate.evaluation.compare import compare, solvers_to_compare

    _check_splits(source, files, holdout=holdout, repeats=repeats, folds=folds)
    chosen = solvers_to_compare([name.strip() for name in solvers.split(",")] if solvers else (), seed=seed)
    parts: Iterable[Split] = reading.folds(files)
    count, protocol = len(files), f"{len(files)} given split{'s' * (len(files) > 1)}"
    if source:
        parts, count, protocol = _random_splits(source, reading, holdout or 0.1, repeats or 1, folds, seed)
    begun, done = splits(quiet or as_json, count)
    result = compare(chosen, parts, threads=threads, reference=reference, begun=begun, done=done)
    if result.interrupted:
        paragraph("\ninterrupted: only what was finished is shown", "", err=True)
    if as_json:
        json_text({"protocol": protocol, "seed": seed, **result.as_dict()})
    else:
        _print(result, count, protocol)
    if result.interrupted:
        sys.exit(_INTERRUPTED)
    if any(solver.failure for solver in result.solvers):
        sys.exit(_FAILED)


def _check_splits(source: str | None, files: tuple[tuple[str, str], ...], **random: float | None) -> None:
    require_one_source(source, files)
    flags = [f"--{name}" for name, value in random.items() if value is not None]
    if files and flags:
        raise click.UsageError(f"{flags[0]} does not go with --fold: the splits are given")
    if random["folds"] is not None and len(flags) > 1:
        raise click.UsageError(f"{flags[0]} does not go with --folds: choose one way to split")


def _random_splits(
    source: str, reading: ReadingOptions, share: float, repeats: int, folds: int | None, seed: int
) -> tuple[Iterable[Split], int, str]:
    """Return random splits, how many there are, and what they are."""
    from palate.splits import holdout, k_fold

    ratings = reading.ratings(source)
    if folds is not None:
        return k_fold(ratings, folds, seed=seed), folds, f"{folds} random folds (seed {seed})"
    parts = (holdout(ratings, share, seed=seed + number) for number in range(repeats))
    if repeats == 1:
        return parts, 1, f"one random holdout of {share:.3g} of the ratings (seed {seed})"
    seeds = f"seeds {seed} to {seed + repeats - 1}"
    return parts, repeats, f"{repeats} random holdouts of {share:.3g} of the ratings ({seeds})"


def _print(result: Comparison, planned: int, protocol: str) -> None:
    ranked = [solver for solver in result.solvers if not solver.failure]
    if ranked:
        metrics = metrics_in((solver.scores for solver in ranked), leave_out=("nmae",))
        _print_table(result, ranked, metrics)
        click.echo()
        paragraph(f"{_protocol(ranked[0].splits, planned, protocol)} {legend(metrics)}", "")
    for solver in result.solvers:
        if solver.failure:
            paragraph(f"{solver.name} has no result: {solver.failure}", "")


def _print_table(result: Comparison, ranked: list[SolverResult], metrics: list[Metric]) -> None:
    best = {metric.name: _best(ranked, metric) for metric in metrics}

    def cell(solver: SolverResult, metric: Metric) -> str:
        text = score(solver.scores, metric)
        if metric.name == "rmse":
            text = plus_minus(solver.scores["rmse"], solver.error)
        return f"*{text}" if solver.scores.get(metric.name, float("nan")) == best[metric.name] else text

    def row(solver: SolverResult) -> list[str]:
        difference = plus_minus(solver.difference, solver.difference_error, "+.4f")
        memory = "–" if solver.memory is None else f"{solver.memory / 1e6:,.1f}"
        rmse, mae, *others = (cell(solver, metric) for metric in metrics)
        difference = "" if solver.name == result.reference else difference
        return [solver.name, rmse, difference, mae, f"{solver.seconds:.1f}", memory, *others]

    rmse, mae, *others = (metric.title for metric in metrics)
    table("", ["", rmse, f"to {result.reference}", mae, "s", "MB", *others], [row(solver) for solver in ranked])


def _best(ranked: list[SolverResult], metric: Metric) -> float | None:
    """Return the best score of a metric, None where no score is better than another."""
    if metric.higher_is_better is None or len(ranked) < 2:
        return None
    scores = [solver.scores[metric.name] for solver in ranked if metric.name in solver.scores]
    return max(scores) if metric.higher_is_better else min(scores)


def _protocol(splits: tuple[SplitResult, ...], planned: int, protocol: str) -> str:
    """Return what the solvers were judged on, and what the signs in the table mean."""
    evaluations = [split.evaluation for split in splits if split.evaluation]
    counts = [evaluation.ratings for evaluation in evaluations]
    rows = " + ".join(f"{count:,}" for count in counts) if len(counts) <= 5 else f"{sum(counts):,}"
    finished = f", {len(counts)} of them finished" if len(counts) < planned else ""
    unknown = sum(evaluation.unknown for evaluation in evaluations)
    known = f", {unknown:,} of them with a user or item that is not in the training part" if unknown else ""
    error = "from the differences between splits" if len(counts) > 1 else "from the rows of the one test part"
    return f"Judged by {protocol}{finished}: {rows} ratings{known}. * is the best, ± one standard error, {error}."
