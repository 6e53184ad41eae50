"""Files of named arrays with a JSON header and a checksum, written whole or not at all; never pickle.

The format is safetensors; the header is JSON text in its metadata, under "palate". Models (`palate.storage`) and the
solvers' checkpoints are such files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import StorageError
from palate.left_overs import flush, private_folder
from palate.parallel import pool

__all__ = ["may_hold_arrays", "read_arrays", "replacing", "write_arrays"]

Header = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]

_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
# The largest header that is read, in bytes: far more than settings, a history and the names of arrays need.
_LARGEST_HEADER = 1 << 28


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path for a new file; on success the file takes the place of `path` in one step, on failure it is removed.

    What a process that was killed has left of a new version of `path` is removed too.

    Parameters
    ----------
    path
        The file to write.
    durable
        Whether to wait until the disk has the file, so that a power cut cannot lose both the old and the new one.

    Raises
    ------
    StorageError
        If the folder does not exist or cannot be written, or the disk is full.
    """
    try:
        path = Path(os.path.realpath(path))  # a symbolic link stays; the file to which it points is replaced
        if path.exists() and not path.is_file():
            raise StorageError(f"{path} is not an ordinary file and is not replaced: name another file")
        with private_folder(path) as folder:
            temporary = folder / "new"
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # as the umask wants any file
            mode = (path if path.exists() else temporary).stat().st_mode & 0o777
            yield temporary
            temporary.chmod(mode)  # safetensors makes files of its own that only their owner can read
            if durable:
                flush(temporary)
            os.replace(temporary, path)
            if durable:
                flush(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def write_arrays(path: Path, arrays: Arrays, header: Header, *, durable: bool = True) -> None:
    """Write arrays and a header to one safetensors file, with a SHA-256 checksum of both.

    Parameters
    ----------
    path
        The file. An existing file is replaced.
    arrays
        float32, float64, int64, int32 or uint8.
    header
        Values that JSON can hold; no NaN or infinity.
    durable
        See `replacing`.

    Raises
    ------
    StorageError
        If the file cannot be written. An existing file is then left as it was.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, sort_keys=True)
    metadata = {"palate": text, "sha256": _digest(text, parts)}
    with replacing(path, durable=durable) as temporary:
        try:
            save_file(parts, temporary, metadata)
        except SafetensorError as error:  # how the library reports a full disk
            raise StorageError(f"{path} cannot be written: {error}") from error


def _digest(text: str, arrays: Arrays) -> str:
    names = sorted(arrays)
    with pool() as run:
        digests = run(lambda name: hashlib.sha256(arrays[name].data).hexdigest(), names)
    return hashlib.sha256("\n".join([text, *names, *digests]).encode()).hexdigest()


def read_arrays(
    path: Path, kind: str, *, mmap: bool = False, verify: bool | None = None
) -> tuple[dict[str, NDArray[Any]], Header]:
    """Read a file of `write_arrays`.

    Parameters
    ----------
    path
        The file.
    kind
        What the file should be, for messages: "model" or "checkpoint".
    mmap
        Map the arrays (read-only, shared between processes) instead of reading them. Nothing may cut the file short
        as long as they are used: the operating system then ends the process (SIGBUS).
    verify
        Whether to compare the checksum, which reads everything; by default only where the arrays are not mapped.

    Returns
    -------
    tuple
        The arrays by name, and the header.

    Raises
    ------
    StorageError
        If the file is missing, truncated or not of palate, or its checksum is wrong.
    """
    data = _content(path, kind, mmap)
    size = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or not 2 <= size <= _LARGEST_HEADER or data[8:9].tobytes() != b"{":
        raise StorageError(f"{path} is not a palate {kind}")
    damaged = f"{kind} {path} is damaged or was cut short: restore it from a copy, or fit again"
    body = data[8 + size :]
    try:
        tensors = json.loads(data[8 : 8 + size].tobytes())
        metadata = tensors.pop("__metadata__", {})
        if "palate" not in metadata:
            raise StorageError(f"{path} is a safetensors file, but not a palate {kind}")
        arrays = {name: _view(body, tensor) for name, tensor in tensors.items()}
        text, digest = metadata["palate"], metadata.get("sha256")
        header = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if not isinstance(header, dict):
            raise ValueError("the header is no object")
        is_whole = not (verify or (verify is None and not mmap)) or _digest(text, arrays) == digest
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(damaged) from error
    if not is_whole:
        raise StorageError(damaged)
    return arrays, header


def may_hold_arrays(path: Path) -> bool:
    """Whether a file begins as those of `write_arrays` do, damaged ones included."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def _finite(text: str) -> float:
    """Read a number of a header; `write_arrays` writes no NaN or infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def _content(path: Path, kind: str, mmap: bool) -> NDArray[np.uint8]:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StorageError(f"{kind} {path} is no ordinary file")
            return np.memmap(file, np.uint8, "r") if mmap else np.fromfile(file, np.uint8)
    except OSError as error:
        raise StorageError(f"{kind} {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a name with a NUL, or an empty file that is to be mapped
        raise StorageError(f"{path} is empty or no path: not a palate {kind}") from error


def _open_at_once(path: str, flags: int) -> int:
    # A pipe without a writer would not open at all.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _view(body: NDArray[np.uint8], tensor: dict[str, Any]) -> NDArray[Any]:
    start, stop = tensor["data_offsets"]
    if not 0 <= start <= stop <= len(body):
        raise ValueError("an array reaches beyond the end of the file")
    return body[start:stop].view(_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
