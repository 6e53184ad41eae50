"""Times: recognised in text, frames, files and databases; kept with the ratings; settled by."""

import sqlite3
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

import palate.reading.text as text_module
from palate.errors import ReadError
from palate.reading import read_ratings, read_table
from palate.reading.times import as_times
from reading_help import refused, write


def seconds(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MOMENT = seconds("2009-09-13 12:26:40")


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("1252844800", "2009-09-13 12:26:40"),
        ("1252844800.75", "2009-09-13 12:26:40"),
        ("1252844800123", "2009-09-13 12:26:40"),
        ("1252844800123456", "2009-09-13 12:26:40"),
        ("1252844800123456789", "2009-09-13 12:26:40"),
        ("2009-09-13", "2009-09-13 00:00:00"),
        ("2009-09-13 12:26", "2009-09-13 12:26:00"),
        ("2009-09-13 12:26:40", "2009-09-13 12:26:40"),
        ("2009-09-13T12:26:40Z", "2009-09-13 12:26:40"),
        ("2009-09-13T12:26:40.123", "2009-09-13 12:26:40"),
        ("2009-09-13 12:26:40.123456", "2009-09-13 12:26:40"),
        ("2009-09-13T14:26:40+02:00", "2009-09-13 12:26:40"),
        ("2009-09-13 04:26:40-0800", "2009-09-13 12:26:40"),
        ("2009/09/13 12:26:40", "2009-09-13 12:26:40"),
        ("20090913", "2009-09-13 00:00:00"),
        ("13.09.2009", "2009-09-13 00:00:00"),
        ("13.09.2009 12:26", "2009-09-13 12:26:00"),
        ("09 13, 2009", "2009-09-13 00:00:00"),
        ("Sep 13, 2009", "2009-09-13 00:00:00"),
        ("September 13, 2009", "2009-09-13 00:00:00"),
        ("13 Sep 2009", "2009-09-13 00:00:00"),
        ("9/13/2009 12:26", "2009-09-13 12:26:00"),
        ("9/13/09 12:26", "2009-09-13 12:26:00"),
        ("13/09/2009", "2009-09-13 00:00:00"),
        ("9/13/2009 12:26:40 PM", "2009-09-13 12:26:40"),
        ("Sun Sep 13 05:26:40 -0700 2009", "2009-09-13 12:26:40"),
        ("Sun, 13 Sep 2009 12:26:40 GMT", "2009-09-13 12:26:40"),
        ("2009", "2009-01-01 00:00:00"),
    ],
)
def test_times_in_common_formats(tmp_path, spelled, expected):
    path = write(tmp_path, f"user;item;rating;timestamp\n1;10;3;{spelled}\n1;20;4;{spelled}\n")
    ratings = read_ratings(path)
    assert ratings.time.dtype == np.int64
    assert ratings.time.tolist() == [seconds(expected)] * 2
    assert "'timestamp' are user, item, rating and time" in ratings.notes[0]


@pytest.mark.parametrize("name", ["when", "Date", "unixReviewTime", "rated_at", "timestamp:float", "Datum", "fecha"])
def test_times_are_found_by_name(tmp_path, name):
    path = write(tmp_path, f"{name};rating;item;user\n1252844800;3;10;1\n1252844801;4;20;1\n")
    assert read_ratings(path).time.tolist() == [MOMENT, MOMENT + 1]


@pytest.mark.parametrize("separator", ["\t", "::", ",", " "])
def test_a_fourth_column_that_can_be_nothing_else_is_the_time(tmp_path, separator):
    rows = [("196", "242", "3", "881250949"), ("186", "302", "3", "891717742")]
    path = write(tmp_path, "\n".join(map(separator.join, rows)))
    assert read_ratings(path).time.tolist() == [881250949, 891717742]
    assert read_ratings(path, time=False).time is None
    assert read_ratings([tuple(map(int, row)) for row in rows]).time.tolist() == [881250949, 891717742]


def test_the_column_of_times_can_be_told_and_denied(tmp_path):
    path = write(tmp_path, "user,item,rating,seen,timestamp\n1,10,3,2020-01-02,7\n1,20,4,2020-01-03,8\n")
    assert read_ratings(path, time="seen").time.tolist() == [seconds("2020-01-02"), seconds("2020-01-03")]
    assert read_ratings(path, time=3).time.tolist() == [seconds("2020-01-02"), seconds("2020-01-03")]
    assert read_ratings(path).time.tolist() == [7, 8]
    assert read_ratings(path, time=False).time is None
    refused(path, "has no column 'when' for the time", time="when")


