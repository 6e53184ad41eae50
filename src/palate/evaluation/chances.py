"""Whether the chances that a model tells are right: those of choices and those of liking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.lists.task import ListTask
from palate.evaluation.metrics.calibration import Reliability, reliability
from palate.model import Model
from palate.model.score_batch import choice_chance_block

__all__ = ["judge_chances"]

# Pairs whose chances are looked at: users are drawn, as more of them take time and change no digit that is shown.
_PAIRS = 2_000_000
# A next choice is one of those by which the table grows by a ninth: see `palate.model.interest.ChanceCalibration`.
_GROWTH = 1 / 9


def judge_chances(model: Model, task: ListTask) -> dict[str, Reliability]:
    """Compare chances of choices and of liking with test ratings, in ten groups with equal sums of chances.

    "choice": of each pair of a judged user and an item that is no training pair, whether it is a test pair. A chance is
    that of a choice while the table grows by a ninth; it is multiplied by nine times the growth that the test part
    stands for, the judged users' test pairs over their training pairs. "liking": of each test rating, whether it is
    above the boundary of liking.

    Parameters
    ----------
    model
        With a choice head; without one nothing is compared.
    task
        On the model's own training ratings.
    """
    if model.interest is None or model.seen is None:
        return {}
    number = max(1, _PAIRS // max(1, len(model.items)))
    row = np.sort(np.random.default_rng(0).permutation(len(task.users))[:number])
    users = task.users[row]
    tested = [task.rated_items[task.rated_indptr[each] : task.rated_indptr[each + 1]] for each in row.tolist()]
    chances = choice_chance_block(model, users)
    is_chosen, is_open = np.zeros(chances.shape, bool), np.tile(model.item_counts > 0, (len(users), 1))
    for place, (user, items) in enumerate(zip(users.tolist(), tested, strict=True)):
        is_open[place, model.seen[user][0]] = False
        is_chosen[place, items[items >= 0]] = True
    growth = is_chosen.sum() / max(1, int(np.diff(model.seen.indptr)[users].sum()))
    expected = np.minimum(1, chances[is_open].astype(np.float64) * (growth / _GROWTH))
    result = {"choice": reliability(expected, is_chosen[is_open], equal="chances")}
    if model.predicts == "rating" and model.interest.power:
        result["liking"] = _judge_liking(model, task, row, tested)
    return result


def _judge_liking(model: Model, task: ListTask, row: NDArray[np.int64], tested: list[NDArray[np.int32]]) -> Reliability:
    assert model.interest is not None
    chances, is_liked = [], []
    for each, items in zip(row.tolist(), tested, strict=True):
        is_known = items >= 0
        ratings = task.ratings[task.rated_indptr[each] : task.rated_indptr[each + 1]][is_known]
        chances.append(model.like_chances(model.users[int(task.users[each])], model.items.ids[items[is_known]]))
        is_liked.append(ratings > np.float32(model.interest.boundary))
    return reliability(np.concatenate(chances), np.concatenate(is_liked), equal="chances")
