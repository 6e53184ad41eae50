"""Which choice head a table wants, and how it is combined with predicted ratings: decided on held-out lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.model.choice import ChoiceHead, PopularityHead
from palate.model.interest import ChanceCalibration, Interest, like_boundary
from palate.parallel import Run, pool
from palate.ratings import Ratings
from palate.solvers.bayes import BayesianMF
from palate.solvers.choice_calibration import calibrate, recalibrate
from palate.solvers.ease import EASE
from palate.solvers.ease.search import choose_regularization
from palate.solvers.ease.weights import fit_ease
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.implicit import ImplicitALS
from palate.solvers.implicit.search import PILOT_SWEEPS, head_of
from palate.solvers.liking import Liking
from palate.solvers.trend_search import Combined, choose_trend

__all__ = ["HEADS", "Candidate", "ChosenHead", "choose_head", "fit_head", "popularity_lists"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

#: The choice heads, the simplest first.
HEADS = ("popularity", "ease", "implicit")
#: The powers of the chance of liking that are tried.
POWERS = (0.0, 0.5, 1.0, 2.0, 4.0)
# A quick model of ratings for the lists of the search; the power that it leads to is that of the long fit. All parts
# are off: pilots that select parts would take longer than the fit.
_PILOT = BayesianMF(
    factors=16, sweeps=20, user_noise=False, item_noise=False, user_sets=False, item_sets=False, times=False
)
# Settings of implicit ALS that are tried, regularization and weight of unobserved pairs. The second one is tried if the
# first is worse than the best head by less than this share of its NDCG.
_FACTORS, _NEAR = ((0.03, 0.1), (0.01, 0.1)), 0.1
# Popularity without a search: while the table grows by a ninth, a ninth of the share who chose an item choose it.
_SHARES, _POPULARITY_POWER = ChanceCalibration(-log(9), 1.0, 0.0, 0.0, 1e-6), 2.0
# EASE holds a number for each pair of items: 1.6 GB.
_EASE_ITEMS = 20_000
# A head with more settings must be better by this number of standard errors.
_SURE = 1.0


class Candidate(NamedTuple):
    """What was tried, and its NDCG@10 on held-out lists.

    Attributes
    ----------
    head
        "popularity", "ease" or "implicit"; "prediction" for lists by predicted ratings alone.
    settings
        The settings of the head that were chosen.
    power
        Of the chance of liking.
    ndcg
        The mean over users.
    """

    head: str
    settings: dict[str, float]
    power: float
    ndcg: float


@dataclass(frozen=True)
class ChosenHead:
    """The result of `choose_head`.

    Attributes
    ----------
    head
        Fitted on all ratings; None where lists by predicted ratings alone were the best.
    interest
        How the head is combined with predicted ratings; None without a head.
    tried
        All candidates, with their NDCG@10 on held-out lists.
    users
        How many users' lists were judged.
    name, settings
        Of the head, as `fit_head` takes them; an empty name without a head.
    """

    head: ChoiceHead | None
    interest: Interest | None
    tried: tuple[Candidate, ...]
    users: int
    name: str = ""
    settings: dict[str, float] = field(default_factory=dict)


class _Contender(NamedTuple):
    """A head that was fitted on the training part of the lists, and its NDCG@10 with each power."""

    name: str
    settings: dict[str, float]
    head: ChoiceHead
    calibration: ChanceCalibration
    ndcg: Doubles

    @property
    def best_ndcg(self) -> float:
        """The mean over users with the best power."""
        return float(self.ndcg.mean(axis=1).max())

    def usual(self, powers: Sequence[float]) -> int:
        """Return the place of the power 1, for the probability of choosing and liking, or of one surely better."""
        best, usual = int(self.ndcg.mean(axis=1).argmax()), powers.index(1.0) if 1.0 in powers else 0
        return best if _is_surely_better(self.ndcg[best], self.ndcg[usual]) else usual


def choose_head(
    ratings: Ratings,
    liked: float | None,
    *,
    heads: Sequence[str] = HEADS,
    pilot: Callable[[Ratings], Model] = _PILOT.fit,
    threads: int | None = None,
    seed: int = 0,
) -> ChosenHead:
    """Choose a choice head and the power of the chance of liking by NDCG@10 on ratings held out of the table.

    A tenth of the ratings is held out. Popularity, EASE (up to 20,000 items) and implicit ALS learn which pairs were
    rated from the rest. Scores become chances by a logistic regression on the held-out pairs; lists are ranked by the
    chance of choosing times a power of the chance of liking. A head with more settings replaces a simpler one if it is
    better by a standard error of the difference over users.

    Parameters
    ----------
    ratings
        The training table; every id has a rating.
    liked
        The rating from which an item is relevant; None if every rated item is, as where there are only choices.
    heads
        Which heads may be chosen: names of `HEADS`. If "popularity" is among them, lists by predicted ratings alone may
        win too.
    pilot
        Fits a model of ratings to the rest of the table, for the chances of liking.
    threads
        How many. They do not change the result.
    seed
        Of what is held out.

    Returns
    -------
    ChosenHead
        The head is fitted anew on the whole table.
    """
    # Attributes matter to items without ratings, which are in no list that is judged here.
    plain = replace(ratings, user_features=None, item_features=None)
    lists = HeldOutLists.of(plain, liked, seed=seed)
    if not len(lists.users):
        return ChosenHead(None, None, (), 0)
    boundary = 0.0 if liked is None else like_boundary(ratings.rating, liked)
    likes = None if liked is None else Liking.of(pilot(lists.train.compact()), lists, boundary)
    powers = POWERS if likes else (0.0,)
    with pool(threads) as run:
        contenders: list[_Contender] = []
        if "popularity" in heads:
            contenders.append(_judged("popularity", {}, _popularity(lists.train), lists, likes, powers, run))
        if "ease" in heads:
            contenders += _ease(lists, likes, powers, run)
        if "implicit" in heads or not contenders:
            contenders += _implicit(
                lists, max((each.best_ndcg for each in contenders), default=0.0), likes, powers, run
            )
        alone = None if likes is None or "popularity" not in heads else lists.ndcg(lambda users: [likes(users)], run)[0]
        best, power = _best(contenders, powers)
        tried = [
            Candidate(each.name, each.settings, power, float(ndcg.mean()))
            for each in contenders
            for power, ndcg in zip(powers, each.ndcg, strict=True)
        ]
        if alone is not None:
            tried.append(Candidate("prediction", {}, 1.0, float(alone.mean())))
            if alone.mean() > best.ndcg[powers.index(power)].mean():
                return ChosenHead(None, None, tuple(tried), len(lists.users))
        trend = choose_trend(
            ratings,
            Combined(lists, best.head, best.calibration, likes, power),
            lambda latest: Combined(
                latest,
                head := _fit_pilot(best.name, best.settings, latest.train, run),
                calibrate(head, latest),
                None if likes is None else Liking.of(pilot(latest.train.compact()), latest, boundary),
                power,
            ),
            run,
        )
        head = fit_head(best.name, best.settings, ratings, run)
        calibration = recalibrate(trend.calibration, best.head, lists, head, ratings)
    deviation = 1.0 if likes is None else likes.deviation
    return ChosenHead(
        head,
        Interest(calibration, power, boundary, deviation, trend.power, trend.half_life),
        tuple(tried),
        len(lists.users),
        best.name,
        best.settings,
    )


def fit_head(
    name: str, settings: dict[str, float], ratings: Ratings, run: Run, sweeps: int = 15, start: Model | None = None
) -> ChoiceHead:
    """Fit a head to which pairs were rated. Implicit ALS goes on from the model `start`, if there is one."""
    if name == "ease":
        return fit_ease(ratings, EASE(**settings), run)  # type: ignore[arg-type]
    if name == "implicit":
        model = ImplicitALS(**settings, sweeps=sweeps).fit(ratings, start=start)  # type: ignore[arg-type]
        return head_of(model, ratings)
    return _popularity(ratings)


def popularity_lists(ratings: Ratings, liked: float | None) -> tuple[PopularityHead, Interest]:
    """Return popularity as the choice head, and the usual way to combine it, without a search.

    The deviation of ratings around predictions is taken to be that of the ratings around the items' means: too much,
    which makes liking count for less.
    """
    if liked is None:
        return _popularity(ratings), Interest(_SHARES, 0.0, 0.0)
    sums = np.bincount(ratings.item, ratings.rating, minlength=len(ratings.items))
    errors = ratings.rating - (sums / np.maximum(1, ratings.item_counts))[ratings.item]
    deviation = max(float(np.sqrt(np.mean(errors**2))), 1e-6)
    boundary = like_boundary(ratings.rating, liked)
    return _popularity(ratings), Interest(_SHARES, _POPULARITY_POWER, boundary, deviation)


def _popularity(ratings: Ratings) -> PopularityHead:
    return PopularityHead.of(ratings.item_counts, len(ratings.users))


def _ease(lists: HeldOutLists, likes: Liking | None, powers: Sequence[float], run: Run) -> list[_Contender]:
    if len(lists.train.items) > _EASE_ITEMS:
        return []
    regularization, _ = choose_regularization(lists, EASE(), run)
    settings = {"regularization": regularization}
    return [_judged("ease", settings, fit_head("ease", settings, lists.train, run), lists, likes, powers, run)]


def _implicit(
    lists: HeldOutLists, best: float, likes: Liking | None, powers: Sequence[float], run: Run
) -> list[_Contender]:
    contenders: list[_Contender] = []
    for regularization, unobserved in _FACTORS:
        settings = {"regularization": regularization, "unobserved": unobserved}
        head = _fit_pilot("implicit", settings, lists.train, run)
        contenders.append(_judged("implicit", settings, head, lists, likes, powers, run))
        if contenders[0].best_ndcg < (1 - _NEAR) * best:
            break
    return contenders


def _fit_pilot(name: str, settings: dict[str, float], train: Ratings, run: Run) -> ChoiceHead:
    """Fit a head to a training part, in which some ids may have no ratings."""
    if name != "implicit":
        return fit_head(name, settings, train, run)
    pilot = ImplicitALS(**settings, sweeps=PILOT_SWEEPS).fit(train.compact())  # type: ignore[arg-type]
    return head_of(pilot, train)


def _judged(
    name: str,
    settings: dict[str, float],
    head: ChoiceHead,
    lists: HeldOutLists,
    likes: Liking | None,
    powers: Sequence[float],
    run: Run,
) -> _Contender:
    """Calibrate a head and judge its lists with each power."""
    table, calibration = lists.train.by_user, calibrate(head, lists)

    def interest(users: Indices) -> list[NDArray[np.floating]]:
        counts = lists.train.user_counts[users]
        chances = calibration.chances(head.user_scores(users, table), lists.train.item_counts, counts)
        if likes is None:
            return [chances]
        # The order of logarithms is that of products.
        chances, liking = np.log(np.maximum(chances, np.float32(1e-30))), likes.logarithms(users)
        return [chances + np.float32(power) * liking for power in powers]

    return _Contender(name, settings, head, calibration, lists.ndcg(interest, run))


def _best(contenders: Sequence[_Contender], powers: Sequence[float]) -> tuple[_Contender, float]:
    """Return the head and the power with the best lists, where later ones must be surely better than earlier ones."""
    best = contenders[0]
    for each in contenders[1:]:
        if _is_surely_better(each.ndcg[each.usual(powers)], best.ndcg[best.usual(powers)]):
            best = each
    return best, powers[best.usual(powers)]


def _is_surely_better(ndcg: Doubles, other: Doubles) -> bool:
    gains = ndcg - other
    return float(gains.mean()) > _SURE * float(gains.std()) / sqrt(len(gains))
