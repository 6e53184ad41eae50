"""Catalogues as people have them."""

import json

import pandas as pd
import polars as pl
import pytest

from palate.catalogue import Entry
from palate.errors import ReadError, SettingsError
from palate.reading import read_catalogue
from reading_help import write


def entries(tmp_path, text, **options):
    return read_catalogue(write(tmp_path, text, "items.csv"), **options).entries


@pytest.mark.parametrize(
    "header", ["id,title", "item,name", "sku,title", "ASIN,Product Name", "Artikelnummer,Bezeichnung", "foo,title"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_header_is_no_item_though_all_is_text(tmp_path, header, separator):
    text = f"{header}\na,Alpha\nb,Beta\n".replace(",", separator)
    assert entries(tmp_path, text) == {"a": Entry("Alpha", ""), "b": Entry("Beta", "")}


def test_without_a_header_every_row_is_an_item(tmp_path):
    assert entries(tmp_path, "a,Alpha\nb,Beta\n") == {"a": Entry("Alpha", ""), "b": Entry("Beta", "")}


def test_rows_may_end_behind_the_title(tmp_path):
    text = "item,title,text\na,Alpha\nb,Beta,bbb\nc,Gamma\n"
    assert entries(tmp_path, text) == {"a": Entry("Alpha", ""), "b": Entry("Beta", "bbb"), "c": Entry("Gamma", "")}


@pytest.mark.parametrize(
    ("field", "title"),
    [
        ('"The \\"Best\\""', 'The "Best"'),
        ('"The ""Best"""', 'The "Best"'),
        ('The 5" Floppy', 'The 5" Floppy'),
        ('"x, y"', "x, y"),
    ],
)
def test_quotes_in_titles(tmp_path, field, title):
    assert entries(tmp_path, f"id,title\na,{field}\nb,B\n") == {"a": Entry(title, ""), "b": Entry("B", "")}
    short = f"id,title,text\na,{field}\nb,B,bb\n"
    assert entries(tmp_path, short) == {"a": Entry(title, ""), "b": Entry("B", "bb")}


BAD = 'id,title\n1,A\n2,B\n3,C,D\n4,"E"x\n,F\n1,Z\n5,G\n6,H\n7,I\n'


def test_bad_rows_are_named_or_skipped_and_counted(tmp_path):
    path = write(tmp_path, BAD, "items.csv")
    with pytest.raises(
        ReadError, match=r"line 4 has 3 columns, 2 expected: '3,C,D'; .* leave 4 rows out with on_error"
    ):
        read_catalogue(path)
    catalogue = read_catalogue(path, on_error="skip")
    assert list(catalogue.entries) == [1, 2, 5, 6, 7]
    assert catalogue.notes[0].startswith("left out 4 of 9 items of ")
    for part in ("'3,C,D'", "line 5 has malformed quotes", "the item called 'F' has no id"):
        assert part in catalogue.notes[0]
    with pytest.raises(SettingsError, match="on_error must be one of"):
        read_catalogue(path, on_error="ignore")


def test_other_containers(tmp_path):
    expected = {"a": Entry("Alpha", "aa"), "b": Entry("Beta", "")}
    records = [
        {"asin": "a", "title": "Alpha", "description": "aa"},
        {"asin": "b", "title": "Beta", "description": None},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    assert entries(tmp_path, text) == expected
    frame = pl.DataFrame(records)
    assert read_catalogue(frame).entries == expected
    frame.write_parquet(tmp_path / "x.parquet")
    assert read_catalogue(tmp_path / "x.parquet").entries == expected
    assert entries(tmp_path, "id;title\nü;Ä\n".encode("utf-16")) == {"ü": Entry("Ä", "")}


def test_ids_are_those_of_ratings(tmp_path):
    assert entries(tmp_path, "id,title\n 7 ,A\n8,B\n") == {7: Entry("A", ""), 8: Entry("B", "")}
    assert entries(tmp_path, "id,title\n007,A\n7,B\n") == {"007": Entry("A", ""), "7": Entry("B", "")}


def test_titles_by_id_and_lists_of_paragraphs(tmp_path):
    titles = {1: Entry("Tea", ""), 2: Entry("Milk", "")}
    sources = [{1: "Tea", 2: "Milk"}, {1: {"title": "Tea"}, 2: {"title": "Milk"}}, pd.Series({1: "Tea", 2: "Milk"})]
    sources += [write(tmp_path, json.dumps(source), f"{n}.json") for n, source in enumerate(sources[:2])]
    for source in sources:
        assert dict(read_catalogue(source).entries) == titles
    lines = '{"asin": "B1", "title": "Tea", "description": ["Hot", "wet"]}\n{"asin": "B2", "title": "Rum", "description": []}\n'
    assert entries(tmp_path, lines)["B1"] == Entry("Tea", "Hot wet")


def test_titles_are_the_words_of_tables_without_header_or_with_unknown_names(tmp_path):
    assert entries(tmp_path, "1,2003,Dinosaur Planet\n2,2004,Up\n3,1997,Character\n")[3] == Entry("Character", "")
    assert entries(tmp_path, "kode,tekst_x\n1,Te\n2,Melk\n")[2] == Entry("Melk", "")
    imdb = "tconst\ttitleType\tprimaryTitle\ntt1\tmovie\tA\ntt2\tshort\tB\n"
    assert dict(entries(tmp_path, imdb)) == {"tt1": Entry("A", ""), "tt2": Entry("B", "")}


def test_a_title_with_commas_is_not_cut_off(tmp_path):
    text = "1,2003,Dinosaur Planet\n2,2004,Isle of Man TT, 2004 Review\n3,1997,Character\n4,2000,Up\n"
    with pytest.raises(ReadError, match="line 2 has 4 columns, 3 expected"):
        entries(tmp_path, text)
    assert list(entries(tmp_path, text, on_error="skip")) == [1, 3, 4]
