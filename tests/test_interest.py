"""Lists by interest: how likely somebody chooses an item and likes it."""

import dataclasses

import numpy as np
import pytest

from palate import ALS, BayesianMF, ImplicitALS, load, save
from palate.errors import SettingsError, StorageError
from palate.files import read_arrays, write_arrays
from palate.model import chance_math
from palate.model.choice import FactorsHead, PopularityHead
from palate.model.interest import ChanceCalibration, Interest, chance_of_liking
from palate.parallel import pool
from palate.solvers.choice_calibration import calibrate
from palate.solvers.ease import EASE
from palate.solvers.ease.weights import fit_ease
from palate.solvers.held_out_lists import HeldOutLists
from tables import random_table


def heads(ratings):
    implicit = ImplicitALS(factors=6, sweeps=5).fit(ratings)
    with pool() as run:
        weights = fit_ease(ratings, EASE(regularization=20.0), run)
    share = (ratings.item_counts / len(ratings.users)).astype(np.float32)
    factors = FactorsHead(implicit.user_factors, implicit.item_factors, implicit.penalty)
    return {"factors": factors, "weights": weights, "popularity": PopularityHead(share)}


@pytest.fixture(scope="module")
def ratings():
    return random_table(users=70, items=200, density=0.15, seed=4)


@pytest.fixture(scope="module", params=["factors", "weights", "popularity"])
def model(request, ratings):
    fitted = BayesianMF(factors=4, sweeps=20, user_noise=True, item_noise=True, user_sets=False, item_sets=False)
    head = heads(ratings)[request.param]
    rule = Interest(ChanceCalibration(-2.0, 0.8, 0.2, 0.1, slope=0.5), power=0.5, boundary=3.5)
    return dataclasses.replace(fitted.fit(ratings), choice=head, interest=rule)


def brute(model, user, hidden):
    """Every item's interest, one formula after the other."""
    items = model.items.ids
    prediction = np.array([model.intercept + model.user_bias[user] + model.item_bias[i]
                           + model.user_factors[user] @ model.item_factors[i] for i in range(len(items))])  # fmt: skip
    deviation = np.sqrt(model.posterior.variance(user, np.arange(len(items))))
    choice = model.choice.user_scores(np.array([user], np.int32), model.seen)[0]
    counts = np.log(model.item_counts + 1), np.log(len(model.seen[user][0]) + 1)
    positive = np.maximum(choice, 0)
    chances = np.exp(-2 + 0.8 * np.log(positive + 1e-3) + 0.5 * positive + 0.2 * counts[0] + 0.1 * counts[1])
    interest = np.minimum(chances, 1) * chance_of_liking(prediction, deviation**2, 3.5) ** 0.5
    interest[hidden] = -1
    return interest


def test_the_default_list_is_by_interest(model):
    for user in (0, 13, 69):
        interest = brute(model, user, model.seen[user][0])
        listed = model.recommend(model.users[user], 12)
        expected = np.sort(interest)[::-1][:12]
        np.testing.assert_allclose([one.score for one in listed], expected, rtol=1e-4)
        assert [one.id for one in listed] == [one.id for one in model.recommend(model.users[user], 12, by="interest")]


def test_a_long_list_holds_everything_once(model):
    listed = model.recommend(model.users[3], 500)
    assert len(listed) == len({one.id for one in listed}) == len(model.items) - len(model.seen[3][0])
    assert [one.score for one in listed] == sorted((one.score for one in listed), reverse=True)


@pytest.mark.parametrize("by", [None, "interest", "choice", "prediction", "lower bound"])
def test_many_users_get_what_each_would_get_alone(model, by, tmp_path):
    for threads in (1, 2):
        items, scores = model.recommend_batch(None, 7, by=by, threads=threads)
        for user in range(len(model.users)):
            alone = model.recommend(model.users[user], 7, by=by)
            assert [one.id for one in alone] == model.items.ids[items[user]].tolist()
            assert np.array_equal(np.array([one.score for one in alone], np.float32), scores[user])


