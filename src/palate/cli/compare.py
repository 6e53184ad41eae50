"""The command that compares solvers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from palate.cli import show
from palate.cli.options import (
    complete_source,
    json_option,
    load_ratings,
    quiet_option,
    reading_options,
    threads_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from palate.evaluation.standings import Comparison, Standing, Trial
    from palate.splits import Split

__all__ = ["compare"]

_FAILED, _INTERRUPTED = 2, 130


@click.command()
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Judge on this random share of the ratings. [0.1]",
)
@click.option("--repeats", type=click.IntRange(min=1), help="So many holdouts, each with the next seed. [1]")
@click.option("--folds", type=int, help="Cut RATINGS into so many folds instead.")
@click.option(
    "--fold", "files", nargs=2, multiple=True, metavar="TRAIN TEST", help="A split given as two files; repeat it."
)
@click.option(
    "--solvers",
    metavar="NAME,...",
    help="Which solvers, such as sgd,bayes. [all that predict ratings, but article only where it is named]",
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
    **reading: Any,
) -> None:
    """Fit all solvers and baselines on the same splits, and print one table.

    Solvers have their defaults. ± is a standard error, and differences are paired: solver against solver on the same
    rows. Time (s) and memory (MB) are those of a fit; memory is what it takes at most beyond the ratings. "in 90%" is
    how many ratings lie in their intervals of 90%. A solver that fails is shown with its reason, and the exit code is
    2. Ctrl-C shows what is finished.
    """
    from palate.evaluation.compare import compare as judge
    from palate.evaluation.compare import contestants

    _check(source, files, holdout=holdout, repeats=repeats, folds=folds)
    chosen = contestants([name.strip() for name in solvers.split(",")] if solvers else (), seed=seed)
    if files:
        pairs: Iterable[Split] = _pairs(files, reading)
        count, protocol = len(files), f"{len(files)} given split{'s' * (len(files) > 1)}"
    else:
        pairs, count, protocol = _random(source or "", reading, holdout or 0.1, repeats or 1, folds, seed)
    begun, done = show.trials(quiet or as_json, count)
    result = judge(chosen, pairs, threads=threads, reference=reference, begun=begun, done=done)
    if result.interrupted:
        show.paragraph("\ninterrupted: only what was finished is shown", "", err=True)
    if as_json:
        show.json_text({"protocol": protocol, "seed": seed, **result.as_dict()})
    else:
        _tell(result, count, protocol)
    if result.interrupted:
        sys.exit(_INTERRUPTED)
    if any(standing.failure for standing in result.standings):
        sys.exit(_FAILED)


def _check(source: str | None, files: tuple[tuple[str, str], ...], **random: float | None) -> None:
    if (source is None) == (not files):
        raise click.UsageError("give either RATINGS or --fold TRAIN TEST")
    given = [f"--{name}" for name, value in random.items() if value is not None]
    if files and given:
        raise click.UsageError(f"{given[0]} does not go with --fold: the splits are given")
    if random["folds"] is not None and len(given) > 1:
        raise click.UsageError(f"{given[0]} does not go with --folds: choose one way to split")


def _pairs(files: tuple[tuple[str, str], ...], reading: dict[str, Any]) -> Iterator[Split]:
    from palate.splits import Split

    for train, test in files:
        yield Split(load_ratings(train, **reading)[0], load_ratings(test, **reading)[0])


def _random(
    source: str, reading: dict[str, Any], share: float, repeats: int, folds: int | None, seed: int
) -> tuple[Iterable[Split], int, str]:
    """Return random splits, how many, and what they are."""
    from palate.splits import holdout, k_fold

    ratings = load_ratings(source, **reading)[0]
    if folds is not None:
        return k_fold(ratings, folds, seed=seed), folds, f"{folds} random folds (seed {seed})"
    splits = (holdout(ratings, share, seed=seed + number) for number in range(repeats))
    if repeats == 1:
        return splits, 1, f"one random holdout of {share:.3g} of the ratings (seed {seed})"
    return (
        splits,
        repeats,
        f"{repeats} random holdouts of {share:.3g} of the ratings (seeds {seed} to {seed + repeats - 1})",
    )


def _tell(result: Comparison, planned: int, protocol: str) -> None:
    ranked = [standing for standing in result.standings if not standing.failure]
    if ranked:
        _table(result, ranked)
        click.echo()
        show.paragraph(_said(ranked[0].trials, planned, protocol), "")
    for standing in result.standings:
        if standing.failure:
            show.paragraph(f"{standing.name} has no result: {standing.failure}", "")


def _table(result: Comparison, ranked: list[Standing]) -> None:
    more = show.uncertainty(standing.scores for standing in ranked)
    best = {
        name: choose(one.scores[name] for one in ranked if name in one.scores)
        for name, choose in (("rmse", min), ("mae", min), ("log_likelihood", max))
        if len(ranked) > 1 and any(name in one.scores for one in ranked)
    }

    def shown(one: Standing, name: str) -> str:
        text = show.score(one.scores, name)
        if name == "rmse":
            text = show.plus_minus(one.scores[name], one.error)
        return f"*{text}" if name in one.scores and one.scores[name] == best.get(name) else text

    rows = [
        [
            one.name,
            shown(one, "rmse"),
            "" if one.name == result.reference else show.plus_minus(one.difference, one.difference_error, "+.4f"),
            shown(one, "mae"),
            f"{one.seconds:.1f}",
            "–" if one.memory is None else f"{one.memory / 1e6:,.1f}",
            *(shown(one, name) for name in more.values()),
        ]
        for one in ranked
    ]
    show.table("", ["", "RMSE", f"to {result.reference}", "MAE", "s", "MB", *more], rows)


def _said(trials: tuple[Trial, ...], planned: int, protocol: str) -> str:
    judged = [trial.evaluation for trial in trials if trial.evaluation]
    rows = (
        " + ".join(f"{one.ratings:,}" for one in judged)
        if len(judged) <= 5
        else f"{sum(one.ratings for one in judged):,}"
    )
    unknown = sum(one.unknown for one in judged)
    said = protocol + (f", {len(judged)} of them finished" if len(judged) < planned else "")
    known = f", {unknown:,} of them with a user or item that is not in the training part" if unknown else ""
    error = "from the differences between splits" if len(judged) > 1 else "from the rows of the one test part"
    return f"Judged by {said}: {rows} ratings{known}. * is the best, ± one standard error, {error}."
