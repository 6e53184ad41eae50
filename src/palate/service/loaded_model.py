"""The model that is being served: mapped from a private copy, and exchanged while requests run."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
import stat
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.catalogue import Entry
from palate.errors import DataError, PalateError, StorageError, UnknownIdError
from palate.ids import integer_of
from palate.model import Model
from palate.ratings import Vocabulary
from palate.storage import load

__all__ = ["Kept", "LoadedModel", "Running"]

Id = int | str

#: Of about 1 KB each.
_ANSWERS = 10_000
_log = logging.getLogger("palate.service")


class _Sight(NamedTuple):
    """What tells one version of a file from another."""

    inode: int
    changed: int
    size: int

    @classmethod
    def of(cls, path: Path) -> _Sight | None:
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(found.st_ino, found.st_mtime_ns, found.st_size)


class Kept:
    """The answers asked for last, each good for as long as what it was made from is the same.

    They are kept with the model that gave them, and go with it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Any, tuple[Any, bytes]] = OrderedDict()

    def get(self, name: Any, basis: Any) -> bytes | None:
        """Return an answer if it was made from the same."""
        kept = self._kept.get(name)
        return kept[1] if kept is not None and kept[0] == basis else None

    def put(self, name: Any, basis: Any, body: bytes) -> None:
        """Keep an answer instead of the oldest. Each step is one of the interpreter's own: threads need no lock."""
        self._kept[name] = basis, body
        while len(self._kept) > self.most:
            try:
                self._kept.popitem(last=False)
            except KeyError:  # pragma: no cover - another thread was faster
                break


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """One model with what answers need of it. A request keeps the edition that it began with.

    Attributes
    ----------
    model
        With its arrays mapped.
    digest
        Of the file, in hexadecimal digits.
    size
        Of the file, in bytes.
    loaded
        When, `time.time`.
    answers
        Whole answers, for those who ask again.
    """

    model: Model
    digest: str
    size: int
    loaded: float

    answers: Kept = dataclasses.field(default_factory=lambda: Kept(_ANSWERS))

    @property
    def tag(self) -> str:
        """A short name of this model."""
        return self.digest[:16]

    @cached_property
    def titles(self) -> list[str]:
        """The title of each item that has factors."""
        model = self.model
        return [model.catalogue.title(model.items[index]) for index in range(len(model.items))]

    def item(self, item: str) -> Id:
        """Return the id of an item as the model has it.

        Raises
        ------
        UnknownIdError
            If the item is neither in the model nor in the catalogue.
        """
        index = self.model.items.find(item)
        if index < 0 and self.model.catalogue.get(item) is None:
            raise UnknownIdError(f"item {item!r} is unknown: {self.model.items.describe()}")
        return self.model.items[index] if index >= 0 else self._number(item)

    def spelled(self, user: str) -> Id:
        """Return a user's id as the model has it, so that JSON has numbers where the table had."""
        index = self.model.users.find(user)
        return self.model.users[index] if index >= 0 else user

    @staticmethod
    def check_kind(vocabulary: Vocabulary, id: str) -> None:
        """Keep ids of texts away from ids of integers: the next fit would have to turn all of them into texts.

        Raises
        ------
        DataError
            If the ids of the model are integers and this one is none.
        """
        number = integer_of(id)
        if not vocabulary.is_text and (number is None or abs(number) >= 1 << 62):  # a fit needs room for visitors
            raise DataError(f"{vocabulary.kind} ids of this model are integers, not {id[:40]!r}")

    def own_ratings(self, user: str) -> dict[str, float]:
        """Return the ratings that the model itself has of a user: item id as text → rating."""
        index = self.model.users.find(user)
        if index < 0 or self.model.seen is None:
            return {}
        items, values = self.model.seen[index]
        # float32 4.1 is 4.0999999 as a float64: the shortest text that means the same float32.
        return {str(self.ids[at]): float(str(value)) for at, value in zip(items.tolist(), values, strict=True)}

    @cached_property
    def ids(self) -> list[Id]:
        """The ids of all items: those with factors in order of index, then those only in the catalogue."""
        model = self.model
        known = [model.items[index] for index in range(len(model.items))]
        listed = list(model.catalogue.entries)
        rest = [id for id, at in zip(listed, model.items.index(listed), strict=True) if at < 0] if listed else []
        return known + [self._number(id) for id in rest]

    def _number(self, id: Id) -> Id:
        # Files keep the ids of a catalogue as text; beside items that are numbers they are numbers, too.
        number = None if self.model.items.is_text else integer_of(str(id))
        return str(id) if number is None else number

    def shown(self, item: str) -> Id:
        """Return an item's id as answers have it."""
        index = self.model.items.find(item)
        return self.model.items[index] if index >= 0 else self._number(item)

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean training rating of each item that has factors; 0 where the model keeps no ratings."""
        seen, items = self.model.seen, len(self.model.items)
        sums = np.bincount(seen.indices, seen.values, items) if seen else np.zeros(items)
        return sums / np.maximum(1, self.model.item_counts)

    @cached_property
    def is_quick(self) -> bool:
        """Whether scoring all items takes less time than handing the work to a thread."""
        return len(self.model.items) * (self.model.factors + 8) < 1 << 18

    def entry(self, id: Id) -> Entry:
        """Return the title and text of an item, empty where there are none."""
        return self.model.catalogue.get(id) or Entry("", "")

    def warm(self) -> LoadedModel:
        """Make what the first requests would wait for."""
        self.titles, self.ids, self.model.item_counts  # noqa: B018
        self.model.items.find("")
        # Loads the kernels: with them a small model answers in a third of the time.
        import palate.kernels.ranking  # noqa: F401

        if len(self.model.users):
            self.model.recommend(self.model.users[0], 1)
        return self


class Running:
    """Holds the edition that is served and looks for a new one.

    The file is copied once into a folder that all workers share, checked there, and mapped: whatever happens to the
    original afterwards, even writing over it in place, cannot reach what is being served.

    Parameters
    ----------
    path
        The model file.
    folder
        For the copies.

    Raises
    ------
    StorageError
        If there is no good model to begin with.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self._turn = threading.Lock()
        self._sight = _Sight.of(path)
        self.refused: str | None = None
        self.edition = self._read()

    def has_changed(self) -> bool:
        """Whether the file is another than the one looked at last: one system call."""
        sight = _Sight.of(self.path)
        return sight is not None and sight != self._sight

    def refresh(self) -> bool:
        """Serve the file's new content from now on, unless it is no good model; return whether it was taken."""
        with self._turn:
            if not self.has_changed():
                return False
            self._sight = _Sight.of(self.path)
            try:
                fresh = self._read()
            except PalateError as error:
                self.refused = str(error).replace(str(self.path), self.path.name)  # everybody may read it
                _log.error("the new model is refused, the old one serves on", extra={"reason": str(error)})
                return False
            self.refused = None
            if fresh.digest == self.edition.digest:
                return False
            old, self.edition = self.edition, fresh
            self._copy(old.digest).unlink(missing_ok=True)  # what is mapped stays until nobody uses it
            _log.info("a new model is served", extra={"model": fresh.tag})
            return True

    def _copy(self, digest: str) -> Path:
        return self.folder / f"{digest}.palate"

    def _read(self) -> LoadedModel:
        draft = self.folder / f".{uuid4().hex}"
        try:
            with open(self.path, "rb", opener=_regular) as source, open(draft, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            with open(draft, "rb") as copied:
                digest = hashlib.file_digest(copied, "sha256").hexdigest()
            if self._copy(digest).exists():
                model = load(self._copy(digest), mmap=True, verify=True)
            else:
                model = load(draft, mmap=True, verify=True)
                os.replace(draft, self._copy(digest))  # what is mapped stays mapped
            model = _plain(model)
            return LoadedModel(model, digest, self._copy(digest).stat().st_size, time.time()).warm()
        except StorageError as error:  # of the file that people know, and not of its copy
            raise StorageError(str(error).replace(str(draft), str(self.path))) from error
        except OSError as error:
            raise StorageError(f"model {self.path} cannot be read: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)


def _regular(path: str, flags: int) -> int:
    """Open a file, but no pipe or device, which might never end, or never begin."""
    handle = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StorageError(f"model {path} is no regular file")
    return handle


def _plain(part: Any) -> Any:
    """Return the same with ordinary arrays: NumPy is slow on small operations with its class of mapped ones."""
    if isinstance(part, np.ndarray):
        return part.view(np.ndarray)
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return type(part)(*(_plain(one) for one in part))
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {field.name: _plain(getattr(part, field.name)) for field in dataclasses.fields(part)}
        return dataclasses.replace(part, **fields)
    return part
