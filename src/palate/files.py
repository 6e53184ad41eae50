"""Files of named arrays with a JSON header and a checksum, written whole or not at all; never pickle.

The format is safetensors; the header is JSON text in its metadata, under "palate". Models (`palate.storage`) and the
solvers' checkpoints are such files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from palate.errors import StorageError
from palate.parallel import pool

__all__ = ["read_arrays", "replacing", "write_arrays"]

Header = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]

_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
# The largest header that is read, in bytes: far more than settings, a history and the names of arrays need.
_LARGEST_HEADER = 1 << 28


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step, on failure it is removed.

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
    temporary: Path | None = None
    try:
        path = Path(os.path.realpath(path))  # a symbolic link stays; the file to which it points is replaced
        if path.exists() and not path.is_file():
            raise StorageError(f"{path} is not an ordinary file and is not replaced: name another file")
        name = path.with_name(f".{path.name[:100]}.{uuid4().hex}.tmp")
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the umask applies, as to any file
        temporary = name
        mode = (path if path.exists() else temporary).stat().st_mode & 0o777
        yield temporary
        temporary.chmod(mode)  # safetensors replaces the file with one that only its owner can read
        if durable:
            _flush(temporary)
        os.replace(temporary, path)
        if durable:
            _flush(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def read_arrays(path: Path, kind: str, *, mmap: bool = False) -> tuple[dict[str, NDArray[Any]], Header]:
    """Read a file of `write_arrays`.

    Parameters
    ----------
    path
        The file.
    kind
        What the file should be, for messages: "model" or "checkpoint".
    mmap
        Map the arrays (read-only, shared between processes) instead of reading them. The checksum is then not
        verified, because verifying reads all of the file.

    Returns
    -------
    tuple
        The arrays by name, and the header.

    Raises
    ------
    StorageError
        If the file is missing, truncated or not of palate, or its checksum is wrong.
    """
    try:
        data = np.memmap(path, np.uint8, "r") if mmap else np.fromfile(path, np.uint8)
    except (OSError, ValueError) as error:  # memmap calls an empty file a ValueError
        if isinstance(error, OSError):
            raise StorageError(f"{kind} {path} cannot be read: {error.strerror or error}") from error
        raise StorageError(f"{path} is empty: not a palate {kind}") from error
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
        header = json.loads(metadata["palate"])
        if not isinstance(header, dict):
            raise ValueError("the header is no object")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(damaged) from error
    if not mmap and _digest(metadata["palate"], arrays) != metadata.get("sha256"):
        raise StorageError(damaged)
    return arrays, header


def _view(body: NDArray[np.uint8], tensor: dict[str, Any]) -> NDArray[Any]:
    start, stop = tensor["data_offsets"]
    if not 0 <= start <= stop <= len(body):
        raise ValueError("an array reaches beyond the end of the file")
    return body[start:stop].view(_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
