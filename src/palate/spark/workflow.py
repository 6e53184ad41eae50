"""A whole fit on Spark, from ratings to a saved and judged model: `palate.workflow.fit_and_save` for large tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from palate.catalogue import Catalogue
from palate.errors import DataError, SettingsError
from palate.evaluation import Evaluation, evaluate
from palate.heads import Choices, add_choices
from palate.lazy import pl
from palate.model import Model
from palate.reading import read_ratings
from palate.reading.encode import as_scale
from palate.solvers import Epoch, Solver
from palate.spark.checkpoint import SparkCheckpoint
from palate.spark.fit import fit_tidy, solver_of
from palate.spark.reading import frame_of, hold_out_rows, paths_of, tidy_frame
from palate.spark.session import open_spark
from palate.storage import save
from palate.workflow import FitResult, check_fit_output, check_model_output, checkpoint_path, split_seed

__all__ = ["fit_and_save"]

# Above this many ratings the driver does not look for the best way to rank lists, which holds the table in memory.
_MOST_FOR_LISTS = 20_000_000
# A model is judged on this many held-out ratings at most, on the driver.
_MOST_JUDGED = 5_000_000


def fit_and_save(
    solver: Solver,
    ratings: Any,
    output: str | Path,
    *,
    reading: Mapping[str, Any] | None = None,
    master: str | None = None,
    work_folder: str | Path | None = None,
    checkpoint: str | None = None,
    choices: Choices = "auto",
    liked: float | None = None,
    catalogue: Catalogue | None = None,
    holdout: float | None = None,
    seed: int | None = None,
    threads: int | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
    resume: bool = False,
) -> FitResult:
    """Fit a model on Spark, save it, and judge it on ratings that were held out.

    Parameters
    ----------
    solver
        With its settings: ALS, ImplicitALS or BayesianMF.
    ratings
        As in `palate.spark.fit`.
    output
        The model file, on the driver's machine.
    reading
        How the ratings are read: arguments of `palate.spark.fit`, and `separator` and `header`.
    master, work_folder
        As in `palate.spark.fit`.
    checkpoint
        Where the checkpoint lies, on any file system that Spark knows; by default beside the model.
    choices, liked, catalogue, threads, progress, resume
        As in `palate.workflow.fit_and_save`. Above 20 million ratings "auto" ranks lists by ratings alone.
    holdout, seed
        Which share is held out. The rows are chosen by a hash of user and item, not by their order, so they are others
        than those of a local fit.

    Raises
    ------
    MissingExtraError, ReadError, DataError, SettingsError, StorageError
        As in `palate.spark.fit`.
    """
    output, options = Path(output), dict(reading or {})
    refuse = check_fit_output if checkpoint is None else check_model_output
    refuse(output, *(path.removeprefix("file://") for path in paths_of(ratings)))
    runs = solver_of(solver)
    spark = open_spark(master)
    layout = {name: options.pop(name) for name in ("separator", "header") if name in options}
    frame, source = frame_of(spark, ratings, **layout)
    tidy, notes = tidy_frame(frame, **options, source=source)
    train, test = tidy, None
    if holdout is not None:
        train, test = hold_out_rows(tidy, holdout, split_seed(solver) if seed is None else seed)
    place = checkpoint or checkpoint_path(output.absolute()).as_uri()
    saved_state = SparkCheckpoint(place, solver, "", spark, output.parent)
    started = time.perf_counter()
    try:
        model = fit_tidy(
            train, runs, notes, scale=as_scale(options.get("scale")), work_folder=work_folder, progress=progress,
            checkpoint=place, resume=resume, threads=threads,
        )  # fmt: skip
    except SettingsError:
        saved_state.remove()  # going on from it would fail in the same way
        raise
    interrupted = bool(model.training.get("interrupted"))
    size = _training_size(model)
    if not interrupted:
        model = _with_lists(model, size, choices, liked, threads, split_seed(solver))
    seconds = time.perf_counter() - started
    model = replace(model, catalogue=catalogue or Catalogue())
    is_pilot = model.training.get("stage") == "pilot" and output.exists()
    is_saved = not interrupted or (bool(model.training.get("history")) and not is_pilot)
    evaluation = None
    if is_saved:
        save(model, output)
        if not interrupted:
            saved_state.remove()
        if test is not None:
            evaluation = _judge(model, test, liked, threads)
            model = replace(model, training={**model.training, "holdout": evaluation.as_dict()})
            save(model, output)
    return FitResult(model, output, is_saved, interrupted, size, seconds, evaluation)


def _training_size(model: Model) -> int:
    if model.seen is not None:
        return len(model.seen.values)
    return int(model.training["history"][-1]["rows"]) if model.training.get("history") else 0


def _with_lists(
    model: Model, size: int, choices: Choices, liked: float | None, threads: int | None, seed: int
) -> Model:
    """Return a model with a choice head, where the driver can find one."""
    is_possible = model.seen is not None and size <= _MOST_FOR_LISTS
    if is_possible or choices == "none":
        return add_choices(model, choices, liked, threads=threads, seed=seed)
    why = (
        "the driver does not see the ratings"
        if model.seen is None
        else f"{size:,} ratings are too many for one machine"
    )
    if choices != "auto":
        raise SettingsError(f"--choices {choices} is not possible: {why}; fit with --choices none")
    notes = [*model.training.get("notes", []), f"lists are ranked by ratings alone: {why}"]
    return replace(model, training={**model.training, "notes": notes})


def _judge(model: Model, test: Any, liked: float | None, threads: int | None) -> Evaluation:
    """Judge a model on the driver, on all held-out ratings or on as many of them as it can hold."""
    count = test.count()
    if not count:
        raise DataError("nothing was held out: hold out a larger share (--holdout)")
    if count > _MOST_JUDGED:
        _, test = hold_out_rows(test, _MOST_JUDGED / count, 1)

    columns = [name for name in ("user", "item", "rating", "time") if name in test.columns]
    table = pl.from_arrow(test.select(*columns).toArrow())
    names = {name: name for name in columns} | ({} if "time" in columns else {"time": False})
    return evaluate(model, read_ratings(table, **names), liked=liked, threads=threads)  # type: ignore[arg-type]
