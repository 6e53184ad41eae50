"""Alternating least squares, of ratings and of choices, against slow twins."""

import dataclasses
import signal
from itertools import pairwise

import numpy as np
import pytest

import naive
from palate.errors import DataError, SettingsError
from palate.evaluation import evaluate
from palate.kernels import rows as kernels
from palate.ratings import Ratings, RatingScale
from palate.reading import read_ratings
from palate.solvers import ALS, SGD, ImplicitALS
from palate.solvers.als.fit import ALSProblem
from palate.solvers.half_step import balanced_ranges
from palate.solvers.implicit.fit import ImplicitFit
from palate.solvers.session import open_session
from palate.splits import Split, holdout
from palate.storage import load, save
from tables import random_table, table

K, PENALTY = 4, 0.05
VARIANTS = [{}, {"weighted": False}, {"nonnegative": True}, {"weighted": False, "nonnegative": True}]
NAMES = ["weighted", "plain", "non-negative", "plain non-negative"]


def doubles(parameters):
    return {name: side[:, : K + 1].astype(float) for name, side in parameters.items()}


def scaled_rows(problem, ratings):
    values = (ratings.rating.astype(float) - problem.center) / problem.spread
    return list(zip(ratings.user.tolist(), ratings.item.tolist(), values.tolist(), strict=True))


def als_problem(ratings, **settings):
    return ALSProblem(ALS(factors=K, **settings), ratings, None, lambda work, tasks: [work(task) for task in tasks])


@pytest.mark.parametrize("weighted", [True, False])
def test_half_a_sweep_solves_the_normal_equations(weighted):
    ratings = random_table()
    problem = als_problem(ratings, weighted=weighted)
    parameters = problem.start()
    problem.half(problem.items, parameters["items"], parameters["users"], PENALTY)
    problem.half(problem.users, parameters["users"], parameters["items"], PENALTY)
    sides = doubles(parameters)
    expected = naive.als_half(scaled_rows(problem, ratings), sides["items"], PENALTY, weighted, 60)
    np.testing.assert_allclose(sides["users"], expected, atol=2e-4)
    assert not parameters["users"][:, K + 1 :].any()


@pytest.mark.parametrize("settings", VARIANTS, ids=NAMES)
def test_no_half_sweep_lets_the_objective_rise(settings):
    ratings = random_table()
    problem = als_problem(ratings, **settings)
    parameters, rows = problem.start(), scaled_rows(problem, ratings)
    values = []
    for _ in range(12):
        for side, mine, other in ((problem.items, "items", "users"), (problem.users, "users", "items")):
            problem.half(side, parameters[mine], parameters[other], PENALTY)
            sides = doubles(parameters)
            values.append(
                naive.als_objective(rows, sides["users"], sides["items"], PENALTY, settings.get("weighted", True))
            )
    assert all(after <= before * (1 + 1e-5) for before, after in pairwise(values))
    assert values[-1] < 0.9 * values[0]


def gradient(problem, ratings, sides, weighted):
    rows = scaled_rows(problem, ratings)
    slope = {name: np.zeros_like(side) for name, side in sides.items()}
    for u, i, r in rows:
        p, q = sides["users"][u], sides["items"][i]
        error = r - p[:-1] @ q[:-1] - p[-1] - q[-1]
        slope["users"][u] -= error * np.append(q[:-1], 1)
        slope["items"][i] -= error * np.append(p[:-1], 1)
    for name, counts in (("users", ratings.user_counts), ("items", ratings.item_counts)):
        slope[name] += PENALTY * (counts[:, None] if weighted else 1) * sides[name]
    return slope


@pytest.mark.parametrize("weighted", [True, False])
def test_at_rest_the_gradient_vanishes(weighted):
    ratings = random_table()
    problem = als_problem(ratings, weighted=weighted)
    parameters = problem.start()
    first = gradient(problem, ratings, doubles(parameters), weighted)
    for number in range(400):
        problem.epoch(parameters, PENALTY, number)
    last = gradient(problem, ratings, doubles(parameters), weighted)
    for name in ("users", "items"):
        assert np.abs(last[name]).max() < 2e-3 * np.abs(first[name]).max()


