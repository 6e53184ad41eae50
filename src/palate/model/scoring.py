"""What a model says of many pairs at once, as arrays: of the rows of a table, or of all items for a user."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.predict import deviation_table, interval_table, predict_table
from palate.model.profile import Profile
from palate.model.recommend import RankBy, choice_chances, choice_scores, like_chances
from palate.model.score_batch import score_batch
from palate.ratings import Ratings
from palate.reading import ratings_of

__all__ = ["ScoringModel"]


class ScoringModel(ModelArrays):
    """The part of `palate.Model` that answers in arrays."""

    def predict_table(self, ratings: Ratings | Any) -> Floats:
        """Predict every row of a table; ids without factors are predicted as with ``unknown="mean"``.

        Returns
        -------
        ndarray
            float32, (n,), clipped to the scale.
        """
        return predict_table(self, ratings_of(ratings))

    def deviation_table(self, ratings: Ratings | Any) -> Floats | None:
        """Return the standard deviation of every row's rating around its prediction.

        Returns
        -------
        ndarray or None
            float32, (n,), in rating points; None if the model has no posterior.
        """
        return deviation_table(self, ratings_of(ratings))

    def interval_table(self, ratings: Ratings | Any, level: float) -> tuple[Floats, Floats] | None:
        """Return the interval in which every row's rating lies with a given probability.

        Returns
        -------
        tuple or None
            The lower and the upper ends, float32 (n,), clipped to the scale; None if the model has no posterior.

        Raises
        ------
        SettingsError
            If the level is not between 0 and 1.
        """
        return interval_table(self, ratings_of(ratings), level)

    def choice_scores(self, user: Id | Profile) -> Floats:
        """Return how likely a user chooses each item: float32, (items,), in the order of `items`.

        The scores of a choice head are not probabilities; only their order and their ratios mean something.

        Raises
        ------
        UnknownIdError
            If the user is unknown.
        SettingsError
            If the model has no choice head.
        """
        return choice_scores(self, user)

    def choice_chances(self, user: Id | Profile) -> Floats:
        """Return the probability that a user chooses each item next: float32, (items,), in the order of `items`.

        It is calibrated on choices that were held out: see `palate.model.interest.ChanceCalibration`.

        Raises
        ------
        UnknownIdError, SettingsError
            As in `choice_scores`.
        """
        return choice_chances(self, user)

    def like_chances(self, user: Id | Profile, items: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that a user likes items once the user has chosen them: float64, (items,).

        Raises
        ------
        UnknownIdError
            If the user or an item is unknown.
        SettingsError
            If the model has no choice head.
        """
        return like_chances(self, user, items)

    def score_batch(
        self, users: ArrayLike | Profile | None = None, *, by: RankBy | None = None, threads: int | None = None
    ) -> Floats:
        """Return the scores by which lists are ranked, of all items for many users.

        Nothing is left out, not even what a user has rated. Predicted ratings are not clipped here, so that items
        beyond the end of the scale keep their order.

        Parameters
        ----------
        users
            Ids; None for all users in the order of `users`; or a profile from `fold_in`, for one row.
        by
            "interest", "choice" or "prediction"; by default what `palate.Model.recommend` ranks by.
        threads
            How many; by default one for each core. The number does not change the result.

        Returns
        -------
        ndarray
            float32, (users, items), in the order of `items`.

        Raises
        ------
        UnknownIdError
            If a user is unknown.
        SettingsError
            If the model lacks what the ranking needs, or there is no such ranking.
        """
        return score_batch(self, users, by, threads)
