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
# Lists of random held-out ratings, most of them of users who are gone, may lose this share of their NDCG.
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
    """Choose the power of the trends by NDCG@10 on the latest tenth of the ratings.

    The users judged there are those who came back. Lists of random held-out ratings may lose 1.5% of their NDCG by it.

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
    try:
        latest = HeldOutLists.latest(ratings, random.lists.liked, seed=random.lists.seed)
    except SettingsError:  # all at one time
        return without
    if len(latest.users) < _FEWEST or half_life <= 0:
        return without
    later, others = (each.ndcg(half_life, run).mean(axis=1) for each in (fit_before(latest), random))
    later[others < (1 - _LOSS) * others[0]] = -1
    power = TREND_POWERS[int(later.argmax())]
    if not power:
        return without
    return TrendRule(power, half_life, calibrate(random.head, random.lists, random.trends(half_life), power))