def test_at_rest_non_negative_factors_meet_the_conditions_of_a_minimum():
    # Nothing below zero; where a factor is positive the slope is zero, elsewhere it points out of the allowed.
    ratings = random_table()
    problem = als_problem(ratings, nonnegative=True)
    parameters = problem.start()
    first = gradient(problem, ratings, doubles(parameters), True)
    for number in range(400):
        problem.epoch(parameters, PENALTY, number)
    sides = doubles(parameters)
    last = gradient(problem, ratings, sides, True)
    for name in ("users", "items"):
        factors, slope = sides[name][:, :K], last[name][:, :K] / np.abs(first[name]).max()
        assert (factors >= 0).all()
        assert 0.05 < (factors == 0).mean() < 0.95
        assert np.abs(slope[factors > 0]).max() < 5e-3
        assert slope[factors == 0].min() > -5e-3
        assert np.abs(last[name][:, K]).max() < 5e-3 * np.abs(first[name]).max()


def test_non_negative_rows_are_those_of_their_slow_twin():
    rng = np.random.default_rng(0)
    grouped, width, bounded = random_table(users=30, items=200, density=0.8, seed=1).by_user, 16, 9
    other = np.zeros((200, width), np.float32)
    other[:, : bounded + 1] = rng.normal(0, 0.5, (200, bounded + 1))
    offset, others = rng.normal(size=200).astype(np.float32), rng.random(200).astype(np.float32) + 0.5
    weight = rng.random(30).astype(np.float32) + 0.5
    precision, linear = np.eye(width, dtype=np.float32), np.zeros((30, width), np.float32)
    linear[:, : bounded + 1] = rng.normal(size=(30, bounded + 1))
    solved, errors = np.zeros((30, width), np.float32), np.empty(30)
    parts = other, offset, weight, others, precision, linear
    assert kernels.solve_nonnegative_rows(*grouped, *parts, 0, 30, bounded, solved, errors) == -1
    zeros = 0
    for row in range(30):
        items, values = grouped[row]
        design = other[items, : bounded + 1].astype(float)
        weights = weight[row] * others[items].astype(float)
        gram = design.T @ (weights[:, None] * design) + np.eye(bounded + 1)
        right = design.T @ (weights * (values - offset[items])) + linear[row, : bounded + 1]
        expected = naive.nonnegative_row(gram, right, bounded)
        np.testing.assert_allclose(solved[row, : bounded + 1], expected, atol=1e-3)
        left = values - offset[items] - design @ solved[row, : bounded + 1]
        np.testing.assert_allclose(errors[row], (weights * left**2).sum(), rtol=1e-4)
        zeros += (expected[:bounded] == 0).sum()
    assert 40 < zeros < 230
    precision[:] = -1e6 * np.eye(width)
    assert kernels.solve_nonnegative_rows(*grouped, *parts, 4, 30, bounded, solved, errors) == 4


@pytest.mark.parametrize("settings", VARIANTS, ids=NAMES)
def test_folding_in_a_training_row_gives_that_row(settings):
    ratings = random_table()
    model = ALS(factors=K, regularization=PENALTY if settings.get("weighted", True) else 2.0, **settings).fit(ratings)
    for user in (0, 7, 33):
        items, values = model.seen[user]
        profile = model.fold_in(dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True)))
        np.testing.assert_allclose(profile.factors, model.user_factors[user], atol=2e-3)
        assert profile.bias == pytest.approx(model.user_bias[user], abs=2e-3)
        for who in (profile, model.users[user]):
            explained = model.explain(who, 102)
            total = (
                explained.intercept + sum(part.contribution for part in explained.contributions) + explained.remainder
            )
            assert explained.prediction == pytest.approx(total)
            assert abs(explained.remainder) < 2e-3


def test_non_negative_models_have_no_factor_below_zero(tmp_path):
    ratings = random_table()
    model = ALS(factors=K, nonnegative=True).fit(ratings)
    assert (model.user_factors >= 0).all()
    assert (model.item_factors >= 0).all()
    assert (model.user_factors > 0).any()
    save(model, tmp_path / "m.palate")
    back = load(tmp_path / "m.palate")
    assert back.penalty == model.penalty
    profile = back.fold_in({100: 1.0, 101: 1.0, 110: 5.0})
    assert (profile.factors >= 0).all()
    # Fewer ratings than factors: the factors that are not held at zero follow from them all the same.
    explained = back.explain(back.fold_in({100: 5.0, 101: 1.0}), 110)
    assert abs(explained.remainder) < 1e-5


