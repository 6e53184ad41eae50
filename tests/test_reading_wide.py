"""Reading the wide layout: spreadsheets, pivot tables, matrices."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from palate.errors import SettingsError
from palate.reading import read_ratings, read_table
from reading_help import refused, triples, write

WIDE = "2,99,1.5,99,-3,99,99,99\n3,4,99,99,1,99,99,2\n7,1,2,3,4,5,6,7\n"


def test_the_wide_layout_is_recognised_and_said(tmp_path):
    table = read_table(write(tmp_path, WIDE))
    assert table.frame.rows()[:5] == [(1, 2, 1.5), (1, 4, -3.0), (2, 1, 4.0), (2, 4, 1.0), (2, 7, 2.0)]
    assert len(table) == 12
    assert table.where(4).endswith("ratings.csv, line 2, column 8")
    assert "wide layout: a row a user" in table.notes[0]


def test_the_wide_layout_can_be_denied_and_insisted_on(tmp_path):
    path = write(tmp_path, WIDE)
    assert read_table(path, layout="long", user=0, item=1, rating=2).frame.rows()[0] == (2, 99, 1.5)
    small = write(tmp_path, "1,4,0\n2,3,3\n", "small.csv")
    assert read_table(small).frame.rows() == [(1, 4, 0.0), (2, 3, 3.0)]
    assert read_table(small, layout="wide", missing=0).frame.rows() == [(1, 1, 4.0), (2, 1, 3.0), (2, 2, 3.0)]


def test_a_long_table_of_a_single_user_is_not_taken_for_a_wide_one(tmp_path):
    path = write(tmp_path, "3,10,4,881250949\n3,20,5,881250950\n3,30,1,881250951\n")
    assert read_table(path).frame.rows() == [
        (3, 10, 4.0, 881250949),
        (3, 20, 5.0, 881250950),
        (3, 30, 1.0, 881250951),
    ]


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
    refused(path, "a wide table has no item column", SettingsError, layout="wide", item=0)


def test_a_long_table_is_not_taken_for_a_wide_one(tmp_path):
    text = "user,item,rating,day,hour,device,session\n" + "".join(f"6,{i},3,1,1,1,1\n" for i in range(120))
    assert len(read_ratings(write(tmp_path, text)).items) == 120


# Pivot tables

PIVOT = [(250, "a", 5.0), (250, "b", 3.0), (349, "b", 4.0), (400, "c", 1.0)]


def pivots(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(PIVOT, columns=["user", "item", "rating"])
    pivot = frame.pivot(index="user", columns="item", values="rating")
    yield "frame", pivot
    yield "reset", pivot.reset_index()
    yield "nameless index", pivot.rename_axis(None)
    yield "table", frame.pivot_table(index="user", columns="item", values=["rating"])
    yield "unstacked", frame.set_index(["user", "item"])["rating"].unstack()
    polars = pl.DataFrame(frame).pivot(on="item", index="user", values="rating")
    yield "polars", polars
    yield "arrow", polars.to_arrow()
    polars.write_parquet(tmp_path / "p.parquet")
    yield "parquet", tmp_path / "p.parquet"
    for name, options in {
        "csv": {},
        "nan": {"na_rep": "NaN"},
        "tabs": {"sep": "\t"},
        "decimal": {"sep": ";", "decimal": ","},
        "missing": {"na_rep": "-"},
    }.items():
        pivot.to_csv(tmp_path / f"{name}.csv", **options)
        yield name, tmp_path / f"{name}.csv"
    pivot.rename_axis(None).to_csv(tmp_path / "nameless.csv")
    yield "nameless csv", tmp_path / "nameless.csv"


@pytest.mark.parametrize("layout", ["auto", "wide"])
def test_pivot_tables_in_any_container(tmp_path, layout):
    for kind, source in pivots(tmp_path):
        ratings = read_ratings(source, layout=layout)
        assert triples(ratings) == PIVOT, kind
        assert "wide layout: a row a user, user ids in column" in ratings.notes[0]


@pytest.mark.parametrize("first", ["user_id", "customer", "", "id", "Kunde", "who knows"])
@pytest.mark.parametrize("names", ["10,20,30", "Matrix,Dune,Emma", "300,Dune,1984", "B001,B002,7"])
@pytest.mark.parametrize("ids", [(250, 349, 400), ("ann", "bob", "cy"), ("007", "7", "x")])
def test_headers_of_pivot_tables(tmp_path, first, names, ids):
    text = f"{first},{names}\n{ids[0]},5,,3\n{ids[1]},,4,\n{ids[2]},1,2,\n"
    items = [int(name) for name in names.split(",")] if names == "10,20,30" else names.split(",")
    expected = [(0, 0, 5.0), (0, 2, 3.0), (1, 1, 4.0), (2, 0, 1.0), (2, 1, 2.0)]
    found = triples(read_ratings(write(tmp_path, text)))
    assert found == [(ids[user], items[item], rating) for user, item, rating in expected]


def test_a_declared_value_is_not_rated(tmp_path):
    text = "customer,A,B,C\n7,5,0,3\n9,0,4,0\n11,0,1,0\n"
    assert len(read_ratings(write(tmp_path, text))) == 9
    assert triples(read_ratings(write(tmp_path, text), missing=0)) == [
        (7, "A", 5.0),
        (7, "C", 3.0),
        (9, "B", 4.0),
        (11, "B", 1.0),
    ]
    # 99 is a rating here: nothing counts the others.
    hundred = "customer,A,B,C\n7,50,99,30\n9,,40,99\n11,70,10,\n"
    assert 99 in read_ratings(write(tmp_path, hundred), layout="wide").rating


@pytest.mark.parametrize("first", ["movieId", "product", "Artikel"])
@pytest.mark.parametrize("layout", ["auto", "wide"])
def test_pivot_tables_whose_rows_are_items(tmp_path, first, layout):
    ratings = read_ratings(write(tmp_path, f"{first},ann,bob,cy\n10,5,,3\n20,,4,\n30,1,,\n"), layout=layout)
    assert triples(ratings) == [("ann", 10, 5.0), ("cy", 10, 3.0), ("bob", 20, 4.0), ("ann", 30, 1.0)]
    assert "its rows are items" in ratings.notes[1]


def test_matrices_that_r_writes(tmp_path):
    path = write(tmp_path, '"10" "20"\n"ann" 5 NA\n"bob" NA 3\n')
    assert triples(read_ratings(path)) == [("ann", 10, 5.0), ("bob", 20, 3.0)]


def test_the_column_of_ids_can_be_told(tmp_path):
    path = write(tmp_path, "A,B,C,who\n5,1,3,ann\n2,4,2,bob\n")
    assert read_ratings(path, layout="wide", user="who").users.ids.tolist() == ["ann", "bob"]
    path = write(tmp_path, "A,B,C\n5,1,3\n2,4,2\n")
    ratings = read_ratings(path, layout="wide", user=False)
    assert (ratings.users.ids.tolist(), ratings.items.ids.tolist()) == ([1, 2], ["A", "B", "C"])


def test_arrays_in_the_wide_layout():
    matrix = np.array([[5, 0, 3], [0, 4, 0], [5, 5, 1.0]])
    expected = [(0, 0, 5.0), (0, 2, 3.0), (1, 1, 4.0), (2, 0, 5.0), (2, 1, 5.0), (2, 2, 1.0)]
    assert triples(read_ratings(matrix, layout="wide", missing=0)) == expected
    assert triples(read_ratings(np.where(matrix == 0, np.nan, matrix), layout="wide")) == expected
    labelled = np.column_stack([[250, 349, 400], matrix])
    assert read_ratings(labelled, layout="wide", missing=0).users.ids.tolist() == [250, 349, 400]
    unclear = np.column_stack([[1, 2, 3], matrix])
    refused(unclear, "does the first column hold the ids of the users", layout="wide", missing=0)
    assert len(read_ratings(unclear, layout="wide", missing=0, user=0).items) == 3
    assert len(read_ratings(unclear, layout="wide", missing=0, user=False).items) == 4
    jester = np.array([[2, 99, 1.5, 99, -3, 99, 99, 99], [1, 99, 99, 99, 99, 99, 99, 2]])
    assert triples(read_ratings(jester)) == [(1, 2, 1.5), (1, 4, -3.0), (2, 7, 2.0)]


def test_what_may_be_long_or_wide_is_asked(tmp_path):
    path = write(tmp_path, "x,A,B\n1,5,3\n2,4,2\n3,1,5\n")
    refused(path, "may hold a rating in each row or a user in each row: say layout='long' or layout='wide'")
    assert len(read_ratings(path, layout="long")) == 3
    assert len(read_ratings(path, layout="wide")) == 6


def test_long_tables_stay_long(tmp_path):
    for text in (
        "user,item,rating\n1,2,3\n2,1,4\n3,3,5\n",
        "ann,10,5\nann,20,3\nbob,10,4\n",
        "user,item,rating,age\n1,2,3,\n2,1,4,3\n3,3,5,1\n",
        "kunde,artikel,sterne,tag\n1,2,3,5\n2,1,4,3\n3,3,5,1\n",
    ):
        table = read_table(write(tmp_path, text))
        assert len(table) == 3, text
        assert "wide" not in table.notes[0]


def test_bad_rows_and_cells_of_wide_tables(tmp_path):
    path = write(tmp_path, "user,A,B,C\nann,5,,3\nbob,,4\ncy,good,1,\ndan,2,,1\n")
    refused(path, "line 3 has 3 columns, 4 expected", layout="wide")
    ratings = read_ratings(path, layout="wide", on_error="skip")
    assert len(ratings) == 5
    assert "line 4, column 'A': 'good'" in ratings.notes[-1]


GRID = [
    ["customer", "tea", "milk", "rum", "gin"],
    ["c1", "5", "", "3", "4"],
    ["c2", "", "4", "1", ""],
    ["c3", "2", "3", "", "5"],
    ["c4", "1", "", "4", "2"],
]
GRID_TRIPLES = [(row[0], GRID[0][at], float(row[at])) for row in GRID[1:] for at in range(1, 5) if row[at]]


def grid(rows, change=str):
    return "".join(",".join(map(change, row)) + "\n" for row in rows)


@pytest.mark.parametrize("blank", ["NaN", "-", "n.a.", "?", "—", "not rated", "#N/A", r"\N", "nicht bewertet"])
def test_words_for_nothing_are_blank_cells(tmp_path, blank):
    path = write(tmp_path, grid(GRID, lambda cell: cell or blank))
    assert triples(read_ratings(path)) == GRID_TRIPLES


def test_cells_of_stars_and_a_mark_that_nobody_knows(tmp_path):
    stars = grid(GRID, lambda cell: "*" * int(cell) if cell.isdecimal() else cell)
    assert triples(read_ratings(write(tmp_path, stars))) == GRID_TRIPLES
    unknown = write(tmp_path, grid(GRID, lambda cell: cell or "x"))
    refused(unknown, "a table with a row a user is read with --layout wide")
    refused(unknown, "column 'milk': rating 'x' is not a number", layout="wide")
    assert triples(read_ratings(unknown, layout="wide", on_error="skip")) == GRID_TRIPLES


@pytest.mark.parametrize(
    ("label", "number", "held"),
    [("Total", sum, "sums"), ("All", np.mean, "means"), ("count", len, "counts"), ("Mittelwert", np.mean, "means")],
)
@pytest.mark.parametrize("sides", ["row", "column", "both"])
def test_rows_and_columns_of_totals_are_no_users_and_no_items(tmp_path, label, number, held, sides):
    rows = [list(row) for row in GRID]
    if sides != "column":
        below = [[float(row[at]) for row in GRID[1:] if row[at]] for at in range(1, 5)]
        rows.append([label, *(f"{number(cells):.4f}" for cells in below)])
    if sides != "row":
        rows[0].append(label)
        for row in rows[1:]:
            row.append(f"{number([float(cell) for cell in row[1:] if cell]):.4f}")
    ratings = read_ratings(write(tmp_path, grid(rows)))
    assert triples(ratings) == GRID_TRIPLES
    assert f"{label!r}, the {held} of the others" in ratings.notes[1]


def test_an_item_or_user_that_is_only_called_total_stays(tmp_path):
    rows = [[*GRID[0], "Total"], *([*row, "3"] for row in GRID[1:])]
    assert ("c1", "Total", 3.0) in triples(read_ratings(write(tmp_path, grid(rows))))


def test_pivot_tables_of_pandas_with_margins_and_levels(tmp_path):
    rows = [("ann", 7, 5.0), ("ann", 8, 3.0), ("bob", 7, 1.0), ("bob", 9, 2.0), ("cid", 8, 4.0), ("cid", 9, 4.0)]
    frame = pd.DataFrame(rows, columns=["user", "item", "stars"])
    margins = frame.pivot_table(index="user", columns="item", values="stars", margins=True)
    levels = frame.pivot_table(index="user", columns="item", values=["stars"])
    for table, name in ((margins, "margins.csv"), (levels, "levels.csv")):
        table.to_csv(tmp_path / name)
        assert [(user, int(item), rating) for user, item, rating in triples(read_ratings(tmp_path / name))] == rows
    assert len(read_ratings(margins)) == 6
    two = pd.concat({"A": levels["stars"], "B": levels["stars"]}, axis=1)
    two.to_csv(tmp_path / "two.csv")
    refused(tmp_path / "two.csv", r"columns of several levels \('A', '7'\): keep one level of them")


def test_names_of_goods_as_items_do_not_make_a_long_table(tmp_path):
    path = write(tmp_path, "customer,beer,wine,game\na,1,2,5\nb,3,2,1\nc,4,5,2\n")
    assert triples(read_ratings(path))[:2] == [("a", "beer", 1.0), ("a", "wine", 2.0)]


WIDE_TRIPLES = [
    ("ann", "Dune", 5.0),
    ("ann", "It", 3.0),
    ("bob", "Emma", 4.0),
    ("bob", "It", 2.0),
    ("cid", "Dune", 3.0),
]


@pytest.mark.parametrize(
    "text",
    [
        ",user,Dune,Emma,It\n0,ann,5,,3\n1,bob,,4,2\n2,cid,3,,\n",
        "Unnamed: 0,reader,Dune,Emma,It\n0,ann,5,,3\n1,bob,,4,2\n2,cid,3,,\n",
        "Dune,Emma,It,user\n5,,3,ann\n,4,2,bob\n3,,,cid\n",
    ],
)
@pytest.mark.parametrize("layout", ["auto", "wide"])
def test_the_users_of_a_wide_table_stand_in_the_column_that_is_named_so(tmp_path, text, layout):
    assert triples(read_ratings(write(tmp_path, text), layout=layout)) == WIDE_TRIPLES


def test_a_numbered_row_is_no_user_beside_a_column_of_user_ids(tmp_path):
    text = ",userId,1,2,3\n0,250,5,,3\n1,349,,4,2\n2,17,1,,1\n"
    expected = [(250, 1, 5.0), (250, 3, 3.0), (349, 2, 4.0), (349, 3, 2.0), (17, 1, 1.0), (17, 3, 1.0)]
    path = write(tmp_path, text)
    assert triples(read_ratings(path)) == triples(read_ratings(path, layout="wide")) == expected
    assert triples(read_ratings(path, layout="wide", user="userId")) == expected
    frame = pd.DataFrame({"userId": [250, 349, 17], "1": [5, None, 1], "2": [None, 4, None], "3": [3, 2, 1]})
    frame.index = [4, 7, 9]
    assert triples(read_ratings(frame)) == expected


def test_a_parquet_file_of_a_pivot_table_has_its_index_last(tmp_path):
    path = tmp_path / "pivot.parquet"
    pl.DataFrame({"1": [5.0, 4.0], "2": [3.0, 2.0], "user": [8, 9]}).write_parquet(path)
    assert triples(read_ratings(path)) == [(8, 1, 5.0), (8, 2, 3.0), (9, 1, 4.0), (9, 2, 2.0)]
    pl.DataFrame({"1": [5.0, None], "2": [None, 2.0], "__index_level_0__": ["a", "b"]}).write_parquet(path)
    assert triples(read_ratings(path)) == [("a", 1, 5.0), ("b", 2, 2.0)]


def test_the_ids_of_items_in_a_turned_table_are_no_counts():
    frame = pd.DataFrame({"a": [5.0, 3.0], "b": [None, 4.0]}, index=pd.Index([1, 2], name="item"))
    table = read_table(frame)
    assert "99 is not rated" not in table.notes[0]
    assert table.frame.rows() == [("a", 1, 5.0), ("a", 2, 3.0), ("b", 2, 4.0)]


@pytest.mark.parametrize("name", ["age", "Age", "Alter", "shoe number"])
def test_what_a_wide_table_tells_of_users_is_no_item(tmp_path, name):
    text = f"user,{name},Dune,Emma,It\nann,33,5,,3\nbob,45,,4,2\ncid,22,3,,\n"
    path = write(tmp_path, text)
    message = refused(path, f"its column '{name}' holds no ratings as the others do: take it out")
    assert "--layout wide" in message
    assert (read_ratings(path, layout="wide").rating == 33).any()


@pytest.mark.parametrize(
    "text",
    [
        "user,Dune,Emma,It,Gesamtergebnis\nann,5,,3,8\nbob,,4,2,6\ncid,3,,,3\nGesamtergebnis,8,4,5,17\n",
        "user;Dune;Emma;It;Mittelwert\nann;5;;3;4,0\nbob;;4;2;3,0\ncid;3;;;3,0\n",
        (
            "Average of rating,Column Labels,,,\nRow Labels,Dune,Emma,It,Grand Total\n"
            "ann,5,,3,4\nbob,,4,2,3\ncid,3,,,3\nGrand Total,4,4,2.5,3.4\n"
        ),
        (
            "Sum of rating;Column Labels;;;\nRow Labels;Dune;Emma;It;Grand Total\n"
            "ann;5;;3;8\nbob;;4;2;6\ncid;3;;;3\nGrand Total;8;4;5;17\n"
        ),
    ],
)
def test_pivot_tables_of_excel_and_their_totals(tmp_path, text):
    assert triples(read_ratings(write(tmp_path, text))) == WIDE_TRIPLES


def test_rounded_means_are_means(tmp_path):
    text = "user,a,b,c,Mean\nu,1,2,2,1.7\nv,5,4,5,4.7\nw,1,1,2,1.3\n"
    assert len(read_ratings(write(tmp_path, text)).items) == 3


def test_a_title_above_the_header_is_padded_with_blank_cells(tmp_path):
    text = "My ratings,,\nof May,,\nuser,item,rating\n1,10,4\n2,20,5\n"
    assert triples(read_ratings(write(tmp_path, text))) == [(1, 10, 4.0), (2, 20, 5.0)]


def test_the_year_of_a_film_in_a_turned_table_is_no_user(tmp_path):
    path = write(tmp_path, "Title,Year,ann,bob,cid\nDune,2021,5,,3\nEmma,2020,,4,2\nIt,2017,3,1,\n")
    refused(path, "its column 'Year' holds no ratings as the others do")


MATRIX = np.array([[5, np.nan, 3, 1], [4, 4, 2, 2], [3, 1, np.nan, 3]])


def test_the_columns_of_a_matrix_in_a_frame_are_all_items():
    expected = [(row, column, MATRIX[row, column]) for row, column in np.argwhere(~np.isnan(MATRIX)).tolist()]
    for source in (MATRIX, pd.DataFrame(MATRIX), pl.DataFrame(MATRIX).fill_nan(None)):
        refused(source, "which columns are user, item and rating")
        assert triples(read_ratings(source, layout="wide", user=False)) == expected
        refused(source, "does the first column hold the ids of the users, or ratings", layout="wide")
    ids = pd.DataFrame(np.column_stack([[250, 349, 17], MATRIX]))
    assert read_ratings(ids, layout="wide").users.ids.tolist() == [17, 250, 349]
    assert triples(read_ratings(pd.DataFrame([[1, 10, 4.5], [2, 20, 3]]))) == [(1, 10, 4.5), (2, 20, 3.0)]
    assert triples(read_ratings(pl.DataFrame({"column_0": [1], "column_1": [2], "column_2": [3]}))) == [(1, 2, 3.0)]
