"""Rows that cannot be used, and pairs that are rated again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.errors import DataError, ReadError, SettingsError
from palate.ratings import RatingScale
from palate.reading import Guess, read_ratings
from reading_help import ROWS, refused, triples, write

BAD = [(1, 1, 3), (1, 2, float("nan")), (None, 3, 3), (2, None, 4), (2, 1, None), (2, 2, float("inf")), (2, 3, 5)]


def test_bad_rows_are_errors_that_name_the_first():
    message = refused(BAD, "the list, row 2: rating nan is not a number")
    assert "leave 5 of 7 rows out with on_error='skip' (--on-error skip)" in message


def test_bad_rows_are_skipped_on_demand_and_counted():
    ratings = read_ratings(BAD, on_error="skip")
    assert triples(ratings) == [(1, 1, 3.0), (2, 3, 5.0)]
    assert ratings.notes[-1] == (
        "left out 5 of 7 rows: 1 × no user id (row 3), 1 × no item id (row 4), 1 × no rating (row 5), "
        "1 × NaN for a rating (row 2: nan), 1 × an infinite rating (row 6: inf)"
    )


@pytest.mark.parametrize("value", ["good", "1,500", "3 stars", "NA", "1_000", "0x10"])
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
    assert "--duplicates last|mean|sum|count" in message
    assert triples(read_ratings(path, duplicates="last")) == [(2, 7, 5.0), (1, 8, 2.0), (1, 7, 4.0)]
    assert triples(read_ratings(path, duplicates="mean")) == [(1, 7, 3.0), (2, 7, 5.0), (1, 8, 2.0)]
    assert read_ratings(path, duplicates="last").notes[-1] == "2 of 5 rows rate a pair again: kept the last in the file"


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


@pytest.mark.parametrize(
    ("spelling", "hint"), [("{},{:03d}", "write thousands without a comma"), ("{}/{}", "several denominators")]
)
def test_spellings_with_two_meanings_are_refused_with_the_way_out(tmp_path, spelling, hint):
    rows = [f'{row % 6},{row},"{spelling.format(row % 4 + 1, 5 * (row % 2 + 1))}"' for row in range(20)]
    (tmp_path / "r.csv").write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    with pytest.raises(ReadError, match=hint):
        read_ratings(tmp_path / "r.csv")


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (["★★★★☆", "★★½", "½", "☆☆☆☆☆"], [4, 2.5, 0.5, 0]),
        (["3½", "4", "½", "1 ¾"], [3.5, 4, 0.5, 1.75]),
        (["1 234", "999", "12\u202f345,5"], [1234, 999, 12345.5]),
        (["1'234", "2'345'678"], [1234, 2345678]),
        (["５", "４", "３．５"], [5, 4, 3.5]),
        (["٤", "٣٫٥"], [4, 3.5]),
        (["४", "३/५"], None),
        (["４／５", "３／５"], [4, 3]),
        (["5,0 von 5 Sternen", "3,5 von 5 Sternen"], [5, 3.5]),
        (["5,0 sur 5 étoiles", "4 sur 5 étoiles"], [5, 4]),
        (["True", "FALSE", "1", "0"], [1, 0, 1, 0]),
    ],
)
def test_ratings_in_other_spellings(spelled, expected):
    rows = [(f"u{row}", row % 2, rating) for row, rating in enumerate(spelled)]
    if expected is None:
        refused(rows, "is not a number")
    else:
        assert read_ratings(rows).rating.tolist() == expected


def test_points_between_thousands_are_a_guess(tmp_path):
    path = write(tmp_path, "user;artist;plays\n1;10;1.234\n1;20;87\n2;10;12.500\n")
    note = read_ratings(path).notes[-1]
    assert isinstance(note, Guess)
    assert "'1.234' are read with a decimal point: if it separates thousands" in note
    path = write(tmp_path, "user;artist;plays\n1;10;1.234\n1;20;87.5\n2;10;12.500\n")
    assert not any("thousands" in note for note in read_ratings(path).notes)
