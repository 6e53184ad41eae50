"""Held-out lists, choice heads, chances and the search among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from palate.evaluation.metrics.calibration import reliability
from palate.model.choice import FactorsHead, PopularityHead, restore_head
from palate.model.interest import ChanceCalibration, Interest, chance_of_liking, like_boundary
from palate.parallel import pool
from palate.ratings import Ratings
from palate.solvers.choice_calibration import logistic
from palate.solvers.choice_search import POWERS, choose_head
from palate.solvers.ease import EASE
from palate.solvers.ease.search import choose_regularization
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.implicit import ImplicitALS
from tables import random_table, vocabulary


def choosers(users=400, items=60, groups=4, seed=0):
    """Users who choose mostly items of their own group, and like those with an even index."""
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=users)
    is_own = group[:, None] == np.arange(items) % groups
    user, item = np.nonzero(rng.random((users, items)) < np.where(is_own, 0.5, 0.03))
    rating = np.where(item // groups % 2 == 0, 4.5, 2.0) + rng.normal(0, 0.3, len(user))
    ids = vocabulary(list(range(users)), "user"), vocabulary(list(range(items)), "item")
    return Ratings(
        *ids, user.astype(np.int32), item.astype(np.int32), np.clip(rating, 1, 5).astype(np.float32)
    ).compact()


def naive_ndcg(lists, scores):
    result = []
    for user in lists.users:
        seen = set(lists.train.item[lists.train.user == user])
        candidates = [i for i in range(len(scores[user])) if i not in seen and lists.train.item_counts[i]]
        ranked = sorted(candidates, key=lambda i: (-scores[user][i], i))[:10]
        rows = (lists.held_out.user == user) & (lists.held_out.rating >= (lists.liked or -np.inf))
        relevant = [i for i in lists.held_out.item[rows] if lists.train.item_counts[i]]
        gain = sum(1 / np.log2(place + 2) for place, i in enumerate(ranked) if i in relevant)
        result.append(gain / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant)))))
    return np.array(result)


@pytest.mark.parametrize("liked", [None, 3.5])
def test_ndcg_is_that_of_its_definition(liked):
    ratings = random_table(150, 40, seed=2)
    lists = HeldOutLists.of(ratings, liked, seed=1)
    rng = np.random.default_rng(0)
    scores = rng.random((150, 40)).astype(np.float32)
    ties = np.round(scores * 4).astype(np.float32)
    with pool(2) as run:
        judged = lists.ndcg(lambda users: [scores[users], ties[users]], run)
    np.testing.assert_allclose(judged[0], naive_ndcg(lists, scores))
    np.testing.assert_allclose(judged[1].mean(), naive_ndcg(lists, ties).mean(), atol=0.05)
    one_item = lists.among(np.array([3], np.int32))
    assert len(one_item.train) == (lists.train.item == 3).sum()


def test_few_items_make_short_lists():
    lists = HeldOutLists.of(random_table(60, 4, seed=1), None)
    with pool(1) as run:
        assert (lists.ndcg(lambda users: [np.ones((len(users), 4), np.float32)], run) > 0).all()


def test_a_factors_head_scores_as_its_model_does_and_survives_saving():
    ratings = choosers()
    model = ImplicitALS(factors=8).fit(ratings)
    fitted = FactorsHead(model.user_factors, model.item_factors, model.penalty)
    head = restore_head(fitted.kind, fitted.settings(), fitted.arrays())
    users = np.arange(5, dtype=np.int32)
    known = head.user_scores(users, ratings.by_user)
    np.testing.assert_allclose(known, model.user_factors[:5] @ model.item_factors.T, atol=1e-5)
    for user in users:
        items, values = ratings.by_user[user]
        new = head.new_user_scores(items, values)
        np.testing.assert_allclose(new, known[user], atol=1e-3)  # the last half-step was that of users
        (parts,), (base,) = head.contributions(items, values, np.array([7], np.int32))
        assert parts.sum() + base == pytest.approx(new[7], abs=1e-5)
    assert head.similarities(3)[3] == pytest.approx(1)


def test_a_popularity_head_says_the_same_to_all():
    head = PopularityHead(np.array([0.5, 0.1], np.float32))
    again = restore_head(head.kind, head.settings(), head.arrays())
    table = choosers().by_user
    np.testing.assert_array_equal(again.user_scores(np.array([0, 3], np.int32), table), [head.share, head.share])
    first = np.zeros(1, np.int32)
    assert again.contributions(np.array([1], np.int32), np.ones(1, np.float32), first)[1] == 0.5


def test_likes_alone_are_choices_where_that_is_asked():
    share = np.array([1, 0, 0], np.float32)
    items, values = np.array([0, 1], np.int32), np.array([2, 5], np.float32)
    everything = FactorsHead(np.ones((1, 2), np.float32), np.eye(3, 2, dtype=np.float32), ImplicitALSPENALTY)
    liked = replace(everything, liked=4.0)
    assert everything.new_user_scores(items, values)[0] > 0.1
    assert liked.new_user_scores(items, values)[0] == 0
    assert liked.contributions(items, values, np.zeros(1, np.int32))[0][0, 0] == 0
    assert PopularityHead(share).similarities(0).shape == (3,)


ImplicitALSPENALTY = ImplicitALS(factors=2).fit(random_table(10, 5)).penalty


def test_logistic_regression_finds_what_made_the_data():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(200_000), rng.normal(size=(200_000, 2)) * [1, 5]])
    truth = np.array([-3.0, 1.0, 0.3])
    target = (rng.random(len(design)) < 1 / (1 + np.exp(-design @ truth))).astype(float)
    np.testing.assert_allclose(logistic(design, target), truth, atol=0.05)


def test_logistic_regression_holds_where_choices_are_few():
    design = np.column_stack([np.ones(5000), np.linspace(-7, 0, 5000) ** 3])
    target = np.zeros(5000)
    target[-2:] = 1
    weights = logistic(design, target)
    assert np.isfinite(weights).all()
    assert weights[1] > 0


def test_interest_is_the_product_of_both_chances():
    calibration = ChanceCalibration(0.0, 1.0, 0.0, 0.0, floor=0.125)
    chances = calibration.chances(np.array([-1.0, 0.375, 0.625], np.float32), np.array([5, 9, 7]), 4)
    np.testing.assert_allclose(chances, [0.125, 0.5, 0.75], rtol=1e-6)
    assert calibration.chances(np.array([3.0], np.float32), np.array([5]), 4) == 1
    chances = chances[1:]
    liking = chance_of_liking(np.array([3.5, 4.5]), 1.0, 3.5)
    np.testing.assert_allclose(liking, [0.5, 0.8413447], rtol=1e-6)
    interest = Interest(calibration, 2.0, 3.5).scores(chances, np.array([3.5, 4.5]), 1.0)
    np.testing.assert_allclose(interest, chances * liking**2, rtol=1e-5)
    np.testing.assert_array_equal(Interest(calibration, 0.0, 3.5).scores(chances, None, None), chances)


@pytest.mark.parametrize("head", ["ease", "popularity"])
def test_chances_of_a_next_choice_are_those_that_made_the_table(head):
    rng, users, items = np.random.default_rng(5), 1200, 150
    popular, active = rng.beta(0.6, 3, items), rng.uniform(0.3, 1.5, users)[:, None]
    likes = np.where(rng.integers(3, size=users)[:, None] == rng.integers(3, size=items), 2.5, 0.4)
    odds = popular * active * (likes if head == "ease" else 1.0)
    chance = odds / (1 + odds)
    user, item = np.nonzero(rng.random(chance.shape) < chance)
    ids = vocabulary(list(range(users)), "user"), vocabulary(list(range(items)), "item")
    table = Ratings(*ids, user.astype(np.int32), item.astype(np.int32), np.ones(len(user), np.float32))
    found = choose_head(table, None, heads=(head,))
    told = found.interest.calibration.chances(
        found.head.user_scores(np.arange(users, dtype=np.int32), table.by_user), table.item_counts, table.user_counts
    )
    # While the table grows by a ninth, a pair with the chance p to be in it gets the chance p / 0.9.
    is_open = np.tile(table.item_counts > 0, (users, 1))
    is_open[table.user, table.item] = False
    truth = (np.minimum(1, chance / 0.9) - chance) / (1 - chance)
    result = reliability(told[is_open], truth[is_open], equal="chances")
    assert len(result.rows) == 10
    np.testing.assert_allclose(result.share, result.chance, rtol=0.25 if head == "ease" else 0.1)
    np.testing.assert_allclose(told[is_open].sum(), truth[is_open].sum(), rtol=0.05)


def test_the_chance_of_liking_is_that_of_the_normal_distribution():
    z = np.linspace(-12, 12, 2001)
    np.testing.assert_allclose(chance_of_liking(z + 3, 1.0, 3.0), ndtr(z), rtol=2e-5)


def test_the_boundary_lies_between_liked_ratings_and_the_rest():
    assert like_boundary(np.array([1, 2, 3, 4, 5], np.float32), 4) == 3.5
    assert like_boundary(np.array([4, 5], np.float32), 4) == 4


def test_a_better_regularization_is_found_than_the_first():
    ratings = choosers(seed=3)
    lists = HeldOutLists.of(ratings, None)
    with pool(1) as run:
        best, tried = choose_regularization(lists, EASE(), run)
    assert tried[best] == max(tried.values())
    assert 300.0 in tried
    assert len(tried) >= 5


def test_the_search_prefers_what_knows_groups_and_likes():
    ratings = choosers()
    chosen = choose_head(ratings, 4.0, threads=1)
    assert not isinstance(chosen.head, PopularityHead)
    assert chosen.interest is not None
    assert chosen.interest.power > 0
    reached = {(each.head, each.power): each.ndcg for each in chosen.tried}
    assert reached["ease", 1.0] > reached["popularity", 1.0]
    assert reached["ease", 1.0] > reached["ease", 0.0]
    assert reached["ease", 1.0] > reached["prediction", 1.0]
    assert {power for head, power in reached if head == "ease"} == set(POWERS)


def test_popularity_is_chosen_where_choices_have_no_structure():
    rng = np.random.default_rng(1)
    popular = np.linspace(0.5, 0.01, 50)
    user, item = np.nonzero(rng.random((500, 50)) < popular)
    ids = vocabulary(list(range(500)), "user"), vocabulary(list(range(50)), "item")
    ratings = Ratings(*ids, user.astype(np.int32), item.astype(np.int32), np.ones(len(user), np.float32)).compact()
    chosen = choose_head(ratings, None, threads=1)
    assert isinstance(chosen.head, PopularityHead)


def test_the_search_gives_the_same_on_any_number_of_threads():
    ratings = choosers(seed=5)
    one, two = choose_head(ratings, 4.0, threads=1), choose_head(ratings, 4.0, threads=3)
    assert one.tried == two.tried
    assert one.interest == two.interest
    for name, array in one.head.arrays().items():
        np.testing.assert_array_equal(array, two.head.arrays()[name])


def test_a_few_lists_are_not_enough_to_choose_a_head():
    ratings = choosers()
    few = ratings.take(ratings.user < 20).compact()
    chosen = choose_head(few, 4.0, threads=1)
    assert (chosen.name, chosen.tried) == ("popularity", ())
    assert choose_head(few, 4.0, heads=("ease",), threads=1).name == "ease"
