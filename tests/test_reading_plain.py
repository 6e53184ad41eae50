"""The quick way of reading plain numbers gives what the patient way gives."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import palate.reading.text as text_module
from palate.errors import PalateError
from palate.reading import read_table
from palate.reading.plain import read_plain
from reading_help import ROWS, lines, write

ROLES = {"user": 0, "item": 1, "rating": 2}


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
    positions = {role: order.index(place) for role, place in ROLES.items()}
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), separator, 5, positions)
    assert columns is not None
    assert columns["user"].tolist() == [row[0] for row in rows]
    assert columns["item"].tolist() == [row[1] for row in rows]
    assert columns["rating"].tolist() == [float(np.float32(float(row[2]))) for row in rows]


def test_many_chunks_keep_the_order_of_the_rows(monkeypatch):
    monkeypatch.setattr("palate.reading.plain._CHUNK", 1 << 14)
    text = "\n".join(f"{row},{row % 7},{row % 5}" for row in range(50_000))
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), ",", 3, ROLES)
    assert columns is not None
    assert np.array_equal(columns["user"], np.arange(50_000))
    blank = np.frombuffer(("\n" * 100_000 + text).encode(), np.uint8)
    assert read_plain(blank, ",", 3, ROLES) is None


def test_a_line_longer_than_a_chunk(monkeypatch):
    monkeypatch.setattr("palate.reading.plain._CHUNK", 1 << 14)
    text = "1,1,5," + "x" * 50_000 + "\n2,2,5,y\n3,3,4," + "z" * 50_000
    columns = read_plain(np.frombuffer(text.encode(), np.uint8), ",", 4, ROLES)
    assert columns is not None
    assert columns["user"].tolist() == [1, 2, 3]
