"""Reading ratings: every kind of source, every way in which one can be wrong."""

import bz2
import gzip
import lzma
import os
import sqlite3
import zipfile
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import palate.reading.text as text_module
from palate.errors import DataError, MissingExtraError, PalateError, ReadError, SettingsError
from palate.ratings import RatingScale
from palate.reading import Table, encode, ids, read_ratings, read_table
from palate.reading.plain import read_plain

ROWS = [(1, 10, 4.5), (1, 20, -2.0), (3, 10, 0.25), (2, 30, 5.0)]


def write(tmp_path, content, name="ratings.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows, separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def triples(ratings):
    return list(
        zip(ratings.users.ids[ratings.user], ratings.items.ids[ratings.item], ratings.rating.tolist(), strict=True)
    )


def refused(source, match, kind=ReadError, **options):
    with pytest.raises(kind, match=match) as caught:
        read_ratings(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Delimited text


@pytest.mark.parametrize("separator", ["\t\t", "::", "\t", ";", "|", ",", " ", "   ", " \t "])
def test_separators_are_recognised(tmp_path, separator):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, separator)))) == ROWS


@pytest.mark.parametrize("separator", ["@@", "=>", "→", "#", "a"])
def test_any_other_separator_can_be_told(tmp_path, separator):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, separator)), separator=separator)) == ROWS


def test_a_tab_can_be_told_as_backslash_t(tmp_path):
    assert triples(read_ratings(write(tmp_path, lines(ROWS, "\t")), separator="\\t")) == ROWS


@pytest.mark.parametrize(
    "header",
    ["user,item,rating", "userId,movieId,rating", "Reviewer ID,ASIN,overall", "uid,iid,stars", "alpha,beta,gamma"],
)
def test_a_header_is_recognised(tmp_path, header):
    assert triples(read_ratings(write(tmp_path, header + "\n" + lines(ROWS)))) == ROWS


def test_columns_are_found_by_name_in_any_order(tmp_path):
    text = "timestamp,score,joke_id,user_id\n7,4.5,10,1\n8,-2,20,1\n"
    ratings = read_ratings(write(tmp_path, text))
    assert triples(ratings) == ROWS[:2]
    assert "'user_id', 'joke_id' and 'score'" in ratings.notes[0]
    assert "1 other ignored" in ratings.notes[0]


def test_columns_can_be_told_by_name_or_position(tmp_path):
    named = write(tmp_path, "a,b,c,d\n9,4.5,10,1\n9,-2,20,1\n", "named.csv")
    assert triples(read_ratings(named, user="d", item="c", rating="b")) == ROWS[:2]
    bare = write(tmp_path, "9,4.5,10,1\n9,-2,20,1\n", "bare.csv")
    assert triples(read_ratings(bare, user=3, item="2", rating=1)) == ROWS[:2]
    assert triples(read_ratings(bare, rating=1, user=3, item=2)) == ROWS[:2]


def test_columns_that_were_not_told_take_the_first_free_ones(tmp_path):
    path = write(tmp_path, "4.5,1,10\n-2,1,20\n")
    assert triples(read_ratings(path, rating=0)) == ROWS[:2]


def test_a_header_can_be_denied_or_insisted_on(tmp_path):
    path = write(tmp_path, "1,10,4.5\n1,20,-2\n")
    assert triples(read_ratings(path, header=True)) == [(1, 20, -2.0)]
    path = write(tmp_path, "user,item,rating\n1,20,-2\n")
    refused(path, "line 1: rating 'rating' is not a number", header=False)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"user": "who"}, "has no column 'who' for the user: its columns are 'a', 'b', 'c', 'd'"),
        ({"rating": 4}, "has no column 4 for the rating: it has 4, counted from 0"),
        ({"user": "a"}, "which column is the item?"),
        ({"user": "a", "item": "a", "rating": "b"}, "must be three columns"),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path, told, message):
    refused(write(tmp_path, "a,b,c,d\n1,2,3,4\n"), message, **told)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n"])
