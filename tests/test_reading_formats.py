"""Layouts that people have: JSON, spreadsheets, R, Netflix, matrices, several files, standard input."""

import gzip
import io
import json
import lzma
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from palate.check import check_table
from palate.errors import DataError, PalateWarning
from palate.reading import read_ratings, read_table
from reading_help import ROWS, lines, refused, triples, write

# JSON

REVIEWS = [
    {"reviewerID": "A1", "asin": "B1", "helpful": [1, 2], "overall": 5.0, "unixReviewTime": 1252800000},
    {"reviewerID": "A1", "asin": "B2", "helpful": [0, 0], "overall": 3.0, "unixReviewTime": 1252800060},
]
EXPECTED = [("A1", "B1", 5.0), ("A1", "B2", 3.0)]


def json_lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())])
def test_json_lines(tmp_path, pack):
    ratings = read_ratings(write(tmp_path, pack(json_lines(REVIEWS)), "reviews.json.gz"))
    assert triples(ratings) == EXPECTED
    assert ratings.time.tolist() == [1252800000, 1252800060]


def test_json_lines_with_objects_in_them(tmp_path):
    records = [{"user": {"id": 7, "name": "x"}, "book": {"id": "b"}, "rating": 4}]
    records.append({"user": {"id": 8, "name": "y"}, "book": {"id": "c"}, "rating": 5})
    assert triples(read_ratings(write(tmp_path, json_lines(records)))) == [(7, "b", 4.0), (8, "c", 5.0)]


def test_json_lines_of_mixed_types_and_bad_lines(tmp_path):
    text = '{"user": 1, "item": 2, "rating": 5}\n\noops\n{"user": 1, "item": "x", "rating": 4}\n[1]\n'
    path = write(tmp_path, text)
    refused(path, "line 3 is no JSON object: 'oops'; .*leave 2 of 4 rows out with on_error='skip'")
    ratings = read_ratings(path, on_error="skip")
    assert triples(ratings) == [(1, "2", 5.0), (1, "x", 4.0)]
    assert "2 × no row of the table (line 3 is no JSON object: 'oops')" in ratings.notes[-1]
    assert read_table(path).locate(1) == "line 4"


def test_lines_of_python_dictionaries(tmp_path):
    text = "".join(f"{record!r}\n" for record in REVIEWS)
    assert triples(read_ratings(write(tmp_path, text))) == EXPECTED


def test_json_documents(tmp_path):
    assert triples(read_ratings(write(tmp_path, json.dumps(REVIEWS)))) == EXPECTED
    assert triples(read_ratings(write(tmp_path, json.dumps(REVIEWS, indent=2)))) == EXPECTED
    nested = {"A1": {"B1": 5.0, "B2": 3.0}}
    assert triples(read_ratings(write(tmp_path, json.dumps(nested, indent=1)))) == EXPECTED
    rows = [["A1", "B1", 5], ["A1", "B2", 3]]
    assert triples(read_ratings(write(tmp_path, json.dumps(rows)))) == EXPECTED
    refused(write(tmp_path, '{"a": 1,\n "b": \n'), "looks like JSON and is none")


# Spreadsheets and R