@pytest.mark.parametrize("n", [1, 7, 60, 300])
def test_lists_hold_all_items_of_the_most_interest_where_liking_counts_most(model, n):
    # The likeliest choices are not those that are liked, so that many items can be among the best.
    eager = dataclasses.replace(model, interest=model.interest._replace(power=20.0))
    items, scores = eager.recommend_batch(None, n)
    everything = eager.score_batch()
    for user, row in enumerate(everything):
        row[eager.seen[user][0]] = -1
        expected = np.lexsort((np.arange(len(row)), -row))[: min(n, (row >= 0).sum())]
        assert np.array_equal(items[user, : len(expected)], expected)
        assert np.array_equal(scores[user, : len(expected)], row[expected])
        assert (items[user, len(expected) :] == -1).all()
        listed = eager.recommend(eager.users[user], n)
        assert [one.id for one in listed] == eager.items.ids[expected].tolist()


def test_many_users_of_a_filter_that_leaves_few_items(model):
    some = [one.id for one in model.recommend(1, 3)]
    items, scores = model.recommend_batch(None, 5, only=some)
    assert (items[:, 3:] == -1).all()
    assert np.isnan(scores[items < 0]).all()
    for user in range(len(model.users)):
        alone = [one.id for one in model.recommend(model.users[user], 5, only=some)]
        assert alone == model.items.ids[items[user][items[user] >= 0]].tolist()
    assert model.recommend_batch([], 5)[0].shape == (0, 5)


@pytest.mark.parametrize("by", [None, "interest", "choice", "prediction"])
def test_scores_of_all_items_are_those_of_the_lists(model, by):
    scores = model.score_batch(by=by, threads=2)
    assert scores.dtype == np.float32
    assert scores.shape == (len(model.users), len(model.items))
    assert np.array_equal(scores, model.score_batch(by=by, threads=1))
    assert np.array_equal(model.score_batch([3, 2], by=by), scores[[2, 1]])
    for user in (0, 31, 69):
        listed = model.recommend(model.users[user], 200, by=by, seen=True)
        places = model.items.index([one.id for one in listed])
        told = model.scale.clip(scores[user]) if by == "prediction" else scores[user]
        assert np.array_equal(told[places], np.array([one.score for one in listed], np.float32))
        assert np.array_equal(places, np.lexsort((np.arange(200), -scores[user])))


@pytest.mark.parametrize("by", [None, "choice", "prediction"])
def test_scores_of_somebody_new_are_those_of_the_list(model, by):
    profile = model.fold_in({100: 5.0, 107: 2.0})
    scores = model.score_batch(profile, by=by)
    listed = model.recommend(profile, 200, by=by, seen=True)
    places = model.items.index([one.id for one in listed])
    told = model.scale.clip(scores[0]) if by == "prediction" else scores[0]
    assert np.array_equal(told[places], np.array([one.score for one in listed], np.float32))


def test_scores_of_nothing_else_are_told(model):
    with pytest.raises(SettingsError, match="'interest', 'choice', 'prediction', not of 'lower bound'"):
        model.score_batch(by="lower bound")


def test_a_model_of_choices_tells_the_scores_of_its_lists(ratings):
    model = ImplicitALS(factors=4, sweeps=3).fit(ratings)
    items, scores = model.recommend_batch(None, 5, seen=True)
    assert np.array_equal(np.take_along_axis(model.score_batch(), items, axis=1), scores)


def test_filters_hold(model):
    first = [one.id for one in model.recommend(1, 5)]
    others = [one.id for one in model.recommend(1, 5, exclude=first)]
    assert not set(first) & set(others)
    assert {one.id for one in model.recommend(1, 5, only=first[:2])} == set(first[:2])


def test_somebody_new_gets_a_list_by_interest(model):
    nobody = model.recommend(model.fold_in({}), 5)
    assert len(nobody) == 5
    items, values = model.seen[8]
    profile = model.fold_in({model.items[i]: float(v) for i, v in zip(items.tolist(), values, strict=True)})
    new, fitted = model.recommend(profile, 20), model.recommend(model.users[8], 20)
    assert len({one.id for one in new} & {one.id for one in fitted}) >= 12


def test_without_choices_the_list_is_by_prediction(ratings):
    plain = ALS(factors=3, regularization=0.1, validation=0.0).fit(ratings)
    assert plain.recommend(1, 5) == plain.recommend(1, 5, by="prediction")
    with pytest.raises(SettingsError, match=r"no choice head|both choices and ratings"):
        plain.recommend(1, 5, by="interest")
    with pytest.raises(SettingsError, match=r"no choice head|both choices and ratings"):
        plain.recommend(1, 5, by="choice")


