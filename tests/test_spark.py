"""Fits on Spark equal local fits; they survive a lost executor and a lost driver."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import palate
from conftest import QUICK_SPARK, shorten_pilots
from palate.datasets import make_ratings
from palate.errors import DataError, ReadError, SettingsError, StorageError
from palate.model import Model
from palate.spark.arrays import SharedArray, write_bytes
from palate.spark.encoding import CutIntoParts, EncodeIds, build_parts, ids_as_bytes
from palate.spark.memory import ARRAY_BYTES, MemoryNeed, predict, require_memory, rows_at_once
from palate.spark.reading import tidy_frame
from palate.spark.table_files import SideFiles, TablePart, balanced_bounds

pytest.importorskip("pyspark", reason="pyspark is not installed (extra 'spark')")
if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

RATINGS = make_ratings(users=120, items=60, ratings=3000, seed=1)
SOLVERS = {
    "als": palate.ALS(factors=4, regularization=0.05, validation=0.0, sweeps=2),
    "nonnegative": palate.ALS(factors=4, regularization=0.05, validation=0.0, sweeps=2, nonnegative=True),
    "implicit": palate.ImplicitALS(factors=4, sweeps=2, confidence=True),
    "liked": palate.ImplicitALS(factors=4, sweeps=2, liked=3.0, regularization=0.1, unobserved=0.1),
    "bayes": palate.BayesianMF(factors=4, sweeps=3, user_noise=True, item_noise=True, user_sets=True, item_sets=True),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose rows are in no order."""
    import polars as pl

    path = tmp_path_factory.mktemp("spark") / "ratings.parquet"
    columns = {name: np.asarray(column) for name, column in RATINGS.columns().items()}
    pl.DataFrame(columns).sample(fraction=1, shuffle=True, seed=3).write_parquet(path)
    return path


def agree(model: Model, other: Model) -> None:
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        np.testing.assert_allclose(getattr(model, name), getattr(other, name), atol=1e-4)
    assert list(model.users.ids) == list(other.users.ids)
    assert list(model.items.ids) == list(other.items.ids)
    assert model.scale == other.scale


def test_bayes_on_spark_equals_the_local_fit(short_pilots: None, spark: Any) -> None:
    from palate.spark import fit

    ratings = make_ratings(users=20, items=15, ratings=200, seed=1)  # so few that no pilots take the factors away
    model, local = fit(ratings, SOLVERS["bayes"], parts=3), SOLVERS["bayes"].fit(ratings)
    assert local.factors > 0
    agree(model, local)


@pytest.mark.parametrize("name", ["als", "nonnegative", "implicit", "liked"])
def test_a_fit_on_spark_equals_the_local_fit(name: str, spark: Any, table: Path) -> None:
    from palate.spark import fit

    model, local = fit(str(table), SOLVERS[name], parts=3), SOLVERS[name].fit(RATINGS)
    agree(model, local)
    assert model.seen is not None
    assert local.seen is not None
    assert all((left == right).all() for left, right in zip(model.seen, local.seen, strict=True))


def test_factors_are_broadcast_where_no_folder_is_shared(spark: Any, table: Path) -> None:
    from palate.spark import fit

    model = fit(str(table), SOLVERS["als"], is_shared=False)
    agree(model, SOLVERS["als"].fit(RATINGS))
    assert model.seen is None
    with pytest.raises(SettingsError, match="work folder"):
        fit(str(table), SOLVERS["bayes"], is_shared=False)


