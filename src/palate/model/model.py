"""A fitted model: its data, and one short method for each question that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.model.arrays import Floats, Id
from palate.model.ask import ask
from palate.model.batch import recommend_all, recommend_batch
from palate.model.explain import Explanation, explain
from palate.model.fold_in import fold_in, fold_in_item
from palate.model.item_index import index_items
from palate.model.predict import predict
from palate.model.profile import Profile
from palate.model.recommend import RankBy, recommend
from palate.model.scoring import ScoringModel
from palate.model.similar import similar_items, similar_users
from palate.ranking import Scored
from palate.ranking.approximate import ItemIndex

__all__ = ["Model"]


class Model(ScoringModel):
    r"""A fitted model: :math:`\hat r_{ui} = \mu + b_u + b_i + p_u \cdot q_i`, clipped to the rating scale.

    A model does not change. `dataclasses.replace` makes another one from it, with another catalogue for example.

    Parameters
    ----------
    users, items
        The ids of those who rated and of what was rated in the training part: they have factors.
    intercept
        The constant :math:`\mu`, on the rating scale as all biases and products of factors are.
    mean
        The mean training rating; predicted where nothing else is known.
    user_bias, item_bias
        float32, (users,) and (items,): :math:`b_u` and :math:`b_i`.
    user_factors, item_factors
        float32, (users, k) and (items, k): :math:`p_u` and :math:`q_i`.
    scale
        The rating scale, to which predictions are clipped.
    seen
        The training ratings by user. Without them recommendations may repeat what the user has rated, and predictions
        of the model's users are not explained.
    catalogue
        Titles and texts. Items that are only in the catalogue were never rated and have no score.
    penalty
        The settings with which new users are folded in if there is no posterior.
    posterior
        How uncertain predictions are, and the priors of new users and items; None if the solver does not estimate them.
    solver
        The solver's name and settings.
    training
        How the fit went.
    predicts
        What the scores are: "rating", or "choice" (how likely a user chooses an item; errors in rating points do not
        exist then).
    choice
        How likely users choose items, whatever they then say of them; None if that is not known, or `predicts` is
        "choice" and the factors above say it.
    interest
        How choice and prediction are combined to rank lists; None if there is no `choice`.
    """

    def predict(
        self,
        user: Id | Profile | ArrayLike,
        item: Id | Profile | ArrayLike,
        *,
        unknown: Literal["error", "mean"] = "error",
        interval: float | None = None,
    ) -> Any:
        """Predict ratings.

        Parameters
        ----------
        user, item
            An id or an array of ids, broadcast against each other; or a profile from `fold_in` or `fold_in_item`, and
            ids for the other.
        unknown
            What to do about ids without factors: "error", or "mean" to predict what is expected of a user or an item
            of which nothing is known (without a posterior: the mean, plus the bias of the known side if there is one).
        interval
            A probability such as 0.9: also return the interval in which the true rating lies with this probability.

        Returns
        -------
        float, ndarray or Prediction
            A float for two ids, otherwise float32 in the broadcast shape; with `interval` a `Prediction` of the rating
            and the ends of its interval. All are on the rating scale.

        Raises
        ------
        UnknownIdError
            If an id has no factors and `unknown` is "error".
        SettingsError
            If an interval is asked for and the model has no posterior, or `interval` is not between 0 and 1; if the
            shapes cannot be broadcast; if a profile is of another model, or both arguments are profiles.
        """
        return predict(self, user, item, unknown, interval)

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
    ) -> list[Scored]:
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

        Raises
        ------
        UnknownIdError
            If the user is unknown, or an item of a filter is in neither the ratings nor the catalogue.
        SettingsError
            If `n`, `by`, `level` or `seed` is impossible; if the ranking needs a posterior and the model has none; if
            the index is of another model, or is to rank by something else than the prediction.
        """
        return recommend(
            self, user, n, lowest=lowest, seen=seen, only=only, exclude=exclude, least=least, by=by, level=level,
            seed=seed, index=index,
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
        threads: int | None = None,
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the n best items of many users at once: the same as `recommend` for each, to the last bit.

        Parameters
        ----------
        users
            Ids; None for all users in the order of `users`.
        n, lowest, seen, only, exclude, least, by, level
            As in `recommend`; not by "chance".
        threads
            How many; by default one for each core. The number does not change the result.

        Returns
        -------
        items : ndarray
            int32, (users, n): item indices, best first; -1 where fewer than n items are left.
            ``model.items.ids[items]`` are the ids.
        scores : ndarray
            float32, (users, n): what the items are ranked by; NaN where fewer than n items are left.

        Raises
        ------
        UnknownIdError, SettingsError
            As in `recommend`.
        """
        return recommend_batch(
            self, users, n, lowest=lowest, seen=seen, only=only, exclude=exclude, least=least, by=by, level=level,
            threads=threads,
        )  # fmt: skip

    def recommend_all(
        self,
        path: str | Path,
        n: int = 10,
        *,
        users: ArrayLike | None = None,
        titles: bool = False,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: RankBy | None = None,
        level: float = 0.8,
        threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write the n best items of all users to a Parquet file, one recommendation in each row.

        The columns are user, rank (from 1), item and score. Rows are ordered by user and rank, and are the same as
        those of `recommend`. They are written while the next ones are computed, so that memory holds a few thousand
        users at a time. The file appears whole or not at all.

        Parameters
        ----------
        path
            The file. An existing file is replaced at the end.
        n, lowest, seen, only, exclude, least, by, level
            As in `recommend`; not by "chance".
        users
            Ids; None for all users.
        titles
            Whether to add a column with the items' titles.
        threads
            How many; by default one for each core. The number does not change the result.
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
            As in `recommend`.
        """
        return recommend_all(
            self, path, n, users=users, titles=titles, lowest=lowest, seen=seen, only=only, exclude=exclude,
            least=least, by=by, level=level, threads=threads, progress=progress,
        )  # fmt: skip

    def index_items(self, *, threads: int | None = None, seed: int = 0) -> ItemIndex:
        """Build an index with which `recommend` need not look at all items; useful from some 100,000 items on.

        It needs the package faiss-cpu (``pip install 'palate[ann]'``) and takes minutes for a million items. Its
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

    def similar_items(
        self, item: Id, n: int = 10, *, by: Literal["cosine", "dot", "choice"] = "cosine"
    ) -> list[Scored]:
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

    def similar_users(
        self, user: Id | Profile, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine"
    ) -> list[Scored]:
        """Return the n users whose factors are most similar to those of a user.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        n, by
            As in `similar_items`.

        Raises
        ------
        UnknownIdError, SettingsError
            As in `similar_items`.
        """
        return similar_users(self, user, n, by)

    def explain(self, user: Id | Profile, item: Id) -> Explanation:
        """Split a prediction into what each rated item adds to it.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        item
            An id.

        Raises
        ------
        UnknownIdError
            If the user or the item has no factors.
        DataError
            If the model keeps no ratings and `user` is an id.
        """
        return explain(self, user, item)

    def fold_in(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a new user from ratings, without fitting again: see `palate.model.row_solve.solve_row`.

        Parameters
        ----------
        ratings
            Item id → rating, on the model's scale. May be empty: the profile is then that of the average user.

        Returns
        -------
        Profile
            It can be used wherever a user id can.

        Raises
        ------
        UnknownIdError
            If an item has no factors.
        DataError
            If an item is rated twice; if a rating is not a finite number, is off the scale, or is not above zero where
            it is a confidence.
        """
        return fold_in(self, ratings)

    def fold_in_item(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a new item from its first ratings.

        Parameters
        ----------
        ratings
            User id → rating, on the model's scale.

        Returns
        -------
        Profile
            To be given to `predict` as the item.

        Raises
        ------
        UnknownIdError
            If a user has no factors.
        DataError
            As in `fold_in`.
        SettingsError
            If the model has no posterior, and so no prior for items.
        """
        return fold_in_item(self, ratings)

    def ask(self, user: Id | Profile, n: int = 10, *, exclude: Iterable[Id] = ()) -> list[Scored]:
        """Return the n items whose rating would tell most about a user, the most informative first.

        The score is the share by which the rating would reduce the variance of all predictions for the user, where each
        item counts as often as it was rated: see `palate.model.ask.information_gain`.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`; ``model.fold_in({})`` is a user of whom nothing is known.
        n
            How many.
        exclude
            Item ids to leave out, such as those that the user does not know.

        Raises
        ------
        UnknownIdError
            If the user has no factors, or an item of `exclude` is in neither the ratings nor the catalogue.
        SettingsError
            If the model has no posterior.
        DataError
            If the model keeps no ratings and `user` is an id.
        """
        return ask(self, user, n, exclude)