def test_line_ends_of_all_kinds(tmp_path, end, tail):
    text = ("user,item,rating\n" + lines(ROWS)[:-1] + tail).replace("\n", end)
    assert triples(read_ratings(write(tmp_path, text))) == ROWS


def test_quoted_fields(tmp_path):
    table = read_table(write(tmp_path, 'user,item,rating\n"a, b","say ""x""",3\nb,"two\nlines",4\nc,d,x\n'))
    assert table.frame["item"].to_list() == ['say "x"', "two\nlines", "d"]
    assert table.where(1).endswith("line 3")
    assert table.where(2).endswith("line 5")


def test_blank_lines_are_passed_over_and_counted(tmp_path):
    table = read_table(write(tmp_path, "\n1,10,4\n\n1,20,5\n \n2,10,x\n"))
    assert table.frame["user"].to_list() == [1, 1, 2]
    assert [table.locate(row) for row in range(3)] == ["line 2", "line 4", "line 6"]


def test_byte_order_mark_and_latin_1(tmp_path):
    assert triples(read_ratings(write(tmp_path, "\ufeffuser,item,rating\n1,10,4.5\n"))) == ROWS[:1]
    ratings = read_ratings(write(tmp_path, "José,Été,3\nZoë,Été,4\n".encode("latin-1")))
    assert ratings.users.ids.tolist() == ["José", "Zoë"]
    assert "not UTF-8" in ratings.notes[1]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("x.gz", gzip.compress), ("x.bz2", bz2.compress), ("x.xz", lzma.compress), ("no-extension", gzip.compress)],
)
def test_compressed_files_are_known_by_their_content(tmp_path, name, pack):
    assert triples(read_ratings(write(tmp_path, pack(lines(ROWS).encode()), name))) == ROWS


