"""Ids: one rule, whatever the container."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from palate.errors import DataError
from palate.reading import Table, encode, ids, read_ratings
from reading_help import ROWS, lines, triples, write


@pytest.mark.parametrize(
    "ids",
    [
        [3, 1, 2],
        [-5, 2**63 - 1, -(2**63)],
        ["b", "a", "c"],
        ["🍕", "\u00e9", "e\u0301"],
        ["1", "1.0", "01"],
        ["18446744073709551615", "1", "2"],
    ],
)
def test_ids_come_back_as_they_were(tmp_path, ids):
    rows = [(id, 7, 3.0) for id in ids]
    from_list, from_text = read_ratings(rows), read_ratings(write(tmp_path, lines(rows)))
    assert [row[0] for row in triples(from_list)] == ids
    assert triples(from_text) == triples(from_list)
    assert from_list.users.ids.tolist() == sorted(ids)
    assert from_list.users.ids.dtype == (object if isinstance(ids[0], str) else np.int64)


def test_integers_that_were_stored_as_floats_are_integers_again(tmp_path):
    assert read_ratings(np.array([[1, 20.0, 3], [2, 20, 4]])).items.ids.tolist() == [20]
    ratings = read_ratings(write(tmp_path, "1.0,a,3\n10.0,a,4\n"))
    assert ratings.users.ids.tolist() == [1, 10]


def test_blanks_around_integers_do_not_matter(tmp_path):
    assert triples(read_ratings(write(tmp_path, "1, 10, 4.5\n1, 20, -2\n"))) == ROWS[:2]


def test_booleans_dates_and_fractions_are_text():
    frame = pl.DataFrame({"user": [True, False], "item": [1.5, 2.0], "rating": [1, 2]})
    ratings = read_ratings(frame.with_columns(user=pl.Series([None, None]).fill_null(pl.date(2020, 1, 2))))
    assert ratings.users.ids.tolist() == ["2020-01-02"]
    assert ratings.items.ids.tolist() == ["1.5", "2"]
    assert read_ratings(frame).users.ids.tolist() == ["False", "True"]


@pytest.mark.parametrize("large", [0, 10**9])
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_indices_of_few_and_of_many_rows_agree(monkeypatch, large, kind):
    monkeypatch.setattr(ids, "_LARGE", large)
    rng = np.random.default_rng(0)
    user, item = rng.integers(-40, 50, 3000).astype(kind), rng.integers(7, 3000, 3000).astype(kind)
    frame = pl.DataFrame({"user": user, "item": item, "rating": np.zeros(3000)}).unique(["user", "item"])
    for ordered in (frame, frame.sort("user", "item"), frame.sort("item", "user")):
        ratings = encode(Table(ordered, "x"))
        assert ratings.user.dtype == ratings.item.dtype == np.int32
        assert (ratings.users.ids[ratings.user] == ordered["user"].to_numpy()).all()
        assert (ratings.items.ids[ratings.item] == ordered["item"].to_numpy()).all()
        assert (np.diff(ratings.users.ids) > 0).all()


@pytest.mark.parametrize("large", [0, 10**9])
def test_repeats_are_found_wherever_they_stand(monkeypatch, large):
    monkeypatch.setattr(ids, "_LARGE", large)
    base = [(user, item, 1.0) for user in range(40) for item in range(30)]
    for place in (0, 1, 299, 300, 301, 599, 600, 1199):
        rows = base[: place + 1] + base[place:]
        with pytest.raises(DataError, match="1 row rates a pair"):
            read_ratings(rows)
        assert len(read_ratings(rows, duplicates="last")) == len(base)


def test_numbers_that_a_float_does_not_hold_stay_apart():
    large = 2**60
    rows = [(Decimal(large + 1), "a", 5), (Decimal(large), "b", 1), (1.5, "c", 1)]
    assert len(read_ratings(rows).users) == 3
    assert len(read_ratings([(large + 1, "a", 5), (large, "b", 1), (1.5, "c", 1)]).users) == 3
    assert read_ratings([(1, 1, Decimal("4.1")), (1, 2, Decimal("3"))]).rating.tolist() == [np.float32(4.1), 3]
