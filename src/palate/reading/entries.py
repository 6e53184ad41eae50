"""Texts of entries below lines that are no rows: Matrix Market, and blocks as of the Netflix Prize and the KDD Cup."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.encodings import decode
from palate.reading.lines import SHOWN_FAULTS, as_lines, name_bad_lines
from palate.reading.raw import RawTable, from_columns
from palate.reading.sniff import Dialect
from palate.reading.source import Bytes
from palate.reading.table import BadLines

__all__ = ["read_adjacency", "read_fields", "read_kdd_cup", "read_matrix_market", "read_netflix"]

_SAMPLE, _LARGEST = 1 << 12, 2**63 - 1
_FIELD = r"^([A-Za-z_]\w*(?:/\w+)*):(?: (.*))?$"
_KINDS = ("real", "integer", "pattern")


def read_matrix_market(content: Bytes, source: str) -> RawTable:
    """Read a sparse matrix as SciPy writes it: its rows are users, its columns items.

    Raises
    ------
    ReadError
        If the matrix is dense, complex or symmetric, or its line of sizes is none.
    """
    lines = as_lines(decode(content.tobytes())[0])
    words = lines[0].lower().split()
    kinds = words[1:5]
    if len(kinds) < 4 or kinds[0] != "matrix" or kinds[1] != "coordinate" or kinds[2] not in _KINDS:
        raise ReadError(
            f"{source} is a Matrix Market file of kind '{' '.join(kinds)}': only 'matrix coordinate' with real, "
            "integer or pattern entries holds ratings; load another with scipy.io.mmread, and hand over the matrix"
        )
    if kinds[3] != "general":
        raise ReadError(f"{source} holds a {kinds[3]} matrix: one of users and items is 'general'")
    width = 2 if kinds[2] == "pattern" else 3
    lines = lines.str.strip_chars().str.replace_all(r"\s+", " ")
    is_entry = ((lines != "") & lines.str.starts_with("%").not_()).to_numpy()
    top = int(is_entry.argmax())
    sizes = lines[top].split(" ")
    if not is_entry.any() or len(sizes) != 3 or not all(map(str.isdecimal, sizes)):
        raise ReadError(f"{source}, line {top + 1} holds no sizes, rows, columns and entries: {lines[top][:40]!r}")
    rows, columns, announced = map(int, sizes)
    is_entry[top] = False
    is_right, counts = _widths(lines, " ", width, is_entry)
    parts = _split(lines, " ", width, is_right)
    outside = np.zeros(int(is_right.sum()), bool)
    for part, size in zip(parts, (rows, columns)):
        outside |= ~part.cast(pl.Int64, strict=False).is_between(1, min(size, _LARGEST)).fill_null(False).to_numpy()
    at = np.flatnonzero(is_right)
    faults: dict[int, int | str] = {int(line): int(counts[line]) for line in np.flatnonzero(is_entry & ~is_right)}
    faults |= {int(line): f"lies outside of the matrix of {rows} rows and {columns} columns" for line in at[outside]}
    if is_entry.sum() != announced:
        faults[top] = f"announces {announced:,} entries, {is_entry.sum():,} follow: the file was cut short or mended"
    kept = np.flatnonzero(~outside)
    note = "a Matrix Market file: its rows are users, its columns items, both counted from 1"
    names = ("user", "item", "rating")[:width]
    return _table(names, [part.gather(kept) for part in parts], source, note, at[kept], _bad(faults, lines, width))


def read_netflix(content: Bytes, source: str) -> RawTable:
    """Read blocks that begin with the id of an item and a colon, followed by lines of user, rating and date.

    Raises
    ------
    ReadError
        If the lines hold single columns.
    """
    lines = as_lines(decode(content.tobytes())[0])
    text = lines.str.strip_chars()
    is_head = text.str.ends_with(":") & ~text.str.contains(",", literal=True)
    heads = text.str.strip_suffix(":").zip_with(is_head, pl.Series([None], dtype=pl.String))
    return _read_blocks(lines, heads, ",", ("user", "item", "rating", "date"), 1, source)


def read_kdd_cup(content: Bytes, source: str) -> RawTable:
    """Read blocks that begin with the id of a user and a count behind '|', followed by lines of item, rating and more.

    So are the tables of the KDD Cup 2011. Their days are counted from an unknown one, so they are no times.
    """
    lines = as_lines(decode(content.tobytes())[0])
    heads = lines.str.strip_chars().str.extract(r"^([^|\t]+)\|\d+$")
    return _read_blocks(lines, heads, "\t", ("user", "item", "rating"), 0, source)


def read_fields(content: Bytes, source: str) -> RawTable:
    """Read records of lines such as `review/score: 5.0` with blank lines between, as SNAP has those of Amazon."""
    lines = as_lines(decode(content.tobytes())[0]).str.strip_chars()
    record = (lines == "").cum_sum()
    parts = pl.DataFrame(
        {"record": record, "name": lines.str.extract(_FIELD, 1), "value": lines.str.extract(_FIELD, 2)}
    )
    parts = parts.with_columns(line=pl.int_range(1, len(lines) + 1)).drop_nulls("name")
    first_lines = parts.group_by("record", maintain_order=True).agg(pl.col("line").first())
    names = parts["name"].unique(maintain_order=True).to_list()
    columns = [
        first_lines.join(parts.filter(pl.col("name") == name).unique("record", keep="first"), "record", "left",
                         maintain_order="left")["value"]
        for name in names
    ]  # fmt: skip
    places = first_lines["line"].to_list()
    note = "records of lines of a name and a value"
    # Of a way to a field the last part is its name.
    dotted = [name.replace("/", ".") for name in names]
    raw = from_columns(dotted, columns.__getitem__, len(columns), source, note=note)
    return raw.with_parts(locate=lambda row: f"line {places[row]}")


def read_adjacency(content: Bytes, source: str) -> RawTable:
    """Read lines of a user and all items that the user chose, as graphs are written."""
    lines = as_lines(decode(content.tobytes())[0]).str.strip_chars()
    ids = lines.str.replace(":", " ", literal=True).str.extract_all(r"\d+")
    chosen = pl.DataFrame(
        {"line": pl.int_range(1, len(lines) + 1, eager=True), "user": ids.list.first(), "item": ids.list.slice(1)}
    )
    chosen = chosen.filter(pl.col("item").list.len() > 0).explode("item")
    places = chosen["line"].to_list()
    note = "lines of a user and the items that the user chose"
    raw = from_columns(("user", "item"), lambda position: chosen[("user", "item")[position]], 2, source, note=note)
    return raw.with_parts(locate=lambda row: f"line {places[row]}")


def _read_blocks(
    lines: pl.Series, heads: pl.Series, delimiter: str, names: tuple[str, ...], place: int, source: str
) -> RawTable:
    """Read entries below heads, which hold one id for all entries up to the next head.

    Parameters
    ----------
    lines
        All lines.
    heads
        The id of each line that is a head, else null.
    delimiter
        Between the columns of an entry.
    names
        Of the columns, that of the heads included.
    place
        Where the heads stand among the columns.
    source
        For messages.

    Raises
    ------
    ReadError
        If the entries hold single columns.
    """
    text = lines.str.strip_chars()
    is_entry = ((text != "") & heads.is_null()).to_numpy()
    counts = text.str.count_matches(delimiter, literal=True).to_numpy()
    sample = counts[:_SAMPLE][is_entry[:_SAMPLE]]
    width = Counter(sample.tolist()).most_common(1)[0][0] + 1
    if width < 2:
        raise ReadError(f"{source} is no table: its blocks hold single columns")
    is_right, counts = _widths(text, delimiter, width, is_entry)
    rows = np.flatnonzero(is_right)
    columns = _split(text, delimiter, width, is_right)
    columns.insert(place, heads.forward_fill().gather(rows))
    all_names = [*names[: width + 1], *(f"column {number}" for number in range(len(names), width + 1))]
    faults: dict[int, int | str] = {int(line): int(counts[line]) for line in np.flatnonzero(is_entry & ~is_right)}
    others = [*names[:place], *names[place + 1 :]]
    note = f"blocks of '{names[place]}:' with lines of {', '.join(others[:-1])} and {others[-1]}"
    return _table(all_names, columns, source, note, rows, _bad(faults, lines, width, delimiter))


def _widths(
    lines: pl.Series, delimiter: str, width: int, is_entry: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which entries have the right number of columns, and how many columns each line has."""
    counts = lines.str.count_matches(delimiter, literal=True).to_numpy().astype(np.int64) + 1
    return is_entry & (counts == width), counts


def _split(lines: pl.Series, delimiter: str, width: int, chosen: NDArray[np.bool_]) -> list[pl.Series]:
    fields = lines.filter(pl.Series(chosen)).str.split_exact(delimiter, width - 1)
    return [column.str.strip_chars() for column in fields.struct.unnest()]


def _bad(faults: dict[int, int | str], lines: pl.Series, width: int, separator: str = " ") -> BadLines | None:
    places = sorted(faults)
    shown = [(faults[place], lines[place]) for place in places[:SHOWN_FAULTS]]
    return name_bad_lines([place + 1 for place in places], shown, Dialect(separator, width))


def _table(
    names: list[str] | tuple[str, ...],
    columns: list[pl.Series],
    source: str,
    note: str,
    rows: NDArray[np.int64],
    bad: BadLines | None,
) -> RawTable:
    raw = from_columns(names, columns.__getitem__, len(columns), source, note=note)
    return raw.with_parts(locate=lambda row: f"line {rows[row] + 1}", bad=bad)
