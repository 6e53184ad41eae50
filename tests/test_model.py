import dataclasses
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

import model_files
import naive
from palate.catalogue import Catalogue, Entry
from palate.errors import DataError, SettingsError, UnknownIdError
from palate.model import Model, RidgePenalty
from palate.model.lists import ListModel
from palate.model.row_solve import design_matrix, solve_row
from palate.solvers import ALS, SGD, Means
from tables import random_table

CATALOGUE = Catalogue({**{i: Entry(f"title {i}", f"text {i}") for i in range(100, 140)}, 999: Entry("unrated", "")})


@pytest.fixture(scope="module")
def ratings():
    return random_table()


@pytest.fixture(scope="module")
def model(ratings):
    return dataclasses.replace(SGD(factors=6).fit(ratings), catalogue=CATALOGUE)


def full(model):
    return model.intercept + model.user_bias[:, None] + model.item_bias + model.user_factors @ model.item_factors.T


def test_predict_takes_ids_and_arrays_of_ids(model):
    expected = model.scale.clip(full(model))
    assert model.predict(3, 105) == pytest.approx(expected[2, 5], abs=1e-5)
    assert isinstance(model.predict(3, 105), float)
    np.testing.assert_allclose(model.predict([1, "2", 3], 100), expected[:3, 0], atol=1e-5)
    np.testing.assert_allclose(model.predict(1, model.items.ids), expected[0], atol=1e-5)
    grid = model.predict(model.users.ids[:, None], model.items.ids[None, :])
    np.testing.assert_allclose(grid, expected, atol=1e-5)
    assert model.predict([], []).shape == (0,)


def test_predictions_stay_on_the_scale(model):
    loud = dataclasses.replace(model, item_bias=np.full(40, 99, np.float32))
    assert loud.predict(1, 100) == 5


def test_unknown_ids_are_errors_unless_the_mean_is_asked_for(model):
    with pytest.raises(UnknownIdError, match="user 77 is unknown: the 60 user ids are integers from 1 to 60"):
        model.predict(77, 100)
    with pytest.raises(UnknownIdError, match="item 999 is in the catalogue but was never rated"):
        model.predict([1, 2], [100, 999])
    assert model.predict(77, 999, unknown="mean") == pytest.approx(model.mean, abs=1e-6)
    known = model.predict(77, 100, unknown="mean")
    assert known == pytest.approx(model.mean + model.item_bias[0], abs=1e-5)
    assert model.predict([77, 1], [100, 100], unknown="mean")[1] == pytest.approx(model.predict(1, 100))


@pytest.mark.parametrize("lowest", [False, True])
def test_recommend_ranks_what_is_unseen(model, lowest):
    allowed = np.ones(40, bool)
    allowed[model.seen[4][0]] = False
    expected = naive.best(full(model)[4], allowed, 7, lowest)
    result = model.recommend(5, 7, lowest=lowest)
    assert [one.id for one in result] == [100 + i for i in expected]
    np.testing.assert_allclose([one.score for one in result], model.scale.clip(full(model)[4, expected]), atol=1e-5)
    assert result[0].title == f"title {result[0].id}"


def test_recommend_filters(model):
    assert {one.id for one in model.recommend(5, 99, only=[101, "102", 999], seen=True)} == {101, 102}
    everything = model.recommend(5, 99, seen=True)
    assert len(everything) == 40
    assert 101 not in {one.id for one in model.recommend(5, 99, seen=True, exclude=[101])}
    assert model.recommend(5, 3, only=[]) == []
    with pytest.raises(UnknownIdError, match="item 12345"):
        model.recommend(5, 3, exclude=[12345])
    with pytest.raises(SettingsError, match="n must be an integer and at least 1"):
        model.recommend(5, 0)


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("lowest", [False, True])
def test_a_batch_answers_like_single_calls(model, seen, lowest):
    items, scores = model.recommend_batch(n=30, seen=seen, lowest=lowest)
    for row, user in enumerate(model.users.ids):
        single = model.recommend(user, 30, seen=seen, lowest=lowest)
        assert model.items.ids[items[row][: len(single)]].tolist() == [one.id for one in single]
        assert (items[row][len(single) :] == -1).all()
        assert np.isnan(scores[row][len(single) :]).all()
        np.testing.assert_allclose(scores[row][: len(single)], [one.score for one in single], atol=1e-5)


