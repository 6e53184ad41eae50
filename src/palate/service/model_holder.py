"""The model file being served: copied, checked, mapped, and exchanged while requests run."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from palate.errors import PalateError, StorageError
from palate.service.loaded_model import LoadedModel
from palate.service.portable import open_at_once
from palate.storage import load

__all__ = ["ModelHolder"]

_log = logging.getLogger("palate.service")


class _FileVersion(NamedTuple):
    """What tells one version of a file from another."""

    inode: int
    changed: int
    size: int

    @classmethod
    def of(cls, path: Path) -> _FileVersion | None:
        try:
            state = os.stat(path)
        except OSError:
            return None
        return cls(state.st_ino, state.st_mtime_ns, state.st_size)


class ModelHolder:
    """Holds the model that is served, and replaces it when its file changes.

    The file is copied once into a folder that all workers share. The copy is checked and mapped: whatever happens to
    the original afterwards, even writing over it in place, cannot reach the model that is being served.

    Parameters
    ----------
    path
        The model file.
    folder
        The folder for the copies.

    Attributes
    ----------
    current
        The model that new requests use.
    refused
        Why the file is not served (it is missing or no model), None if it is.

    Raises
    ------
    StorageError
        If the file is no valid model.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self._lock = threading.Lock()
        self._version = _FileVersion.of(path)
        self.refused: str | None = None
        self.current = self._read()

    def has_changed(self) -> bool:
        """Whether the file is another one than at the last look. This costs one system call."""
        return _FileVersion.of(self.path) != self._version

    def refresh(self) -> bool:
        """Serve the new content of the file unless it is no valid model; return whether the model was replaced."""
        with self._lock:
            if _FileVersion.of(self.path) is None:
                self._report_missing()
                return False
            if not self.has_changed():
                return False
            self._version = _FileVersion.of(self.path)
            try:
                loaded = self._read()
            except PalateError as error:
                self.refused = str(error).replace(str(self.path), self.path.name)  # any client may read this
                _log.error("the new model is refused, the old one stays", extra={"reason": str(error)})
                return False
            self.refused = None
            if loaded.digest == self.current.digest:
                return False
            old, self.current = self.current, loaded
            # A mapped file stays readable until nobody uses it any more. Windows refuses to delete it until then.
            with suppress(PermissionError):
                self._copy(old.digest).unlink(missing_ok=True)
            _log.info("a new model is served", extra={"model": loaded.tag})
            return True

    def _report_missing(self) -> None:
        if self._version is not None:
            self._version = None
            self.refused = f"the file {self.path.name} is missing: the model that was read last is served"
            _log.error("the model file is missing, the old model stays", extra={"model": self.current.tag})

    def _copy(self, digest: str) -> Path:
        return self.folder / f"{digest}.palate"

    def _read(self) -> LoadedModel:
        draft = self.folder / f".{uuid4().hex}"
        try:
            with open(self.path, "rb", opener=_open_regular) as source, open(draft, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            with open(draft, "rb") as copied:
                digest = hashlib.file_digest(copied, "sha256").hexdigest()
            is_copied = self._copy(digest).exists()
            if not is_copied:
                load(draft)  # reads everything and compares the checksum, before the copy is served
                os.replace(draft, self._copy(digest))
            model = _without_memmaps(load(self._copy(digest), mmap=True, verify=is_copied))
            return LoadedModel(model, digest, self._copy(digest).stat().st_size, time.time()).warm_up()
        except StorageError as error:  # name the file that people know, not its copy
            raise StorageError(str(error).replace(str(draft), str(self.path))) from error
        except OSError as error:
            raise StorageError(f"model {self.path} cannot be read: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)


def _open_regular(path: str, flags: int) -> int:
    """Open a file, but no pipe or device: reading those might never begin, or never end."""
    handle = open_at_once(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StorageError(f"model {path} is no regular file")
    return handle


def _without_memmaps(value: Any) -> Any:
    """Return the same value with ordinary arrays over the same memory: small operations on `memmap` are slow."""
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_without_memmaps(field) for field in value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _without_memmaps(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value
