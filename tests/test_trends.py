"""Trends: what the latest choices favour, for whom this counts, and when it is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palate import SGD, load, save
from palate.model.trend import Trends
from palate.ratings import Ratings
from palate.solvers import trend_search
from palate.solvers.choice_search import choose_head
from palate.solvers.held_out_lists import HeldOutLists
from palate.splits import split_by_time
from tables import vocabulary

pytestmark = pytest.mark.usefixtures("short_pilots_of_module")

DAY = 86400


def fashionable(users=600, items=80, days=200, seed=0):
    """Choices over some days: users come back all the time, and an item is chosen in its own weeks alone."""
    rng = np.random.default_rng(seed)
    user, day = rng.integers(users, size=16_000), rng.random(16_000) * days
    center = rng.random(items) * days * 1.1
    odds = np.exp(-0.5 * ((day[:, None] - center) / 15) ** 2) + 0.01
    item = (odds.cumsum(axis=1) > rng.random((len(day), 1)) * odds.sum(axis=1, keepdims=True)).argmax(axis=1)
    _, first = np.unique(user * items + item, return_index=True)
    ids = vocabulary(list(range(users)), "user"), vocabulary(list(range(items)), "item")
    rating = np.clip(np.round(rng.normal(3.6, 1, len(first))), 1, 5).astype(np.float32)
    table = Ratings(*ids, user[first].astype(np.int32), item[first].astype(np.int32), rating)
    return replace(table, time=(day[first] * DAY).astype(np.int64)).compact()


def test_trends_and_activity_are_those_of_their_definition():
    user, item = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    time = np.array([0, 10, 20, 5])
    trends = Trends.of(user, item, time, (4, 4), 10.0)
    weights = 2.0 ** (-(20 - time) / 10)
    recent, counts = np.array([weights[0], weights[1] + weights[2], weights[3], 0]), np.array([1, 2, 1, 0])
    np.testing.assert_allclose(trends.items, np.log((recent + 0.5) / (counts * weights.sum() / 4 + 0.5)), rtol=1e-6)
    np.testing.assert_allclose(trends.users, [2 ** (-10 / 20), 1, 2 ** (-15 / 10), 0], rtol=1e-6)


def test_the_latest_part_is_held_out_of_users_who_were_there_before():
    ratings = fashionable()
    lists = HeldOutLists.latest(ratings, 4.0)
    assert lists.train.time.max() < lists.held_out.time.min()
    assert len(lists.train) + len(lists.held_out) <= len(ratings)
    assert (lists.train.user_counts[lists.held_out.user] > 0).all()


def test_trends_are_judged_on_two_tenths_one_before_the_other():
    ratings = fashionable()
    last, before = trend_search._latest_cuts(ratings, HeldOutLists.of(ratings, 4.0))
    assert before.held_out.time.max() < last.held_out.time.min()
    assert before.train.time.max() < before.held_out.time.min()
    for table, cut in ((ratings, last), (last.train, before)):
        assert len(table) - len(cut.train) == pytest.approx(0.1 * len(ratings), rel=0.02)
        assert (cut.train.user_counts[cut.held_out.user] > 0).all()
    assert trend_search._latest_cuts(replace(ratings, time=np.zeros(len(ratings), np.int64)), last) == []


def test_what_may_be_chance_is_no_loss():
    without = np.full(400, 0.3)
    surely, perhaps = without - 0.03, without - np.resize([0.3, -0.24], 400)  # both lose a tenth on average
    lost = trend_search._surely_lost(np.stack([without, surely, perhaps]))
    np.testing.assert_allclose(lost, [0, 0.1, 0.1 - 0.27 / np.sqrt(400) / 0.3], atol=1e-12)


@pytest.fixture(scope="module")
def latest_alone(short_pilots_of_module):
    """Whatever random held-out lists lose by trends, the latest ones decide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trend_search, "_LOSS", 1.0)
        yield


def test_a_trend_is_used_where_the_latest_lists_gain_by_it(latest_alone):
    ratings = fashionable()
    interest = choose_head(ratings, 4.0, heads=("popularity",)).interest
    assert interest.trend > 0
    assert interest.half_life > DAY
    assert choose_head(replace(ratings, time=None), 4.0, heads=("popularity",)).interest.trend == 0
    same = replace(ratings, time=np.zeros(len(ratings), np.int64))
    assert choose_head(same, 4.0, heads=("popularity",)).interest.trend == 0


def test_no_trend_is_used_where_random_lists_lose_more_than_is_allowed(monkeypatch):
    monkeypatch.setattr(trend_search, "_LOSS", -10.0)
    assert choose_head(fashionable(), 4.0, heads=("popularity",)).interest.trend == 0


@pytest.fixture(scope="module")
def trending(latest_alone):
    train, test = split_by_time(fashionable(), 0.1)
    model = SGD(factors=4, epochs=3).fit(train.compact())
    chosen = choose_head(model.ratings(), 4.0, heads=("ease",))
    return replace(model, choice=chosen.head, interest=chosen.interest), test


def test_lists_by_trends_are_the_same_for_one_user_and_for_all(trending, tmp_path):
    model, _ = trending
    assert model.interest.trend > 0
    batch, scores = model.recommend_batch(n=5), model.score_batch()
    for row, user in enumerate(model.users.ids.tolist()[:20]):
        listed = model.recommend(user, 5)
        assert [item.id for item in listed] == batch.ids[row].tolist()
        np.testing.assert_array_equal([item.score for item in listed], scores[row, batch.items[row]])
    save(model, tmp_path / "m.palate")
    again = load(tmp_path / "m.palate")
    assert again.interest == model.interest
    np.testing.assert_array_equal(again.score_batch(), scores)


def test_trends_raise_what_is_chosen_next(trending):
    model, test = trending
    without = replace(model, interest=model.interest._replace(trend=0.0))
    users = np.unique(test.users.ids[test.user])
    users = users[model.users.index(users) >= 0]
    hits = []
    for each in (model, without):
        listed = each.recommend_batch(users, 10).ids
        chosen = {(user, item) for user, item in zip(test.users.ids[test.user], test.items.ids[test.item], strict=True)}
        hits.append(sum((user, item) in chosen for user, row in zip(users, listed, strict=True) for item in row))
    assert hits[0] > 1.1 * hits[1]