def test_items_with_few_ratings_can_be_left_out(model):
    most = int(np.sort(model.item_counts)[-3])
    result = {one.id for one in model.recommend(5, 99, seen=True, least=most)}
    assert result == {100 + i for i in np.flatnonzero(model.item_counts >= most)}


def test_slips_are_errors_and_not_other_answers(model):
    assert {one.id for one in model.recommend(5, 9, only="101", seen=True)} == {101}
    with pytest.raises(SettingsError, match="unknown ids are"):
        model.predict(1, 100, unknown="typo")
    with pytest.raises(DataError, match="rated twice"):
        model.fold_in({100: 5.0, "100": 1.0})
    for id in (None, "9" * 5000, float("nan"), [1]):
        with pytest.raises(UnknownIdError):
            model.users.require(id)


def test_similar_items_are_close_in_angle(model):
    q = model.item_factors
    angle = q @ q[7] / np.linalg.norm(q, axis=1) / np.linalg.norm(q[7])
    angle[7] = -2
    result = model.similar_items(107, 5)
    assert [one.id - 100 for one in result] == np.argsort(-angle)[:5].tolist()
    assert [one.score for one in result] == pytest.approx(sorted(angle, reverse=True)[:5], abs=1e-5)
    dots = model.similar_items(107, 3, by="dot")
    assert dots[0].score == pytest.approx(max(q[i] @ q[7] for i in range(40) if i != 7), abs=1e-5)
    with pytest.raises(SettingsError, match="cosine"):
        model.similar_items(107, by="taste")


def test_similar_users_and_items_without_factors(model, ratings):
    assert model.similar_users(3, 2)[0].id != 3
    flat = Means().fit(ratings)
    assert flat.similar_items(107) == []


def test_fold_in_solves_the_ridge_problem(model):
    rated = {100: 5.0, 103: 1.0, 120: 3.5}
    profile = model.fold_in(rated)
    index = [0, 3, 20]
    design = np.column_stack([model.item_factors[index].astype(float), np.ones(3)])
    target = np.array([5, 1, 3.5]) - model.intercept - model.item_bias[index]
    result = np.append(profile.factors, profile.bias)
    penalty = 3 * np.array([model.penalty.factors] * 6 + [model.penalty.bias])
    np.testing.assert_allclose(design.T @ (target - design @ result), penalty * result, atol=1e-5)
    assert model.predict(profile, 100) > model.predict(profile, 103)
    assert {one.id for one in model.recommend(profile, 99)} == set(range(100, 140)) - set(rated)


def test_a_folded_in_user_comes_close_to_the_fitted_one(model):
    items, values = model.seen[9]
    profile = model.fold_in(dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True)))
    fitted, folded = model.predict(10, model.items.ids), model.predict(profile, model.items.ids)
    assert np.sqrt(np.mean((fitted - folded) ** 2)) < 0.2


def test_a_user_without_ratings_is_the_average_user(model):
    profile = model.fold_in({})
    assert profile.bias == 0
    assert model.predict(profile, 100) == pytest.approx(model.scale.clip(model.intercept + model.item_bias[0]))
    for wrong in (float("nan"), float("inf"), 9, 0.9):
        with pytest.raises(DataError, match="off the model's scale, 1 to 5"):
            model.fold_in({100: wrong})
    with pytest.raises(UnknownIdError):
        model.fold_in({12345: 3.0})


def own(model, user):
    items, values = model.seen[model.users.require(user)]
    return dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True))


@pytest.mark.parametrize("who", [5, {100: 5.0, 101: 4.0, 110: 1.0}], ids=["known", "folded in"])
def test_contributions_sum_to_the_prediction(model, who):
    user = model.fold_in(who) if isinstance(who, dict) else who
    for item in (102, 139):
        result = model.explain(user, item)
        total = result.intercept + sum(part.contribution for part in result.contributions) + result.remainder
        assert result.prediction == pytest.approx(total)
        assert model.scale.clip(result.prediction) == pytest.approx(model.predict(user, item), abs=1e-4)
        assert result.intercept == pytest.approx(model.intercept + model.item_bias[model.items.require(item)], abs=1e-5)
        folded = who if isinstance(who, dict) else own(model, who)
        again = model.explain(model.fold_in(folded), item)
        assert result.remainder == pytest.approx(result.prediction - again.prediction, abs=1e-4)
        sizes = [abs(part.contribution) for part in result.contributions]
        assert sizes == sorted(sizes, reverse=True)