def test_decimal_commas_and_the_separator_that_excel_names(tmp_path):
    text = "Kunde;Artikel;Bewertung\n1;10;3,5\n1;20;4\n2;10;-0,25\n"
    for content in (text, "sep=;\n" + text, "\ufeffsep=;\r\n" + text.replace("\n", "\r\n"), text.encode("utf-16")):
        ratings = read_ratings(write(tmp_path, content))
        assert triples(ratings) == [(1, 10, 3.5), (1, 20, 4.0), (2, 10, -0.25)]
    assert "decimal comma" in ratings.notes[1]
    assert read_table(write(tmp_path, "sep=;\n" + text)).locate(0) == "line 3"
    assert triples(read_ratings(write(tmp_path, "1;10;3,5\n1;20;4,5\n"))) == [(1, 10, 3.5), (1, 20, 4.5)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["79%", "100 %", "5%"], [79, 100, 5]),
        (["4/5", "5/5", "3.5/5"], [4, 5, 3.5]),
        (["4 out of 5 stars", "5 out of 5 stars", "1 out of 5 stars"], [4, 5, 1]),
        (["true", "False", "TRUE"], [1, 0, 1]),
        (["yes", "no", "no"], [1, 0, 0]),
        (["like", "dislike", "like"], [1, 0, 1]),
        (["3 stars", "1 star", "5 stars"], [3, 1, 5]),
        (["★★★", "★☆☆", "★★☆"], [3, 1, 2]),
        (["1.234,5", "2,5", "3,5"], [1234.5, 2.5, 3.5]),
    ],
)
def test_ratings_in_other_spellings(tmp_path, values, expected):
    rows = [(1, item, value) for item, value in enumerate(values)]
    for source in (write(tmp_path, "user;item;rating\n" + lines(rows, ";")), rows):
        ratings = read_ratings(source)
        assert ratings.rating.tolist() == pytest.approx(expected)
        assert repr(values[0]) in ratings.notes[1]


@pytest.mark.parametrize("values", [["4/5", "8/10"], ["79%", "5"], ["1,234", "2,345"], ["true", "maybe"]])
def test_spellings_that_do_not_agree_are_refused(values):
    refused([(1, item, value) for item, value in enumerate(values)], "is not a number")


def test_tables_that_r_writes(tmp_path):
    text = '"user" "item" "rating"\n"1" "ann" "The Matrix" 5\n"2" "ann" "Up" 3\n"3" "bob" "Up" 4\n'
    expected = [("ann", "The Matrix", 5.0), ("ann", "Up", 3.0), ("bob", "Up", 4.0)]
    assert triples(read_ratings(write(tmp_path, text))) == expected
    assert triples(read_ratings(write(tmp_path, text.replace(" ", ",").replace("The,", "The ")))) == expected
    assert triples(read_ratings(write(tmp_path, "user item rating\n1 7 70 5\n2 7 71 4\n"))) == [
        (7, 70, 5.0),
        (7, 71, 4.0),
    ]


# Netflix, Matrix Market, KONECT


def test_blocks_of_netflix(tmp_path):
    path = write(tmp_path, "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n822109,4,2005-10-19\n", "combined.txt")
    table = read_table(path)
    assert table.frame.drop("time").rows() == [(1488844, 1, 3.0), (822109, 1, 5.0), (822109, 2, 4.0)]
    assert read_ratings(path).time[0] == 1125964800
    assert table.locate(2) == "line 5"


def test_matrix_market(tmp_path):
    matrix = scipy.sparse.coo_array(np.array([[5, 0, 3], [0, 1, 0]]))
    scipy.io.mmwrite(tmp_path / "x.mtx", matrix)
    assert sorted(triples(read_ratings(tmp_path / "x.mtx"))) == [(1, 1, 5.0), (1, 3, 3.0), (2, 2, 1.0)]
    pattern = "%%MatrixMarket matrix coordinate pattern general\n% c\n2 3 2\n1 1\n2 3\n"
    assert triples(read_ratings(write(tmp_path, pattern))) == [(1, 1, 1.0), (2, 3, 1.0)]
    refused(write(tmp_path, "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n"), "of kind 'matrix array")
    refused(write(tmp_path, "%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 1 1\n"), "symmetric matrix")
    bad = write(tmp_path, "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n1 2 x\n")
    refused(bad, "line 4: rating 'x' is not a number")


def test_comments_above_the_table(tmp_path):
    konect = "% bip weighted\n% 3 2 2\n1 2 5 881250949\n1 3 4 881250950\n"
    assert triples(read_ratings(write(tmp_path, konect, "out.x"))) == [(1, 2, 5.0), (1, 3, 4.0)]
    named = "# made by hand\n# user\titem\trating\n1\t2\t5\n1\t3\t4\n"
    table = read_table(write(tmp_path, named))
    assert "'user', 'item' and 'rating'" in table.notes[0]
    assert (len(table), table.locate(0)) == (2, "line 3")
    assert len(read_table(write(tmp_path, "#u,#i,r\n#1,#2,5\n#1,#3,4\n"))) == 2