def test_zstd_and_zip(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    packed = pyarrow.compress(b"user,item,rating\n\n1,10,4.5\n", codec="zstd", asbytes=True)
    table = read_table(write(tmp_path, packed, "x.csv.zst"))
    assert table.where(0).endswith("x.csv.zst, line 3")
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/ratings.csv", lines(ROWS))
        archive.writestr("__MACOSX/x", "junk")
    assert triples(read_ratings(path)) == ROWS
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README", "hello")
    refused(path, r"is a zip of 2 files \(folder/ratings.csv, README\)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "holds nothing but blanks"),
        (gzip.compress(b"", mtime=0), "empty once unpacked"),
        (gzip.compress(lines(ROWS).encode(), mtime=0)[:-9], "damaged or cut short: it does not unpack as gzip"),
        (lines(ROWS).encode("utf-16"), "is UTF-16 text: convert it first"),
        (lines(ROWS).encode("utf-16-le"), "is UTF-16LE text"),
        (lines(ROWS).encode("utf-16-be"), "is UTF-16BE text"),
        (lines(ROWS).encode("utf-32"), "is UTF-32 text"),
        (bytes(range(256)), "is not text: its byte 0 is 0x00"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not text"),
        (b"SQLite format 3\x00", "is an SQLite database: read it as sqlite:///"),
        (b"hello world\nthis is prose\n", "no three columns"),
        (b"1,2\n3,4\n", "no three columns"),
        (b"1,2,3\n4,5,6\n7,8,9,10\n", "line 3 has 4 columns, 3 expected: '7,8,9,10'"),
        (b"1,2,3\n4,5\n7,8,9\n", "line 2 has 2 columns, 3 expected: '4,5'"),
        (b'1,2,3\n"4,5,6\n', "line 2 has a quote that does not close"),
        (b'1,2,3\n"4"5,5,6\n', "line 2 has malformed quotes"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    assert "ratings.csv" in refused(write(tmp_path, content), message)


def test_odd_lines_below_the_sample_are_found(tmp_path):
    good = "".join(f"{user},{item},3\n" for user in range(100) for item in range(10))
    refused(write(tmp_path, good + "5,77,3,1\n" + good), "line 1001 has 4 columns, 3 expected")
    refused(write(tmp_path, good + "5,77\n"), "line 1001 has 2 columns, 3 expected")
    refused(write(tmp_path, good + "5,77,good\n"), "line 1001: rating 'good' is not a number")


def test_missing_files_folders_and_odd_names(tmp_path):
    refused(tmp_path / "nothing.csv", "nothing.csv does not exist")
    refused(tmp_path, "is a directory: name the file in it")
    refused("x" * 5000, "cannot be read: File name too long")
    refused("a\0b", "cannot be read")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path, lines(ROWS))
    path.chmod(0)
    refused(path, "cannot be read: Permission denied")


def test_unreadable_files_by_any_user(tmp_path, monkeypatch):
    path = write(tmp_path, lines(ROWS))

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", deny)
    refused(path, "cannot be read: Permission denied")


@pytest.mark.parametrize("separator", ["", '"', "\n"])
def test_impossible_separators(tmp_path, separator):
    refused(write(tmp_path, lines(ROWS)), "cannot be a separator", separator=separator)


def test_a_separator_that_is_not_there(tmp_path):
    refused(write(tmp_path, lines(ROWS)), "has, with the separator ';', 1 column, 3 expected", separator=";")


# The quick way gives what the patient way gives


def both_ways(content, monkeypatch, tmp_path):
    path = write(tmp_path, content)
    found = []
    for start in (0, 1 << 60):
        monkeypatch.setattr(text_module, "PLAIN_FROM", start)
        try:
            table = read_table(path)
            frame = table.frame.with_columns(pl.col("rating").cast(pl.Float32, strict=False))
            found.append((frame.rows(), [table.locate(row) for row in range(len(table))]))
        except PalateError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize(
    "content",
    [
        lines(ROWS),
        lines(ROWS)[:-1],
        lines(ROWS, "\t\t"),
        lines(ROWS, "::"),
        "user,item,rating,when\n1,2,3,\n3,4,-.5,x\n",
        "1,2,3.\n2,3,.5\n",
        "1,2,3\r\n2,3,4\r\n",
        "1,2,1e-3\n2,3,+4\n",
        "007,1,2\n7,1,3\n",
        "-0,1,2\n0,1,3\n",
        "1, 2, 3\n2, 3, 4\n",
        "123456789012,1,2\n-999999999999999,1,3\n",
        "1234567890123456789,1,2\n1,99999999999999999999,3\n",
        "a,1,2\nb,1,3\n",
        '"1",1,2\n2,1,3\n',
        '1,1,2,"x,\n3,3,3,y"\n2,2,3,z\n',
        "1,2,nan\n1,3,inf\n1,4,\n1,5,x\n",
        "1,2,3\n\n2,2,3\n",
        "1,2,3\n2,2,3,4\n",
        "1,2,3\n2,2\n",
        "1,2,0.1234567890123456789\n1,3,123456789.123456\n",
        "1::2::3\n1:2:3\n",
    ],
)
def test_the_quick_way_agrees_with_the_patient_one(content, monkeypatch, tmp_path):
    quick, patient = both_ways(content, monkeypatch, tmp_path)
    assert repr(quick) == repr(patient)


numbers = st.integers(-(10**12), 10**12)
decimals = st.decimals(-(10**6), 10**6, places=4, allow_nan=False).map(lambda value: f"{value:f}")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(numbers, numbers, decimals), min_size=1, max_size=40),
    st.sampled_from(["\t", "\t\t", ",", "::", ";"]),
    st.permutations(range(5)),
    st.booleans(),
)
def test_plain_text_is_read_exactly(rows, separator, order, windows):
    end = "\r\n" if windows else "\n"
    fields = [[*map(str, row), "", "text"] for row in rows]
    text = end.join(separator.join(row[place] for place in order) for row in fields)
    positions = tuple(order.index(place) for place in range(3))
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), separator, 5, positions)
    assert columns is not None
    assert columns["user"].tolist() == [row[0] for row in rows]
    assert columns["item"].tolist() == [row[1] for row in rows]
    assert columns["rating"].tolist() == [float(np.float32(float(row[2]))) for row in rows]


