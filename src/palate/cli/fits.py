"""Commands that fit and judge."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palate.cli import show
from palate.cli.options import (
    SolverCommand,
    check_output,
    complete_source,
    json_option,
    load_catalogue,
    load_ratings,
    make_solver,
    quiet_option,
    reading_options,
    solver_option,
    threads_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palate.evaluation import Evaluation
    from palate.model import Model
    from palate.splits import Split

__all__ = ["cross_validate", "evaluate", "fit"]

_INTERRUPTED = 130
_READING = (
    "columns", "time", "separator", "header", "layout", "missing", "query", "on_error", "duplicates", "scale", "folder",
)  # fmt: skip


def _require_ratings(solver: str, predicts: str) -> None:
    if predicts != "rating":
        raise click.UsageError(f"the solver {solver!r} learns scores, not ratings: it has no errors to report")


def _separate(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    reading = {name: options.pop(name) for name in _READING}
    return reading, options


@click.command(cls=SolverCommand)
@click.argument("source", metavar="RATINGS", shell_complete=complete_source)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The model file.")
@click.option("--items", metavar="ITEMS", help="Titles and texts: a CSV, u.item, or numbered HTML blocks.")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Hold out this share of the ratings and report the error on it.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint that an interrupted fit left beside the model.")
@threads_option
@quiet_option
@json_option
@reading_options
@solver_option
def fit(
    source: str,
    output: Path,
    items: str | None,
    holdout: float | None,
    resume: bool,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    **options: Any,
) -> None:
    """Fit a model on RATINGS and save it.

    A checkpoint lies beside the model while the fit runs. Ctrl-C ends the fit after the running epoch or sweep and
    saves what has been reached.
    """
    import dataclasses

    from palate.check import check_ratings
    from palate.errors import SettingsError
    from palate.evaluation import evaluate as judge
    from palate.files import read_arrays
    from palate.splits import holdout as hold_out
    from palate.storage import save

    checkpoint = output.with_name(output.name + ".checkpoint")
    check_output(output, source, items)
    check_output(checkpoint, source, items)
    if checkpoint.exists():
        read_arrays(checkpoint, "checkpoint", mmap=True)  # refuses what is none, so that nothing else is overwritten
    reading, given = _separate(options)
    chosen = make_solver(solver, given)
    if holdout is not None:
        _require_ratings(solver, chosen.predicts)
    ratings, catalogue = load_ratings(source, **reading)
    catalogue = load_catalogue(items, catalogue, reading["on_error"])
    looked = [*ratings.notes, *catalogue.notes, *check_ratings(ratings)]
    if len(catalogue):
        listed = sum(catalogue.get(ratings.items[index]) is not None for index in range(len(ratings.items)))
        looked.append(f"the catalogue has {listed:,} of the {len(ratings.items):,} rated items")
    if not as_json:
        for line in looked:
            show.paragraph(line, "")
    train, test = (
        hold_out(ratings, holdout, seed=getattr(chosen, "seed", 0)) if holdout is not None else (ratings, None)
    )
    if resume and not checkpoint.exists():
        click.echo(f"there is no checkpoint {checkpoint}: the fit starts at its beginning", err=True)
    started = time.perf_counter()
    try:
        with show.epochs(quiet or as_json) as progress:
            model = chosen.fit(train, threads=threads, progress=progress, checkpoint=checkpoint, resume=resume)
    except SettingsError:
        checkpoint.unlink(missing_ok=True)  # going on from it would fail in the same way
        raise
    seconds = time.perf_counter() - started
    model = dataclasses.replace(model, catalogue=catalogue)
    interrupted = model.training["interrupted"]
    if interrupted and (not model.training["history"] or (_in_pilot(model) and output.exists())):
        click.echo(f"interrupted too early: {output} is left as it was; --resume goes on", err=True)
        sys.exit(_INTERRUPTED)
    save(model, output)
    if not interrupted:
        checkpoint.unlink(missing_ok=True)
    evaluation = judge(model, test) if test is not None else None
    if evaluation:  # saved before it was judged, and now again: whatever happens meanwhile, the fit is not lost
        model = dataclasses.replace(model, training={**model.training, "holdout": evaluation.as_dict()})
        save(model, output)
    if as_json:
        show.json_text(
            {
                "model": str(output),
                "bytes": output.stat().st_size,
                "ratings": len(train),
                "users": len(model.users),
                "items": len(model.items),
                "scale": [model.scale.low, model.scale.high],
                "solver": model.solver,
                "training": {key: value for key, value in model.training.items() if key not in ("history", "holdout")},
                "training_rmse": model.training["history"][-1]["training_rmse"],
                "rows_per_epoch": model.training["history"][-1]["rows"],
                "holdout": evaluation.as_dict() if evaluation else None,
                "seconds": seconds,
                "notes": looked,
            }
        )
    else:
        _tell_fit(model, seconds, output, holdout)
        if evaluation:
            named = {solver: evaluation.scores, **evaluation.baselines}
            show.errors(f"Errors on {evaluation.ratings:,} held-out ratings", named)
    if interrupted:
        show.paragraph(
            f"interrupted: {output} holds what was reached; the same command with --resume goes on", "", err=True
        )
        sys.exit(_INTERRUPTED)


def _in_pilot(model: Model) -> bool:
    return bool(model.training.get("stage") == "pilot")


def _tell_fit(model: Any, seconds: float, output: Path, holdout: float | None) -> None:
    part = f" (the other {1 - holdout:.0%}; leave --holdout out to fit on all)" if holdout else ""
    factors = model.solver.get("factors", model.factors)
    show.paragraph(f"Fitted {factors} factors in {seconds:.1f} s{part}: {show.outcome(model.training)}.", "")
    for line in [*model.training.get("choices", []), *model.training.get("warnings", [])]:
        show.paragraph(line, "")
    click.echo(f"Saved {output} ({show.size(output.stat().st_size)}).")


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("test", metavar="TEST")
@json_option
@reading_options
def evaluate(model: str, test: str, as_json: bool, **reading: Any) -> None:
    """Judge MODEL on the ratings of TEST, beside baselines fitted on the model's own training ratings.

    Every row of TEST counts; users and items that the model does not know are predicted by the mean.
    """
    from palate.evaluation import evaluate as judge
    from palate.storage import load

    fitted = load(model)
    _require_ratings(str(fitted.solver.get("name", "model")), fitted.predicts)
    evaluation = judge(fitted, load_ratings(test, **reading)[0])
    if as_json:
        show.json_text(evaluation.as_dict())
        return
    named = {str(fitted.solver.get("name", "model")): evaluation.scores, **evaluation.baselines}
    show.errors(f"Errors on {_counted(evaluation)}", named)


def _counted(evaluation: Evaluation) -> str:
    said = [f"{evaluation.ratings:,} ratings"]
    if evaluation.unknown:
        said.append(f"{evaluation.unknown:,} with an unknown user or item")
    if evaluation.off_scale:
        said.append(f"{evaluation.off_scale:,} off the model's scale: is it the same kind of rating?")
    return ", ".join(said)


@click.command("cross-validate", cls=SolverCommand)
@click.argument("source", metavar="[RATINGS]", required=False, shell_complete=complete_source)
@click.option("--folds", type=int, default=5, show_default=True, help="Cut RATINGS into so many folds.")
@click.option(
    "--fold", "files", nargs=2, multiple=True, metavar="TRAIN TEST", help="A fold given as two files; repeat it."
)
@threads_option
@quiet_option
@json_option
@reading_options
@solver_option
def cross_validate(
    source: str | None,
    folds: int,
    files: tuple[tuple[str, str], ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
    solver: str,
    **options: Any,
) -> None:
    """Fit and judge a solver on several folds.

    The folds are random parts of RATINGS, or pairs of files. What the solver chooses by itself, it chooses inside the
    training part of each fold.
    """
    from palate.check import check_ratings
    from palate.evaluation import cross_validate as judge
    from palate.splits import Split, k_fold

    if (source is None) == (not files):
        raise click.UsageError("give either RATINGS or --fold TRAIN TEST")
    reading, given = _separate(options)
    chosen = make_solver(solver, given)
    _require_ratings(solver, chosen.predicts)

    def pairs() -> Iterator[Split]:
        for train, test in files:
            yield Split(load_ratings(train, **reading)[0], load_ratings(test, **reading)[0])

    if source:
        ratings = load_ratings(source, **reading)[0]
        splits = k_fold(ratings, folds, seed=getattr(chosen, "seed", 0))
        if not (quiet or as_json):
            show.paragraph(check_ratings(ratings)[0], "", err=True)
    else:
        splits = pairs()

    count = len(files) or folds
    done = 0

    def tell(fold: Evaluation, model: Model) -> None:
        nonlocal done
        done += 1
        if not (quiet or as_json):
            scored = f"RMSE {fold.scores['rmse']:.4f} on {_counted(fold)}"
            show.paragraph(f"fold {done} of {count}: {scored} ({show.outcome(model.training)})", "", err=True)

    result = judge(chosen, splits, threads=threads, done=tell)
    if as_json:
        show.json_text({"solver": solver, **result.as_dict()})
        return
    named = {solver: result.mean, **result.baselines}
    over = f"{len(result.folds)} folds (± standard deviation between folds)" if len(result.folds) > 1 else "one fold"
    show.errors(f"Mean errors over {over}", named, result.spread)
