"""Lines that are no rows, in every layout: refused with their place, or left out and counted; the times stay."""

import pytest

from palate.errors import PalateError
from palate.reading import read_ratings, read_table
from reading_help import refused, triples, write

NETFLIX = "1:\n5,3,2005-09-06\n6,5,2005-05-13\n2:\n5,4,2005-10-19\n"
MATRIX = "%%MatrixMarket matrix coordinate real general\n% c\n3 4 3\n1 1 5\n2 3 4\n"
KONECT = "% bip weighted\n% 4 3 3\n1 1 5 100000000\n2 3 4 100000000\n3 2 1 100000000\n"
JSON = '{"user":"a","item":"x","rating":5,"time":1000000000}\n{"user":"b","item":"x","rating":4,"time":1000000001}\n'
LIST = '[{"user":"a","item":"x","rating":5},{"user":"b","item":"x","rating":4},%s]'
WIDE = "user,i1,i2,i3\na,1,,3\nb,,4,5\nc,2,,\n"
WRONG_COLUMNS = "has {} columns, {} expected: {!r}"

CASES = [
    (NETFLIX + "9,4,2005-10-19,x\n", 3, "line 6 has 4 columns, 3 expected: '9,4,2005-10-19,x'"),
    (NETFLIX + "9,4\n", 3, "line 6 has 2 columns, 3 expected: '9,4'"),
    (NETFLIX + "9\n", 3, "line 6 has 1 column, 3 expected: '9'"),
    (NETFLIX + ",4,2005-10-19\n", 3, "line 6: the user id is missing"),
    (NETFLIX + "9,,2005-10-19\n", 3, "line 6: the rating is missing"),
    (NETFLIX + "9,good,soon\n", 3, "line 6: rating 'good' is not a number"),
    (NETFLIX + ":\n9,4,2005-10-19\n", 3, "line 7: the item id is missing"),
    (MATRIX + "3 1 2 5\n", 2, "line 6 has 4 columns, 3 expected: '3 1 2 5'"),
    (MATRIX + "3\t1\n", 2, "line 6 has 2 columns, 3 expected: '3 1'"),
    (MATRIX + "3 1 x\n", 2, "line 6: rating 'x' is not a number"),
    (MATRIX + "4 1 2\n", 2, "line 6 lies outside of the matrix of 3 rows and 4 columns: '4 1 2'"),
    (MATRIX + "0 1 2\n", 2, "line 6 lies outside"),
    (MATRIX + "1.5 1 2\n", 2, "line 6 lies outside"),
    (MATRIX, 2, "line 3 announces 3 entries, 2 follow"),
    (KONECT + "3 1 2\n", 3, "line 6 has 3 columns, 4 expected: '3 1 2'"),
    (KONECT + "3 1 x soon\n", 3, "line 6: rating 'x' is not a number"),
    (JSON + "oops\n", 2, "line 3 is no JSON object: 'oops'"),
    (JSON + '{"user":"c","it\n', 2, "line 3 is no JSON object"),
    (JSON + "null\n", 2, "line 3 is no JSON object: 'null'"),
    (JSON + '{"user":"c","item":"y"}\n', 2, "line 3: the rating is missing"),
    (JSON + '{"item":"y","rating":3}\n', 2, "line 3: the user id is missing"),
    (JSON + '{"user":"c","item":"y","rating":"good","time":"soon"}\n', 2, "line 3: rating 'good' is not a number"),
    (LIST % "[1,2,3]", 2, r"row 3 is no JSON object: '\[1, 2, 3\]'"),
    (LIST % "null", 2, "row 3 is no JSON object: 'null'"),
    ('[["a","x",5],["b","y"],["b","x",4]]', 2, r"row 2 is \['b', 'y'\], 3 values are expected"),
    (WIDE + "d,1,2\n", 5, "line 5 has 3 columns, 4 expected: 'd,1,2'"),
    (WIDE + 'd,"1,2,3\n', 5, "line 5 has a quote that does not close"),
    (WIDE + "d,x,,\n", 5, "line 5, column 'i1': rating 'x' is not a number"),
    (WIDE + ",1,,\n", 5, "line 5, column 'i1': the user id is missing"),
    (WIDE + "d,inf,,\n", 5, "line 5, column 'i1': rating inf is not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "good", "message"), CASES)
def test_a_bad_line_is_refused_or_left_out_and_counted(tmp_path, text, good, message):
    path = write(tmp_path, text, "t.txt")
    assert "on_error='skip'" in refused(path, message)
    ratings = read_ratings(path, on_error="skip")
    assert len(ratings) == good
    assert f"left out 1 of {good + 1} rows: 1 × " in ratings.notes[-1]
    assert (ratings.time is not None) == text.startswith((NETFLIX, KONECT, JSON))


def test_times_are_judged_by_the_rows_that_can_be_used(tmp_path):
    path = write(tmp_path, "user,item,rating,time\na,x,3,1000000000\na,y,,soon\nb,x,4,1000000001\n")
    assert read_ratings(path, on_error="skip").time.tolist() == [1000000000, 1000000001]


def test_a_line_that_is_too_long_is_seen_whatever_columns_are_read(tmp_path):
    text = "user,age,item,rating\na,1,x,3\nb,2,y,4,9\nc,3,z,5\n"
    for content in (text, text.replace("x", '"x, y"')):
        path = write(tmp_path, content)
        refused(path, WRONG_COLUMNS.format(5, 4, "b,2,y,4,9"))
        assert len(read_ratings(path, on_error="skip")) == 2


def test_ids_that_begin_as_comments_do(tmp_path):
    path = write(tmp_path, "#,19,3\nann,20,4\nbob,19,5\n")
    assert triples(read_ratings(path)) == [("#", 19, 3.0), ("ann", 20, 4.0), ("bob", 19, 5.0)]
    path = write(tmp_path, "%a,x,3\n#b,y,4\nc,x,5\n")
    assert triples(read_ratings(path))[:2] == [("%a", "x", 3.0), ("#b", "y", 4.0)]
    for comment in ("# made by x, 2020, v3", "#1,19,3", "#when,what,how"):
        assert len(read_table(write(tmp_path, f"{comment}\n2,20,4\n3,19,5\n"))) == 2


def test_lines_in_memory_of_another_length():
    rows = [("ann", "tea", 5), ("bob", "tea"), ("bob", "milk", 3), None]
    refused(rows, r"row 2 is \('bob', 'tea'\), 3 values are expected")
    ratings = read_ratings(rows, on_error="skip")
    assert triples(ratings) == [("ann", "tea", 5.0), ("bob", "milk", 3.0)]
    assert ratings.notes[-1].startswith("left out 2 of 4 rows: 2 × no row of the table (row 2 is")
    refused([("ann", "tea", 5), ("bob", "tea", 3), ("bob", "milk", "x"), (1,)], "row 4 is")


def test_where_no_row_can_be_used_the_columns_are_asked_for(tmp_path):
    words = write(tmp_path, "user,item,rating\na,x,A\nb,y,B\nc,z,F\n")
    assert "no rating of 3 is: name their column with rating=" in refused(words, "rating 'A' is not a number")
    assert "none of 2 rows can be used" in refused(write(tmp_path, "user,item,rating\na,x,\nb,y,\n"), "is missing")


@pytest.mark.parametrize("word", ["NaN", "NULL", "n/a"])
def test_a_word_for_nothing_is_no_id_where_only_a_bad_row_made_text_of_the_ids(tmp_path, word):
    path = tmp_path / "t.csv"
    path.write_text(f"user,item,rating\n1,4,5\n{word},{word},3\n2,{word},5\n[1],4/5,open\n3,4,4\n{word},7,2\n,7,1\n")
    ratings = read_ratings(path, on_error="skip")
    assert (ratings.users.ids.tolist(), ratings.items.ids.tolist()) == ([1, 3], [4])
    assert ratings.users.ids.dtype == ratings.items.ids.dtype == "int64"
    assert "left out 5 of 7 rows" in ratings.notes[-1]
    assert "3 × no user id (line 3: " in ratings.notes[-1]
    assert "1 × no item id (line 4: " in ratings.notes[-1]
    with pytest.raises(PalateError, match=r"line [0-9]+: (the user id is missing|rating .* is not a number)"):
        read_ratings(path)