def test_pilots_choose_the_regularization_and_the_sweeps():
    train, test = holdout(random_table(users=300, items=100, density=0.4), 0.1)
    model = ALS(factors=K).fit(train)
    history = model.training["history"]
    pilots = {}
    for epoch in history:
        if epoch["stage"] == "pilot":
            pilots.setdefault(epoch["setting"], []).append(epoch["validation_rmse"])
    assert len(pilots) > 3
    best = min(pilots, key=lambda setting: min(pilots[setting]))
    assert best == f"λ = {model.training['regularization']:g}"
    assert model.training["sweeps"] == int(np.argmin(pilots[best])) + 1
    result = evaluate(model, test)
    assert result.scores["rmse"] < 0.75 * result.baselines["bias only"]["rmse"]


def test_a_pull_too_weak_for_float32_says_so():
    ratings = table([(user, item, float(user % 2)) for user in range(4) for item in range(3)])
    with pytest.raises(SettingsError, match=r"raise regularization \(--regularization\)"):
        ALS(factors=40, regularization=1e-30, validation=0.0).fit(ratings)


# Choices


def confident(seed=0, users=30, items=20):
    rng = np.random.default_rng(seed)
    full = rng.integers(0, 6, (users, items)) * (rng.random((users, items)) < 0.4)
    full[full.sum(1) == 0, 0] = 1
    full[0, full.sum(0) == 0] = 1
    user, item = np.nonzero(full)
    blank = random_table(users=users, items=items, density=1.0)
    columns = user.astype(np.int32), item.astype(np.int32), full[user, item].astype(np.float32)
    return Ratings(blank.users, blank.items, *columns), full.astype(float)


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_halves_of_implicit_sweeps_solve_dense_equations_and_the_objective_falls(confidence, exponent):
    ratings, full = confident()
    dense = full / full[full > 0].mean() if confidence else (full > 0).astype(float)
    settings = 0.02, 0.1, exponent
    solver = ImplicitALS(factors=K, regularization=0.02, unobserved=0.1, exponent=exponent, confidence=confidence)
    values = []
    with open_session(solver, ratings, 1, None, None) as session:
        work = ImplicitFit(solver, session)
        parameters = work.parameters
        for _ in range(8):
            work.half(work.items, parameters["items"], parameters["users"])
            users, items = (parameters[name][:, :K].astype(float) for name in ("users", "items"))
            np.testing.assert_allclose(items, naive.implicit_half(dense.T, users, *settings), atol=1e-4)
            values.append(naive.implicit_objective(dense, users, items, *settings))
            work.half(work.users, parameters["users"], parameters["items"])
            users = parameters["users"][:, :K].astype(float)
            np.testing.assert_allclose(users, naive.implicit_half(dense, items, *settings), atol=1e-4)
            values.append(naive.implicit_objective(dense, users, items, *settings))
    assert all(after <= before * (1 + 1e-5) for before, after in pairwise(values))
    assert not parameters["users"][:, K:].any()


def test_no_half_sweep_that_goes_beyond_its_solution_lets_the_objective_rise(monkeypatch):
    ratings, full = confident()
    solver = ImplicitALS(factors=K, regularization=0.02, unobserved=0.1, sweeps=12)
    values, half, go_beyond, steps = [], ImplicitFit.half, ImplicitFit.go_beyond, []

    def judge(work):
        sides = (work.parameters[name][:, :K].astype(float) for name in ("users", "items"))
        values.append(naive.implicit_objective((full > 0).astype(float), *sides, 0.02, 0.1, 1.0))

    def judged_step(work, rows, before):
        go_beyond(work, rows, before)
        steps.append(float(abs(rows - before).max()))
        judge(work)

    def judged_half(work, *arguments):
        squares = half(work, *arguments)
        if work.done in (0, 11):  # the first sweep and the last do not go beyond
            judge(work)
        return squares

    monkeypatch.setattr(ImplicitFit, "half", judged_half)
    monkeypatch.setattr(ImplicitFit, "go_beyond", judged_step)
    solver.fit(ratings)
    assert len(values) == 24
    assert all(after <= before * (1 + 1e-5) for before, after in pairwise(values))
    assert len(steps) == 20
    assert min(steps) > 0


def test_sweeps_that_go_beyond_their_solutions_reach_an_objective_in_two_thirds_of_the_sweeps(monkeypatch):
    ratings, full = confident()

    def reached(sweeps):
        model = ImplicitALS(factors=K, regularization=0.02, unobserved=0.1, sweeps=sweeps).fit(ratings)
        sides = (side.astype(float) for side in (model.user_factors, model.item_factors))
        return naive.implicit_objective((full > 0).astype(float), *sides, 0.02, 0.1, 1.0)

    faster = reached(10)
    monkeypatch.setattr(ImplicitFit, "go_beyond", lambda work, rows, before: None)
    assert faster <= reached(15)