@pytest.mark.parametrize(
    ("name", "is_shared"), [("als", True), ("nonnegative", False), ("liked", False), ("bayes", True)]
)
def test_the_other_side_is_joined_by_blocks_where_it_is_large(
    name: str, is_shared: bool, short_pilots: None, spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from palate.spark import fit

    steps = set()

    def count(array_bytes: int, rows: int, cores: int) -> int | None:
        steps.add(rows_at_once(array_bytes, rows, cores))
        return rows_at_once(array_bytes, rows, cores)

    monkeypatch.setattr("palate.spark.memory.ARRAY_BYTES", 450)
    monkeypatch.setattr("palate.spark.cluster.rows_at_once", count)
    ratings = make_ratings(users=30, items=20, ratings=300, seed=1)
    model = fit(ratings, SOLVERS[name], is_shared=is_shared)
    assert 3 in steps  # factors are read in blocks of three rows
    monkeypatch.undo()
    shorten_pilots(monkeypatch)
    agree(model, SOLVERS[name].fit(ratings))


@pytest.mark.parametrize("has_broadcasts", [True, False])
def test_blocks_of_an_array_hold_its_rows(has_broadcasts: bool, tmp_path: Path) -> None:
    whole = np.arange(22, dtype=np.float32).reshape(11, 2)
    write_bytes(tmp_path / "array", [whole.data])
    content = tuple(SimpleNamespace(value=whole[start : start + 4].tobytes()) for start in (0, 4, 8))
    array = SharedArray(str(tmp_path / "array"), "<f4", (11, 2), content if has_broadcasts else None, 4)
    for rows in ([0, 3, 4, 10], [9], [], list(range(11))):
        np.testing.assert_array_equal(array.take(np.array(rows, np.int64)), whole[rows])


def test_pieces_of_a_part_hold_whole_rows() -> None:
    table = RATINGS.by_user
    pieces = list(TablePart(5, 5 + len(RATINGS.users), table).pieces(40))
    assert [piece.start for piece in pieces] == [5, *(piece.stop for piece in pieces[:-1])]
    assert all(len(piece.table.indices) <= 40 or piece.stop - piece.start == 1 for piece in pieces)
    for column in ("indices", "values"):
        joined = np.concatenate([getattr(piece.table, column) for piece in pieces])
        np.testing.assert_array_equal(joined, getattr(table, column))
    np.testing.assert_array_equal(
        np.concatenate([np.diff(piece.table.indptr) for piece in pieces]), RATINGS.user_counts
    )


def test_pilots_choose_the_regularization_on_spark(spark: Any, table: Path) -> None:
    from palate.spark import fit

    model = fit(str(table), palate.ALS(factors=2, regularization=0.1, sweeps=2))
    stages = [epoch["stage"] for epoch in model.training["history"]]
    assert stages[:2] == ["pilot", "pilot"]
    assert model.training["history"][0]["validation_rmse"] < 2
    # The validation part is a tenth of the ratings, and pilots train on the others.
    assert 0.85 < model.training["history"][0]["rows"] / len(RATINGS) < 0.95 or stages[-1] == "fit"


def test_a_resumed_fit_equals_an_uninterrupted_one(spark: Any, table: Path, tmp_path: Path) -> None:
    from palate.spark import fit

    class Dies(Exception):
        pass

    def die(epoch: palate.solvers.Epoch) -> None:
        if epoch.number == 3:
            raise Dies

    place = (tmp_path / "checkpoint").as_uri()
    solver = palate.ALS(factors=4, regularization=0.05, validation=0.0, sweeps=4)
    from palate.spark.checkpoint import SparkCheckpoint

    before = SparkCheckpoint.save
    try:
        SparkCheckpoint.save = lambda self, state, now=False: before(self, state, now=True)  # type: ignore[method-assign]
        with pytest.raises(Dies):
            fit(str(table), solver, checkpoint=place, progress=die)
    finally:
        SparkCheckpoint.save = before  # type: ignore[method-assign]
    passes: list[int] = []
    model = fit(str(table), solver, checkpoint=place, resume=True, progress=lambda epoch: passes.append(epoch.number))
    assert passes == [3, 4]
    agree(model, solver.fit(RATINGS))


def test_text_ids_headers_and_bad_rows(spark: Any, tmp_path: Path) -> None:
    from palate.spark import fit

    rows = [f"{user},{item},{rating}" for user, item, rating in zip(*RATINGS.columns().values(), strict=True)]
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(["userId,movieId,stars", *("u" + row for row in rows)]))
    solver = palate.ALS(factors=2, regularization=0.1, validation=0.0, sweeps=1)
    agree(fit(str(path), solver), solver.fit(str(path)))
    path.write_text("\n".join(["userId,movieId,stars", *rows, "1,,5"]))
    frame = palate.spark.read_frame(spark, path)
    with pytest.raises(ReadError, match="1 of 3,001 rows have no id"):
        tidy_frame(frame)
    tidy, notes = tidy_frame(frame, on_error="skip")
    assert (tidy.count(), notes[-1]) == (3000, "left out 1 of 3,001 rows")
    path.write_text("\n".join(["userId,movieId,stars", *rows, rows[0]]))
    with pytest.raises(DataError, match="1 rows rate a pair"):
        fit(str(path), solver)


