"""Ids: one rule, whatever the container."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import palate
from palate.errors import DataError
from palate.reading import Table, encode, ids, read_ratings, read_table
from reading_help import ROWS, lines, refused, triples, write


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


# One rule, whatever the container


def sources(tmp_path, users, items):
    """The same table as a list of tuples, arrays, frames, files and text."""
    import csv

    import pandas as pd

    ratings = [float(1 + place % 5) for place in range(len(users))]
    columns = {"user": users, "item": items, "rating": ratings}
    rows = list(zip(users, items, ratings, strict=True))
    yield "list", rows
    yield "arrays", tuple(np.array(column) for column in columns.values())
    yield "objects", tuple(np.array(column, dtype=object) for column in columns.values())
    yield "numpy scalars", list(zip(np.array(users), np.array(items), ratings, strict=True))
    yield "dictionary", columns
    yield "polars", pl.DataFrame(columns)
    yield "pandas", pd.DataFrame(columns)
    yield "arrow", pl.DataFrame(columns).to_arrow()
    pl.DataFrame(columns).write_parquet(tmp_path / "ids.parquet")
    yield "parquet", tmp_path / "ids.parquet"
    with (tmp_path / "ids.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([tuple(columns), *rows])
    yield "csv", tmp_path / "ids.csv"


words = st.text(st.sampled_from("ab07.é-"), min_size=1, max_size=4)
kinds = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=6),
    st.lists(words, min_size=2, max_size=6),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6),
    st.lists(st.integers(0, 50).map(float), min_size=2, max_size=6),
    st.lists(st.booleans(), min_size=2, max_size=6),
    st.lists(st.sampled_from(["007", "7", "7.0", "0", "-0", "+7", "1e3", "nan", "7.50"]), min_size=2, max_size=6),
)


@settings(deadline=None, max_examples=60)
@given(kinds, kinds)
def test_one_rule_for_ids_whatever_the_container(tmp_path_factory, users, items):
    size = min(len(users), len(items))
    expected = None
    for kind, source in sources(tmp_path_factory.getbasetemp(), users[:size], items[:size]):
        named = {} if kind in ("list", "arrays", "objects", "numpy scalars") else {"user": "user", "item": "item"}
        table = read_table(source, layout="long", **named)
        found = table.frame.select("user", "item").rows()
        expected = expected or found
        assert found == expected, kind


def test_numpy_scalars_are_what_they_hold():
    rows = [(np.str_("007"), np.int64(1), 3), ("7", 2, 4), (np.str_("7.0"), np.int32(3), np.float32(5))]
    assert [row[0] for row in triples(read_ratings(rows))] == ["007", "7", "7.0"]
    assert [row[0] for row in triples(read_ratings([(np.str_("ann"), 1, 3), (np.str_("bob"), 1, 4)]))] == ["ann", "bob"]
    assert [row[0] for row in triples(read_ratings([(b"x", 1, 3), (np.bytes_(b"y"), 1, 4)]))] == ["x", "y"]
    assert [row[0] for row in triples(read_ratings([(np.float32(0.1), 1, 3), (np.float32(2), 1, 4)]))] == ["0.1", "2"]


def test_dates_are_spelled_in_one_way():
    import datetime

    moments = np.array(["2020-01-01T00:00", "2020-01-02T03:04"], "datetime64[ns]")
    expected = ["2020-01-01 00:00:00", "2020-01-02 03:04:00"]
    for users in (moments, list(moments), moments.astype("datetime64[us]").tolist()):
        source = {"user": users, "item": [1, 2], "rating": [3, 4]}
        assert [row[0] for row in triples(read_ratings(source))] == expected
    days = [(datetime.date(2020, 1, 1), 1, 3), (np.datetime64("2020-01-02"), 1, 4)]
    assert [row[0] for row in triples(read_ratings(days))] == ["2020-01-01", "2020-01-02"]


def test_padded_ids_are_stripped_in_text_unless_quoted(tmp_path):
    path = write(tmp_path, 'user,item,rating\nann ,x,3\n bob,x,4\n" cy ",x,5\nann, y ,1\n')
    ratings = read_ratings(path)
    assert triples(ratings) == [("ann", "x", 3.0), ("bob", "x", 4.0), (" cy ", "x", 5.0), ("ann", "y", 1.0)]
    assert "took blanks from the ends of 2 user ids (those in quotes stay)" in ratings.notes
    assert "took blanks from the ends of 1 item ids (those in quotes stay)" in ratings.notes
    wide = write(tmp_path, "user,A,B,C\nann ,5,,3\nbob,,4,\n")
    assert read_ratings(wide).users.ids.tolist() == ["ann", "bob"]
    assert read_ratings([("ann ", 1, 3), ("ann", 1, 4)]).users.ids.tolist() == ["ann", "ann "]


def test_rows_that_are_left_out_do_not_make_text_of_ids(tmp_path):
    text = "user,item,rating\n1,10,5\n2,10,4\nuser,item,rating\n1,11,3\nTotal,,12\n"
    ratings = read_ratings(write(tmp_path, text), on_error="skip")
    assert triples(ratings) == [(1, 10, 5.0), (2, 10, 4.0), (1, 11, 3.0)]
    assert triples(read_ratings([(1, 10, 5), ("x", "y", "z"), (2, 11, 3)], on_error="skip")) == [(1, 10, 5), (2, 11, 3)]
    assert read_ratings([("007", 1, 5), ("x", 1, "z")], on_error="skip").users.ids.tolist() == ["007"]


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "N/A", "-"])
def test_words_for_nothing_among_integers_are_missing_ids(tmp_path, word):
    rows = [(1, 10, 5.0), (word, 10, 4.0), (2, 11, 3.0), (1, word, 2.0)]
    for source in (write(tmp_path, "user,item,rating\n" + lines(rows)), rows):
        refused(source, "the user id is missing")
        assert triples(read_ratings(source, on_error="skip")) == [(1, 10, 5.0), (2, 11, 3.0)]
    floats = write(tmp_path, f"user,item,rating\n1.0,10,5\n{word},10,4\n2.0,11,3\n")
    assert triples(read_ratings(floats, on_error="skip")) == [(1, 10, 5.0), (2, 11, 3.0)]


def test_words_for_nothing_among_names_are_told():
    table = read_table([("ann", 1, 5), ("None", 1, 4), ("bob", 2, 3), ("None", 2, 1)])
    assert set(read_ratings(table.frame).users.ids) == {"ann", "bob", "None"}
    assert "missing-users" in {finding.code for finding in palate.check_table(table).findings}


def test_formulas_that_keep_text_in_spreadsheets_are_that_text(tmp_path):
    path = write(tmp_path, 'user,isbn,rating\n="007",="0441013597",5\n="007","=""0155061224""",4\n="8","a=""b""",4\n')
    assert triples(read_ratings(path)) == [("007", "0441013597", 5.0), ("007", "0155061224", 4.0), ("8", 'a="b"', 4.0)]
