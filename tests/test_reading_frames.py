"""Reading tables in memory, and Parquet and Arrow files."""

import csv
import json
from collections import namedtuple
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from palate.reading import read_ratings
from reading_help import ROWS, lines, refused, triples, write


def frames():
    import pandas as pd
    import pyarrow as pa

    columns = {
        "user": [row[0] for row in ROWS],
        "item": [row[1] for row in ROWS],
        "rating": [row[2] for row in ROWS],
    }
    frame = pl.DataFrame(columns)
    return {
        "polars": frame,
        "lazy": frame.lazy(),
        "pandas": pd.DataFrame(columns),
        "pandas, text": pd.DataFrame(columns).astype({"user": str, "item": "category"}),
        "pandas, nullable": pd.DataFrame(columns).astype({"user": "Int64"}),
        "arrow": pa.table(columns),
        "array": np.array(ROWS),
        "objects": np.array(ROWS, dtype=object),
        "named": np.array(ROWS, dtype=[("item", "i8"), ("user", "i4"), ("rating", "f4")])[["user", "item", "rating"]],
        "arrays": tuple(np.array(column) for column in zip(*ROWS, strict=True)),
        "series": [pd.Series(columns["user"]), frame["item"], np.array(columns["rating"])],
        "rows": ROWS,
        "rows of four": [(*row, 881250949) for row in ROWS],
        "decimals": [(user, item, Decimal(str(rating))) for user, item, rating in ROWS],
    }


@pytest.mark.parametrize("kind", sorted(frames()))
def test_tables_in_memory(kind):
    found = triples(read_ratings(frames()[kind]))
    expected = [(item, user, rating) for user, item, rating in ROWS] if kind == "named" else ROWS
    assert found == expected


def test_pandas_is_read_without_arrow(monkeypatch):
    import pandas as pd

    users = pd.Series(["a", None, "b"], dtype=object)
    frame = pd.DataFrame({"user": users, "item": [1.0, 2.0, 3.0], "rating": [1, 2, 3]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    refused(frame, "the pandas frame, row 2: the user id is missing")
    assert triples(read_ratings(frame, on_error="skip")) == [("a", 1, 1.0), ("b", 3, 3.0)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"user": [1]}, "the dictionary has 1 column: at least a user and an item are needed"),
        (None, "NoneType is no table"),
        (np.zeros(5), r"an array of shape \(5,\) is no table"),
        (np.zeros((5, 1)), r"an array of shape \(5, 1\) is no table"),
        ([(1,), (1,)], r"the list, row 1 is \(1,\)"),
        ([(1, 2, 3), (1, 3)], r"the list, row 2 is \(1, 3\)"),
        (["abc"], "abc does not exist"),
        (["abc", 1], "the list, row 1 is 'abc'"),
        ((np.zeros(2), np.zeros(3), np.zeros(2)), "must be arrays of one length"),
        (pl.DataFrame({"user": [[1]], "item": [1], "rating": [1]}), r"holds List\(Int64\) values, which cannot be ids"),
        (pl.DataFrame({"user": [1], "item": [1], "rating": [[1]]}), "which cannot be ratings"),
        (pl.DataFrame({"user": [1]}), "has 1 column: at least a user and an item are needed"),
    ],
)
def test_what_is_no_table_in_memory(source, message):
    refused(source, message)


@pytest.mark.parametrize("values", [[None, {"a": 1}], [[1.0], None], [b"4", None]], ids=["struct", "list", "binary"])
def test_a_cell_of_a_wide_table_holds_one_value(values):
    frame = pl.DataFrame({"user": [1, 2], "film A": [4.0, 2.0], "film B": values})
    refused(frame, "column 'film B' holds .* which cannot be ratings", layout="wide")


def test_parquet_and_arrow_files(tmp_path):
    frame = pl.DataFrame(ROWS, schema=["user", "item", "rating"], orient="row")
    frame.write_parquet(tmp_path / "x.parquet")
    frame.write_parquet(tmp_path / "named-otherwise")
    frame.write_ipc(tmp_path / "x.feather")
    frame.write_ipc_stream(tmp_path / "x.arrow")
    for name in ("x.parquet", "named-otherwise", "x.feather", "x.arrow"):
        assert triples(read_ratings(tmp_path / name)) == ROWS
    refused(write(tmp_path, lines(ROWS), "text.parquet"), "is damaged or of another format")
    cut = (tmp_path / "x.parquet").read_bytes()[:-20]
    refused(write(tmp_path, cut, "cut.parquet"), "is damaged or of another format")