def test_many_chunks_keep_the_order_of_the_rows(monkeypatch):
    monkeypatch.setattr("palate.reading.plain._CHUNK", 1 << 14)
    text = "\n".join(f"{row},{row % 7},{row % 5}" for row in range(50_000))
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), ",", 3, (0, 1, 2))
    assert columns is not None
    assert np.array_equal(columns["user"], np.arange(50_000))
    blank = np.frombuffer(("\n" * 100_000 + text).encode(), np.uint8)
    assert read_plain(blank, ",", 3, (0, 1, 2)) is None


def test_a_line_longer_than_a_chunk(monkeypatch):
    monkeypatch.setattr("palate.reading.plain._CHUNK", 1 << 14)
    text = "1,1,5," + "x" * 50_000 + "\n2,2,5,y\n3,3,4," + "z" * 50_000
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), ",", 4, (0, 1, 2))
    assert columns is not None
    assert columns["user"].tolist() == [1, 2, 3]


# The wide layout

WIDE = "2,99,1.5,99,-3,99,99,99\n3,4,99,99,1,99,99,2\n7,1,2,3,4,5,6,7\n"


def test_the_wide_layout_is_recognised_and_said(tmp_path):
    table = read_table(write(tmp_path, WIDE))
    assert table.frame.rows()[:5] == [(1, 2, 1.5), (1, 4, -3.0), (2, 1, 4.0), (2, 4, 1.0), (2, 7, 2.0)]
    assert len(table) == 12
    assert table.where(4).endswith("ratings.csv, line 2, column 8")
    assert "wide layout: a row a user" in table.notes[0]


def test_the_wide_layout_can_be_denied_and_insisted_on(tmp_path):
    path = write(tmp_path, WIDE)
    assert read_table(path, layout="long").frame.rows()[0] == (2, 99, 1.5)
    small = write(tmp_path, "1,4,0\n2,3,3\n", "small.csv")
    assert read_table(small).frame.rows() == [(1, 4, 0.0), (2, 3, 3.0)]
    assert read_table(small, layout="wide", missing=0).frame.rows() == [(1, 1, 4.0), (2, 1, 3.0), (2, 2, 3.0)]


def test_a_long_table_of_a_single_user_is_not_taken_for_a_wide_one(tmp_path):
    path = write(tmp_path, "3,10,4,100\n3,20,5,101\n3,30,1,102\n")
    assert read_table(path).frame.rows() == [(3, 10, 4.0), (3, 20, 5.0), (3, 30, 1.0)]


def test_wide_cells_may_be_empty_and_columns_named(tmp_path):
    text = "count,a,b,c,d,e,f\n2,1,,99,3,99,\n1,99,99,99,99,99,5\n"
    assert read_table(write(tmp_path, text)).frame.rows() == [(1, "a", 1.0), (1, "d", 3.0), (2, "f", 5.0)]


def test_wide_rows_that_miscount_are_noted_and_text_is_found(tmp_path):
    path = write(tmp_path, WIDE + "5,1,99,99,99,99,99,99\n")
    assert "1 rows hold another number" in read_table(path, layout="wide").notes[1]
    path = write(tmp_path, WIDE * 5 + "2,1,good,99,99,99,99,99\n")
    refused(path, "line 16, column 3: rating 'good' is not a number")
    path = write(tmp_path, WIDE * 5 + "2,1,2\n")
    refused(path, "line 16 has 3 columns, 8 expected")


def test_options_that_contradict_a_layout(tmp_path):
    path = write(tmp_path, WIDE)
    refused(path, "layout must be one of auto, long, wide", SettingsError, layout="tall")
    refused(path, "a wide table has no user column", SettingsError, layout="wide", user=0)


# Ids