def frames():
    moments = ["2009-09-13 12:26:40", "2009-09-13 12:26:41"]
    columns = {"user": [1, 1], "item": [10, 20], "rating": [3.0, 4.0]}
    numpy = np.array(moments, "datetime64[ns]")
    polars = pl.DataFrame({**columns, "time": moments}).with_columns(pl.col("time").str.to_datetime())
    return {
        "polars": polars,
        "polars, zone": polars.with_columns(
            pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        ),
        "polars, ms": polars.with_columns(pl.col("time").cast(pl.Datetime("ms"))),
        "pandas": pd.DataFrame({**columns, "time": pd.to_datetime(moments)}),
        "pandas, zone": pd.DataFrame({**columns, "time": pd.to_datetime(moments, utc=True)}),
        "pandas, text": pd.DataFrame({**columns, "time": moments}),
        "arrow": polars.to_arrow(),
        "arrays": {**columns, "time": numpy},
        "objects": [(1, 10, 3.0, datetime(2009, 9, 13, 12, 26, 40)), (1, 20, 4.0, datetime(2009, 9, 13, 12, 26, 41))],
        "numpy scalars": [(1, 10, 3.0, numpy[0]), (1, 20, 4.0, numpy[1])],
        "floats": [(1, 10, 3.0, MOMENT + 0.5), (1, 20, 4.0, MOMENT + 1.25)],
    }


@pytest.mark.parametrize("kind", sorted(frames()))
def test_times_in_memory(kind):
    options = {} if hasattr(frames()[kind], "columns") or isinstance(frames()[kind], dict) else {"time": 3}
    assert read_ratings(frames()[kind], **options).time.tolist() == [MOMENT, MOMENT + 1]


def test_times_in_parquet_and_sql(tmp_path):
    frames()["polars"].write_parquet(tmp_path / "x.parquet")
    assert read_ratings(tmp_path / "x.parquet").time.tolist() == [MOMENT, MOMENT + 1]
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("create table r (user, item, rating, created_at text)")
        connection.execute("insert into r values (1, 10, 3, '2009-09-13 12:26:40'), (1, 20, 4, '2009-09-13T12:26:41Z')")
    connection.close()
    assert read_ratings(f"sqlite:///{tmp_path}/x.db", query="select * from r").time.tolist() == [MOMENT, MOMENT + 1]


def test_days_and_months_that_nobody_can_tell_apart(tmp_path):
    path = write(tmp_path, "user,item,rating,date\n1,10,3,01/02/2020\n1,20,4,03/04/2020\n")
    ratings = read_ratings(path)
    assert ratings.time is None
    assert "do not tell the day from the month" in ratings.notes[1]
    refused(path, "write them as 2024-01-31, or leave them out with time=False", time="date")
    path = write(tmp_path, "user,item,rating,date\n1,10,3,01/02/2020\n1,20,4,03/24/2020\n")
    assert read_ratings(path).time.tolist() == [seconds("2020-01-02"), seconds("2020-03-24")]


def test_times_that_cannot_be_read(tmp_path):
    path = write(tmp_path, "user,item,rating,date\n1,10,3,2020-01-02\n1,20,4,soon\n1,30,4,\n1,40,5,2020-01-03\n")
    ratings = read_ratings(path)
    assert ratings.time is None
    assert "'date' are left out: some, such as 'soon', cannot be read" in ratings.notes[1]
    refused(path, "line 3: time 'soon' cannot be read; .* leave 2 of 4 rows out with on_error='skip'", time="date")
    ratings = read_ratings(path, time="date", on_error="skip")
    assert ratings.time.tolist() == [seconds("2020-01-02"), seconds("2020-01-03")]
    assert "1 × no time (line 4), 1 × a time that cannot be read (line 3: 'soon')" in ratings.notes[-1]


@pytest.mark.parametrize("value", [[1, 2], b"x", True])
def test_what_cannot_be_a_time(value):
    with pytest.raises(ReadError, match="cannot be times"):
        read_table(pl.DataFrame({"user": [1], "item": [1], "rating": [1], "x": [value]}), time="x")


def test_the_quick_way_reads_times_as_the_patient_one(tmp_path, monkeypatch):
    contents = [
        "1\t10\t3\t881250949\n1\t20\t4\t881250950\n",
        "1\t10\t3\t1252844800123\n1\t20\t4\t1252844800123\n",
        "user\titem\trating\ttime\n1\t10\t3\t2020-01-02T03:04:05\n1\t20\t4\t2020-01-02T03:04:06\n",
        "user\titem\trating\ttime\n1\t10\t3\t20200102\n1\t20\t4\t20200103\n",
        "user\titem\trating\ttime\n1\t10\t3\t-5\n1\t20\t4\t6\n",
        "user\titem\trating\ttime\n1\t10\t3\t\n1\t20\t4\t6\n",
        "user\titem\ttime\n1\t10\t7\n1\t20\t6\n",
    ]
    for content in contents:
        path = write(tmp_path, content)
        tables = []
        for start in (0, 1 << 60):
            monkeypatch.setattr(text_module, "PLAIN_FROM", start)
            frame = read_table(path).frame
            tables.append(frame.with_columns(pl.col("rating").cast(pl.Float32)).rows())
        assert tables[0] == tables[1]