# In memory


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_array", "lil_matrix", "dok_array"])
def test_sparse_matrices(kind):
    matrix = getattr(scipy.sparse, kind)(np.array([[5.0, 0, 3], [0, 1, 0]]))
    ratings = read_ratings(matrix)
    assert sorted(triples(ratings)) == [(0, 0, 5.0), (0, 2, 3.0), (1, 1, 1.0)]
    assert "counted from 0" in ratings.notes[0]


def test_series_and_frames_with_an_index_of_two_levels():
    frame = pd.DataFrame({"user": ["a", "a", "b"], "item": [1, 2, 1], "rating": [5, 4, 3]})
    expected = [("a", 1, 5.0), ("a", 2, 4.0), ("b", 1, 3.0)]
    indexed = frame.set_index(["user", "item"])
    for source in (indexed, indexed["rating"], indexed["rating"].rename_axis([None, None]), frame.set_index("user")):
        assert triples(read_ratings(source)) == expected
    refused(frame["rating"], "a pandas Series is no table: .*index has two levels")


def test_dictionaries():
    expected = [("ann", "tea", 5.0), ("bob", "milk", 2.0)]
    assert triples(read_ratings({"ann": {"tea": 5}, "bob": {"milk": 2}})) == expected
    assert triples(read_ratings({("ann", "tea"): 5, ("bob", "milk"): 2})) == expected
    assert triples(read_ratings({"rating": [5, 2], "user": ["ann", "bob"], "item": ["tea", "milk"]})) == expected
    records = [{"item": "tea", "user": "ann", "rating": 5}, {"user": "bob", "item": "milk", "rating": 2}]
    assert triples(read_ratings(records)) == expected
    refused({"ann": 5}, "a dictionary is read as {user: {item: rating}}")
    refused({"user": [1], "item": [1, 2], "rating": [1]}, "different lengths")
    refused({}, "a dictionary is read as")


# Several files, and standard input


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "parts"
    place.mkdir()
    write(place, "user,item,rating\n1,10,5\n1,20,4\n", "a.csv")
    write(place, "item,user,rating\n10,ann,3\n30,bob,x\n", "b.csv")
    write(place, "", "_SUCCESS")
    return place


def test_several_files_are_one_table(folder):
    expected = [("1", 10, 5.0), ("1", 20, 4.0), ("ann", 10, 3.0)]
    for source in (
        folder,
        str(folder / "*.csv"),
        [folder / "a.csv", str(folder / "b.csv")],
        f"{folder.parent}/**/?.csv",
    ):
        assert triples(read_ratings(source, on_error="skip")) == expected
        refused(source, "b.csv, line 3: rating 'x' is not a number")


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        (["12", "ann"], ["12", "7", "ann"]),
        (["007", "12"], ["007", "12", "7"]),
        (["12.0", "12.5"], ["12", "12.5", "7"]),
        (["true", "12"], ["12", "7", "true"]),
        (["2024-05-01", " 12 "], ["12", "2024-05-01", "7"]),
    ],
)
def test_integers_in_one_file_and_text_in_another_are_one_id_and_a_line_says_so(tmp_path, fields, ids):
    integers = write(tmp_path, "user,item,rating\n7,1,5\n12,1,4\n", "a.csv")
    text = write(tmp_path, "user,item,rating\n" + "".join(f"{field},2,3\n" for field in fields), "b.csv")
    odd = next(field for field in ids if field not in ("12", "7"))
    line = rf"user ids of .*a.csv \(2 rows\) are integers and were read as text, as .*b.csv has ids such as '{odd}'"
    with pytest.warns(PalateWarning, match=line) as warned:
        ratings = read_ratings([text, integers])
    assert len(warned) == 1
    assert ratings.users.ids.tolist() == ids
    assert str(warned[0].message) in ratings.notes
    check = check_table(read_table([integers, text]))
    assert [(one.level, one.count) for one in check.findings if one.code == "mixed-ids"] == [("warning", 2)]


