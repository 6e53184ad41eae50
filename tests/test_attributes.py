"""Tables of attributes: what is recognised, what it becomes, and what is said of bad ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from palate import read_attributes
from palate.catalogue import Catalogue, Entry
from palate.errors import DataError, ReadError
from reading_help import write


def dense(attributes):
    """The matrix of a table: (rows, columns)."""
    matrix = np.zeros((len(attributes), attributes.width))
    for row in range(len(attributes)):
        part = slice(attributes.indptr[row], attributes.indptr[row + 1])
        matrix[row, attributes.indices[part]] = attributes.values[part]
    return matrix


def test_a_list_of_categories_has_unit_length():
    films = read_attributes({"film": [3, 1, 2], "genres": ["Comedy|War", "War", " Comedy "]})
    assert films.ids.tolist() == [1, 2, 3]
    assert films.labels == ("genres: Comedy", "genres: War")
    assert dense(films) == pytest.approx(np.array([[0, 1], [1, 0], [0.5**0.5, 0.5**0.5]]))


@pytest.mark.parametrize(
    "written",
    [
        ["Comedy, War", "Drama", "Comedy"],
        ["Comedy; War", "Drama", "Comedy"],
        ["Comedy|War", "Drama", "Comedy"],
        ['["Comedy", "War"]', '["Drama"]', '["Comedy"]'],
        ["['Comedy', 'War']", "['Drama']", "['Comedy']"],
        ["['Comedy' 'War']", "['Drama']", "['Comedy']"],
        ["[{'id': 35, 'name': 'Comedy'}, {'id': 1, 'name': 'War'}]", "[{'id': 2, 'name': 'Drama'}]",
         "[{'id': 35, 'name': 'Comedy'}]"],
        [[{"name": "Comedy"}, {"name": "War"}], [{"name": "Drama"}], [{"name": "Comedy"}]],
    ],
)  # fmt: skip
def test_lists_are_recognised_however_they_are_written(written):
    films = read_attributes(pl.DataFrame({"id": [1, 2, 3], "genres": written}))
    assert films.labels == ("genres: Comedy", "genres: Drama", "genres: War")
    half = 0.5**0.5
    assert dense(films) == pytest.approx(np.array([[half, 0, half], [0, 1, 0], [1, 0, 0]]))
    if isinstance(written[0], str):
        assert films.encode({"genres": written[0]}) + films.center == pytest.approx(dense(films)[0])


@pytest.mark.parametrize(
    "cells",
    [
        ["Allen, Woody", "Lee, Spike", "Lee, Ang", "Allen, Woody"],
        ["Rome, Italy", "Milan, Italy", "Rome, Italy", "Lyon, France"],
        ["[sic] a", "[sic] b", "[", "[1, 2"],
    ],
)
def test_names_and_places_with_commas_are_no_lists(cells):
    (column,) = read_attributes({"id": range(4), "what": cells}).columns
    assert (column.kind, set(column.values)) == ("category", set(cells))


def test_a_bar_in_one_of_many_texts_makes_no_lists_of_them():
    names = ["man", "woman", "war", "love", "city", "dog", "space", "child", "king", "storm"]
    plots = [f"{names[at % 10]} meets {names[at // 10]} on day {at}" for at in range(100)]
    (column,) = read_attributes({"id": range(100), "plot": [*plots[1:], "storm | a drama of old"]}).columns
    assert column.kind == "text"


def test_a_number_is_standardized_and_cut_into_spans():
    people = read_attributes({"id": [1, 2, 3, 4], "age": [20, 30, 30, 40]}, "user")
    assert people.labels == ("age", "age: below 30", "age: 30 to below 40", "age: 40 and above")
    standardized = (np.array([20, 30, 30, 40]) - 30) / np.std([20, 30, 30, 40])
    assert dense(people)[:, 0] == pytest.approx(standardized)
    assert dense(people)[:, 1:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_missing_values_have_a_column_and_the_mean():
    people = read_attributes({"id": [1, 2, 3], "age": [20, None, 40], "sex": ["F", None, "M"]}, "user")
    assert people.labels == ("age", "age: missing", "sex: F", "sex: M", "sex: missing")
    assert dense(people).tolist() == [[-1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0]]


def test_yes_or_no_is_one_column_and_neighbours_share_a_scale():
    films = read_attributes(
        {"id": [1, 2, 3], "war": [1, 0, 0], "funny": [True, True, False], "year": [1990, 1991, 1992]}
    )
    assert films.labels[:2] == ("war", "funny")
    assert [(group.start, group.stop) for group in films.groups] == [(0, 2), (2, 6)]


def test_text_is_weighted_by_the_inverse_share_of_texts():
    catalogue = Catalogue({at: Entry(title, "") for at, title in enumerate(
        ["star wars one", "star trek two", "a fine comedy", "wars of the worlds", "one more comedy here", "the trek home"]
    )})  # fmt: skip
    texts = read_attributes(catalogue)
    assert texts.labels == tuple(f"title: {word}" for word in ("comedy", "one", "star", "the", "trek", "wars"))
    row = dense(texts)[0]
    assert row[[1, 2, 5]] == pytest.approx([3**-0.5] * 3)  # as common as each other
    assert not row[[0, 3, 4]].any()


def test_the_year_in_a_title_is_a_number():
    titles = ["Toy Story (1995)", "2001: A Space Odyssey (1968)", "Blade Runner 2049 (2017)", "Toy Story 2 (1999)"]
    films = read_attributes({"id": [1, 2, 3, 4], "title": titles})
    assert films.labels[:2] == ("year of title", "year of title: below 1995")
    years = np.array([1995, 1968, 2017, 1999])
    assert dense(films)[:, 0] == pytest.approx((years - years.mean()) / years.std())
    assert films.columns[1].values == ("story", "toy")  # and no years
    assert films.describe()[0].startswith("year of title: a number, the year in the text, 1995 ± ")
    new = films.encode({"title": "Toys (1995)"}) + films.center
    assert new[0] == pytest.approx((1995 - years.mean()) / years.std())
    assert not new[-2:].any()
    undated = read_attributes({"id": range(10), "title": ["no year here", *titles * 2, "The End (1990)"]})
    assert undated.labels[:7][-1] == "year of title: missing"
    assert dense(undated)[0, :7].tolist() == [0, 0, 0, 0, 0, 0, 1]
    few = read_attributes({"id": range(8), "title": [*titles, *["nothing of the kind"] * 4]})
    assert [column.kind for column in few.columns] == ["text"]


def test_a_new_row_is_encoded_as_one_of_the_table():
    films = read_attributes({"id": [1, 2, 3], "genres": ["Comedy|War", "War", "Comedy"], "year": [1990, 1995, 2000]})
    assert films.encode({"genres": "War", "year": 1995}) == pytest.approx(dense(films)[1] - dense(films).mean(axis=0))
    assert not films.encode({}).any()
    with pytest.raises(DataError, match="there is no attribute 'genre': there are 'genres', 'year'"):
        films.encode({"genre": "War"})
    with pytest.raises(DataError, match="attribute 'year' is a number, and 'soon' is none"):
        films.encode({"year": "soon"})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_files_are_read_by_any_column_of_ids(tmp_path, suffix):
    path = tmp_path / f"films.{suffix}"
    frame = pl.DataFrame({"genres": ["War", "Comedy|War", "Comedy"], "movieId": [7, 8, 9]})
    if suffix == "parquet":
        frame.with_columns(pl.col("genres").str.split("|")).write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    films = read_attributes(path, id="movieId")
    assert films.ids.tolist() == [7, 8, 9]
    assert films.labels == ("genres: Comedy", "genres: War")
    pandas = pytest.importorskip("pandas")
    assert dense(read_attributes(pandas.DataFrame(frame.to_dict(as_series=False)), id="movieId")).tolist() == (
        dense(films).tolist()
    )


def test_movielens_files_need_no_header(tmp_path):
    path = tmp_path / "movies.dat"
    path.write_text("".join(f"{at}::Film {at} of many ({1990 + at % 5})::{'War' if at % 2 else 'Comedy|War'}\n"
                            for at in range(1, 31)), "latin-1")  # fmt: skip
    films = read_attributes(path)
    assert [(column.name, column.kind) for column in films.columns] == [("title", "year"), ("genres", "list")]
    assert films.notes == ("title: left out, as its texts share no words",)
    assert len(films) == 30


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        ({"same": [1] * 30}, "same: left out, as it is 1 in every row"),
        ({"same": ["x"] * 30}, "same: left out, as it is 'x' in every row"),
        ({"blank": [None] * 30}, "blank: left out, as all cells are blank"),
        (
            {"url": [f"u{at}" for at in range(30)]},
            "url: left out, as it has 30 different values in 30 rows, like an id",
        ),
        ({"zip": ["1", "2", "x"] + ["3"] * 27}, "zip: a number, and 1 cells are none, such as 'x': taken as missing"),
        ({"kind": ["a"] * 20 + ["b"] * 8 + ["c", "d"]}, "kind: pooled 2 rare of 4 values as one, 'other'"),
    ],
)
def test_what_was_done_is_noted(columns, note):
    table = read_attributes({"id": list(range(30)), "good": ["x", "y"] * 15, **columns})
    assert any(line.startswith(note) for line in table.notes), table.notes


def test_a_category_of_many_values_keeps_the_common_ones():
    values = [f"v{at % 50_000}" for at in range(100_000)]
    values[:500] = ["often"] * 500
    table = read_attributes(pl.DataFrame({"id": range(100_000), "kind": values, "good": [0, 1] * 50_000}))
    assert table.columns[0].values == ("often",)
    assert table.notes == ("kind: pooled 50,000 rare of 50,001 values as one, 'other'",)


def test_repeated_rows_are_left_out_and_contradictions_refused():
    table = read_attributes({"id": [1, 2, 2], "kind": ["a", "b", "b"]})
    assert table.ids.tolist() == [1, 2]
    assert table.notes == ("left out 1 rows that repeat another one",)
    with pytest.raises(ReadError, match="describes item 2 twice, and not in the same way"):
        read_attributes({"id": [1, 2, 2], "kind": ["a", "b", "a"]})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "one column"),
        ({"id": [1, 2], "same": [3, 3]}, "no attribute that tells one item from another: same: left out"),
        ({"id": [1, None], "kind": ["a", "b"]}, "row 2: there is no item id"),
        ({"id": [1, 2], "kind": [1]}, "columns of the dictionary have different lengths"),
        ({"id": [1, 2], "kind": [10**400] * 2}, "2 cells are infinite or too large for float32, such as inf"),
        ({"id": [1, 2], **{f"f{at}": [0, 1] for at in range(1001)}}, "1,001 attributes, and at most 1,000 are learnt"),
    ],
)
def test_tables_without_use_are_refused(columns, message):
    with pytest.raises(ReadError, match=message):
        read_attributes(columns)


def test_a_file_of_ids_alone_is_refused_as_a_table_of_attributes(tmp_path):
    path = write(tmp_path, "item\n1\n2\n")
    with pytest.raises(ReadError, match=r"has no two columns \(an id and an attribute\)"):
        read_attributes(path)


@pytest.mark.parametrize("odd", ["inf", "-inf", "1e308", "-1e39", "Infinity"])
@pytest.mark.parametrize("text", [True, False])
def test_numbers_that_are_infinite_or_too_large_are_missing(tmp_path, odd, text):
    years = [odd if at % 4 == 0 else str(2000 + at) for at in range(20)]
    frame = {"id": list(range(20)), "year": [*map(float, years)]}
    source = write(tmp_path, "id,year\n" + "".join(f"{at},{year}\n" for at, year in enumerate(years)))
    table = read_attributes(source if text else frame)
    column = table.columns[0]
    assert column.has_missing
    assert column.center == np.mean([2000 + at for at in range(20) if at % 4])
    assert np.isfinite(table.values).all()
    assert table.notes == (
        f"year: 5 cells are infinite or too large for float32, such as {float(odd):g}: taken as missing",
    )


def test_words_for_nothing_are_missing_among_numbers_and_dates(tmp_path):
    ages = ["NA" if at % 4 == 0 else f"{20 + at}" for at in range(40)]
    days = ["n/a" if at % 4 == 0 else f"2020-01-{at % 28 + 1:02d}" for at in range(40)]
    rows = "".join(f"{at},{age},{day}\n" for at, (age, day) in enumerate(zip(ages, days, strict=True)))
    age, day = read_attributes(write(tmp_path, "id,age,day\n" + rows)).columns
    assert (age.kind, day.kind) == ("number", "number")
    assert age.has_missing
    assert day.has_missing
    assert age.center == np.mean([20 + at for at in range(40) if at % 4])


def test_decimal_commas_and_truth_values_are_read_in_text(tmp_path):
    rows = "".join(f"{at};{at % 9},5;{bool(at % 2)}\n" for at in range(18))
    price, new = read_attributes(write(tmp_path, "id;price;new\n" + rows)).columns
    assert (price.kind, price.center) == ("number", 4.5)
    assert new.kind == "flag"


def test_missing_values_of_pandas_and_arrow_are_missing():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    ids = list(range(40))
    numbers = [None if at % 5 == 0 else at % 7 for at in ids]
    names = [None if at % 5 == 0 else "NA" if at % 2 else "b" for at in ids]
    flags = [None if at % 5 == 0 else bool(at % 2) for at in ids]
    frame = pd.DataFrame(
        {
            "id": ids,
            "whole": pd.array(numbers, dtype="Int64"),
            "part": pd.array(numbers, dtype="Float64"),
            "kind": pd.Categorical(names),
            "name": pd.array(names, dtype="string"),
            "flag": pd.array(flags, dtype="boolean"),
            "members": [["a", "b"] if at % 2 else ["b"] for at in ids],
        }
    )
    kinds = ["number", "number", "category", "category", "number", "list"]
    by_frame = {
        "pandas": frame,
        "pyarrow in pandas": frame.convert_dtypes(dtype_backend="pyarrow"),
        "arrow": pa.table(
            {name: pa.array([None if pd.isna(v) is True else v for v in frame[name]]) for name in frame.columns}
        ),
    }
    for name, source in by_frame.items():
        columns = read_attributes(source).columns
        assert [column.kind for column in columns] == kinds, name
        assert [column.has_missing for column in columns] == [True] * 5 + [False], name
        assert columns[2].values == ("NA", "b")
        assert columns[0].center == np.mean([number for number in numbers if number is not None])


def test_names_that_come_twice_or_are_blank_have_their_position(tmp_path):
    table = read_attributes(write(tmp_path, "id,d,d,\n1,2,3,4\n2,3,4,5\n"))
    assert [column.name for column in table.columns] == ["d column 1", "d column 2", "column 3"]


def test_many_attributes_are_told_in_few_lines():
    numbers = {f"n{at}": [0.5, 1.5, 2.5] for at in range(500)}
    flags = {f"f{at}": [0, 1, 0] for at in range(300)}
    same = {f"s{at}": [1, 1, 1] for at in range(200)}
    table = read_attributes({"id": [1, 2, 3], **numbers, **flags, **same})
    lines = table.describe()
    assert len(lines) == 20 + 1 + 1 + 20 + 1
    assert lines[20] == "480 more attributes: 480 of the kind 'number'"
    assert lines[21].endswith("f19 and 280 more: yes or no")
    assert lines[-1] == "180 more notes of this kind"
    with pytest.raises(DataError, match="and 780 more"):
        table.encode({"x": 1.0})


def test_durations_are_numbers_and_records_are_left_out():
    frame = pl.DataFrame({"id": [1, 2], "span": pl.Series([1, 2], dtype=pl.Duration("ms")), "record": [{"a": 1}] * 2})
    table = read_attributes(frame)
    assert [(column.name, column.kind) for column in table.columns] == [("span", "number")]
    assert table.notes == ("record: left out, as its cells hold Struct values",)
