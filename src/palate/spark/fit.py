"""A fit on Spark, from a frame to a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from palate.check import suspicions
from palate.errors import DataError, PalateWarning, SettingsError
from palate.model import Model
from palate.parallel import pool
from palate.ratings import Ratings, RatingScale
from palate.reading import one_rating_each
from palate.reading.encode import as_scale
from palate.reading.mixed_ids import MixedIds
from palate.reading.raw import Choice, Column
from palate.solvers import ALS, SOLVERS, BayesianMF, Epoch, ImplicitALS, Solver
from palate.solvers.half_step import padded_width
from palate.solvers.progress import is_quiet, is_watched, progress_bar
from palate.solvers.session import Session, interruptible
from palate.solvers.settings import check
from palate.solvers.solver import Runner
from palate.spark.als import SparkALSFit
from palate.spark.bayes import SparkGibbsFit
from palate.spark.checkpoint import SparkCheckpoint
from palate.spark.cluster import open_cluster
from palate.spark.implicit import SparkImplicitFit
from palate.spark.reading import frame_of, tidy_frame
from palate.spark.session import open_spark
from palate.spark.table import SparkTable, build_table

__all__ = ["fit", "fit_tidy", "solver_of"]


def fit(
    frame: Any,
    solver: Solver | str = "als",
    *,
    user: Choice = None,
    item: Column = None,
    rating: Choice = None,
    time: Choice = None,
    on_error: str = "error",
    duplicates: str = "error",
    scale: RatingScale | tuple[float, float] | None = None,
    master: str | None = None,
    work_folder: str | Path | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
    checkpoint: str | None = None,
    resume: bool = False,
    threads: int | None = None,
    parts: int | None = None,
    is_shared: bool | None = None,
) -> Model:
    """Fit a model on Apache Spark. It is the model of a local fit, up to the order of sums.

    The executors hold the ratings and solve for the rows of users and items, with the kernels of local fits. The driver
    holds the factors and never the ratings. Draws depend on the seed, the sweep and the row, so the model does not
    depend on how Spark divides the work.

    Parameters
    ----------
    frame
        A frame of Spark, or whatever `palate.spark.read_frame` reads: paths of Parquet, ORC or delimited text, the name
        of a table.
    solver
        `palate.ALS`, `palate.ImplicitALS` or `palate.BayesianMF`, or the name of one.
    user, item, rating, time, on_error, duplicates, scale
        As in `palate.read_ratings`.
    master
        Where Spark runs, see `palate.spark.open_spark`.
    work_folder
        Where the fit makes a folder of its own, by default the folder of temporary files. Where all machines see it,
        such as a folder on NFS, factors move through it, the model keeps its ratings, and `BayesianMF` can run.
    progress
        As in `palate.solvers.Solver.fit`.
    checkpoint
        A path of any file system that Spark knows. The file is replaced after a sweep, at most once a second.
    resume
        Continue from the checkpoint if it exists, also with another driver.
    threads
        Of the driver, for what it does itself.
    parts
        Into how many parts each side of the table is cut; by default one for each core, or several where one would be
        too large.
    is_shared
        Whether all machines see the work folder; by default the executors are asked.

    Returns
    -------
    Model

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    ReadError, DataError
        If the ratings cannot be read or fitted.
    SettingsError
        If a setting is impossible, the solver does not run on Spark, or the memory of the executors would not do.
    StorageError
        If the checkpoint cannot be reached or belongs to another fit.
    """
    solver = solver_of(solver)
    check(solver)
    spark = open_spark(master)
    frame, source = frame_of(spark, frame)
    tidy, notes = tidy_frame(
        frame, user=user, item=item, rating=rating, time=time, on_error=on_error, duplicates=duplicates, scale=scale,
        source=source,
    )  # fmt: skip
    return fit_tidy(
        tidy, solver, notes, scale=as_scale(scale), work_folder=work_folder, progress=progress, checkpoint=checkpoint,
        resume=resume, threads=threads, parts=parts, is_shared=is_shared,
    )  # fmt: skip


def fit_tidy(
    tidy: Any,
    solver: ALS | ImplicitALS | BayesianMF,
    notes: tuple[str, ...] = (),
    *,
    scale: RatingScale | None = None,
    work_folder: str | Path | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
    checkpoint: str | None = None,
    resume: bool = False,
    threads: int | None = None,
    parts: int | None = None,
    is_shared: bool | None = None,
) -> Model:
    """Fit a model on a frame that `palate.spark.reading.tidy_frame` returned; all else is as in `fit`."""
    spark = tidy.sparkSession
    shows = is_watched() if progress is None else progress is True
    with (
        progress_bar() if shows else nullcontext(progress if callable(progress) else None) as report,
        open_cluster(spark, work_folder, is_shared) as cluster,
        pool(threads) as run,
        interruptible() as interrupted,
    ):
        if isinstance(solver, BayesianMF) and not cluster.is_shared:
            raise SettingsError(
                "bayes needs a work folder that the driver and all executors see, such as one on NFS: name it with "
                "work_folder (--work-folder), or take the solver als"
            )
        width = padded_width(solver.factors + 1)
        table = build_table(cluster, tidy, scale=scale, notes=notes, width=width, parts=parts)
        saved = SparkCheckpoint(checkpoint, solver, table.fingerprint, spark, cluster.folder)
        session = Session(table.ratings(), run, report, saved, interrupted)
        doubts = _doubts(table, session.ratings)
        model = _runner(solver, session, table).go(resume)
        found = [str(note) for note in notes if isinstance(note, MixedIds)] + doubts
        training = {**model.training, "engine": "spark"}
        if found:
            training["warnings"] = [*training.get("warnings", []), *found]
        model = replace(model, solver=solver.record(), training=training)
        if not model.predicts_numbers:
            raise DataError(f"ratings of {model.scale} are too large for float32: divide them by a constant")
        return model  # files that are mapped stay until they are not, although their folder is removed


def solver_of(solver: Solver | str) -> ALS | ImplicitALS | BayesianMF:
    """Return a solver that runs on Spark, or the one of a name.

    Raises
    ------
    SettingsError
        If it does not, or is to run on a graphics card.
    """
    if isinstance(solver, str) and solver in SOLVERS:
        solver = SOLVERS[solver]
    if isinstance(solver, (ALS, ImplicitALS, BayesianMF)):
        if solver.device == "cuda":
            raise SettingsError(
                "Spark's executors solve on their CPUs, not on a graphics card: leave device='cuda' (--device cuda) "
                "out, or fit with --engine local"
            )
        return solver
    name = solver.name if isinstance(solver, Solver) else repr(solver)
    raise SettingsError(f"the solver {name} does not run on Spark: take als, implicit or bayes, or fit on one machine")


def _doubts(table: SparkTable, ratings: Ratings) -> list[str]:
    """Warn of what may be wrong with ratings that are to be fitted, as local reading and fitting do; return it."""
    doubts = [one_rating_each("the ratings", len(table.users.ids), table.size)]
    if table.cluster.is_shared:  # elsewhere the driver sees no ratings
        doubts += suspicions(ratings)
    doubts = [doubt for doubt in doubts if doubt]
    if not is_quiet():
        for doubt in doubts:
            warnings.warn(doubt, PalateWarning, stacklevel=4)
    return doubts


def _runner(solver: Solver, session: Session, table: SparkTable) -> Runner:
    if isinstance(solver, ALS):
        return SparkALSFit(solver, session, table)
    if isinstance(solver, ImplicitALS):
        return SparkImplicitFit(solver, session, table)
    assert isinstance(solver, BayesianMF)
    return SparkGibbsFit(solver, session, table)
