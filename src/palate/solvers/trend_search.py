"""How much the trends of the latest choices count, where ratings have times: decided on the latest ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.choice import ChoiceHead
from palate.model.interest import ChanceCalibration
from palate.model.trend import Trends
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.choice_calibration import calibrate
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.liking import Liking

__all__ = ["TREND_POWERS", "Combined", "TrendRule", "choose_trend"]

Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

#: The powers of trends that are tried.
TREND_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
# The half-life is the time in which the last choices were made, this share of all.
_LATEST_SHARE = 0.03
# Few users come back within a tenth of the ratings: two tenths, one before the other, have twice the users to judge.
_CUTS, _CUT_SHARE = 2, 0.1
# Lists of random held-out ratings, most of them of users who are gone, may lose this share of their NDCG, and beyond it
# what may be chance: a standard error of the difference.
_LOSS = 0.015
# Fewer users say nothing.
_FEWEST = 20


@dataclass(frozen=True)
class Combined:
    """A head that was fitted on the training part of some lists, and the rule by which it ranks.

    Parameters
    ----------
    lists
        What is judged on.
    head, calibration, likes, power
        See `palate.model.interest.Interest`; `likes` is None where there are only choices.
    """

    lists: HeldOutLists
    head: ChoiceHead
    calibration: ChanceCalibration
    likes: Liking | None
    power: float

    def trends(self, half_life: float) -> Trends:
        """Return the trends at the end of the training part."""
        train = self.lists.train
        assert train.time is not None
        return Trends.of(train.user, train.item, train.time, (len(train.users), len(train.items)), half_life)

    def ndcg(self, half_life: float, run: Run) -> Doubles:
        """Return NDCG@10 with each power of the trends: float64, (powers, users)."""
        train, trends = self.lists.train, self.trends(half_life)

        def interest(users: Indices) -> list[NDArray[np.floating]]:
            scores = self.head.user_scores(users, train.by_user)
            counts = train.user_counts[users]
            chances = self.calibration.chances(scores, train.item_counts, counts)
            # The order of log odds plus a shift is that of chances; chances are mostly small, so it is nearly that of
            # their logarithms.
            value = np.log(np.maximum(chances, np.float32(1e-30)))
            if self.likes is not None:
                value = value + np.float32(self.power) * self.likes.logarithms(users)
            shift = trends.users[users][:, None] * trends.items
            return [value + np.float32(power) * shift for power in TREND_POWERS]

        return self.lists.ndcg(interest, run)


class TrendRule(NamedTuple):
    """The result of `choose_trend`: see `palate.model.interest.Interest`."""

    power: float
    half_life: float
    calibration: ChanceCalibration


def choose_trend(
    ratings: Ratings, random: Combined, fit_before: Callable[[HeldOutLists], Combined], run: Run
) -> TrendRule:
    """Choose the power of the trends by NDCG@10 on the latest tenth of the ratings and the tenth before.

    The lists of each tenth are made from the ratings before it; the users judged are those who came back. A power is
    not taken by which lists of random held-out ratings surely lose more than 1.5% of their NDCG.

    Parameters
    ----------
    ratings
        The whole table.
    random
        The head and the rule that were chosen on random held-out lists.
    fit_before
        Fits the same to the training part of other lists.
    run
        Calls a function on tasks, in threads.
    """
    without = TrendRule(0.0, 1.0, random.calibration)
    if ratings.time is None:
        return without
    half_life = float(ratings.time.max() - np.quantile(ratings.time, 1 - _LATEST_SHARE))
    cuts = _latest_cuts(ratings, random.lists)
    if sum(len(cut.users) for cut in cuts) < _FEWEST or half_life <= 0:
        return without
    later = np.concatenate([fit_before(cut).ndcg(half_life, run) for cut in cuts], axis=1).mean(axis=1)
    later[_surely_lost(random.ndcg(half_life, run)) > _LOSS] = -1
    power = TREND_POWERS[int(later.argmax())]
    if not power:
        return without
    return TrendRule(power, half_life, calibrate(random.head, random.lists, random.trends(half_life), power))


def _latest_cuts(ratings: Ratings, random: HeldOutLists) -> list[HeldOutLists]:
    """Cut the latest tenth off, and the tenth before that off the rest; a cut without users is left out."""
    cuts, rest = [], ratings
    for _ in range(_CUTS):
        try:
            cut = HeldOutLists.latest(rest, random.liked, _CUT_SHARE * len(ratings) / len(rest), random.seed)
        except SettingsError:  # all at one time
            break
        rest = cut.train
        if len(cut.users):
            cuts.append(cut)
    return cuts


def _surely_lost(ndcg: Doubles) -> Doubles:
    """Return the share of NDCG that each power loses against the first one, less a standard error: (powers,)."""
    losses = ndcg[0] - ndcg
    surely = losses.mean(axis=1) - losses.std(axis=1) / np.sqrt(losses.shape[1])
    return np.asarray(surely / max(float(ndcg[0].mean()), 1e-12))
