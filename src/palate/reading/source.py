"""From a path to the bytes of a text: opened, decompressed, and known to be text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError
from palate.lazy import pl
from palate.reading.content import STDIN, read_content, source_name
from palate.reading.encodings import refuse_other_alphabets, refuse_wide_characters, without_mark

__all__ = ["STDIN", "Bytes", "open_text", "polars_errors_named", "read_bytes", "source_name"]

Bytes = NDArray[np.uint8]

_SAMPLE = 1 << 16
# What the dictionary of an xz file may take, in bytes; "xz -9" takes 64 MiB. Damaged files ask for any amount.
_XZ_MEMORY = 1 << 29
# How often a file is unpacked: some are packed twice by mistake, and a few unpack to themselves.
_LAYERS = 3


def read_bytes(path: str | os.PathLike[str]) -> Bytes:
    """Return the content of a file or of standard input ("-"), decompressed if it is gzip, bzip2, xz, zstd or a zip.

    Raises
    ------
    ReadError
        If it is missing, a folder, not readable, endless, empty, or damaged.
    """
    content = read_content(path)
    if not len(content):
        raise ReadError(f"{source_name(path)} is empty")
    name = source_name(path)
    for _ in range(_LAYERS):
        unpacked = _decompress(content, name)
        if unpacked is content:
            return content
        content = unpacked
        head = content[:8].tobytes()
        if head.startswith((b"PAR1", b"ARROW1")):
            raise ReadError(f"{name} holds a Parquet or Arrow file: unpack it and name that file")
    return content


def _unxz(data: bytes) -> bytes:
    return lzma.decompress(data, memlimit=_XZ_MEMORY)


# Folders, and what macOS and Windows add to archives.
_HIDDEN = re.compile(r"/$|^__MACOSX/|(^|/)(\.[^/]*|Thumbs\.db|desktop\.ini)$")


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if {"[Content_Types].xml", "content.xml"} & {*archive.namelist()}:
            raise ReadError("is a workbook of Excel or the like: save its sheet as CSV")
        if any(name.endswith(".npy") for name in archive.namelist()):
            raise ReadError("is an archive of NumPy or SciPy: load it there, and hand over the array or sparse matrix")
        names = [name for name in archive.namelist() if not _HIDDEN.search(name)]
        if len(names) != 1:
            some = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
            raise ReadError(f"is a zip of {len(names)} files ({some}): unpack it and name one")
        return archive.read(names[0])


def _unzstd(data: bytes) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14

        return zstd.decompress(data)  # type: ignore[no-any-return,unused-ignore]
    except ImportError:
        # Polars decompresses whatever it reads as CSV: one column of whole lines is the text again.
        lines = pl.read_csv(data, has_header=False, separator="\x1e", quote_char=None, schema={"line": pl.String})
        return "\n".join(lines["line"].fill_null("")).encode()


_COMPRESSED: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\x00": ("xz", _unxz),
    b"\x5d\x00\x00": ("lzma", _unxz),
    b"\x28\xb5\x2f\xfd": ("zstd", _unzstd),
    b"PK\x03\x04": ("zip", _unzip),
    b"PK\x05\x06": ("zip", _unzip),
}


def _decompress(content: Bytes, path: Any) -> Bytes:
    head = content[:8].tobytes()
    found = next((way for magic, way in _COMPRESSED.items() if head.startswith(magic)), None)
    if found is None:
        return content
    kind, decompress = found
    try:
        data = decompress(content.tobytes())
    except ReadError as error:
        raise ReadError(f"{path} {error}") from error
    except Exception as error:  # each library has its own ways to fail on a damaged file
        raise ReadError(f"{path} is damaged or cut short: it does not unpack as {kind} ({error})") from error
    if not data:
        raise ReadError(f"{path} is empty once unpacked")
    return np.frombuffer(data, np.uint8)


_BINARY = {
    b"PAR1": "is a Parquet file whose name does not end in .parquet: rename it",
    b"ARROW1": "is an Arrow file whose name does not end in .arrow: rename it",
    b"SQLite format 3\x00": "is an SQLite database: read it as sqlite:///{path} with a query",
    b"\x93NUMPY": "is a NumPy file: load it with numpy.load and hand over the array",
    b"\x89HDF": "is an HDF5 file: load it, with pandas.read_hdf for example, and hand over the frame",
    b"\x80\x02": "is a pickle: load it if you trust it, and hand over the frame",
    b"\x80\x03": "is a pickle: load it if you trust it, and hand over the frame",
    b"\x80\x04": "is a pickle: load it if you trust it, and hand over the frame",
    b"\x80\x05": "is a pickle: load it if you trust it, and hand over the frame",
    b"%PDF": "is a PDF, not a table",
    b"\xd0\xcf\x11\xe0": "is a workbook of an older Excel: save its sheet as CSV",
    b"X\n\x00\x00": "is a file of R: write the table with write.csv",
    b"RDX": "is a file of R: write the table with write.csv",
    b"$FL2": "is a file of SPSS: load it, with pandas.read_spss for example, and hand over the frame",
    b"<stata_dta>": "is a file of Stata: load it, with pandas.read_stata for example, and hand over the frame",
    b"MATLAB 5.0": "is a file of MATLAB: load it with scipy.io.loadmat, and hand over the matrix",
    b"Obj\x01": "is an Avro file: convert it to Parquet or CSV",
    b"ORC": "is an ORC file: convert it to Parquet or CSV",
    b"7z\xbc\xaf": "is an archive of 7-Zip: unpack it and name the file in it",
    b"Rar!": "is an archive of RAR: unpack it and name the file in it",
    b"version https://git-lfs": "is a pointer of Git LFS, without the file itself: fetch it with 'git lfs pull'",
}
_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html|table|\?xml)\b", re.IGNORECASE)
# Texts that hold a table in another language than that of delimiters, below comments and blank lines.
_LANGUAGES = {
    re.compile(
        rb"(?:\s|--[^\n]*\n|/\*.*?\*/;?)*(?:INSERT\s+INTO|CREATE\s+TABLE|DROP\s+TABLE|COPY\s+\S+\s*\()", re.IGNORECASE
    ): ("is a dump of a database: load it there, and read the database with a query"),
    re.compile(rb"(?:\s|%[^\n]*\n)*@relation\b", re.IGNORECASE): (
        "is an ARFF file: load it, with scipy.io.arff.loadarff for example, and hand over the array"
    ),
    re.compile(rb"- *\w+:(?: [^\n]*)?\n"): (
        "is a YAML file: load it, with yaml.safe_load for example, and hand over the list"
    ),
}
# What archives of tar hold behind the name of their first file.
_TAR = slice(257, 262)
_CONTROLS = bytes(set(range(32)) - set(b"\x01\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f"))


def open_text(path: str | os.PathLike[str]) -> Bytes:
    """Return the content of a text file, without a byte order mark and line ends at its end.

    UTF-16 and UTF-32 become UTF-8.

    Raises
    ------
    ReadError
        As `read_bytes`; and if it is no text at all.
    """
    name = source_name(path)
    content = without_mark(read_bytes(path), name)
    head = content[:_SAMPLE].tobytes()
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise ReadError(f"{name} {what.format(path=name)}")
    if head[_TAR] == b"ustar":
        raise ReadError(f"{name} is an archive of tar: unpack it and name the file in it")
    for pattern, what in _LANGUAGES.items():
        if pattern.match(head):
            raise ReadError(f"{name} {what}")
    if _PAGE.match(head):
        raise ReadError(f"{name} is a page of the web or XML, not a table: perhaps the answer of a server that refused")
    refuse_wide_characters(content, name)
    if len(head.translate(None, _CONTROLS)) < len(head):
        place = next(place for place, byte in enumerate(head) if byte in _CONTROLS)
        raise ReadError(f"{name} is not text: its byte {place} is 0x{head[place]:02x}")
    refuse_other_alphabets(content, name)
    if b"\n" not in head and b"\r" in head:  # lines as on an old Macintosh
        content = np.where(content == 13, np.uint8(10), content)
    end = len(content)
    while end and content[end - 1] in b"\r\n\x1a":  # DOS ends a text with the last of these
        end -= 1
    if not head.strip() or not end:
        raise ReadError(f"{name} is empty: it holds nothing but blanks")
    return content[:end]


@contextmanager
def polars_errors_named(source: Any) -> Iterator[None]:
    """Turn what Polars raises, at values or files of which it was not thought, into an error that names the source.

    Raises
    ------
    ReadError
        Instead of the other.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, InvalidOperation, UnicodeEncodeError) as error:
        name = source_name(source) if isinstance(source, (str, os.PathLike)) else "the table"
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(f"{name} cannot be read as a table: {reason}") from error