def test_a_solver_that_does_not_run_on_spark_is_refused(spark: Any, table: Path) -> None:
    from palate.spark import fit

    with pytest.raises(SettingsError, match="sgd does not run on Spark"):
        fit(str(table), palate.SGD())


def test_memory_that_is_not_there_is_refused(spark: Any) -> None:
    assert predict(1_000_000, 100_000, 1_000_000_000, 72, (250, 250), 2).factors == int(1.1 * 4 * 72 * 1_000_000)
    need = predict(10_000_000, 100_000, 1_000_000_000, 72, (250, 250), 2)
    assert 0.99 < need.factors / (1.1 * ARRAY_BYTES) <= 1  # in blocks
    popular = predict(10_000_000, 100_000, 1_000_000_000, 72, (250, 250), 2, most=2_000_000)
    assert popular.factors - need.factors > 1.1 * 2 * 4 * 72 * 1_000_000  # all raters of one item, in two tasks
    with pytest.raises(SettingsError, match="each executor needs"):
        require_memory(spark, MemoryNeed(10**15, 1))
    assert need.driver == 10_100_000 * (3 * 4 * 72 + 24)
    with pytest.raises(SettingsError, match="the driver needs"):
        require_memory(spark, MemoryNeed(1, 1, 10**15))


def test_parts_hold_each_rating_once_and_in_order(tmp_path: Path) -> None:
    table = RATINGS.by_user
    bounds = balanced_bounds(RATINGS.user_counts, 16, 4)
    files = SideFiles(str(tmp_path), bounds, tuple(int(table.indptr[bound]) for bound in bounds))
    assert (files.parts, bounds[0], bounds[-1]) == (4, 0, len(RATINGS.users))
    order = np.random.default_rng(0).permutation(len(RATINGS))
    for part in range(files.parts):
        mine = order[(RATINGS.user[order] >= bounds[part]) & (RATINGS.user[order] < bounds[part + 1])]
        assert files.write(part, RATINGS.user[mine], RATINGS.item[mine], RATINGS.rating[mine]) is None
    whole = files.whole(RATINGS.user_counts)
    assert all((left == right).all() for left, right in zip(whole, table, strict=True))