@pytest.mark.parametrize(
    "ids",
    [
        [3, 1, 2],
        [-5, 2**63 - 1, -(2**63)],
        ["b", "a", "c"],
        ["🍕", "\u00e9", "e\u0301"],
        ["1", "1.0", "01"],
        ["18446744073709551615", "1", "2"],
        [" a", "a", "a "],
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
    assert ratings.items.ids.tolist() == ["1.5", "2.0"]
    assert read_ratings(frame).users.ids.tolist() == ["false", "true"]


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


# Rows that cannot be used

BAD = [(1, 1, 3), (1, 2, float("nan")), (None, 3, 3), (2, None, 4), (2, 1, None), (2, 2, float("inf")), (2, 3, 5)]


def test_bad_rows_are_errors_that_name_the_first():
    message = refused(BAD, "the list, row 2: rating nan is not a number")
    assert "leave 5 of 7 rows out with on_error='skip' (--on-error skip)" in message


def test_bad_rows_are_skipped_on_demand_and_counted():
    ratings = read_ratings(BAD, on_error="skip")
    assert triples(ratings) == [(1, 1, 3.0), (2, 3, 5.0)]
    assert ratings.notes[-1] == (
        "left out 5 of 7 rows: 1 × no user id, 1 × no item id, 1 × no rating, 1 × NaN for a rating, "
        "1 × an infinite rating"
    )


@pytest.mark.parametrize("value", ["good", "1,5", "3 stars", "NA", "1_000", "0x10"])
def test_text_for_a_rating(tmp_path, value):
    path = write(tmp_path, "user\titem\trating\n1\t10\t3\n1\t20\t" + value + "\n2\t10\t4\n")
    refused(path, f"line 3: rating '{value}' is not a number")
    assert len(read_ratings(path, on_error="skip")) == 2


def test_one_nan_among_many_good_rows_is_found(tmp_path):
    good = [f"{user}\t{item}\t3" for user in range(1, 401) for item in range(1, 201)]
    good[54321] = good[54321][:-1] + "nan"
    message = refused(write(tmp_path, "\n".join(good)), "line 54322: rating nan is not a number")
    assert "this row" in message


def test_a_rating_too_large_for_float32_is_infinite():
    refused([(1, 2, 1e39)], r"row 1: rating 1e\+39 is not finite")


def test_ratings_off_a_declared_scale():
    rows = [(1, 1, 3), (1, 2, 99), (2, 1, 5)]
    refused(rows, "row 2: rating 99 is off the scale 1 to 5", DataError, scale=(1, 5))
    ratings = read_ratings(rows, scale=(1, 5), on_error="skip")
    assert ratings.declared_scale == RatingScale(1, 5)
    assert len(ratings) == 2
    assert read_ratings([(1, 1, 0.1), (1, 2, 0.3)], scale=(0.1, 0.3)).scale == RatingScale(0.1, 0.3)


def test_no_rows_left():
    refused([], "the list holds no ratings", DataError)
    for row in ((1, 2, None), ("a", "b", None), ("a", 1, "x"), (None, None, None)):
        refused([row], "holds no ratings that can be used: 1 × ", DataError, on_error="skip")


def test_header_without_rows(tmp_path):
    refused(write(tmp_path, "user,item,rating\n"), "holds no ratings", DataError)


def test_duplicates_by_policy(tmp_path):
    path = write(tmp_path, "1,7,1\n2,7,5\n1,7,4\n1,8,2\n1,7,4\n")
    message = refused(path, "2 rows rate a pair of user and item again", DataError)
    assert "user 1 and item 7: 1 (line 1), then 4 (line 3)" in message
    assert "--duplicates last|mean" in message
    assert triples(read_ratings(path, duplicates="last")) == [(2, 7, 5.0), (1, 8, 2.0), (1, 7, 4.0)]
    assert triples(read_ratings(path, duplicates="mean")) == [(1, 7, 3.0), (2, 7, 5.0), (1, 8, 2.0)]
    assert read_ratings(path, duplicates="last").notes[-1] == "2 of 5 rows rate a pair again: kept the last"


def test_lines_of_duplicates_are_right_after_skipping(tmp_path):
    path = write(tmp_path, "x,7,bad\n1,7,1\n1,8,bad\n1,7,2\n")
    with pytest.raises(DataError, match=r"1 \(line 2\), then 2 \(line 4\)"):
        read_ratings(path, on_error="skip", header=False)


@pytest.mark.parametrize("option", [{"on_error": "ignore"}, {"duplicates": "first"}, {"scale": (5, 1)}])
def test_impossible_policies(option):
    refused(ROWS, "must be one of|low <= high", SettingsError, **option)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30))