@pytest.mark.parametrize("fields", [["12", "13"], ["12.0", "13.0"], ['"12"', " 13 "]])
def test_files_of_integers_in_other_spellings_have_integers_without_a_line(tmp_path, fields):
    one = write(tmp_path, "user,item,rating\n7,1,5\n12,1,4\n", "a.csv")
    other = write(tmp_path, "user,item,rating\n" + "".join(f"{field},2,3\n" for field in fields), "b.csv")
    ratings = read_ratings([one, other])
    assert ratings.users.ids.tolist() == [7, 12, 13]
    assert not any("read as text" in note for note in ratings.notes)


def test_bad_lines_of_several_files(folder):
    write(folder, "user,item,rating\n7,1,5\n7,2\n", "c.csv")
    message = refused(folder / "*.csv", "c.csv, line 3 has 2 columns, 3 expected: '7,2'")
    assert "leave 2 of 6 rows out" in message


def test_folders_and_patterns_that_cannot_be_read(folder, tmp_path):
    refused(str(folder / "*.tsv"), "no file matches")
    write(folder, "x", "README.md")
    refused(folder, r"several kinds of files \(README.md, a.csv, b.csv\)")
    write(folder, "1,2,3,881250949\n", "t.csv")
    refused([folder / "a.csv", folder / "t.csv"], "t.csv has times and .*a.csv has none")


def test_standard_input(monkeypatch):
    class Input:
        buffer = io.BytesIO(gzip.compress(lines(ROWS).encode()))

    monkeypatch.setattr(sys, "stdin", Input)
    assert triples(read_ratings("-")) == ROWS
    refused("-", "standard input is empty")


# Choices


@pytest.mark.parametrize("content", ["user,item\n1,2\n1,3\n", "1\t2\n1\t3\n", "1 2\n1 3\n", "1::2\n1::3\n"])
def test_two_columns_are_choices(tmp_path, content):
    ratings = read_ratings(write(tmp_path, content))
    assert triples(ratings) == [(1, 2, 1.0), (1, 3, 1.0)]
    assert "every row is a choice, with rating 1" in ratings.notes[0]


def test_choices_in_other_containers(tmp_path):
    expected = [("ann", 2, 1.0), ("ann", 3, 1.0)]
    frame = pl.DataFrame({"item": [2, 3], "user": ["ann", "ann"]})
    for source in (frame, frame.to_pandas(), [("ann", 2), ("ann", 3)], (np.array(["ann", "ann"]), np.array([2, 3]))):
        assert triples(read_ratings(source)) == expected
    events = [("ann", 2, 881250949), ("ann", 2, 881250950), ("ann", 3, 881250951)]
    refused(events, "rates a pair of user and item again", DataError)
    ratings = read_ratings(events, duplicates="count")
    assert ratings.rating.tolist() == [2, 1]
    assert ratings.time.tolist() == [881250950, 881250951]


def test_a_value_for_not_rated_can_be_left_out_of_any_table(tmp_path):
    path = write(tmp_path, "1,10,0\n1,20,4\n2,10,x\n")
    table = read_table(path, missing=0)
    assert (table.frame["rating"].to_list(), table.locate(1)) == (["4", "x"], "line 3")
    assert "left out 1 of 3 rows: rating 0 is 'not rated'" in table.notes[-1]


@pytest.mark.parametrize(
    ("values", "expected", "how"),
    [
        (["*", "***", "*****"], [1, 3, 5], "so many stars"),
        (["⭐⭐", "⭐", "⭐⭐⭐"], [2, 1, 3], "so many stars"),
        (["4 of 5", "3.5 of 5", "1 of 5"], [4, 3.5, 1], "as 4"),
        (["👍", "👎", "👍"], [1, 0, 1], "1 for yes"),
        (["ja", "nein", "ja"], [1, 0, 1], "1 for yes"),
        (["−1", "2", "0.5"], [-1, 2, 0.5], "printed minus"),
    ],
)
def test_more_spellings_of_ratings(values, expected, how):
    ratings = read_ratings([(1, item, value) for item, value in enumerate(values)])
    assert ratings.rating.tolist() == expected
    assert how in ratings.notes[1]


