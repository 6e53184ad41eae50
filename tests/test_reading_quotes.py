"""Quotes, carriage returns and ragged lines: what Python's csv reads is read in the same way; the rest is named."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.errors import PalateError
from palate.reading import read_ratings, read_table
from palate.reading.records import is_regular, read_records, unescape
from reading_help import refused, triples, write


@pytest.mark.parametrize(
    ("field", "item"),
    [
        ('The 5" Floppy', 'The 5" Floppy'),
        ('7" x 9"', '7" x 9"'),
        ('"7"" x 9"""', '7" x 9"'),
        ('"a, b"', "a, b"),
        ('"two\nlines"', "two\nlines"),
        ('"The \\"Best\\""', 'The "Best"'),
        ('"C:\\"', "C:\\"),
        ("it's", "it's"),
        ('""', None),
    ],
)
def test_quotes(tmp_path, field, item):
    path = write(tmp_path, f"user,item,rating\nann,{field},3\nbob,x,4\n")
    assert read_table(path).frame.rows() == [("ann", item, 3.0), ("bob", "x", 4.0)]


def test_stray_carriage_returns_end_lines_as_in_csv(tmp_path):
    table = read_table(write(tmp_path, "user,item,rating\nann,x,3\rbob,y,4\r\ncy,z,no\n"))
    assert table.frame["user"].to_list() == ["ann", "bob", "cy"]
    assert table.locate(2) == "line 4"
    refused(write(tmp_path, "user,item,rating\nann,x\rbob,y,4\n"), "line 2 has 2 columns, 3 expected: 'ann,x'")


def test_separators_of_several_characters_in_quotes(tmp_path):
    path = write(tmp_path, 'ann::"a::b"::3\nbob::The 5" F::4\n')
    assert [row[1] for row in triples(read_ratings(path))] == ["a::b", 'The 5" F']
    message = refused(write(tmp_path, 'ann::"a"b::3\nbob::x::4\n'), "line 1 has malformed quotes")
    assert "('::' expected after '\"')" in message


RAGGED = 'user,item,rating\n1,10,5\n1,20,5,extra\n2,10\nx\n2,"a"b,4\n2,20,1\n3,"open,4\n3,30,2\n'


def test_lines_that_are_no_rows_are_named_or_skipped(tmp_path):
    path = write(tmp_path, RAGGED)
    refused(path, "line 3 has 4 columns, 3 expected: '1,20,5,extra'; mend the table, or leave 5 of 8 rows out")
    ratings = read_ratings(path, on_error="skip")
    assert triples(ratings) == [(1, 10, 5.0), (2, 20, 1.0), (3, 30, 2.0)]
    assert ratings.notes[-1].startswith("left out 5 of 8 rows: 5 × no row of the table (line 3 has 4 columns")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_ragged_lines_wherever_they_stand(tmp_path, end, quote):
    good = [f"{user},{quote}{item}{quote},3" for user in range(30) for item in range(20)]
    for place in (0, 1, 300, 600):
        rows = [*good[:place], "5,77,3,1", "", "5,77", *good[place:]]
        path = write(tmp_path, "user,item,rating" + end + end.join(rows) + end)
        ratings = read_ratings(path, on_error="skip")
        assert len(ratings) == 600
        assert f"2 × no row of the table (line {place + 2} has 4 columns" in ratings.notes[-1]
        refused(path, f"line {place + 2} has 4 columns, 3 expected: '5,77,3,1'")
        table = read_table(path)
        assert table.locate(599) == f"line {604 if place < 600 else 601}"


def test_skipping_covers_every_kind_of_bad_row_with_an_example(tmp_path):
    path = write(tmp_path, "user,item,rating\n1,10,5\n,20,5\n1,20\n1,30,bad\n1,40,nan\n1,,3\n")
    note = read_ratings(path, on_error="skip").notes[-1]
    assert note == (
        "left out 5 of 6 rows: 1 × no row of the table (line 4 has 2 columns, 3 expected: '1,20'), 1 × no user id "
        "(line 3), 1 × no item id (line 7), 1 × text for a rating (line 5: 'bad'), 1 × NaN for a rating (line 6: 'nan')"
    )


def test_an_open_quote_does_not_take_the_rest_of_the_file():
    text = 'a,b\n"open,1\nc,d\n"open,2\ne,f\n'
    records = list(read_records(text, ","))
    assert [record.line for record in records if record.fields is None] == [2, 4]
    assert [record.fields for record in records if record.fields] == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_many_open_quotes_take_no_time():
    records = list(read_records('"open,1\n' * 20_000, ","))
    assert len(records) == 20_000


def test_fields_longer_than_csv_allows_by_itself(tmp_path):
    limit = csv.field_size_limit()
    path = write(tmp_path, f'user,item,rating,text\n1,10,3,"{"x" * 300_000}"" y"\n1,20,4,7" z\n')
    assert len(read_ratings(path)) == 2
    assert csv.field_size_limit() == limit


def test_escaped_quotes():
    assert unescape(r"\"a\" and \\", ",") == r'""a"" and \\'
    assert is_regular(b'1,"a ""b""",2\n"",3,4', ",")
    assert not is_regular(b'1,a"b,2', ",")
    assert not is_regular(b"1,a\rb,2", ",")


pieces = st.lists(st.sampled_from(["a", "b ", "7", '"', '""', "\n", "\r", ",", "\\", "é", '"q"', " "]), max_size=6).map(
    "".join
)
ratings = st.sampled_from(["1", "2.5", "5"])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(pieces, pieces, ratings), min_size=1, max_size=6), st.booleans(), st.sampled_from(["\n", "\r\n"])
)
def test_a_table_is_what_csv_reads(tmp_path_factory, rows, written, end):
    folder = tmp_path_factory.getbasetemp()
    if written:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator=end).writerows(rows)
        body = buffer.getvalue()
    else:
        body = "".join(",".join(row) + end for row in rows)
    text = f"user,item,rating{end}{body}"
    try:
        expected = list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    except csv.Error:
        return
    expected = [row for row in expected if len(row) > 1 or "".join(row).strip()]
    if "\\" in text or any(len(row) != 3 for row in expected):
        return
    try:
        table = read_table(write(folder, text, "csv.csv"), header=True, layout="long", time=False)
    except PalateError:
        return
    assert table.bad is None
    for column, place in (("user", 0), ("item", 1)):
        found = ["" if value is None else str(value).strip() for value in table.frame[column]]
        assert found == [row[place].strip() for row in expected]


def test_fields_of_backslashes_and_quotes_alone_are_no_escapes():
    assert unescape(r"1,\"\",5", ",") == r"1,\"\",5"