def test_policies_against_dictionaries(rows):
    last, groups = {}, {}
    for user, item, rating in rows:
        last[user, item] = rating
        groups.setdefault((user, item), []).append(rating)
    kept = {row[:2]: row[2] for row in triples(read_ratings(rows, duplicates="last"))}
    assert kept == last
    means = {row[:2]: row[2] for row in triples(read_ratings(rows, duplicates="mean"))}
    assert means == pytest.approx({pair: sum(group) / len(group) for pair, group in groups.items()})


# Tables in memory


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
        ({"user": [1]}, "an object of type dict is no table"),
        (None, "NoneType is no table"),
        (np.zeros(5), r"an array of shape \(5,\) is no table"),
        (np.zeros((5, 2)), r"an array of shape \(5, 2\) is no table"),
        ([(1, 2), (1, 3)], r"the list, row 1 is \(1, 2\)"),
        ([(1, 2, 3), (1, 3)], r"the list, row 2 is \(1, 3\)"),
        (["abc"], "the list, row 1 is 'abc'"),
        ((np.zeros(2), np.zeros(3), np.zeros(2)), "must be arrays of one length"),
        (pl.DataFrame({"user": [[1]], "item": [1], "rating": [1]}), r"holds List\(Int64\) values, which cannot be ids"),
        (pl.DataFrame({"user": [1], "item": [1], "rating": [[1]]}), "which cannot be ratings"),
        (pl.DataFrame({"user": [1], "item": [1]}), "has 2 columns: user, item and rating are needed"),
    ],
)
def test_what_is_no_table_in_memory(source, message):
    refused(source, message)


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


# Databases


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table ratings (stars real, item text, user integer)")
        rows = [(rating, f"i:{item}", user) for user, item, rating in ROWS] + [(None, "i:1", 9)]
        connection.executemany("insert into ratings values (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def test_a_query_on_sqlite(database):
    expected = [(user, f"i:{item}", rating) for user, item, rating in ROWS]
    assert triples(read_ratings(database, query="select * from ratings where stars is not null")) == expected
    one = read_ratings(database, query="select user as a, item as b, stars as c from ratings where item = 'i:20'")
    assert triples(one) == expected[1:2]
    refused(database, "x.db, row 5: the rating is missing", query="select * from ratings")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, "a database needs a query, such as"),
        ("selec 1", "syntax error"),
        ("select * from nowhere", "no such table: nowhere"),
        ("select user, item from ratings", "has 2 columns"),
        ("update ratings set stars = 1", "attempt to write a readonly database"),
        ("drop table ratings", "attempt to write a readonly database"),
    ],
)
def test_queries_that_fail(database, query, message):
    refused(database, message, query=query)


def test_nothing_is_written_by_a_query(database):
    for query in ("delete from ratings", "drop table ratings", "create table more (x)"):
        refused(database, "readonly", query=query)
    assert len(read_table(database, query="select * from ratings")) == 5


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    refused(f"sqlite:///{tmp_path}/no.db", "no.db does not exist", query="select 1, 2, 3")
    assert not (tmp_path / "no.db").exists()
    refused(f"sqlite:///{tmp_path}", "is a directory", query="select 1, 2, 3")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "refused"),
        ("postgres://me:secret@127.0.0.1:1/db", "refused"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "refused"),
        ("postgresql://me:secret@host:port/db", "no database URL that SQLAlchemy understands"),
        ("nothing://me:secret@host/db", "knows no database 'nothing'"),
        ("https://me:secret@example.org/ratings.csv", "fetch it first"),
    ],
)
def test_urls_that_lead_nowhere_never_show_the_password(url, message):
    assert "secret" not in refused(url, message, query="select 1, 2, 3")