def test_one_odd_value_does_not_hide_how_the_others_are_spelt():
    rows = [(1, item, f"{item % 5 + 1} stars") for item in range(20)]
    refused([*rows, (2, 1, "good")], "row 21: rating 'good' is not a number")
    ratings = read_ratings([*rows, (2, 1, "good"), (2, 2, "NA")], on_error="skip")
    assert ratings.rating.tolist() == [item % 5 + 1 for item in range(20)]
    assert "1 × no rating (row 22), 1 × text for a rating (row 21: 'good')" in ratings.notes[-1]


ROWS_OF_JSON = [{"user": 7, "item": 1, "rating": 5}, {"user": 8, "item": 2, "rating": 3}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"data": ROWS_OF_JSON, "count": 2}),
        json.dumps({"meta": {"page": 1}, "ratings": [[7, 1, 5], [8, 2, 3]]}),
        pd.DataFrame(ROWS_OF_JSON).to_json(),
        pd.DataFrame(ROWS_OF_JSON).to_json(orient="split"),
        pd.DataFrame(ROWS_OF_JSON).to_json(orient="table"),
        "".join(json.dumps(row) + ",\n" for row in ROWS_OF_JSON),
        "".join(json.dumps({"_source": {"user": {"id": row["user"]}, "product": {"sku": row["item"]}, "stars": row["rating"]}})
                + "\n" for row in ROWS_OF_JSON),
    ],
)  # fmt: skip
def test_documents_of_json(tmp_path, text):
    assert triples(read_ratings(write(tmp_path, text, "x.json"))) == [(7, 1, 5.0), (8, 2, 3.0)]


def test_lists_in_objects_are_refused_by_name(tmp_path):
    text = json.dumps([{"user": "ann", "ratings": [{"item": "tea", "rating": 5}]}, {"user": "bob", "ratings": []}])
    refused(write(tmp_path, text, "x.json"), "'ratings' holds a list in each object")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a workbook of an older Excel"),
        (b"X\n\x00\x00\x00\x03", "a file of R"),
        (b"<!DOCTYPE html>\n<title>Sign in, please</title>\n", "a page of the web"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 12345\n", "a pointer of Git LFS"),
        (bytes(257) + b"ustar\x0000", "an archive of tar"),
        (b"MATLAB 5.0 MAT-file", "a file of MATLAB"),
    ],
)
def test_files_that_are_no_tables_are_named(tmp_path, head, kind):
    refused(write(tmp_path, head), f"is {kind}")


def test_titles_above_and_separators_behind(tmp_path):
    expected = [("a", "x", 3.0), ("b", "y", 4.0), ("c", "y", 1.0)]
    for text in (
        "Export of 2020\n\nrating,item,user\n3,x,a\n4,y,b\n1,y,c\n",
        "user,item,rating\na,x,3,\nb,y,4,\nc,y,1,\n",
        "sep=\t\nuser\titem\trating\na\tx\t3\nb\ty\t4\nc\ty\t1\n",
        "user,item,rating\na,x,3\nb,y,4\nc,y,1\n\x1a",
    ):
        assert triples(read_ratings(write(tmp_path, text))) == expected


def test_lzma_as_xz_wrote_it_first(tmp_path):
    text = b"1,2,3\n2,2,4\n"
    assert len(read_ratings(write(tmp_path, lzma.compress(text, format=lzma.FORMAT_ALONE)))) == 2


def test_blocks_of_the_kdd_cup(tmp_path):
    text = "0|2\n507\t90\t0\t21:00:00\n137\t0\t1\t21:01:00\n7|1\n507\t50\t2\t10:00:00\n137\t50\n"
    refused(write(tmp_path, text, "train.txt"), "line 6 has 2 columns, 4 expected")
    ratings = read_ratings(write(tmp_path, text.replace("137\t50\n", ""), "train.txt"))
    assert triples(ratings) == [(0, 507, 90.0), (0, 137, 0.0), (7, 507, 50.0)]
    assert ratings.time is None


def test_blocks_of_the_netflix_prize_may_be_empty(tmp_path):
    text = "1:\n2:\n7,3,2005-09-06\n8,5,2005-05-13\n3:\n4:\n7,1,2005-09-08\n"
    assert triples(read_ratings(write(tmp_path, text))) == [(7, 2, 3.0), (8, 2, 5.0), (7, 4, 1.0)]


