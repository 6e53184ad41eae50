"""What a metric can look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.errors import SettingsError
from palate.model import Predicts
from palate.ratings import Ratings, RatingScale, Vocabulary

__all__ = ["Judged", "Need", "Predictor"]

#: What a model may lack: predicted ratings, or the knowledge of how sure they are.
Need = Literal["prediction", "deviation"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


class Predictor(Protocol):
    """What can be judged row by row, such as a model."""

    @property
    def users(self) -> Vocabulary: ...  # noqa: D102
    @property
    def items(self) -> Vocabulary: ...  # noqa: D102
    @property
    def scale(self) -> RatingScale: ...  # noqa: D102
    @property
    def predicts(self) -> Predicts: ...  # noqa: D102

    def predict_table(self, ratings: Ratings) -> Floats: ...  # noqa: D102
    def deviation_table(self, ratings: Ratings) -> Floats | None: ...  # noqa: D102
    def interval_table(self, ratings: Ratings, level: float) -> tuple[Floats, Floats] | None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Judged:
    """A model and the n ratings that it is judged on. Each array is computed when a metric first asks for it.

    Parameters
    ----------
    model
        The model.
    test
        The ratings, with ids that the model may not know. No row is left out.

    Examples
    --------
    >>> from palate import datasets, holdout
    >>> from palate.solvers import Means
    >>> train, test = holdout(datasets.make_ratings(users=20, items=10, ratings=100, seed=1))
    >>> judged = Judged(Means().fit(train), test)
    >>> judged.prediction.shape, judged.rating.shape
    ((10,), (10,))
    >>> judged.offers("deviation")  # a model of means does not know how sure it is
    False
    """

    model: Predictor
    test: Ratings

    def offers(self, need: Need) -> bool:
        """Return whether the model has what a metric needs."""
        return self.model.predicts == "rating" if need == "prediction" else self._deviation is not None

    @property
    def scale(self) -> RatingScale:
        """The rating scale of the model."""
        return self.model.scale

    @property
    def rating(self) -> Floats:
        """The ratings, float32 (n,), in rating points."""
        return self.test.rating

    @cached_property
    def prediction(self) -> Floats:
        """The predicted ratings, float32 (n,), clipped to the scale."""
        return self.model.predict_table(self.test)

    @cached_property
    def _deviation(self) -> Floats | None:
        return self.model.deviation_table(self.test) if self.model.predicts == "rating" else None

    @property
    def deviation(self) -> Floats:
        """The predictive standard deviations, float32 (n,), before the scale is taken into account.

        Raises
        ------
        SettingsError
            If the model does not know how sure it is.
        """
        if self._deviation is None:
            raise SettingsError("this model does not know how sure it is: ask `offers` first")
        return self._deviation

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the intervals that should hold this share of the ratings, both float32 (n,).

        Raises
        ------
        SettingsError
            If the model does not know how sure it is, or the level is not between 0 and 1.
        """
        ends = self.model.interval_table(self.test, level)
        if ends is None:
            raise SettingsError("this model does not know how sure it is: ask `offers` first")
        return ends

    @cached_property
    def user(self) -> Indices:
        """The index of each row's user in the model, int32 (n,); -1 for a user that the model does not know."""
        return self.model.users.index(self.test.users.ids)[self.test.user]

    @cached_property
    def item(self) -> Indices:
        """The index of each row's item in the model, int32 (n,); -1 for an item that the model does not know."""
        return self.model.items.index(self.test.items.ids)[self.test.item]

    def user_means(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the mean of a value over the rows of each user.

        Parameters
        ----------
        values
            (n,): a value for each row.

        Returns
        -------
        ndarray
            float64, (users that have rows,), in the order of ``test.users``.
        """
        sums = np.bincount(self.test.user, values, minlength=len(self.test.users))
        counts = self.test.user_counts
        return np.asarray(sums[counts > 0] / counts[counts > 0])
