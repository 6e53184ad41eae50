"""Machine code on the disk: it is read only if it is whole, and a fit does without it where it cannot be written."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["CheckedCache"]

_DIGEST = 32
# One warning about a folder is enough for the dozens of kernels in it.
_warned: set[str] = set()


class _CheckedFile(IndexDataCacheFile):  # type: ignore[misc]
    """The files of one function, with a checksum before the machine code: damaged code would end the process."""

    def _load_index(self) -> dict[Any, Any]:
        try:
            return dict(super()._load_index())
        except Exception as error:  # pickle raises whatever the damage looks like
            self._warn_of_damage(Path(self._index_path), error)
            return {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))
        content = path.read_bytes()
        try:
            if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
                raise ValueError("wrong checksum")
            return pickle.loads(content[_DIGEST:])
        except Exception as error:
            self._warn_of_damage(path, error)
            raise FileNotFoundError(path) from error  # Numba then compiles, and saves the code anew

    def _save_data(self, name: str, data: Any) -> None:
        code = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(code).digest() + code)

    def _warn_of_damage(self, path: Path, error: Exception) -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        _warn(self._cache_path, f"{path.name} was damaged ({error}) and is made anew")


class CheckedCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, which never keeps the function from being compiled and called."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        files = self._cache_file
        self._cache_file = _CheckedFile(files._cache_path, self._impl.filename_base, files._source_stamp)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return the compiled function, None if the disk has none that can be used."""
        try:
            return super().load_overload(signature, context)
        except Exception as error:
            _warn(self.cache_path, f"it cannot be read ({error})")
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled function for the next process, if the disk takes it."""
        try:
            super().save_overload(signature, compiled)
        except OSError as error:
            _warn(self.cache_path, f"it cannot be written ({error.strerror or error})")


def _warn(folder: str, trouble: str) -> None:
    if folder not in _warned:
        _warned.add(folder)
        warnings.warn(
            f"the folder of compiled kernels, {folder}: {trouble}; kernels are compiled, which takes a minute: mend or "
            "empty the folder, or name another one in NUMBA_CACHE_DIR",
            RuntimeWarning,
            stacklevel=2,
        )
