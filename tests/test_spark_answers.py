"""What Spark answers for whole tables equals the local answers, in the same order and with the same scores."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import palate
from palate.cli.app import app
from palate.datasets import make_ratings
from palate.errors import DataError, SettingsError, StorageError, UnknownIdError
from palate.model import Model
from palate.splits import last_of_each_user, split_by_time

pytest.importorskip("pyspark", reason="pyspark is not installed (extra 'spark')")
if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

TABLE = make_ratings(users=60, items=30, ratings=900, seed=1)
TIMED = replace(TABLE, time=np.random.default_rng(2).permutation(900).astype(np.int64) * 1000)
SORTED = {"lists": ["user", "rank"], "similar": ["item", "rank"], "pairs": ["user", "item"]}


@pytest.fixture(scope="module")
def parts() -> palate.Split:
    return palate.holdout(TABLE, 0.2)


@pytest.fixture(scope="module")
def model(parts: palate.Split) -> Model:
    """A model with intervals and lists by interest."""
    solver = palate.BayesianMF(
        factors=4, sweeps=6, user_noise=False, item_noise=False, user_sets=False, item_sets=False
    )
    return palate.fit(parts.train, solver, choices="popularity")


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "model.palate"
    palate.save(model, path)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], pl.DataFrame]:
    """Read what Spark wrote, in order."""
    return lambda kind: pl.read_parquet(tmp_path / "out" / "*.parquet").sort(SORTED[kind])


def frame_of(ratings: palate.Ratings) -> pl.DataFrame:
    return pl.DataFrame({name: np.asarray(column) for name, column in ratings.columns().items()})


@pytest.mark.parametrize("options", [{"intervals": True, "titles": True}, {"by": "prediction", "exclude": [3]}])
def test_lists_of_all_users(
    options: dict[str, Any], spark: Any, model: Model, saved: Path, tmp_path: Path, written: Any
) -> None:
    rows = palate.spark.recommend_all(saved, tmp_path / "out", 4, **options)
    model.recommend_all(tmp_path / "local.parquet", 4, **options)
    local = pl.read_parquet(tmp_path / "local.parquet")
    assert rows.count() == len(local)
    assert written("lists").equals(local)


def test_lists_of_some_users(spark: Any, model: Model, saved: Path, tmp_path: Path, written: Any) -> None:
    some = [model.users[index] for index in (5, 1, 40)]
    palate.spark.recommend_all(saved, tmp_path / "out", 3, users=some)
    model.recommend_all(tmp_path / "local.parquet", 3, users=some)
    assert written("lists").equals(pl.read_parquet(tmp_path / "local.parquet").sort("user", "rank"))
    with pytest.raises(UnknownIdError):
        palate.spark.recommend_all(saved, tmp_path / "other", users=[99999])
    with pytest.raises(StorageError, match="exists already"):
        palate.spark.recommend_all(saved, tmp_path / "out")


def test_where_tasks_write_files(
    spark: Any, model: Model, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from palate.spark import parquet_files

    for name, local in (
        ("/a/b", Path("/a/b")),
        ("b", Path.cwd() / "b"),
        ("file:/a/b", Path("/a/b")),
        ("file:///a/b", Path("/a/b")),
        ("file://host/a", None),
        ("hdfs://host/a/b", None),
        ("s3a://bucket/b", None),
    ):
        assert parquet_files._local_folder(spark, name) == local
    mine = palate.spark.recommend_all(saved, (tmp_path / "by tasks").as_uri().replace("%20", " "), 3)
    assert (tmp_path / "by tasks" / "_SUCCESS").exists()
    with pytest.raises(UnknownIdError):  # in a task
        palate.spark.predict_pairs(saved, spark.createDataFrame([(99999, 1)], ["user", "item"]), tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by tasks"]
    monkeypatch.setattr(parquet_files, "_local_folder", lambda spark, folder: None)
    other = palate.spark.recommend_all(saved, tmp_path / "by Spark", 3)
    assert mine.schema == other.schema
    assert (
        pl.from_arrow(mine.toArrow()).sort("user", "rank").equals(pl.from_arrow(other.toArrow()).sort("user", "rank"))
    )  # type: ignore[union-attr, arg-type]
    with pytest.raises(StorageError, match="exists already"):
        palate.spark.recommend_all(saved, tmp_path / "by Spark")


def test_similar_items_of_all_items(spark: Any, model: Model, saved: Path, tmp_path: Path, written: Any) -> None:
    palate.spark.similar_items(saved, tmp_path / "out", 3, by="dot")
    told = written("similar")
    for index in (0, 7, 29):
        item = model.items[index]
        mine = told.filter(pl.col("item") == item)
        local = model.similar_items(item, 3, by="dot")
        assert mine["similar"].to_list() == [one.id for one in local]
        assert mine["similarity"].to_list() == [one.score for one in local]
        assert mine["rank"].to_list() == [1, 2, 3]
    assert told["item"].n_unique() == len(model.items)
    with pytest.raises(SettingsError, match="cosine"):
        palate.spark.similar_items(saved, tmp_path / "other", by="euclid")  # type: ignore[arg-type]


def test_predictions_of_pairs(
    spark: Any, model: Model, parts: palate.Split, saved: Path, tmp_path: Path, written: Any
) -> None:
    frame = spark.createDataFrame(frame_of(parts.test).to_pandas())
    palate.spark.predict_pairs(saved, frame, tmp_path / "out", level=0.9)
    table = palate.read_ratings(frame_of(parts.test).sort("user", "item"))
    local = model.predict_table(table), *(model.interval_table(table, 0.9) or ())
    for name, values in zip(("prediction", "low", "high"), local, strict=True):
        np.testing.assert_array_equal(written("pairs")[name].to_numpy(), values)
    stranger = spark.createDataFrame([(99999, 1)], ["user", "item"])
    with pytest.raises(UnknownIdError, match="such as 99999"):
        palate.spark.predict_pairs(saved, stranger, tmp_path / "error")
    told = palate.spark.predict_pairs(saved, stranger, tmp_path / "mean", unknown="mean").head().prediction
    assert told == model.predict(99999, 1, unknown="mean")


def test_an_evaluation(spark: Any, model: Model, parts: palate.Split, saved: Path) -> None:
    frame = frame_of(parts.test)
    some = spark.createDataFrame(frame.to_pandas()).repartition(3)
    local, told = palate.evaluate(model, parts.test, baselines=False), palate.spark.evaluate(saved, some)
    assert list(told.scores) == list(local.scores)
    for name, score in local.scores.items():
        assert told.scores[name] == pytest.approx(score, abs=1e-9), name
    values = told.as_dict()
    for name in ("ratings", "unknown", "off_scale", "seen", "users", "liked"):
        assert values[name] == local.as_dict()[name], name
    assert values["standard_errors"]["ndcg@10"] == pytest.approx(
        local.as_dict()["standard_errors"]["ndcg@10"], abs=1e-9
    )
    with pytest.raises(DataError, match="again"):
        palate.spark.evaluate(saved, spark.createDataFrame(pl.concat([frame, frame]).to_pandas()))


def test_parts_of_an_evaluation_add_up(model: Model, parts: palate.Split) -> None:
    from palate.evaluation.evaluate import judge
    from palate.spark.evaluate import _part, _pooled

    known = model.ratings()
    users = parts.test.user % 2 == 0
    halves = [_part(judge(model, parts.test.take(rows), liked=3.5, baselines=False)) for rows in (users, ~users)]
    whole = judge(model, parts.test, liked=3.5, baselines=False)
    pooled = _pooled(halves, known, 3.5, [])
    assert list(pooled.scores) == list(whole.scores)
    for name, score in whole.scores.items():
        assert pooled.scores[name] == pytest.approx(score, abs=1e-9), name
    assert whole.lists is not None
    assert pooled.standard_errors == pytest.approx(whole.lists.errors, abs=1e-9)


def test_splits_by_time(spark: Any) -> None:
    frame = spark.createDataFrame(frame_of(TIMED).to_pandas())
    for mine, local in (
        (palate.spark.split(frame, "time", 0.2), split_by_time(TIMED, 0.2)),
        (palate.spark.split(frame, "last", n=3), last_of_each_user(TIMED, 3)),
        (palate.spark.split(frame, "last", 0.3), last_of_each_user(TIMED, 0.3)),
    ):
        for part, expected in ((mine.train, local.train), (mine.test, local.test)):
            assert pl.from_arrow(part.toArrow()).sort("time")["time"].to_list() == np.sort(expected.time).tolist()


def test_random_splits(spark: Any) -> None:
    frame = spark.createDataFrame(frame_of(TABLE).to_pandas()).cache()
    for kind in ("random", "users", "items"):
        cut = palate.spark.split(frame, kind, 0.3, seed=1)
        sizes = [part.count() for part in cut if part is not None]
        assert sum(sizes) == len(TABLE)
        assert 0.1 < 1 - sizes[0] / len(TABLE) < 0.5
        if kind != "random":
            name = kind.removesuffix("s")
            assert cut.train.select(name).intersect(cut.test.select(name)).count() == 0
        if kind == "users":
            assert cut.given.select("user").distinct().count() == cut.test.select("user").distinct().count()
    frame.unpersist()
    with pytest.raises(SettingsError, match="no column 'time'"):
        palate.spark.split(frame, "time")


def test_a_check_of_a_large_table_counts_all_rows(spark: Any) -> None:
    table = pl.concat(
        [frame_of(TABLE), frame_of(TABLE)[:2], pl.DataFrame({"user": [1], "item": [1], "rating": [None]})]
    )
    frame = spark.createDataFrame(table.to_arrow())
    local, told = palate.check_table(palate.read_table(table)), palate.spark.check(frame, most=500)
    for name in ("rows", "usable", "users", "items", "density", "scale", "median", "histogram", "users_once"):
        assert getattr(told, name) == getattr(local, name), name
    assert told.mean == pytest.approx(local.mean)
    assert told.most_item is not None
    assert told.most_item[1] == local.most_item[1]  # type: ignore[index]
    assert {one.code: one.count for one in told.findings if one.level == "error"} == {"unusable": 1, "duplicates": 2}
    here = palate.spark.check(frame, most=5000)
    assert [one.message for one in here.findings] == [one.message for one in local.findings]
    assert (here.source, here.histogram, here.mean) == ("the frame", local.histogram, local.mean)


def test_the_commands(spark: Any, model: Model, parts: palate.Split, saved: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.parquet"
    frame_of(parts.test).write_parquet(test)
    on_spark = ["--engine", "spark", "--master", "local[2]", "--json"]

    def run(*arguments: object) -> Any:
        result = CliRunner().invoke(app, [*map(str, arguments), *on_spark])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    lists = run("recommend", saved, "--all", "-o", tmp_path / "lists", "-n", 2)
    assert lists["recommendations"] == 2 * len(model.users)
    similar = run("similar", saved, "--all", "-o", tmp_path / "similar", "-n", 2)
    assert similar["rows"] == 2 * len(model.items)
    pairs = run("predict", saved, "--pairs", test, "-o", tmp_path / "pairs")
    assert pairs["rows"] == len(parts.test)
    assert run("evaluate", saved, test)["rmse"] == pytest.approx(palate.evaluate(model, parts.test).scores["rmse"])
    assert run("check", test)["rows"] == len(parts.test)


def test_options_that_do_not_go_with_spark(tmp_path: Path) -> None:
    on_spark = ["--engine", "spark"]
    for arguments, reason in (
        (["recommend", "m", "--user", "1", *on_spark], "--all"),
        (["recommend", "m", "--all", "-o", "lists", "--device", "cuda", *on_spark], "--device"),
        (["recommend", "m", "--all", "-o", "lists.csv", *on_spark], "folder"),
        (["similar", "m", "--item", "1", *on_spark], "--all"),
        (["evaluate", "m", "t", "--given", "g", *on_spark], "--given"),
        (["fit", "t", "-o", "m", "--device", "cuda", *on_spark], "--device"),
        (["check", "t", "--master", "local[2]"], "--engine spark"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, (SystemExit, SettingsError)), arguments
        assert reason in f"{result.output} {result.exception}", arguments
