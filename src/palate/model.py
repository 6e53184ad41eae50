"""The fitted thing: immutable arrays plus ids, which answers every question whichever solver made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.catalogue import Catalogue
from palate.errors import DataError, SettingsError, UnknownIdError
from palate.posterior import Posterior, Prediction
from palate.profiles import Contribution, Explanation, Given, Penalty, Profile, Unobserved, contributions, design, solve
from palate.ranking import Scored, Shelf, best, scores, telling
from palate.ratings import Grouped, Ratings, RatingScale, Vocabulary

__all__ = ["Explanation", "Model", "Scored"]

Id = int | str
Floats = NDArray[np.float32]

USUAL_PENALTY = Penalty(factors=0.1, bias=0.1, by_count=True)

# How many scores, or gathered factors, a batch holds at once.
_BATCH_CELLS = 1 << 22


@dataclass(frozen=True, eq=False)
class Model:
    r"""A fitted model: :math:`\hat r_{ui} = \mu + b_u + b_i + p_u \cdot q_i`, clipped to the rating scale.

    Parameters
    ----------
    users, items
        The ids that have factors: those that were rated in the training part.
    intercept
        The constant :math:`\mu`, on the rating scale like everything here.
    mean
        The mean training rating, which stands in where nothing else is known.
    user_bias, item_bias
        float32, (users,) and (items,).
    user_factors, item_factors
        float32, (users, k) and (items, k).
    scale
        The rating scale; predictions are clipped to it.
    seen
        The training ratings by user. Without them nothing is left out of recommendations and nothing is explained.
    catalogue
        Titles and texts. Items that are only listed there were never rated and have no score.
    penalty
        With which a new user's factors are found, where there is no posterior.
    posterior
        How sure predictions are, and the priors of new users and items; None where the solver does not tell.
    solver, training
        The solver's name and settings, and how the fit went.
    """

    users: Vocabulary
    items: Vocabulary
    intercept: float
    mean: float
    user_bias: Floats
    item_bias: Floats
    user_factors: Floats
    item_factors: Floats
    scale: RatingScale
    seen: Grouped | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)
    penalty: Penalty = USUAL_PENALTY
    posterior: Posterior | None = None
    solver: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def factors(self) -> int:
        """The number of factors of each user and item, k."""
        return int(self.item_factors.shape[1])

    @property
    def size(self) -> dict[str, int]:
        """How many numbers the full matrix has, and how many this model keeps instead."""
        rows = len(self.users) + len(self.items)
        return {"matrix": len(self.users) * len(self.items), "factors": rows * self.factors, "biases": rows}

    def __repr__(self) -> str:
        name = self.solver.get("name", "model")
        return f"Model({name}, {len(self.users):,} users, {len(self.items):,} items, {self.factors} factors)"

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """How many training ratings each item has: int64, (items,). Zeros where the model keeps no ratings."""
        return np.bincount(self.seen.indices if self.seen else [], minlength=len(self.items))

    # Predicting

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
            An id or an array of ids, broadcast against each other; or a profile from `fold_in` or `fold_in_item` and
            ids for the other.
        unknown
            What to do about ids without factors: "error", or "mean" to predict what is expected of a user or an item
            of whom nothing is known (without a posterior: the mean, plus the bias of whichever side is known).
        interval
            A share, such as 0.9: also tell between which ratings the true one lies with this probability.

        Returns
        -------
        float, ndarray or Prediction
            A float for two ids, otherwise float32 in the broadcast shape; with `interval` the rating and the ends of
            its interval, all on the rating scale.

        Raises
        ------
        UnknownIdError
            If an id has no factors and `unknown` is "error".
        SettingsError
            If an interval is asked of a model without posterior, or is no share.
        """
        if unknown not in ("error", "mean"):
            raise SettingsError(f"unknown ids are an 'error' or get the 'mean', not {unknown!r}")
        for one, kind in ((user, "user"), (item, "item")):
            if isinstance(one, Profile):
                self._check_profile(one, kind)
        if isinstance(item, Profile) and isinstance(user, Profile):
            raise SettingsError("a new user and a new item cannot be predicted together: one must be an id")
        if isinstance(item, Profile):
            u = self._index(self.users, user, unknown)
            found = self._against(item, self.user_factors, self.user_bias, u)
        elif isinstance(user, Profile):
            i = self._index(self.items, item, unknown)
            found = self._against(user, self.item_factors, self.item_bias, i)
        else:
            u, i = self._index(self.users, user, unknown), self._index(self.items, item, unknown)
            try:
                u, i = np.broadcast_arrays(u, i)
            except ValueError as error:
                raise SettingsError(f"users {u.shape} and items {i.shape} cannot be paired: {error}") from error
            found = self._products(u.ravel(), i.ravel()).reshape(u.shape)
        rating = _plain(self.scale.clip(found))
        if interval is None:
            return rating
        posterior = self.certain()
        if isinstance(item, Profile):
            variance = posterior.toward_users(item, self.user_factors, u)
        elif isinstance(user, Profile):
            variance = posterior.toward_items(user, self.item_factors, i)
        else:
            variance = posterior.variance(u, i)
        reach = posterior.width(interval) * np.sqrt(variance)
        return Prediction(rating, _plain(self.scale.clip(found - reach)), _plain(self.scale.clip(found + reach)))

    def certain(self) -> Posterior:
        """Return the posterior.

        Raises
        ------
        SettingsError
            If there is none.
        """
        if self.posterior is None:
            raise SettingsError(
                f"a model of the solver {self.solver.get('name', 'given')!r} does not know how sure it is: fit with "
                "the solver 'bayes'"
            )
        return self.posterior

    def _against(self, profile: Profile, factors: Floats, bias: Floats, index: NDArray[np.int32]) -> Any:
        # What a profile makes of the rows of the other side; -1 is a row of which nothing is known.
        known = self.intercept + profile.bias + bias[index] + factors[index] @ profile.factors
        if self.posterior is None:
            return np.where(index < 0, self.mean + profile.bias, known)
        cold = (self.posterior.items if factors is self.item_factors else self.posterior.users).mean
        return np.where(index < 0, self.intercept + profile.bias + cold[-1] + profile.factors @ cold[:-1], known)

    def predict_table(self, ratings: Ratings) -> Floats:
        """Predict every row of a table; ids without factors are predicted by the mean, as in `predict`.

        Returns
        -------
        ndarray
            float32, (n,), clipped to the scale.
        """
        return np.asarray(self.scale.clip(self._products(*self._rows(ratings))), np.float32)

    def deviation_table(self, ratings: Ratings) -> Floats | None:
        """Return the standard deviation of every row's rating around its prediction, None without a posterior."""
        if self.posterior is None:
            return None
        return np.asarray(np.sqrt(self.posterior.variance(*self._rows(ratings))), np.float32)

    def interval_table(self, ratings: Ratings, level: float) -> tuple[Floats, Floats] | None:
        """Return between which ratings every row's lies with this probability; None without a posterior."""
        deviation = self.deviation_table(ratings)
        if deviation is None:
            return None
        found, reach = self._products(*self._rows(ratings)), self.certain().width(level) * deviation
        return _plain(self.scale.clip(found - reach)), _plain(self.scale.clip(found + reach))

    def _rows(self, ratings: Ratings) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        u = self.users.index(ratings.users.ids)[ratings.user]
        return u, self.items.index(ratings.items.ids)[ratings.item]

    def ratings(self) -> Ratings | None:
        """Return the ratings that the model was fitted on, None if it keeps none."""
        if self.seen is None:
            return None
        user = np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.seen.indptr))
        return Ratings(self.users, self.items, user, self.seen.indices, self.seen.values, self.scale)

    def _index(self, vocabulary: Vocabulary, ids: Any, unknown: str) -> NDArray[np.int32]:
        shape = np.shape(ids)
        index = vocabulary.index(ids if shape else [ids]).reshape(shape)
        if unknown == "error" and (index < 0).any():
            missing = np.asarray(ids, dtype=object).reshape(shape)[index < 0].ravel()[0]
            raise UnknownIdError(self._unknown(vocabulary, missing))
        return index

    def _unknown(self, vocabulary: Vocabulary, id: Id) -> str:
        if vocabulary is self.items and self.catalogue.get(id):
            return f"item {id!r} is in the catalogue but was never rated: it has no factors and no score"
        return f"{vocabulary.kind} {id!r} is unknown: {vocabulary.describe()}"

    def _products(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
        found = np.empty(len(user), np.float32)
        step = max(1, _BATCH_CELLS // max(1, self.factors))
        for start in range(0, len(user), step):
            u, i = user[start : start + step], item[start : start + step]
            p, q, b, c = self.user_factors[u], self.item_factors[i], self.user_bias[u], self.item_bias[i]
            if self.posterior is not None:
                new_user, new_item = self.posterior.users.mean, self.posterior.items.mean
                p[u < 0], b[u < 0], q[i < 0], c[i < 0] = new_user[:-1], new_user[-1], new_item[:-1], new_item[-1]
                found[start : start + step] = self.intercept + b + c + np.einsum("nk,nk->n", p, q)
            else:
                b[u < 0], c[i < 0] = 0, 0
                both = np.where((u >= 0) & (i >= 0), self.intercept + np.einsum("nk,nk->n", p, q), self.mean)
                found[start : start + step] = b + c + both
        return found

    def _profile(self, user: Id | Profile) -> Profile:
        if isinstance(user, Profile):
            self._check_profile(user, "user")
            return user
        index = int(self._index(self.users, user, "error"))
        items, ratings = self.seen[index] if self.seen else (np.empty(0, np.int32), np.empty(0, np.float32))
        return Profile(float(self.user_bias[index]), self.user_factors[index], items, ratings)

    def _check_profile(self, profile: Profile, kind: str) -> None:
        if profile.kind != kind or profile.factors.shape != (self.factors,):
            made = "" if profile.kind == kind else f"of {'an item' if kind == 'user' else 'a user'} "
            raise SettingsError(f"a {kind} is expected, not a profile {made}made by another model or method")

    # Ranking

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
        by: Literal["prediction", "lower bound", "chance"] = "prediction",
        level: float = 0.8,
        seed: int | None = None,
    ) -> list[Scored]:
        """Return the n items with the highest predicted ratings, best first.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        n
            How many; fewer come back where fewer are left.
        lowest
            The lowest instead, worst first.
        seen
            Whether to include what the user has rated.
        only, exclude
            Item ids to choose from, and to leave out. Items that were never rated have no score and are left out too.
        least
            Only items with so many ratings at least: little is known about the others.
        by
            "lower bound": by the lower end of the prediction's interval, for what is surely good (with `lowest` by the
            upper end, for what is surely bad). "chance": each item by a draw from what its prediction may be, so that
            items of which little is known get their turn (Thompson 1933). The score is that end, or the draw.
        level
            Of the interval.
        seed
            Of the draws; None draws anew each time.

        Raises
        ------
        UnknownIdError
            If the user, or an item of a filter, is in neither the ratings nor the catalogue.
        SettingsError
            If there is no such way to rank, or the model has no posterior that it needs.
        """
        profile = self._profile(user)
        found = scores(self.item_factors, self.item_bias, profile.factors, self.intercept + profile.bias)
        if by != "prediction":
            found = self._unsure(user, found, by, level, seed, lowest)
        allowed = self._allowed(only, exclude, least)
        if not seen:
            allowed[profile.items] = False
        chosen = best(found, allowed, n, lowest)
        return self._scored(self.items, chosen, self.scale.clip(found[chosen]))

    def _allowed(self, only: Iterable[Id] | None, exclude: Iterable[Id], least: int) -> NDArray[np.bool_]:
        allowed = np.full(len(self.items), only is None)
        if only is not None:
            allowed[self._filter(only)] = True
        allowed[self._filter(exclude)] = False
        if least > 0:
            allowed &= self.item_counts >= least
        return allowed

    def _unsure(
        self, user: Id | Profile, scores: Floats, by: str, level: float, seed: int | None, lowest: bool
    ) -> Floats:
        if by not in ("lower bound", "chance"):
            raise SettingsError(f"items are ranked by 'prediction', 'lower bound' or 'chance', not {by!r}")
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise SettingsError(f"a seed is an integer from 0 on, not {seed!r}")
        posterior, i = self.certain(), np.arange(len(self.items), dtype=np.int32)
        if isinstance(user, Profile):
            variance, u = posterior.toward_items(user, self.item_factors, i), None
        else:
            u = self._index(self.users, user, "error")
            variance = posterior.variance(u, i)
        if by == "lower bound":
            reach = posterior.width(level) * np.sqrt(variance)
            return np.asarray(scores + reach if lowest else scores - reach, np.float32)
        drawn = np.random.default_rng(seed).normal(size=len(i))
        return np.asarray(scores + drawn * np.sqrt(np.maximum(variance - posterior.noise_of(u, i), 0)), np.float32)

    def ask(self, user: Id | Profile, n: int = 10, *, exclude: Iterable[Id] = ()) -> list[Scored]:
        """Return the n items whose rating would tell most about a user, the most telling first.

        The score is the share that the rating would take off the variance of the user's predictions, each item counted
        as often as it is rated: see `palate.ranking.telling`.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`; ``model.fold_in({})`` is somebody of whom nothing is known.
        n
            How many.
        exclude
            Item ids to leave out, such as those that the user does not know.

        Raises
        ------
        UnknownIdError
            If the user has no factors.
        SettingsError
            If the model has no posterior.
        DataError
            If the model keeps no ratings, which tell what is known of the user.
        """
        prior = self.certain().users
        if self.seen is None and not isinstance(user, Profile):
            raise DataError("this model keeps no ratings: fold in what the user has rated instead")
        profile = self._profile(user)
        covariance = profile.covariance
        if covariance is None:
            residuals = self._residuals(profile.items, profile.ratings)
            given = self._given(profile.items, profile.ratings)
            covariance = solve(self.item_factors[profile.items], residuals, given)[-1]
        share = telling(design(self.item_factors), covariance, prior.noise, np.maximum(1, self.item_counts))
        allowed = np.ones(len(self.items), dtype=bool)
        allowed[profile.items] = False
        allowed[self._filter(exclude)] = False
        chosen = best(share, allowed, n, lowest=False)
        return self._scored(self.items, chosen, share[chosen])

    def _filter(self, ids: Iterable[Id]) -> NDArray[np.int32]:
        wanted = [ids] if isinstance(ids, (str, int, np.integer)) else list(ids)
        index = self.items.index(wanted)
        for id, position in zip(wanted, index, strict=True):
            if position < 0 and not self.catalogue.get(id):
                raise UnknownIdError(self._unknown(self.items, id))
        return index[index >= 0]

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
        threads: int | None = None,
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the n best items of many users at once: the same as `recommend` for each, to the last bit.

        Parameters
        ----------
        users
            Ids, by default all users in the order of the vocabulary.
        n, lowest, seen, only, exclude, least
            As in `recommend`.
        threads
            How many; by default one for each core. They do not change the result.

        Returns
        -------
        tuple
            Item indices, int32 (users, n), and predicted ratings, float32 (users, n), best first. Where fewer than n
            items are left, the index is -1 and the rating NaN. ``model.items.ids[index]`` gives the ids.
        """
        u = np.arange(len(self.users)) if users is None else self._index(self.users, users, "error").ravel()
        shelf = Shelf(self.item_factors, self.item_bias, self._allowed(only, exclude, least), lowest)
        left_out = None
        if not seen and self.seen:
            left_out = self.seen.indptr[u], self.seen.indptr[u + 1], self.seen.indices
        offsets = (self.intercept + self.user_bias[u].astype(np.float64)).astype(np.float32)
        with shelf.opened(threads) as run:
            items, ratings = shelf.rank(run, self.user_factors[u], offsets, n, left_out)
        return items, np.asarray(self.scale.clip(ratings), np.float32)

    # Similarity

    def similar_items(self, item: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Scored]:
        """Return the n items whose factors are most like those of an item: what the same people like.

        Parameters
        ----------
        item
            An id.
        n
            How many.
        by
            "cosine" of the factors, or their "dot" product.

        Raises
        ------
        UnknownIdError
            If the item has no factors.
        """
        index = int(self._index(self.items, item, "error"))
        return self._similar(self.items, self.item_factors, self.item_factors[index], index, n, by)

    def similar_users(
        self, user: Id | Profile, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine"
    ) -> list[Scored]:
        """Return the n users whose factors are most like those of a user: see `similar_items`."""
        index = -1 if isinstance(user, Profile) else int(self._index(self.users, user, "error"))
        return self._similar(self.users, self.user_factors, self._profile(user).factors, index, n, by)

    def _similar(
        self, vocabulary: Vocabulary, factors: Floats, vector: Floats, own: int, n: int, by: str
    ) -> list[Scored]:
        if by not in ("cosine", "dot"):
            raise SettingsError(f"similarity is by 'cosine' or 'dot', not {by!r}")
        found = factors @ vector
        allowed = np.ones(len(factors), dtype=bool)
        if by == "cosine":
            lengths = np.linalg.norm(factors, axis=1) * np.linalg.norm(vector)
            allowed = lengths > 0
            found = np.divide(found, lengths, out=np.zeros_like(found), where=allowed)
        if own >= 0:
            allowed[own] = False
        chosen = best(found, allowed, n, lowest=False)
        return self._scored(vocabulary, chosen, found[chosen])

    def _scored(self, vocabulary: Vocabulary, index: NDArray[np.int64], scores: Floats) -> list[Scored]:
        ids = [vocabulary[int(position)] for position in index]
        named = self.catalogue.title if vocabulary is self.items else str
        return [Scored(id, float(score), named(id)) for id, score in zip(ids, scores, strict=True)]

    # New users, and reasons

    def fold_in(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a user from ratings, without fitting again.

        Parameters
        ----------
        ratings
            Item id → rating, on the model's scale. May be empty: the profile is then the average user.

        Returns
        -------
        Profile
            To be used wherever a user id can be.

        Raises
        ------
        UnknownIdError
            If an item has no factors.
        DataError
            If a rating is not a finite number, or off the scale, or not above zero where it is a confidence.
        """
        items, values = self._rated(self.items, ratings)
        given = self._given(items, values)
        return self._folded(solve(self.item_factors[items], self._residuals(items, values), given), items, values)

    def fold_in_item(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a new item from its first ratings: user id → rating. See `fold_in`.

        Raises
        ------
        SettingsError
            If the model has no posterior, and so no prior for items.
        """
        users, values = self._rated(self.users, ratings)
        residuals = values.astype(np.float64) - self.intercept - self.user_bias[users]
        given = self.certain().items.given(users, self.factors)
        return replace(self._folded(solve(self.user_factors[users], residuals, given), users, values), kind="item")

    def _rated(self, vocabulary: Vocabulary, ratings: Mapping[Id, float]) -> tuple[NDArray[np.int32], Floats]:
        if not isinstance(ratings, Mapping):
            raise DataError(f"ratings to fold in are a dictionary, {vocabulary.kind} id to rating")
        index = self._index(vocabulary, list(ratings), "error")
        if len(set(index.tolist())) < len(index):
            raise DataError(f"{'an item is' if vocabulary is self.items else 'a user has'} rated twice: give each once")
        values = np.array(list(ratings.values()), np.float32)
        for id, value in zip(ratings, values, strict=True):
            self._check_rating(f"{vocabulary.kind} {id!r}", value)
        return index, values

    def _check_rating(self, of: str, value: np.float32) -> None:
        if not self.penalty.unobserved:
            if not np.float32(self.scale.low) <= value <= np.float32(self.scale.high):
                raise DataError(f"rating {value:g} of {of} is off the model's scale, {self.scale}")
        elif not np.isfinite(value) or (self.penalty.confidence and value <= 0):
            allowed = "a number above zero, as it is a confidence" if self.penalty.confidence else "a finite number"
            raise DataError(f"rating {value:g} of {of} must be {allowed}")

    @cached_property
    def _unobserved(self) -> Unobserved | None:
        # Of a model of choices, every item is part of a user's equations.
        weight, factors = self.penalty.unobserved, self.item_factors.astype(np.float64)
        return Unobserved(weight * (factors.T @ factors), weight * len(factors)) if weight else None

    def _given(self, items: NDArray[np.int32], ratings: Floats) -> Given:
        if self.posterior is not None:
            return self.posterior.users.given(items, self.factors)
        return self.penalty.given(ratings, self.factors, self._unobserved)

    def _residuals(self, items: NDArray[np.int32], ratings: Floats) -> NDArray[np.float64]:
        if self.penalty.unobserved:
            return np.ones(len(items))
        return ratings.astype(np.float64) - self.intercept - self.item_bias[items]

    def _folded(
        self, found: tuple[float, Floats, NDArray[np.float64]], rated: NDArray[np.int32], values: Floats
    ) -> Profile:
        bias, factors, covariance = found
        return Profile(bias, factors, rated, values, covariance if self.posterior else None)

    def explain(self, user: Id | Profile, item: Id) -> Explanation:
        """Say how much each rated item speaks for a prediction.

        Raises
        ------
        UnknownIdError
            If the user or the item has no factors.
        DataError
            If the model was saved without the ratings it was fitted on.
        """
        if self.seen is None and not isinstance(user, Profile):
            raise DataError("this model keeps no ratings to explain from: fold in the user's ratings instead")
        profile, index = self._profile(user), int(self._index(self.items, item, "error"))
        residuals = self._residuals(profile.items, profile.ratings)
        given = self._given(profile.items, profile.ratings)
        parts, before, remainder = contributions(
            profile, self.item_factors[profile.items], residuals, self.item_factors[index], given
        )
        intercept = self.intercept + float(self.item_bias[index]) + before
        rated = [self.items[int(position)] for position in profile.items]
        found = [
            Contribution(id, float(rating), float(part), self.catalogue.title(id))
            for id, rating, part in zip(rated, profile.ratings, parts, strict=True)
        ]
        found.sort(key=lambda part: -abs(part.contribution))
        total = intercept + float(parts.sum()) + remainder
        own = self.items[index]
        return Explanation(own, self.catalogue.title(own), total, intercept, tuple(found), remainder)


def _plain(values: Any) -> Any:
    single = np.asarray(values, np.float32)
    return float(single) if single.ndim == 0 else single
