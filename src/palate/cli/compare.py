"""The command that compares solvers."""

from __future__ import annotations

import sys
from math import nan
from typing import TYPE_CHECKING

import click

from palate.cli.feature_options import FeatureOptions, feature_options
from palate.cli.headings import command, option
from palate.cli.options import choices_option, json_option, liked_option, quiet_option, threads_option
from palate.cli.output import json_text, paragraph, table
from palate.cli.progress import splits
from palate.cli.reading_options import (
    ReadingOptions,
    complete_source,
    fold_option,
    reading_options,
    require_one_source,
)
from palate.cli.scores import about_baselines, legend, list_metrics_in, metrics_in, plus_minus, score
from palate.cli.solver_options import with_liked
from palate.cli.split_options import SplitOptions, split_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palate.evaluation.compare import Comparison, SolverResult, SplitResult
    from palate.evaluation.lists import CutMetric
    from palate.evaluation.metrics import Metric
    from palate.heads import Choices
    from palate.splits import Split, UserSplit

__all__ = ["compare"]

_FAILED, _INTERRUPTED = 2, 130
# The measures of lists that have a column.
_LISTS = ("ndcg@10", "recall@20")
_SIGNIFICANT = 0.05


@command()
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@split_options
@fold_option
@option(
    "--solvers",
    metavar="NAME,...",
    help="Which solvers, such as sgd,bayes. [all, without variants such as article]",
)
@option(
    "--reference", metavar="NAME", help="Take differences from this one. [the lowest RMSE, and the highest NDCG@10]"
)
@choices_option
@liked_option
@option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the splits and the solvers.")
@threads_option
@quiet_option
@json_option
@feature_options
@reading_options
def compare(
    source: str | None,
    splitting: SplitOptions,
    files: tuple[tuple[str, str], ...],
    solvers: str | None,
    reference: str | None,
    seed: int,
    choices: Choices,
    liked: float | None,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    reading: ReadingOptions,
    features: FeatureOptions,
) -> None:
    """Fit all solvers and baselines on the same splits, and print one table.

    Solvers have their defaults, and are fitted as `palate fit` does. ± is a standard error, and differences are paired:
    solver against solver on the same rows, or for the same users. Solvers of choices have lists and no RMSE. Time (s)
    and memory (MB) are those of a fit; memory is what it takes at most beyond the ratings. "in 90%" is the share of the
    ratings that lie in their intervals of 90%. A solver that fails is shown with its reason, and the exit code is 2.
    Ctrl-C shows what is finished.
    """
    from palate.evaluation.compare import compare, solvers_to_compare
    from palate.solvers import SOLVERS, Solver
    from palate.workflow import BothHeads

    require_one_source(source, files)
    splitting.check(files)
    chosen = solvers_to_compare([name.strip() for name in solvers.split(",")] if solvers else (), seed=seed)
    estimators = {
        name: BothHeads(with_liked(solver, liked), choices, liked)
        if isinstance(solver, Solver) and name in SOLVERS
        else solver
        for name, solver in chosen.items()
    }
    parts: Iterable[Split | UserSplit] = features.add_to(reading.folds(files)) if files else ()
    count, protocol = len(files), f"{len(files)} given split{'s' * (len(files) > 1)}"
    if source:
        ratings, catalogue = reading.load(source)
        ratings = features.add(ratings, catalogue, reading.dataset_folder(source))
        parts, count, protocol = splitting.of(ratings, seed)
    begun, done = splits(quiet or as_json, count)
    result = compare(estimators, parts, liked=liked, threads=threads, reference=reference, begun=begun, done=done)
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


def _print(result: Comparison, planned: int, protocol: str) -> None:
    ranked = [solver for solver in result.solvers if not solver.failure]
    if ranked:
        scores = [solver.scores for solver in ranked]
        metrics: list[Metric | CutMetric] = [*metrics_in(scores, leave_out=("nmae",)), *list_metrics_in(scores, _LISTS)]
        _print_table(result, ranked, metrics)
        click.echo()
        paragraph(f"{_protocol(ranked[0].splits, planned, protocol)} {legend(metrics)}", "")
        paragraph(_about_columns(result, ranked), "")
        if result.list_reference:
            paragraph(_lists_compared(result), "")
    for solver in result.solvers:
        if solver.failure:
            paragraph(f"{solver.name} has no result: {solver.failure}", "")


def _about_columns(result: Comparison, ranked: list[SolverResult]) -> str:
    """Return what the columns without a measure are, and the rows that are no solvers."""
    references = " and ".join(dict.fromkeys(filter(None, (result.reference, result.list_reference))))
    differences = f"to {references}: the difference from it; " if references else ""
    columns = f"{differences}s: seconds that a fit takes; MB: the memory that it needs beside the ratings."
    return f"{columns[0].upper()}{columns[1:]} {about_baselines(one.name for one in ranked)}".rstrip()


def _lists_compared(result: Comparison) -> str:
    """Return a sentence on which lists differ from those of the reference."""
    compared = [solver.lists for solver in result.solvers if solver.lists]
    if not compared:
        return ""
    unclear = [one.name for one in compared if one.p_value >= _SIGNIFICANT]
    text = f"Lists are compared with those of {result.list_reference} by a bootstrap over {compared[0].users:,} users"
    if not unclear:
        return f"{text}: all differences are significant (5%, Holm)."
    return f"{text}: the difference of {', '.join(unclear)} is not significant (5%, Holm)."


def _print_table(result: Comparison, ranked: list[SolverResult], metrics: list[Metric | CutMetric]) -> None:
    best = {metric.name: _best(ranked, metric) for metric in metrics}

    def cells(solver: SolverResult, metric: Metric | CutMetric) -> list[str]:
        text = score(solver.scores, metric)
        if metric.name == "rmse" and "rmse" in solver.scores:
            text = plus_minus(solver.scores["rmse"], solver.error)
        starred = f"*{text}" if solver.scores.get(metric.name, nan) == best[metric.name] else text
        if metric.name == "rmse":
            is_base = solver.name == result.reference or "rmse" not in solver.scores
            return [starred, "" if is_base else plus_minus(solver.difference, solver.difference_error, "+.4f")]
        if metric.name == "ndcg@10":
            off = solver.lists
            return [starred, plus_minus(off.difference, off.error, "+.4f") if off else ""]
        return [starred]

    def titles(metric: Metric | CutMetric) -> list[str]:
        base = {"rmse": result.reference, "ndcg@10": result.list_reference}
        return [metric.title, f"to {base[metric.name] or '–'}"] if metric.name in base else [metric.title]

    def row(solver: SolverResult) -> list[str]:
        memory = "–" if solver.memory is None else f"{solver.memory / 1e6:,.1f}"
        columns = [cell for metric in metrics for cell in cells(solver, metric)]
        return [solver.name, *columns, f"{solver.seconds:.1f}", memory]

    headings = ["", *(title for metric in metrics for title in titles(metric)), "s", "MB"]
    table("", headings, [row(solver) for solver in ranked])


def _best(ranked: list[SolverResult], metric: Metric | CutMetric) -> float | None:
    """Return the best score of a metric, None where no score is better than another."""
    if metric.higher_is_better is None or len(ranked) < 2:
        return None
    scores = [solver.scores[metric.name] for solver in ranked if metric.name in solver.scores]
    return (max if metric.higher_is_better else min)(scores, default=None)


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