def test_records_of_names_and_values(tmp_path):
    record = (
        "product/productId: B{}\nreview/userId: {}\nreview/profileName: d, x\nreview/score: {}.0\nreview/time: {}\n"
    )
    rows = [(7, "ann", 5, 1303862400), (8, "bob", 1, 1303862460), (8, "ann", 3, 1303862520)]
    text = "\n".join(record.format(*row) + "review/text: I have, bought\n" * (row[1] == "ann") for row in rows)
    ratings = read_ratings(write(tmp_path, text, "foods.txt"))
    assert triples(ratings) == [("ann", "B7", 5.0), ("bob", "B8", 1.0), ("ann", "B8", 3.0)]
    assert ratings.time.tolist() == [row[3] for row in rows]
    refused(write(tmp_path, text.replace("1.0", "good"), "foods.txt"), "line 8: rating 'good'")


@pytest.mark.parametrize("colon", ["", ":"])
def test_lines_of_a_user_and_all_items(tmp_path, colon):
    chosen = {0: [3, 4, 5], 1: [4], 2: [], 3: [3, 5], 9: [4, 5, 6, 7], 12: [3, 4]}
    text = "".join(f"{user}{colon} {' '.join(map(str, items))}\n" for user, items in chosen.items())
    ratings = read_ratings(write(tmp_path, text, "train.txt"))
    assert ratings.is_choices
    assert triples(ratings) == [(user, item, 1.0) for user, items in chosen.items() for item in items]


def test_columns_of_hive(tmp_path):
    rows = [(1, 10, 4.0), (2, 10, 5.0), (1, 20, 3.0)]
    assert triples(read_ratings(write(tmp_path, lines(rows, "\x01"), "000000_0"))) == rows


def test_several_items_in_a_cell_are_no_item(tmp_path):
    for cells in (
        ['"10,11,12"', "10", '"11,12"'],
        ["10|11|12", "10", "11|12"],
        ["\"['a1', 'b2']\"", "\"['a1']\"", "[]"],
    ):
        text = "user,items\n" + "".join(f"{user},{cell}\n" for user, cell in enumerate(cells))
        refused(write(tmp_path, text), "column 'items' holds several items in a cell, such as .*: write a row for each")
    titles = write(tmp_path, 'user,movie\n1,"[REC], 2"\n2,Up\n2,"10,000 BC"\n')
    assert len(read_ratings(titles).items) == 3


def test_types_that_mongodb_writes_around_values(tmp_path):
    rows = [("u1", 7, 4), ("u2", 7, 5), ("u1", 8, 1)]
    records = [
        {
            "_id": {"$oid": f"5f{item}"},
            "user": user,
            "item": {"$numberInt": str(item)},
            "rating": {"$numberDouble": str(rating)},
            "timestamp": {"$date": {"$numberLong": "1590000000000"}},
        }
        for user, item, rating in rows
    ]
    for text in ("\n".join(map(json.dumps, records)), json.dumps(records)):
        ratings = read_ratings(write(tmp_path, text, "export.json"))
        assert triples(ratings) == rows
        assert set(ratings.time.tolist()) == {1590000000}


def test_dictionaries_of_rows_are_rows(tmp_path):
    rows = {str(at): {"user": user, "item": item, "rating": rating} for at, (user, item, rating) in enumerate(ROWS)}
    assert triples(read_ratings(rows)) == ROWS
    assert triples(read_ratings(write(tmp_path, json.dumps(rows), "index.json"))) == ROWS


def test_items_of_two_users_are_no_columns(tmp_path):
    liked = {"ann": ["Dune", "Emma"], "bob": ["Dune", "It"]}
    refused(liked, "may hold columns, or the items of two users: name columns 'user' and 'item'")
    refused(write(tmp_path, json.dumps(liked), "liked.json"), "may hold columns, or the items of two users")
    assert len(read_ratings({"user": ["ann", "bob"], "item": ["Dune", "It"]})) == 2