@pytest.mark.parametrize("is_text", [False, True])
def test_chunks_become_parts(is_text: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr("palate.spark.encoding._ROWS", 700)
    spelled = (lambda ids: [f"id {one:05}" for one in ids]) if is_text else list
    vocabularies = {
        side: palate.Vocabulary(np.array(spelled(ids.ids), object if is_text else np.int64), side)
        for side, ids in (("user", RATINGS.users), ("item", RATINGS.items))
    }
    shared = {}
    for side, ids in vocabularies.items():
        content = ids_as_bytes(ids)
        write_bytes(tmp_path / f"{side}-ids", [content.data])
        shared[side] = SharedArray(str(tmp_path / f"{side}-ids"), "|u1", content.shape)
    columns = {name: spelled(ids) if name != "rating" else ids for name, ids in RATINGS.columns().items()}
    rows = pa.table(columns).take(np.random.default_rng(0).permutation(len(RATINGS)))
    batches = [*rows.to_batches(max_chunksize=500), rows.to_batches()[0].slice(0, 0)]
    bounds = balanced_bounds(RATINGS.user_counts, 16, 3)
    files = SideFiles(str(tmp_path), bounds, tuple(int(RATINGS.by_user.indptr[bound]) for bound in bounds))
    encode = EncodeIds(shared)
    chunks = list(encode(batches))
    assert [chunk.num_rows for chunk in chunks] == [1] * 3  # of 1000 rows each
    cut = list(CutIntoParts("user", files)(chunks))
    for part in range(3):
        mine = [chunk for chunk in cut if chunk["part"][0].as_py() == part]
        assert list(build_parts(files, "item", "user", mine)) == [(part, None)]
    whole = files.whole(RATINGS.user_counts)
    assert all((left == right).all() for left, right in zip(whole, RATINGS.by_user, strict=True))
    assert list(build_parts(files, "item", "user", [])) == []
    unknown = rows.set_column(0, "user", pa.array(spelled([99999] * len(rows))))
    with pytest.raises(RuntimeError, match="changed while they were read"):
        list(encode(unknown.to_batches()))


# In another process: a session of another kind cannot run beside that of this module.
_CLUSTER = """if True:
    import json, os, signal, sys
    import palate
    from palate.spark import fit, open_spark

    table, mark, settings = sys.argv[1:]
    open_spark("local-cluster[2,1,1024]", json.loads(settings))
    killed = []

    def kill_one(epoch):
        if epoch.number == 2 and not killed:
            for folder in os.listdir("/proc"):
                if folder.isdigit() and f"CoarseGrainedExecutorBackend" in open(f"/proc/{folder}/cmdline").read():
                    parent = int(open(f"/proc/{folder}/stat").read().rsplit(")", 1)[1].split()[1])
                    if parent == JVM:
                        os.kill(int(folder), signal.SIGKILL)
                        killed.append(folder)
                        break

    from pyspark import SparkContext
    JVM = int(SparkContext._gateway.jvm.ProcessHandle.current().pid())
    solver = palate.ALS(factors=4, regularization=0.05, validation=0.0, sweeps=3)
    model = fit(table, solver, progress=kill_one)
    print("RESULT", json.dumps({"killed": len(killed), "sweeps": model.training["sweeps"]}))
    palate.save(model, mark)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the executor in /proc")
def test_a_killed_executor_does_not_change_the_result(table: Path, tmp_path: Path) -> None:
    saved = tmp_path / "model.palate"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _CLUSTER, str(table), str(saved), json.dumps(QUICK_SPARK)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=600)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in output.splitlines() if line.startswith("RESULT")]
    assert lines, errors[-2000:]
    assert json.loads(lines[0][6:]) == {"killed": 1, "sweeps": 3}
    solver = palate.ALS(factors=4, regularization=0.05, validation=0.0, sweeps=3)
    agree(palate.load(saved), solver.fit(RATINGS))


def test_the_command_fits_on_spark_and_judges_the_model(spark: Any, table: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from palate.cli.fit import fit

    output = tmp_path / "model.palate"
    options = ["--solver", "als", "--factors", "4", "--regularization", "0.05", "--validation", "0", "--sweeps", "1"]
    spark_options = ["--engine", "spark", "--master", "local[2]", "--holdout", "0.2", "--json"]
    result = CliRunner().invoke(fit, [str(table), "-o", str(output), *options, *spark_options])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["training"]["engine"] == "spark"
    assert 0.15 < 1 - told["ratings"] / len(RATINGS) < 0.25
    assert told["holdout"]["rmse"] < 2
    assert palate.load(output).ratings() is not None
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_model_does_not_replace_a_data_file(spark: Any, table: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from palate.cli.app import app

    data = tmp_path / "ratings.csv"
    data.write_text("1,2,3\n1,3,4\n2,2,5\n")
    for source, output, reason in ((table, data, "no palate model"), (data, data, "read by this very command")):
        with pytest.raises(StorageError, match=reason):
            palate.spark.fit_and_save(SOLVERS["als"], source, output)
        result = CliRunner().invoke(app, ["fit", str(source), "-o", str(output), "--engine", "spark"])
        assert reason in str(result.exception)
    with pytest.raises(StorageError, match="read by this very command"):
        palate.spark.fit_and_save(SOLVERS["als"], [data.as_uri()], data, checkpoint=(tmp_path / "state").as_uri())
    assert data.read_text().startswith("1,2,3")


def test_integers_in_one_file_and_text_in_another(spark: Any, tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    files[0].write_text("user,item,rating\n12,7,3\n13,8,4\n9223372036854775807,8,1\n")
    files[1].write_text("user,item,rating\nann,7,5\n007,8,1\n")
    told = r"user ids of .*a.csv \(3 rows\) are integers and were read as text, as .*b.csv has ids such as '007'"
    with pytest.warns(palate.PalateWarning, match=told):
        tidy, _ = tidy_frame(palate.spark.read_frame(spark, files))
    assert dict(tidy.dtypes)["user"] == "string"
    assert dict(tidy.dtypes)["item"] == "bigint"
    found = {one.code: one for one in palate.spark.check(files).findings}
    assert found["mixed-ids"].count == 3
    model = palate.spark.fit(files, palate.ALS(factors=1, regularization=1.0, validation=0.0, sweeps=1))
    assert "as text" in model.training["warnings"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", palate.PalateWarning)
        tidy, _ = tidy_frame(palate.spark.read_frame(spark, files[0]))
    assert sorted(row.user for row in tidy.collect()) == [12, 13, 2**63 - 1]


def test_parquet_files_with_ids_of_two_types(spark: Any, tmp_path: Path) -> None:
    import polars as pl

    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pl.DataFrame({"user": [12, 13], "item": [1, 2], "rating": [1.0, 2.0]}).write_parquet(files[0])
    pl.DataFrame({"user": ["ann"], "item": [1], "rating": [1.0]}).write_parquet(files[1])
    with pytest.warns(
        palate.PalateWarning, match=r"a.parquet \(2 rows\) are integers .*b.parquet has ids such as 'ann'"
    ):
        tidy, _ = tidy_frame(palate.spark.read_frame(spark, files))
    assert sorted(row.user for row in tidy.collect()) == ["12", "13", "ann"]
    with pytest.raises(ReadError, match=r"cannot be read by Spark: .*TYPE_MISMATCH"):
        tidy_frame(palate.spark.read_frame(spark, tmp_path / "*.parquet"))


def test_what_local_reading_warns_of_and_refuses(spark: Any) -> None:
    from palate.spark import fit

    solver = palate.ALS(factors=1, regularization=1.0, validation=0.0, sweeps=1)
    frame = spark.createDataFrame([(user, user % 2, 3.0) for user in range(8)], ["user", "item", "rating"])
    with pytest.warns(palate.PalateWarning, match="every user has exactly one rating"):
        model = fit(frame, solver)
    assert any("all ratings are 3" in line for line in model.training["warnings"])
    columns = ["user", "item", "rating", "time"]
    frame = spark.createDataFrame(
        [(1.0, True, 1e9, 5), (1.0, False, 1e9 + 1, None), (float("nan"), True, 2.0, 7)], columns
    )
    with pytest.raises(ReadError, match="2 of 3 rows have no id, no time"):
        tidy_frame(frame)
    tidy, _ = tidy_frame(frame, on_error="skip")
    assert [tuple(row) for row in tidy.collect()] == [(1, "True", 1e9, 5)]
    with pytest.raises(DataError, match="too close together"):
        tidy_frame(frame, time=False, on_error="skip")
    frame = spark.createDataFrame([(1, 1, 3.0), (1, 1, 4.0), (2, 1, 1.0)], columns[:3])
    with pytest.raises(DataError, match="from 1 to 7 are off the scale 1 to 5"):
        fit(frame, solver, duplicates="sum", scale=(1, 5))