def test_a_model_of_both_heads_is_kept_in_one_file(model, tmp_path):
    save(model, tmp_path / "both.palate")
    for mmap in (False, True):
        again = load(tmp_path / "both.palate", mmap=mmap)
        assert again.interest == model.interest
        assert again.choice.kind == model.choice.kind
        assert again.recommend(5, 10) == model.recommend(5, 10)
        assert again.explain(5, again.recommend(5, 1)[0].id) == model.explain(5, model.recommend(5, 1)[0].id)


def test_a_file_whose_head_does_not_fit_is_refused(model, tmp_path):
    path = tmp_path / "both.palate"
    save(model, path)
    arrays, header = read_arrays(path, "model")
    name = next(name for name in arrays if name.startswith("choice.") and arrays[name].dtype == np.float32)
    write_arrays(path, {**arrays, name: arrays[name][:-1]}, header)
    with pytest.raises(StorageError, match="do not fit together"):
        load(path)


def test_choices_are_explained_beside_the_prediction(model):
    top = model.recommend(2, 1)[0].id
    explanation = model.explain(2, top)
    assert {one.item for one in explanation.choices} == {one.item for one in explanation.contributions}
    if model.choice.kind == "weights":
        total = sum(one.contribution for one in explanation.choices)
        assert total == pytest.approx(model.choice_scores(2)[model.items.find(top)], rel=1e-4)


def test_numpy_and_kernels_compute_the_same_bits():
    rng = np.random.default_rng(0)
    scores, predictions = (rng.normal(size=(20, 300)).astype(np.float32) for _ in range(2))
    terms, trends = (3 * rng.normal(size=300).astype(np.float32) for _ in range(2))
    constant, activity, variance = rng.normal(size=20), rng.random(20), rng.random((20, 300)) + 0.01

    def compute():
        likes = chance_math.liking(4 * predictions, variance, 0.3)
        chances = chance_math.choosing(scores, (1e-3, 1.7, 0.4), terms, constant, activity, trends)
        return chances, likes, chance_math.powers(likes, 0.5), chance_math.powers(likes, 4.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chance_math, "_compiled", lambda size: False)
        by_numpy = compute()
        patch.setattr(chance_math, "_compiled", lambda size: True)
        by_kernels = compute()
    for one, other in zip(by_numpy, by_kernels, strict=True):
        np.testing.assert_array_equal(one, other)
    positive = np.maximum(scores, 0).astype(float)
    logarithms = 1.7 * np.log(positive + 1e-3) + 0.4 * positive + terms + constant[:, None] + activity[:, None] * trends
    np.testing.assert_allclose(by_numpy[0], np.minimum(np.exp(logarithms), 1), rtol=1e-5)
    np.testing.assert_allclose(by_numpy[2], by_numpy[1].astype(float) ** 0.5, rtol=1e-5, atol=1e-18)
    np.testing.assert_allclose(by_numpy[3], by_numpy[1].astype(float) ** 4, rtol=1e-5, atol=1e-36)


def test_weights_of_many_users_are_added_with_the_bits_of_one():
    ratings = random_table(60, 40, seed=3)
    for liked in (None, 3.0):
        head = fit_head_of(ratings, liked)
        users = np.arange(37, dtype=np.int32)
        alone = np.array([head.new_user_scores(*ratings.by_user[user]) for user in users.tolist()])
        np.testing.assert_array_equal(head.user_scores(users, ratings.by_user), alone)


def fit_head_of(ratings, liked):
    return EASE(regularization=20, liked=liked, weights=10).fit(ratings).choice


def test_chances_do_not_rise_towards_items_without_ratings():
    table = random_table(users=40, items=30, density=0.3, seed=4)
    more = dataclasses.replace(table.items, ids=np.arange(40))
    counts = []
    for one in (table, dataclasses.replace(table, items=more)):
        lists = HeldOutLists.of(one, None)
        with pool() as run:
            head = fit_ease(lists.train, EASE(regularization=1.0), run)
        counts.append(calibrate(head, lists).item_count)
    assert counts[0] < -0.1  # few choices of many items: chance says that the rarest are chosen most
    assert abs(counts[1]) < 1e-9