def test_a_model_without_ratings_folds_in_but_does_not_explain(model):
    bare = dataclasses.replace(model, seen=None)
    assert len(bare.recommend(5, 99)) == 40
    assert bare.ratings() is None
    with pytest.raises(DataError, match="keeps no ratings"):
        bare.explain(5, 100)
    assert bare.explain(bare.fold_in({100: 5.0}), 101).contributions


def test_the_model_gives_its_training_table_back(model, ratings):
    result = model.ratings()
    np.testing.assert_array_equal(result.by_item.values, ratings.by_item.values)
    assert result.scale == ratings.scale


def test_replaced_and_pickled_models_answer_the_same(model):
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is type(dataclasses.replace(model)) is Model
    assert again.recommend(5) == dataclasses.replace(model).recommend(5) == model.recommend(5)
    assert repr(again) == "Model(sgd, 60 users, 40 items, 6 factors)"


def test_serving_a_recommendation_imports_neither_scipy_nor_the_compiler():
    code = (
        "import sys, palate; m = palate.load(sys.argv[1]); m.recommend(1, by='lower bound'); m.predict(1, 'i05', interval=0.8);"
        "m.explain(m.fold_in({'i00': 5.0}), 'i05'); m.ask(1); print([name for name in ('scipy', 'numba') if name in sys.modules])"
    )
    path = model_files.FIXTURES / "model-format-1-bayes.palate"
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_every_question_calls_the_function_of_its_name():
    questions = {
        name: (method, sys.modules[part.__module__])
        for part in (Model, ListModel)
        for name, method in vars(part).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    assert {"predict", "recommend", "explain", "fold_in"} <= set(questions)
    for name, (method, module) in questions.items():
        function = getattr(module, name)
        assert function.__name__ == name
        assert function.__module__.startswith("palate.model.")
        assert name in method.__code__.co_names
        assert method.__doc__.count("-----") >= 1


def test_ridge_without_bias_matches_numpy():
    rng = np.random.default_rng(0)
    q, e = rng.normal(size=(9, 3)).astype(np.float32), rng.normal(size=9)
    prior = RidgePenalty(0.5, None, by_count=False).row_prior(np.zeros(9, np.float32), 3, None)
    bias, factors, _ = solve_row(q, e, prior)
    assert bias == 0
    np.testing.assert_allclose(factors, np.linalg.solve(q.T @ q + 0.5 * np.eye(3), q.T @ e), atol=1e-5)


@pytest.mark.parametrize("bias", [None, 0.5])
def test_nonnegative_rows_are_the_minimum_over_all_sets_of_zeros(bias):
    rng = np.random.default_rng(1)
    zeros = 0
    for _ in range(40):
        q, e = rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=7)
        prior = RidgePenalty(0.3, bias, by_count=True, nonnegative=True).row_prior(np.zeros(7, np.float32), 5, None)
        result = solve_row(q, e, prior)
        design = design_matrix(q, biased=bias is not None)
        expected = naive.nonnegative_row(design.T @ design + prior.precision, design.T @ e, 5)
        np.testing.assert_allclose(
            np.append(result[1], result[0]), expected * np.append(np.ones(5), bias is not None), atol=1e-6
        )
        assert (result[1] >= 0).all()
        zeros += int((result[1] == 0).sum())
    assert 40 < zeros < 160


@pytest.mark.parametrize("truth", [True, np.True_])
def test_truth_values_are_no_ids(truth):
    model = ALS(factors=2, seed=0, sweeps=2, regularization=1.0).fit([(1, 1, 5), (1, 2, 4), (2, 1, 3), (3, 2, 1)])
    questions = (
        lambda: model.recommend(truth),
        lambda: model.predict(truth, 2),
        lambda: model.predict(2, truth),
        lambda: model.predict([truth, 2], [1, 1]),
        lambda: model.similar_items(truth),
        lambda: model.explain(2, truth),
        lambda: model.fold_in({truth: 5}),
        lambda: model.recommend(2, exclude=[truth]),
        lambda: model.recommend(2, only=[truth, 2]),
        lambda: model.recommend_batch([truth]),
    )
    for question in questions:
        with pytest.raises(UnknownIdError, match=r"True.* is unknown"):
            question()
