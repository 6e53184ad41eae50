"""One model in memory, with what responses need of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.catalogue import Entry
from palate.errors import DataError, UnknownIdError
from palate.ids import integer_of
from palate.model import Model
from palate.moments import Moment
from palate.ratings import Vocabulary
from palate.service.answer_cache import AnswerCache

__all__ = ["LoadedModel"]

Id = int | str

#: Of about 1 KB each.
_ANSWERS = 10_000
#: Scoring this many multiplications takes less time than handing the work to a thread.
_QUICK = 1 << 18
#: How many moments are kept: many requests name the same one.
_MOMENTS = 8
_moments_lock = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """One version of the model. A request uses the version that it began with until its response is sent.

    Parameters
    ----------
    model
        The model, its arrays mapped from the file.
    digest
        The SHA-256 of the file, in hexadecimal digits.
    size
        The size of the file in bytes.
    loaded
        When the file was loaded, as of `time.time`.
    answers
        Finished response bodies, which are dropped together with this version.
    """

    model: Model
    digest: str
    size: int
    loaded: float
    answers: AnswerCache = dataclasses.field(default_factory=lambda: AnswerCache(_ANSWERS))
    #: The moment that all answers are for; None for no particular one.
    moment: Moment | None = None
    #: What answers say about the moment.
    marks: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    _moments: LRUCache[Moment, LoadedModel] = dataclasses.field(
        init=False, repr=False, default_factory=lambda: LRUCache(_MOMENTS)
    )

    @property
    def tag(self) -> str:
        """A short name of this version and its moment."""
        return self.digest[:16] if self.moment is None else f"{self.digest[:16]}@{self.moment}"

    def at(self, moment: Moment | None) -> LoadedModel:
        """Return the model at a moment, as `palate.Model.at` does; for None this one.

        Raises
        ------
        SettingsError
            If it is no moment.
        """
        if moment is None:
            return self
        with _moments_lock:
            known = self._moments.get(moment)
        if known is not None:
            return known
        marks = {"at": moment, "times": self.model.times is not None}
        moved = dataclasses.replace(self, model=self.model.at(moment), moment=moment, marks=marks)
        lasting = ("titles", "ids", "means")  # are the same at all moments
        vars(moved).update({name: vars(self)[name] for name in lasting if name in vars(self)})
        with _moments_lock:
            self._moments[moment] = moved
        return moved

    @cached_property
    def titles(self) -> list[str]:
        """The title of each item that has factors."""
        model = self.model
        return [model.catalogue.title(model.items[index]) for index in range(len(model.items))]

    @cached_property
    def ids(self) -> list[Id]:
        """The ids of all items: those with factors in the order of their index, then those only in the catalogue."""
        model = self.model
        rated = [model.items[index] for index in range(len(model.items))]
        listed = list(model.catalogue.entries)
        unrated = [id for id, at in zip(listed, model.items.index(listed), strict=True) if at < 0] if listed else []
        return rated + [self._catalogue_id(id) for id in unrated]

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean training rating of each item with factors, (items,); 0 where the model keeps no ratings."""
        seen, items = self.model.seen, len(self.model.items)
        sums = np.bincount(seen.indices, seen.values, items) if seen else np.zeros(items)
        return sums / np.maximum(1, self.model.item_counts)

    @cached_property
    def is_quick(self) -> bool:
        """Whether scoring all items takes less time than handing the work to a thread."""
        return len(self.model.items) * (self.model.factors + 8) < _QUICK

    def item_id(self, item: str) -> Id:
        """Return the id of an item as the model spells it.

        Raises
        ------
        UnknownIdError
            If the item is neither in the model nor in the catalogue.
        """
        if self.model.items.find(item) < 0 and self.model.catalogue.get(item) is None:
            raise UnknownIdError(f"item {item!r} is unknown: {self.model.items.describe()}")
        return self.spell_item(item)

    def spell_item(self, item: str) -> Id:
        """Return an item's id as responses have it, also where the model does not know the item."""
        index = self.model.items.find(item)
        return self.model.items[index] if index >= 0 else self._catalogue_id(item)

    def spell_user(self, user: str) -> Id:
        """Return a user's id as responses have it: an integer where the ids of the model are integers."""
        index = self.model.users.find(user)
        if index >= 0:
            return self.model.users[index]
        number = None if self.model.users.is_text else integer_of(user)
        return user if number is None else number

    def _catalogue_id(self, id: Id) -> Id:
        # A file keeps the ids of the catalogue as texts. Where the ids of the model are integers, so are these.
        number = None if self.model.items.is_text else integer_of(str(id))
        return str(id) if number is None else number

    @staticmethod
    def check_kind(vocabulary: Vocabulary, id: str) -> None:
        """Refuse a text as a new id where all ids are integers: the next fit would have to turn all of them into texts.

        Raises
        ------
        DataError
            If the ids of the model are integers and this one is not.
        """
        number = integer_of(id)
        if not vocabulary.is_text and (number is None or abs(number) >= 1 << 62):  # a fit adds ids for visitors
            raise DataError(f"{vocabulary.kind} ids of this model are integers, not {id[:40]!r}")

    def training_ratings(self, user: str) -> dict[str, float]:
        """Return the ratings of a user that the model was fitted on: item id as text → rating."""
        index = self.model.users.find(user)
        if index < 0 or self.model.seen is None:
            return {}
        items, values = self.model.seen[index]
        # float32 4.1 is 4.0999999 as a float64: the shortest text that means the same float32 is 4.1 again.
        return {str(self.ids[at]): float(str(value)) for at, value in zip(items.tolist(), values, strict=True)}

    def entry(self, id: Id) -> Entry:
        """Return the title and text of an item; both are empty where the catalogue does not list it."""
        return self.model.catalogue.get(id) or Entry("", "")

    def warm_up(self) -> LoadedModel:
        """Compute what the first requests would otherwise wait for."""
        self.titles, self.ids, self.model.item_counts  # noqa: B018
        self.model.items.find("")
        # Loads the compiled kernels: with them a small model answers in a third of the time.
        import palate.kernels.ranking  # noqa: F401

        if len(self.model.users):
            self.model.recommend(self.model.users[0], 1)
        return self
