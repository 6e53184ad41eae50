"""Synthetic tables, and writing tables to files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dense_als import factorize, rmse
from file_server import names
from palate import parallel
from palate.datasets.synthetic import make_ratings, write_ratings
from palate.errors import SettingsError
from palate.kernels.synthetic import alias_table, draw_items
from palate.ratings import Ratings
from palate.reading import read_ratings


def check_table(table: Ratings, users: int, items: int, ratings: int) -> None:
    assert (len(table.users), len(table.items), len(table)) == (users, items, ratings)
    pair = table.user.astype(np.int64) * items + table.item
    assert np.all(np.diff(pair) > 0)  # sorted by user, then item; no pair twice
    assert pair[0] >= 0
    assert table.item.max() < items
    assert np.all(np.bincount(table.user, minlength=users) >= 1)
    assert table.scale.low <= table.rating.min()
    assert table.rating.max() <= table.scale.high


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_synthetic_table_has_the_size_that_was_asked_for(draw: st.DataObject) -> None:
    users, items = draw.draw(st.integers(1, 40)), draw.draw(st.integers(1, 40))
    ratings = draw.draw(st.integers(users, users * items))
    popularity, activity, seed = draw.draw(st.tuples(st.floats(0, 3), st.floats(0, 3), st.integers(0, 9)))
    table = make_ratings(users, items, ratings, popularity=popularity, activity=activity, seed=seed)
    check_table(table, users, items, ratings)


def test_synthetic_degrees_follow_power_laws() -> None:
    table = make_ratings(5_000, 1_000, 300_000, popularity=0.8, activity=0.6)
    check_table(table, 5_000, 1_000, 300_000)
    for index, least in ((table.user, 8), (table.item, 8)):
        degrees = np.sort(np.bincount(index))[::-1]
        assert degrees[0] > least * np.median(degrees)
    even = np.bincount(make_ratings(5_000, 1_000, 300_000, popularity=0, activity=0).user)
    assert np.all(even == 60)


def test_a_synthetic_table_depends_on_its_arguments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_ratings(3_000, 500, 400_000, seed=5)
    monkeypatch.setattr(parallel, "available", lambda: 1)
    again, other = make_ratings(3_000, 500, 400_000, seed=5), make_ratings(3_000, 500, 400_000, seed=6)
    for name in ("user", "item", "rating"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.item, other.item)
    assert not np.array_equal(first.rating, other.rating)


def test_the_structure_of_a_synthetic_table_is_the_one_returned() -> None:
    table, truth = make_ratings(2_000, 300, 100_000, factors=4, noise=0.5, scale=(-10, 10), return_truth=True)
    expected = truth.mean + truth.user_bias[table.user] + truth.item_bias[table.item]
    expected += np.sum(truth.user_factors[table.user] * truth.item_factors[table.item], axis=1)
    inside = np.abs(expected) < 7
    error = (table.rating - expected)[inside]
    assert abs(error.mean()) < 0.01
    assert abs(error.std() - 0.5) < 0.01
    taste = np.sum(truth.user_factors[table.user] * truth.item_factors[table.item], axis=1)
    assert 1.9 < taste.std() < 3  # 0.12 of a scale 20 wide


def test_a_factorization_recovers_a_synthetic_table() -> None:
    table = make_ratings(600, 150, 20_000, factors=2, noise=0.3, scale=(-10, 10))
    held_out = np.random.default_rng(0).random(len(table)) < 0.1
    biases, _ = factorize(table.take(~held_out), 0, 0.3)
    found, _ = factorize(table.take(~held_out), 2, 0.3)
    assert rmse(biases, table.take(held_out)) > 2
    assert rmse(found, table.take(held_out)) < 0.6


def test_steps_make_stars() -> None:
    assert set(make_ratings(200, 100, 5_000, step=1).rating) == {1, 2, 3, 4, 5}
    halves = make_ratings(200, 100, 5_000, scale=(0.5, 5), step=0.5).rating
    assert set(halves) == {half / 2 for half in range(1, 11)}


def test_a_synthetic_table_needs_little_more_memory_than_itself() -> None:
    make_ratings(10, 10, 20)
    tracemalloc.start()
    make_ratings(20_000, 2_000, 2_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.25 * 12 * 2_000_000 + 200 * 22_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 10, 101), "10 users and 10 items can have 10 to 100 ratings, not 101"),
        ((10, 10, 9), "not 9"),
        ((0, 10, 9), "users and items must be from 1"),
        ((2**31, 10, 2**32), "users and items must be from 1"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_ratings(*arguments)


@pytest.mark.parametrize("wrong", [{"factors": -1}, {"noise": -0.5}, {"noise": np.nan}, {"step": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="must"):
        make_ratings(10, 10, 20, **wrong)  # type: ignore[call-overload]


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_the_alias_table_holds_the_weights(weights: list[float]) -> None:
    weight = np.array(weights)
    keep, alias = alias_table(weight)
    kept = keep / 2**32
    found = kept + np.bincount(alias, 1 - kept, minlength=len(weight))
    np.testing.assert_allclose(found / len(weight), weight / weight.sum(), atol=1e-8)


@pytest.mark.parametrize("easy", [0, 20])  # all by a race, all by rejection
def test_items_are_drawn_one_after_the_other_without_replacement(easy: int) -> None:
    weight = np.array([8.0, 4, 2, 1, 1])
    users = 20_000
    item = np.empty(2 * users, dtype=np.int32)
    draw_items(0, users, np.uint64(3), np.arange(0, 2 * users + 1, 2), weight, *alias_table(weight), easy, item)
    share = weight / weight.sum()
    expected = {
        (i, j): share[i] * share[j] / (1 - share[i]) + share[j] * share[i] / (1 - share[j])
        for i in range(5)
        for j in range(i + 1, 5)
    }
    pairs = [tuple(pair) for pair in item.reshape(-1, 2).tolist()]
    for pair, probability in expected.items():
        assert abs(pairs.count(pair) / users - probability) < 5 * np.sqrt(probability / users)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".dat", ".parquet"])
def test_a_written_table_can_be_read(suffix: str, tmp_path: Path) -> None:
    table = make_ratings(50, 40, 300, scale=(-10, 10))
    write_ratings(table, tmp_path / f"ratings{suffix}")
    assert names(tmp_path) == [f"ratings{suffix}"]
    again = read_ratings(tmp_path / f"ratings{suffix}")
    assert np.array_equal(again.rating, table.rating)
    for side in ("user", "item"):
        ids, index = getattr(again, f"{side}s").ids, getattr(again, side)
        assert np.array_equal(ids[index], getattr(table, side) + 1)


def test_the_layout_of_jester_has_two_tabs(tmp_path: Path) -> None:
    table = make_ratings(1, 3, 3, step=1)
    write_ratings(table, tmp_path / "r.dat")
    first = (tmp_path / "r.dat").read_text().splitlines()[0]
    assert first == f"1\t\t1\t\t{table.rating[0]:.1f}"


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.csv, \.tsv, \.dat or \.parquet"):
        write_ratings(make_ratings(1, 1, 1), tmp_path / "ratings.xlsx")