def test_masks_are_not_lost():
    refused(np.ma.masked_greater(np.ones((4, 3)), 5), "masked arrays are not read")


def test_named_tuples_generators_and_columns_of_dictionaries():
    row = namedtuple("row", "item user rating")
    rows = [row("tea", "ann", 5.0), row("rum", "bob", 3.0)]
    expected = [("ann", "tea", 5.0), ("bob", "rum", 3.0)]
    assert triples(read_ratings(rows)) == expected
    assert triples(read_ratings(row for row in expected)) == expected
    assert triples(read_ratings(zip(("ann", "bob"), ("tea", "rum"), (5, 3)))) == expected
    assert triples(read_ratings(pd.DataFrame(rows).to_dict())) == expected


def test_lists_and_arrays_as_columns():
    users, items, ratings = ["a", "b", "c", "a", "b"], [1, 2, 3, 2, 1], [5, 4, 3, 2, 1]
    expected = list(zip(users, items, map(float, ratings), strict=True))
    assert triples(read_ratings((users, items, ratings))) == expected
    columns = {"user": pd.Series(users, index=range(5, 10)), "item": np.array(items), "rating": pl.Series(ratings)}
    assert triples(read_ratings(columns)) == expected
    refused((users[:3], items[:3], ratings[:3]), "3 lists of 3 may be rows or columns")

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.array([[1, 2, 3.0], [2, 3, 4.0]])

    assert triples(read_ratings(Tensor())) == [(1, 2, 3.0), (2, 3, 4.0)]


def test_files_with_and_without_ratings_are_not_mixed(tmp_path):
    files = [write(tmp_path, "user,item,rating\na,x,3\n", "a.csv"), write(tmp_path, "user,item\nb,y\n", "b.csv")]
    refused(files, "a.csv has ratings and .*b.csv has none")
    assert len(read_ratings(files, rating=False)) == 2


@pytest.mark.parametrize("cell", [["a"], ("a", 1), {"a"}, {"a": 1}, np.array([1, 2])])
def test_cells_that_hold_several_values_are_no_ids_in_any_container(cell):
    pd = pytest.importorskip("pandas")
    columns = {"user": [cell] * 2, "item": [1, 2], "rating": [1, 2]}
    for source in (columns, pd.DataFrame(columns), list(zip(*columns.values(), strict=True))):
        refused(source, r"column.* holds List\(String\) values, which cannot be ids")


def test_an_array_of_one_value_is_that_value():
    ratings = read_ratings([(np.array(1), "a", np.array(4.0)), (np.array(2), np.array("b"), 3.5)])
    assert triples(ratings) == [(1, "a", 4.0), (2, "b", 3.5)]


def test_half_of_a_character_is_refused_in_a_list_too():
    for cell in ("\ud800", ["\ud800"]):
        refused([(1, cell, 4.0), (2, "b", 3.0)], "is no text that can be written: mend the value")


def test_the_first_row_of_a_list_may_name_the_columns(tmp_path):
    rows = [["item", "user", "rating"], *([item, user, rating] for user, item, rating in ROWS)]
    assert triples(read_ratings(rows)) == ROWS
    assert triples(read_ratings(np.array(rows, object))) == triples(read_ratings(np.array(rows))) == ROWS
    assert triples(read_ratings(csv.reader(lines([tuple(row) for row in rows]).splitlines()))) == ROWS
    assert triples(read_ratings(write(tmp_path, json.dumps({"values": rows}), "sheet.json"))) == ROWS
    refused([*rows, [1, 2, "good"]], "the list, row 6: rating 'good'")
    refused([*rows, [1, 2]], r"the list, row 6 is \[1, 2\]")


def test_a_matrix_of_numpy_is_an_array():
    assert triples(read_ratings(np.array(ROWS).view(np.matrix))) == ROWS


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            pd.DataFrame(ROWS, columns=["user", "item", "rating"]).groupby("user"),
            "a pandas DataFrameGroupBy is no table",
        ),
        (pl.DataFrame({"user": [1], "item": [2], "rating": [timedelta(1)]}), "holds Duration.* cannot be ratings"),
        ([(object(), 1, 3), (object(), 2, 4)], "an object of type object is no value of a table"),
        (lines(ROWS), r"^'1,10,4.5\\n.*'… does not exist"),
        (lines(ROWS) * 1000, r"^'1,10,4.5\\n.*'… "),
    ],
)
def test_what_is_no_table_is_told_in_one_line(source, message):
    assert len(refused(source, message)) < 250