def test_a_query_needs_a_url(tmp_path):
    refused(write(tmp_path, lines(ROWS)), "a query needs a database URL", query="select 1")


def test_sqlalchemy_is_optional(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    refused("sqlite:///x.db", r"pip install 'palate\[sql\]'", MissingExtraError, query="select 1")


@pytest.mark.skipif("PALATE_TEST_POSTGRES" not in os.environ, reason="PALATE_TEST_POSTGRES names no PostgreSQL URL")
def test_a_query_on_postgresql():
    url = os.environ["PALATE_TEST_POSTGRES"]
    query = "select 'u:' || (n % 3)::text as user_id, n as item, (n::numeric / 2) as stars from generate_series(1, 9) n"
    ratings = read_ratings(url, query=query)
    assert triples(ratings)[:2] == [("u:1", 1, 0.5), ("u:2", 2, 1.0)]
    assert len(ratings) == 9
    assert triples(read_ratings(url, query="select 1, 2, 3 where 'a%b' like '%b'")) == [(1, 2, 3.0)]
    assert refused(url, 'relation "nothing" does not exist$', query="select * from nothing")


# Real files


def test_published_files(data):
    jester = read_ratings(data / "jester" / "jester5k_ratings.dat")
    assert (len(jester), len(jester.users), len(jester.items)) == (363_209, 5_000, 100)
    assert "two tabs" in jester.notes[0]
    movielens = read_ratings(data / "ml-100k" / "u.data")
    assert (len(movielens), len(movielens.users), len(movielens.items)) == (100_000, 943, 1_682)
    million = read_ratings(data / "ml-1m" / "ratings.dat")
    assert (len(million), len(million.users), len(million.items)) == (1_000_209, 6_040, 3_706)


def test_the_published_wide_file(data):
    ratings = read_ratings(data / "jester1" / "jester-data-1.csv")
    assert (len(ratings), len(ratings.users), len(ratings.items)) == (1_810_455, 24_983, 100)
    assert (ratings.rating.min(), ratings.rating.max()) == (np.float32(-9.95), 10)
    assert "wide layout" in ratings.notes[0]


def test_numbers_that_a_float_does_not_hold_stay_apart():
    large = 2**60
    rows = [(Decimal(large + 1), "a", 5), (Decimal(large), "b", 1), (1.5, "c", 1)]
    assert len(read_ratings(rows).users) == 3
    assert len(read_ratings([(large + 1, "a", 5), (large, "b", 1), (1.5, "c", 1)]).users) == 3
    assert read_ratings([(1, 1, Decimal("4.1")), (1, 2, Decimal("3"))]).rating.tolist() == [np.float32(4.1), 3]


def test_a_header_must_name_every_column(tmp_path):
    refused(write(tmp_path, "user item rating\n1 7 70 5\n2 7 71 4\n"), "names 3 columns, 4 stand below")


def test_a_long_table_is_not_taken_for_a_wide_one(tmp_path):
    text = "user,item,rating,day,hour,device,session\n" + "".join(f"6,{i},3,1,1,1,1\n" for i in range(120))
    assert len(read_ratings(write(tmp_path, text)).items) == 120


def test_masks_are_not_lost():
    refused(np.ma.masked_greater(np.ones((4, 3)), 5), "masked arrays are not read")


def test_many_blanks_take_no_time(tmp_path):
    text = "1 2 3\n" * 20 + "1" + " " * 200_000 + "2 4\n"
    assert read_ratings(write(tmp_path, text), duplicates="last").rating.tolist() == [4]


def test_secrets_in_urls_are_not_shown():
    for url in (
        "postgresql://127.0.0.1:1/db?user=u&password=S3cret",
        "postgresql://u:p@S3cret@127.0.0.1:1/db",
        "https://user:S3cret/x@host/x.csv",
        "https://host/x.csv?token=S3cret",
    ):
        with pytest.raises((ReadError, MissingExtraError)) as caught:
            read_ratings(url, query="select 1, 2, 3")
        assert "S3cret" not in str(caught.value)
