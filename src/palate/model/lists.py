"""The part of a model that answers with lists: of items for one user, for many, and of what is similar."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from numpy.typing import ArrayLike

from palate.gpu.device import DeviceName
from palate.model.arrays import Id
from palate.model.batch import recommend_all, recommend_batch
from palate.model.item_index import index_items
from palate.model.profile import Profile
from palate.model.recommend import RankBy, recommend
from palate.model.scored import RankedBatch, ScoredList
from palate.model.scoring import ScoringModel
from palate.model.similar import similar_items, similar_users
from palate.ranking.approximate import ItemIndex

__all__ = ["ListModel"]


class ListModel(ScoringModel):
    """The methods of `palate.Model` that return lists."""

    def recommend(
        self,
        user: Id | Profile,
        n: int = 10,
        *,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: RankBy | None = None,
        level: float = 0.8,
        seed: int | None = None,
        index: ItemIndex | None = None,
        explore: float = 0.0,
    ) -> ScoredList:
        """Return the n items that a user would most likely choose and like, best first.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        n
            How many; fewer are returned if fewer are left.
        lowest
            Return the items with the lowest scores instead, lowest first; by default those of the prediction.
        seen
            Whether to include what the user has rated.
        only, exclude
            Item ids to choose from, and item ids to leave out. Items that were never rated have no score and are always
            left out.
        least
            The number of ratings that an item must have at least; little is known about an item with fewer.
        by
            What to rank by; None for "interest" if the model has a choice head, else for "prediction".
            "interest": how likely the user chooses the item and likes it, see `palate.model.interest`. "choice": how
            likely the user chooses it. "prediction": the predicted rating. "lower bound": the lower end of the
            prediction's interval, for items that are good with little doubt (with `lowest`, the upper end). "chance":
            a draw from what the prediction may be, so that items with few ratings are recommended from time to time
            (Thompson sampling, Thompson 1933). The score is that number.
        level
            The probability of the interval.
        seed
            Of the draws; None for other draws each time.
        index
            From `index_items`: look only at items that the index proposes, and miss a few of the best.
        explore
            The share of the places that go to items with fewer than five ratings, so that they can become known; at
            least one place if it is above 0. They are chosen by chance, the likeliest to please most often (as by
            "chance"), or by their prediction if the model has no posterior.

        Raises
        ------
        UnknownIdError
            If the user is unknown, or an item of a filter is in neither the ratings nor the catalogue.
        SettingsError
            If `n`, `by`, `level`, `seed` or `explore` is impossible; if the ranking needs a posterior and the model has
            none; if the index is of another model, or is to rank by something else than the prediction.
        """
        return recommend(
            self, user, n, lowest=lowest, seen=seen, only=only, exclude=exclude, least=least, by=by, level=level,
            seed=seed, index=index, explore=explore,
        )  # fmt: skip

    def recommend_batch(
        self,
        users: ArrayLike | None = None,
        n: int = 10,
        *,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: RankBy | None = None,
        level: float = 0.8,
        seed: int | None = None,
        explore: float = 0.0,
        threads: int | None = None,
    ) -> RankedBatch:
        """Return the n best items of many users at once: the same as `recommend` for each, to the last bit.

        Parameters
        ----------
        users
            Ids; None for all users in the order of `users`.
        n, lowest, seen, only, exclude, least, by, level
            As in `recommend`; not by "chance".
        seed, explore
            As in `recommend`: a share of each list for items with few ratings. It takes longer, and its draws differ
            from user to user.
        threads
            How many; by default one for each core. The number does not change the result.

        Returns
        -------
        RankedBatch
            A pair, ``items, scores``, each (users, n). `items` are int32 indices, best first, -1 where fewer than n
            items are left; `scores` are float32, what the items are ranked by, NaN there. Its attribute `ids` are the
            ids of the items (None there), `user_ids` those of the users; ``to_polars()`` has a row a recommendation.

        Raises
        ------
        UnknownIdError, SettingsError
            As in `recommend`.
        """
        return recommend_batch(
            self, users, n, lowest=lowest, seen=seen, only=only, exclude=exclude, least=least, by=by, level=level,
            seed=seed, explore=explore, threads=threads,
        )  # fmt: skip

    def recommend_all(
        self,
        path: str | Path,
        n: int = 10,
        *,
        users: ArrayLike | None = None,
        titles: bool = False,
        intervals: bool = False,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: RankBy | None = None,
        level: float = 0.8,
        seed: int | None = None,
        explore: float = 0.0,
        threads: int | None = None,
        device: DeviceName = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write the n best items of all users to a Parquet or CSV file, one recommendation in each row.

        The columns are user, rank (from 1), item and score. Rows are ordered by user and rank, and are the same as
        those of `recommend`. They are written while the next ones are computed, so that memory holds a few thousand
        users at a time. The file appears whole or not at all.

        Parameters
        ----------
        path
            The file: CSV if its name ends in ".csv", else Parquet. An existing file is replaced at the end.
        n, lowest, seen, only, exclude, least, by, level
            As in `recommend`; not by "chance".
        seed, explore
            As in `recommend_batch`.
        users
            Ids; None for all users.
        titles
            Whether to add a column with the items' titles.
        intervals
            Whether to add the columns low and high, the interval of each predicted rating with the probability `level`.
        threads
            How many; by default one for each core. The number does not change the result.
        device
            "cpu"; "cuda", a graphics card, for lists by "prediction" (needs the extra ``gpu``); "auto", a card if there
            is one and there is much to rank. The device does not change the result.
        progress
            Called with the number of users that are done, and the number of all users.

        Returns
        -------
        int
            The number of rows.

        Raises
        ------
        StorageError
            If the file cannot be written. An existing file is then left as it was, as it is after Ctrl-C.
        UnknownIdError, SettingsError
            As in `recommend`; if there is no graphics card that `device` asks for.
        MissingExtraError
            If `device` is "cuda" and PyTorch is not installed.
        """
        return recommend_all(
            self, path, n, users=users, titles=titles, intervals=intervals, lowest=lowest, seen=seen,
            only=only, exclude=exclude, least=least, by=by, level=level, seed=seed, explore=explore, threads=threads,
            device=device, progress=progress,
        )  # fmt: skip

    def index_items(self, *, threads: int | None = None, seed: int = 0) -> ItemIndex:
        """Build an index with which `recommend` need not look at all items; useful from some 100,000 items on.

        It needs the package faiss-cpu (``pip install '.[ann]'`` in a clone) and takes minutes for a million items. Its
        attribute `recall` is the share of the best items that it finds, measured on a sample of the users. An index
        that several threads build is not the same each time.

        Parameters
        ----------
        threads
            How many; by default one for each core.
        seed
            Of the sample.

        Raises
        ------
        MissingExtraError
            If faiss-cpu is not installed.
        """
        return index_items(self, threads, seed)

    def similar_items(self, item: Id, n: int = 10, *, by: Literal["cosine", "dot", "choice"] = "cosine") -> ScoredList:
        """Return the n items whose factors are most similar to those of an item: what the same people like.

        Parameters
        ----------
        item
            An id.
        n
            How many.
        by
            "cosine" of the factors, or their "dot" product; "choice": what the same people choose, by the choice head.

        Raises
        ------
        UnknownIdError
            If the item has no factors.
        SettingsError
            If `n` or `by` is impossible.
        """
        return similar_items(self, item, n, by)

    def similar_users(self, user: Id | Profile, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> ScoredList:
        """Return the n users whose factors are most similar to those of a user.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        n, by
            As in `similar_items`.

        Raises
        ------
        UnknownIdError
            If the user has no factors.
        SettingsError
            If `n` or `by` is impossible.
        """
        return similar_users(self, user, n, by)