def test_missing_values_among_numbers():
    column = as_times(pl.Series([None, 1252844800123, None, 1252844801123]), "x")
    assert column.to_list() == [None, MOMENT, None, MOMENT + 1]
    assert as_times(pl.Series([float("nan"), 1.5]), "x").to_list() == [None, 1]
    assert as_times(pl.Series([1e300]), "x").dtype == pl.String


# Repeated pairs

LOG = "user,item,rating,timestamp\n1,7,5,900\n1,7,2,800\n2,7,3,700\n1,7,4,900\n2,8,1,600\n"


def settled(tmp_path, policy, **options):
    ratings = read_ratings(write(tmp_path, LOG), duplicates=policy, **options)
    users, items = ratings.users.ids[ratings.user].tolist(), ratings.items.ids[ratings.item].tolist()
    time = [None] * len(ratings) if ratings.time is None else ratings.time.tolist()
    return sorted(zip(users, items, ratings.rating.tolist(), time, strict=True)), ratings.notes[-1]


def test_the_last_is_the_latest_in_time(tmp_path):
    newest_first = LOG.replace("1,7,4,900\n", "")
    ratings = read_ratings(write(tmp_path, newest_first), duplicates="last")
    assert ratings.rating.tolist() == [5, 3, 1]
    # Of several at one time the last in the file.
    rows, note = settled(tmp_path, "last")
    assert rows == [(1, 7, 4.0, 900), (2, 7, 3.0, 700), (2, 8, 1.0, 600)]
    assert note == "2 of 5 rows rate a pair again: kept the latest in time"


def test_without_times_the_last_is_that_in_the_file(tmp_path):
    path = write(tmp_path, "1,7,5\n1,7,2\n2,7,3\n")
    ratings = read_ratings(path, duplicates="last")
    assert ratings.rating.tolist() == [2, 3]
    assert ratings.notes[-1] == "1 of 3 rows rate a pair again: kept the last in the file"


@pytest.mark.parametrize(("policy", "value"), [("mean", 11 / 3), ("sum", 11), ("count", 3)])
def test_means_sums_and_counts_have_the_latest_time(tmp_path, policy, value):
    rows, _ = settled(tmp_path, policy)
    assert rows[0][:2] + rows[0][3:] == (1, 7, 900)
    assert rows[0][2] == pytest.approx(value)
    assert [row[3] for row in rows[1:]] == [700, 600]


def test_counts_are_ones_where_no_pair_comes_twice():
    assert read_ratings([(1, 7, 5), (1, 8, 4)], duplicates="count").rating.tolist() == [1, 1]
    assert read_ratings([(1, 7, 5), (1, 8, 4)], duplicates="sum").rating.tolist() == [5, 4]


def test_the_scale_of_sums_is_that_of_the_result():
    from palate.errors import DataError

    rows = [(1, 7, 3), (1, 7, 4), (2, 7, 1)]
    assert read_ratings(rows, duplicates="sum", scale=(0, 10)).scale.high == 10
    refused(rows, "the sum of user 1 and item 7, 7, is off the scale 0 to 5", DataError, duplicates="sum", scale=(0, 5))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["25-01-2020", "01-02-2020"], ["2020-01-25", "2020-02-01"]),
        (["20200125130506", "20200201235959"], ["2020-01-25 13:05:06", "2020-02-01 23:59:59"]),
        ([20200125130506, 20200201235959], ["2020-01-25 13:05:06", "2020-02-01 23:59:59"]),
        (["202001251305", "202002012359"], ["2020-01-25 13:05", "2020-02-01 23:59"]),
        (["2020-01-25T13:05:06Z", "2020-01-25T13:05:06+02:00"], ["2020-01-25 13:05:06", "2020-01-25 11:05:06"]),
        (["2020-01-25 13:05:06+00", "2020-01-25 13:05:06.5-07"], ["2020-01-25 13:05:06", "2020-01-25 20:05:06"]),
        (["20200125T130506Z", "20200201T235959Z"], ["2020-01-25 13:05:06", "2020-02-01 23:59:59"]),
        (["2020-01-25", "2020-01-26 13:05:06", "2020-01-27T01:00:00"], ["2020-01-25", "2020-01-26 13:05:06", "2020-01-27 01:00"]),
    ],
)  # fmt: skip
def test_more_spellings_of_times(texts, expected):
    assert as_times(pl.Series(texts), "x").to_list() == [seconds(text) for text in expected]


def test_a_column_called_time_that_holds_none_is_told(tmp_path):
    path = write(tmp_path, "user,item,rating,time\na,x,3,2 days ago\nb,x,4,today\n")
    assert "column 'time' holds no times that can be read, such as '2 days ago'" in read_ratings(path).notes[0]


@pytest.mark.parametrize("times", [[978300760, 978300761, 10**18], [-5000, 10**18], [9.7e8, 9.8e8, 1e15]])
def test_one_wrong_time_does_not_set_the_unit_of_all(times):
    with pytest.raises(ReadError, match="different units"):
        as_times(pl.Series("time", times), "table")
    assert as_times(pl.Series("time", [0, 978300760123]), "table").to_list() == [0, 978300760]