def test_an_interrupted_implicit_fit_has_the_users_that_fold_in_gives():
    ratings, _ = confident()
    solver = ImplicitALS(factors=K, regularization=0.1, unobserved=0.1, sweeps=9)

    def stop(epoch):
        if epoch.number == 4:
            signal.raise_signal(signal.SIGINT)

    model = solver.fit(ratings, progress=stop)
    assert model.training["sweeps"] == 4
    assert model.training["interrupted"]
    items, values = model.seen[3]
    profile = model.fold_in(dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True)))
    np.testing.assert_allclose(profile.factors, model.user_factors[3], atol=1e-4)


@pytest.mark.parametrize(("confidence", "exponent"), [(False, 1.0), (True, 0.5)])
def test_implicit_models_answer_like_others(confidence, exponent, tmp_path):
    ratings, full = confident()
    model = ImplicitALS(factors=K, confidence=confidence, exponent=exponent, regularization=0.1).fit(ratings)
    save(model, tmp_path / "m.palate")
    model = load(tmp_path / "m.palate")
    assert model.scale == RatingScale(0, 1)
    items, values = model.seen[3]
    np.testing.assert_array_equal(values, full[3, items])
    profile = model.fold_in(dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True)))
    np.testing.assert_allclose(profile.factors, model.user_factors[3], atol=1e-4)
    assert [one.id for one in model.recommend(profile, 5)] == [one.id for one in model.recommend(model.users[3], 5)]
    explained = model.explain(profile, 105)
    assert explained.prediction == pytest.approx(float(model.item_factors[5] @ profile.factors), abs=1e-5)
    assert explained.prediction == pytest.approx(sum(part.contribution for part in explained.contributions), abs=1e-5)
    assert model.predict(999, 100, unknown="mean") == pytest.approx(len(ratings) / full.size)
    assert not model.fold_in({}).factors.any()
    with pytest.raises(DataError, match="finite" if not confidence else "above zero"):
        model.fold_in({100: float("nan")})


def test_only_liked_pairs_are_choices(tmp_path):
    ratings, _ = confident()
    settings = {"factors": K, "regularization": 0.1, "unobserved": 0.1}
    model = ImplicitALS(liked=3.0, **settings).fit(ratings)
    likes = ImplicitALS(**settings).fit(ratings.take(ratings.rating >= 3))
    np.testing.assert_allclose(model.item_factors, likes.item_factors, atol=1e-6)
    assert model.seen.indptr[-1] == len(ratings)  # nobody is recommended what they rated low
    save(model, tmp_path / "m.palate")
    model = load(tmp_path / "m.palate")
    items, values = model.seen[3]
    assert (values < 3).any()
    profile = model.fold_in(dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True)))
    np.testing.assert_allclose(profile.factors, model.user_factors[3], atol=1e-4)
    explained = {part.item: part.contribution for part in model.explain(profile, 105).contributions}
    assert all(explained.get(id, 0) == 0 for id in model.items.ids[items[values < 3]].tolist())
    with pytest.raises(DataError, match="no rating is at least 99"):
        ImplicitALS(liked=99.0).fit(ratings)


def test_what_is_no_confidence_is_refused():
    ratings = table([("a", "x", 2.0), ("a", "y", -1.0), ("b", "x", 0.0)])
    with pytest.raises(
        DataError, match="2 of 3 ratings are no confidence above zero, such as -1 of user 'a' for item 'y'"
    ):
        ImplicitALS(factors=2, confidence=True).fit(ratings)
    model = ImplicitALS(factors=2, confidence=True).fit(ratings.take(ratings.rating > 0))
    with pytest.raises(DataError, match="rating 0 of item 'x' must be a number above zero"):
        model.fold_in({"x": 0})
    assert ImplicitALS(factors=2).fit(ratings).fold_in({"x": -3, "y": 0}).factors.any()


def test_a_higher_confidence_draws_the_score_to_one():
    ratings, _ = confident()
    heavy = dataclasses.replace(ratings, rating=np.where(ratings.rating == 5, 500, ratings.rating).astype(np.float32))
    scores = [ImplicitALS(factors=K, confidence=True).fit(one).predict_table(ratings) for one in (ratings, heavy)]
    most = ratings.rating == 5
    assert (1 - scores[1][most]).mean() < 0.7 * (1 - scores[0][most]).mean()


