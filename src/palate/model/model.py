"""A fitted model: its data, and one short method for each question that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.attributes import Cell
from palate.model.arrays import Id
from palate.model.ask import ask
from palate.model.explain import Contribution, Explanation, explain, explain_items, reasons
from palate.model.fold_in import fold_in, fold_in_item
from palate.model.lists import ListModel
from palate.model.moment import at
from palate.model.predict import predict
from palate.model.profile import Profile
from palate.model.scored import ScoredList
from palate.model.update import with_ratings
from palate.moments import Moment

__all__ = ["Model"]


class Model(ListModel):
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
    seen_time
        int64, (ratings,): when the ratings in `seen` were given, in seconds since 1970; None if that is not known.
    user_features, item_features
        The attributes of users and items and what they say of factors: `palate.model.AttributeWeights`; None if the
        model knows none.
    times
        Answers to questions that name a moment; None if the solver learnt no effects of time. All other fields know
        nothing of moments.
    """

    def predict(
        self,
        user: Id | Profile | ArrayLike,
        item: Id | Profile | ArrayLike,
        *,
        unknown: Literal["error", "mean"] = "error",
        interval: float | None = None,
        at: Moment | None = None,
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
        at
            The moment of the rating: a date or a time (UTC if it has no zone), as an object or in ISO format, or
            seconds since 1970. None for no particular moment: the answer is then that of a model that knows no times.
            It has no effect on a model without effects of time.

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
            shapes cannot be broadcast; if a profile is of another model, or both arguments are profiles; if `at` is no
            moment.
        """
        return predict(self, user, item, unknown, interval, at)

    def at(self, moment: Moment) -> Model:
        """Return the model as it is at a moment: all its answers are for that moment.

        A model without effects of time is returned as it is. New users and items are folded in without regard to when
        their ratings were given.

        Parameters
        ----------
        moment
            As in `predict`. What lies after the last training rating belongs to no known day of a user and to no known
            month of an item; the drift of each user then has its last value.

        Raises
        ------
        SettingsError
            If it is no moment.

        Examples
        --------
        >>> from palate import BayesianMF, datasets
        >>> model = BayesianMF(factors=2, sweeps=20).fit(datasets.make_ratings(20, 10, 100, seed=1))
        >>> model.at("1998-01-31") is model  # the table had no times
        True
        """
        return at(self, moment)

    @overload
    def explain(self, user: Id | Profile, item: Id, *, at: Moment | None = None) -> Explanation: ...
    @overload
    def explain(
        self, user: Id | Profile, item: list[Any] | tuple[Any, ...] | NDArray[Any], *, at: Moment | None = None
    ) -> list[Explanation]: ...

    def explain(self, user: Id | Profile, item: Any, *, at: Moment | None = None) -> Explanation | list[Explanation]:
        """Split a prediction into what each rated item adds to it.

        The contributions are those of a user who is folded in with the same ratings, whatever solver fitted the model:
        what leaving a rating out would change, to first order. Where the fitted factors predict something else, the
        difference is the remainder. Explaining many items of one user takes hardly longer than explaining one.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        item
            An id, or a list of ids.
        at
            The moment of the rating, as in `predict`: what the effects of time add is then a part of the sum.

        Returns
        -------
        Explanation or list
            One explanation for an id; one for each id of a list, in its order.

        Raises
        ------
        UnknownIdError
            If the user or an item has no factors.
        DataError
            If the model keeps no ratings and `user` is an id.
        SettingsError
            If `at` is no moment, or names one for a profile.
        """
        if isinstance(item, (str, int, np.integer, np.bool_)):
            return explain(self, user, int(item) if isinstance(item, np.integer) else item, at)  # type: ignore[arg-type]
        return explain_items(self, user, item, at)

    def reasons(self, user: Id | Profile, items: Iterable[Id], n: int = 3) -> list[list[Contribution]]:
        """Return the n rated items that speak most for each of several predictions: the largest contributions above 0.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        items
            Ids.
        n
            How many reasons at most for each item.

        Returns
        -------
        list
            For each item a list, the largest contribution first.

        Raises
        ------
        UnknownIdError, DataError
            As in `explain`.
        SettingsError
            If `n` is impossible.
        """
        return reasons(self, user, items, n)

    def fold_in(self, ratings: Mapping[Id, float], *, features: Mapping[str, Cell] | None = None) -> Profile:
        """Find the factors of a new user from ratings, without fitting again: see `palate.model.row_solve.solve_row`.

        Parameters
        ----------
        ratings
            Item id → rating, on the model's scale. May be empty: the profile is then that of the average user.
        features
            Attribute → value, such as ``{"age": 31, "sex": "F"}``, for a model that was fitted with attributes of
            users.

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
            it is a confidence; if there is no attribute of a name, or it is a number and the value is none.
        SettingsError
            If attributes are given and the model knows none of users.
        """
        return fold_in(self, ratings, features)

    def fold_in_item(self, ratings: Mapping[Id, float], *, features: Mapping[str, Cell] | None = None) -> Profile:
        """Find the factors of a new item from its first ratings.

        Parameters
        ----------
        ratings
            User id → rating, on the model's scale. May be empty.
        features
            Attribute → value, such as ``{"genres": "Comedy|War"}``, for a model that was fitted with attributes of
            items.

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
            If attributes are given and the model knows none of items.
        """
        return fold_in_item(self, ratings, features)

    def ask(
        self, user: Id | Profile | None = None, n: int = 10, *, exclude: Iterable[Id] = (), least: int = 0
    ) -> ScoredList:
        """Return the n items to ask a user about: those whose rating would tell most and that the user can rate.

        The score is the share by which the rating would reduce the variance of all predictions for the user, where each
        item counts as often as it was rated (`palate.model.ask.information_gain`), times the chance that the user can
        rate the item (`palate.model.ask.answer_chances`).

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`; None for a user of whom nothing is known.
        n
            How many.
        exclude
            Item ids to leave out, such as those that the user does not know.
        least
            The number of ratings that an item must have at least.

        Raises
        ------
        UnknownIdError
            If the user has no factors, or an item of `exclude` is in neither the ratings nor the catalogue.
        SettingsError
            If the model has no posterior.
        DataError
            If the model keeps no ratings and `user` is an id.
        """
        return ask(self, user, n, exclude, least)

    def with_ratings(self, new: Any) -> Self:
        """Return a model with more ratings, without fitting again.

        Users and items with new ratings are solved for anew; new users and items are added. The factors of all others
        stay as they are, to the last bit. It takes seconds where a fit takes minutes; what all rows share (the scales
        of the noise, the priors, how lists are ranked) is learnt only by a fit, such as `palate.refit.refit`. See
        `palate.model.update` for the equations.

        Parameters
        ----------
        new
            `Ratings`, or whatever `palate.read_ratings` reads. Where a pair is rated again, the new rating counts.

        Returns
        -------
        Model
            ``training["updates"]`` counts what was new.

        Raises
        ------
        DataError
            If the model keeps no ratings, or a rating is off its scale.

        Examples
        --------
        >>> from palate import ALS
        >>> from palate.datasets import make_ratings
        >>> model = ALS(factors=4, sweeps=3).fit(make_ratings(users=100, items=40, ratings=2000, seed=1))
        >>> newer = model.with_ratings([(500, 7, 4.0), (500, 8, 1.0), (3, 777, 5.0)])
        >>> newer.users.find(500) >= 0, newer.items.find(777) >= 0
        (True, True)
        """
        return cast(Self, with_ratings(self, new))