def hits(scores, train, test, n=10):
    """The share of users with one of their test items among their n best, training items left out."""
    scores = scores.copy()
    scores[train.user, train.item] = -np.inf
    held = np.zeros(scores.shape, bool)
    held[test.user, test.item] = True
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(held, best, 1).any(1)[held.any(1)].mean()


def test_choices_are_ranked_better_than_by_popularity(data):
    whole = read_ratings(data / "ml-100k" / "u.data", scale=(1, 5))
    train, test = holdout(whole, 0.2, seed=0)
    model = ImplicitALS().fit(train)
    scores = np.full((len(whole.users), len(whole.items)), -1.0, np.float32)
    known = np.ix_(whole.users.index(model.users.ids), whole.items.index(model.items.ids))
    scores[known] = model.user_factors @ model.item_factors.T
    popular = np.tile(train.item_counts.astype(float), (len(whole.users), 1))
    assert hits(scores, train, test) > hits(popular, train, test) + 0.1


def test_als_is_as_accurate_as_sgd_on_real_ratings(data):
    folder = data / "ml-100k"
    split = Split(*(read_ratings(folder / f"u1.{part}", scale=(1, 5)) for part in ("base", "test")))
    errors = {
        solver: evaluate(solver.fit(split.train), split.test).scores["rmse"]
        for solver in (ALS(regularization=0.13, validation=0.0), SGD(regularization=0.1, validation=0.0))
    }
    als, sgd = errors.values()
    assert als < 0.93
    assert als < sgd * 1.02


def test_work_is_cut_evenly_and_the_largest_part_comes_first():
    counts = np.random.default_rng(0).integers(1, 4000, 3000)
    counts[1700] = 2_000_000  # more than its share
    indptr = np.concatenate([[0], np.cumsum(counts)])
    ranges = balanced_ranges(indptr, 10)
    assert sorted(row for start, stop in ranges for row in range(start, stop)) == list(range(3000))
    work = [indptr[stop] - indptr[start] + 10 * (stop - start) for start, stop in ranges]
    assert work == sorted(work, reverse=True)
    assert ranges[0][0] <= 1700 < ranges[0][1]
    assert work[1] < 2 * sum(work) / 64
    assert balanced_ranges(np.zeros(1, np.int64)) == []


def test_rows_without_ratings_are_work_too():
    ranges = balanced_ranges(np.concatenate([np.arange(100_001), np.full(100_000, 100_000)]), 8)
    assert max(stop - start for start, stop in ranges) < 5000


@pytest.mark.parametrize("cut", [1, 4])
def test_a_search_of_implicit_settings_that_was_cut_short_is_made_again(cut, tmp_path, monkeypatch):
    ratings, solver, path = random_table(), ImplicitALS(factors=3, sweeps=4), tmp_path / "checkpoint"
    expected, pilots = solver.fit(ratings), []
    fit_pilot = ImplicitFit.fit_pilot

    def interrupt(self, *arguments):
        pilots.append(arguments)
        if len(pilots) == cut:
            signal.raise_signal(signal.SIGINT)
        return fit_pilot(self, *arguments)

    monkeypatch.setattr(ImplicitFit, "fit_pilot", interrupt)
    assert solver.fit(ratings, checkpoint=path).training["interrupted"]
    pilots.clear()
    monkeypatch.setattr(ImplicitFit, "fit_pilot", fit_pilot)
    resumed = solver.fit(ratings, checkpoint=path, resume=True)
    assert not resumed.training["interrupted"]
    assert resumed.training["ndcg_of_settings"] == expected.training["ndcg_of_settings"]
    assert np.array_equal(resumed.user_factors, expected.user_factors)
    assert np.array_equal(resumed.item_factors, expected.item_factors)


def test_sweeps_after_a_search_of_implicit_settings_are_resumed_without_another_search(tmp_path, monkeypatch):
    monkeypatch.setattr("palate.solvers.session._CHECKPOINT_INTERVAL", 0)
    ratings, solver, path = random_table(), ImplicitALS(factors=3, sweeps=4), tmp_path / "checkpoint"
    expected = solver.fit(ratings)

    def stop(epoch):
        if epoch.number == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        solver.fit(ratings, checkpoint=path, progress=stop)
    monkeypatch.setattr(ImplicitFit, "fit_pilot", None)
    resumed = solver.fit(ratings, checkpoint=path, resume=True)
    assert np.array_equal(resumed.user_factors, expected.user_factors)
    assert resumed.training["ndcg_of_settings"] == expected.training["ndcg_of_settings"]
