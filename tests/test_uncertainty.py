"""How sure a model is, and what it makes of users and items of whom it knows little."""

import dataclasses
import json

import numpy as np
import pytest

import palate
from palate import BayesianMF, datasets, holdout
from palate.errors import DataError, SettingsError, StorageError, UnknownIdError
from palate.files import read_arrays, write_arrays
from palate.model.uncertainty import Posterior
from palate.solvers import SGD
from palate.solvers.bayes.predictive_spread import PredictiveSpread
from tables import random_table

SOLVER = BayesianMF(factors=7, sweeps=60, user_noise=True, item_noise=True, user_sets=True, item_sets=True)


@pytest.fixture(scope="module")
def split():
    return holdout(datasets.make_ratings(users=300, items=80, ratings=7000, seed=3), 0.15, seed=1)


@pytest.fixture(scope="module")
def model(split):
    return SOLVER.fit(split.train)


def ratings_of(model, user):
    items, values = model.seen[model.users.require(user)]
    return dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True))


def test_intervals_hold_as_many_ratings_as_they_say(model, split):
    for level in (0.5, 0.8, 0.9, 0.95):
        low, high = model.interval_table(split.test, level)
        inside = np.mean((split.test.rating >= low) & (split.test.rating <= high))
        assert abs(inside - level) < 3 * np.sqrt(level * (1 - level) / len(split.test))  # 3 binomial deviations


def test_an_interval_lies_around_the_prediction_and_on_the_scale(model):
    users, items = model.users.ids[:40, None], model.items.ids[None, :]
    narrow, wide = (model.predict(users, items, interval=level) for level in (0.5, 0.99))
    assert (wide.low <= narrow.low).all()
    assert (narrow.low <= narrow.rating).all()
    assert (narrow.rating <= narrow.high).all()
    assert (narrow.high <= wide.high).all()
    assert wide.low.min() >= model.scale.low
    assert wide.high.max() <= model.scale.high
    np.testing.assert_array_equal(narrow.rating, model.predict(users, items))
    one = model.predict(users[0, 0], items[0, 0], interval=0.5)
    assert all(isinstance(value, float) for value in one)


@pytest.mark.parametrize("level", [0, 1, -0.5, 90, float("nan")])
def test_a_level_that_is_no_share_is_refused(model, level):
    with pytest.raises(SettingsError, match="lies between 0 and 1"):
        model.predict(model.users[0], model.items[0], interval=level)


def test_a_calibrated_width_is_a_quantile_of_the_errors_seen():
    seen = np.sort(np.abs(np.random.default_rng(0).normal(size=1001))).astype(np.float32)
    blank = dict.fromkeys(("user_noise", "item_noise", "user_spread", "item_spread"), np.ones(2))
    normal = Posterior(1.0, users=None, items=None, **blank)
    calibrated = dataclasses.replace(normal, calibration=2 * seen)
    assert normal.width(0.9) == pytest.approx(1.645, abs=1e-3)
    assert calibrated.width(0.9) == pytest.approx(2 * np.quantile(seen, 0.9), rel=0.01)


def test_nobody_knows_a_newcomer(model):
    item, user = model.items[0], model.users[0]
    with pytest.raises(UnknownIdError):
        model.predict("nobody", item)
    known = model.predict(user, item, interval=0.9)
    new_user = model.predict("nobody", item, unknown="mean", interval=0.9)
    new_item = model.predict(user, "nothing", unknown="mean", interval=0.9)
    neither = model.predict("nobody", "nothing", unknown="mean", interval=0.9)
    assert known.high - known.low < new_user.high - new_user.low
    assert known.high - known.low < new_item.high - new_item.low
    assert abs(neither.rating - model.mean) < model.scale.width / 4
    nobody = model.fold_in({})
    folded = model.predict(nobody, [item, "nothing"], unknown="mean", interval=0.9)
    assert folded.rating == pytest.approx([new_user.rating, neither.rating], abs=1e-5)
    assert (folded.high - folded.low > known.high - known.low).all()
    assert model.predict_table(palate.read_ratings([("nobody", item, 3.0)]))[0] == pytest.approx(new_user.rating)


def test_a_user_folded_in_from_all_ratings_is_predicted_like_the_fitted_one(model, split):
    test = split.test
    squares = []
    for user in np.unique(test.user)[:100]:
        rows = test.user == user
        profile = model.fold_in(ratings_of(model, test.users[user]))
        folded = model.predict(profile, test.items.ids[test.item[rows]], unknown="mean")
        squares.append((folded - test.rating[rows]) ** 2)
    part = test.take(np.isin(test.user, np.unique(test.user)[:100]))
    fitted = np.mean((model.predict_table(part) - part.rating) ** 2)
    assert np.mean(np.concatenate(squares)) < 1.03 * fitted


def test_an_item_folded_in_from_all_ratings_is_predicted_like_the_fitted_one(model):
    raters, values = model.ratings().by_item[0]
    profile = model.fold_in_item(dict(zip(model.users.ids[raters].tolist(), values.tolist(), strict=True)))
    folded = model.predict(model.users.ids, profile, interval=0.9)
    fitted = model.predict(model.users.ids, model.items[0])
    assert np.sqrt(np.mean((folded.rating - fitted) ** 2)) < 0.06 * model.scale.width
    first = model.fold_in_item({model.users[0]: 3.0})
    vague = model.predict(model.users.ids, first, interval=0.9)
    assert np.mean(vague.high - vague.low) > np.mean(folded.high - folded.low)
    with pytest.raises(DataError, match="off the model's scale"):
        model.fold_in_item({model.users[0]: 99.0})


def test_fold_in_is_the_mean_of_the_posterior(model):
    rated = dict(list(ratings_of(model, model.users[5]).items())[:7])
    profile, prior = model.fold_in(rated), model.posterior.users
    index = model.items.index(list(rated))
    known = np.column_stack([model.item_factors[index], np.ones(7)]).astype(float)
    mean = prior.mean + prior.sets[index].sum(axis=0) / np.sqrt(7)
    surprise = np.array(list(rated.values())) - model.intercept - model.item_bias[index] - known @ mean
    precision = prior.precision + (known.T / prior.noise[index]) @ known
    expected = mean + np.linalg.solve(precision, known.T @ (surprise / prior.noise[index]))
    np.testing.assert_allclose(np.append(profile.factors, profile.bias), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(profile.covariance, np.linalg.inv(precision), rtol=1e-6)


def test_contributions_sum_to_the_prediction(model):
    for who in (model.users[3], model.fold_in(ratings_of(model, model.users[3]))):
        result = model.explain(who, model.items[9])
        total = result.intercept + sum(part.contribution for part in result.contributions) + result.remainder
        assert total == pytest.approx(result.prediction, abs=1e-3)
        assert model.scale.clip(total) == pytest.approx(model.predict(who, model.items[9]), abs=1e-3)


def test_the_most_telling_rating_leaves_the_least_variance(model):
    rated = dict(list(ratings_of(model, model.users[5]).items())[:4])
    profile, prior, weights = model.fold_in(rated), model.posterior.users, np.maximum(1, model.item_counts)
    toward = np.column_stack([model.item_factors, np.ones(len(model.items))]).astype(float)

    def left(covariance):
        return float(weights @ np.einsum("nk,kl,nl->n", toward, covariance, toward))

    before, shares = left(profile.covariance), {}
    for j, id in enumerate(model.items.ids.tolist()):
        after = np.linalg.inv(np.linalg.inv(profile.covariance) + np.outer(toward[j], toward[j]) / prior.noise[j])
        shares[id] = 1 - left(after) / before
        shares[id] *= model.item_counts[j] / len(model.users)  # the chance that somebody can answer
    asked = model.ask(profile, 100)
    assert {one.id for one in asked} == set(shares) - set(rated)
    assert [one.score for one in asked] == pytest.approx([shares[one.id] for one in asked], rel=1e-3)
    assert asked[0].score == max(one.score for one in asked)
    assert asked[0].id not in {one.id for one in model.ask(profile, 5, exclude=[asked[0].id])}
    most = sorted(model.item_counts)[-3]
    popular = {model.items[int(j)] for j in np.flatnonzero(model.item_counts >= most)}
    assert {one.id for one in model.ask(profile, 100, least=int(most))} == popular - set(rated)
    assert model.ask(model.users[5], 1)[0].score < model.ask(model.fold_in({}), 1)[0].score


def test_the_lower_bound_ranks_by_what_is_surely_reached(model):
    for who in (model.users[2], model.fold_in(ratings_of(model, model.users[2]))):
        result = model.recommend(who, 20, by="lower bound", level=0.8)
        bounds = model.predict(who, [one.id for one in result], interval=0.8).low
        assert [one.score for one in result] == pytest.approx(bounds.tolist(), abs=1e-4)
        assert [one.score for one in result] == sorted((one.score for one in result), reverse=True)


def test_chance_explores_and_a_seed_repeats_it(model):
    first, again, other = (model.recommend(model.users[2], 20, by="chance", seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    drawn = [{one.id: one.score for one in model.recommend(model.users[2], 80, by="chance")} for _ in range(300)]
    id = first[0].id
    result = np.array([scores[id] for scores in drawn])
    whole = model.predict(model.users[2], id, interval=0.6827)
    assert 0 < result.std() < (whole.high - whole.low) / 2  # without the noise of a rating
    with pytest.raises(SettingsError, match="ranked by"):
        model.recommend(model.users[2], by="luck")


def test_a_model_without_posterior_says_so(split):
    bare = SGD(factors=2, epochs=2, validation=0.0, regularization=0.1).fit(split.train)
    user, item = bare.users[0], bare.items[0]
    for question in (
        lambda: bare.predict(user, item, interval=0.9),
        lambda: bare.recommend(user, by="lower bound"),
        lambda: bare.ask(user),
    ):
        with pytest.raises(SettingsError, match="does not know how sure it is: fit with"):
            question()
    assert bare.deviation_table(split.test) is None
    assert bare.interval_table(split.test, 0.9) is None


def test_a_posterior_survives_saving(model, split, tmp_path):
    palate.save(model, tmp_path / "m")
    for mmap in (False, True):
        result = palate.load(tmp_path / "m", mmap=mmap)
        np.testing.assert_array_equal(result.deviation_table(split.test), model.deviation_table(split.test))
        assert result.ask(model.users[0], 3) == model.ask(model.users[0], 3)


@pytest.mark.parametrize("name", ["user_noise", "item_spread", "users.mean", "users.precision", "items.sets"])
def test_a_posterior_that_does_not_fit_is_refused(model, tmp_path, name):
    palate.save(model, tmp_path / "m")
    arrays, header = read_arrays(tmp_path / "m", "model")
    arrays[f"posterior.{name}"] = arrays[f"posterior.{name}"][:-1]
    write_arrays(tmp_path / "m", arrays, header)
    with pytest.raises(StorageError, match="do not fit"):
        palate.load(tmp_path / "m")


def test_a_budget_ends_a_chain_and_a_short_one_is_told_of(split):
    model = dataclasses.replace(SOLVER, sweeps=None, time_budget=0.05).fit(split.train)
    assert 0 < model.training["sweeps"] < 300
    assert "the chain is short" in model.training["warnings"][0]
    assert json.loads(json.dumps(dict(model.training), allow_nan=False))


def test_a_model_tells_how_its_chain_moved(model):
    traces = model.training["traces"]
    assert {trace["name"] for trace in traces} == {"noise", "user sets", "item sets"}
    assert all(1 <= trace["effective_size"] <= 60 and trace["split_rhat"] > 0.9 for trace in traces)


def test_a_budget_of_nothing_is_refused(split):
    with pytest.raises(SettingsError, match="time_budget must be above 0"):
        dataclasses.replace(SOLVER, time_budget=0.0).fit(split.train)


def test_profiles_are_not_mistaken_for_each_other(model, split):
    debut, newcomer = model.fold_in_item({model.users[0]: 3.0}), model.fold_in({model.items[0]: 3.0})
    other = dataclasses.replace(SOLVER, factors=2).fit(split.train).fold_in({})
    for question in (
        lambda: model.predict(debut, model.items[0]),
        lambda: model.predict(model.users[0], newcomer),
        lambda: model.predict(newcomer, debut),
        lambda: model.recommend(debut),
        lambda: model.ask(debut),
        lambda: model.predict(other, model.items[0]),
    ):
        with pytest.raises(SettingsError, match=r"expected, not a profile|cannot be predicted together"):
            question()
    with pytest.raises(SettingsError, match="cannot be paired"):
        model.predict(model.users.ids[:4], model.items.ids[:5])
    with pytest.raises(DataError, match="keeps no ratings"):
        dataclasses.replace(model, seen=None).ask(model.users[0])


def test_chance_does_not_depend_on_the_unit_of_ratings(split):
    ratings = split.train.take(np.arange(1500)).compact()
    result = []
    for unit in (1.0, 1e30, 1e-25):
        scaled = dataclasses.replace(ratings, rating=(ratings.rating * unit).astype(np.float32), declared_scale=None)
        fitted = SOLVER.fit(scaled)
        draws = [
            [one.score for one in sorted(fitted.recommend(fitted.users[2], 80, by="chance", seed=seed, seen=True))]
            for seed in range(20)
        ]
        result.append(np.std(draws, axis=0).mean() / unit)
    assert result == pytest.approx([result[0]] * 3, rel=0.2)
    assert result[0] > 0


def test_the_lowest_by_bound_are_surely_low(model):
    result = model.recommend(model.users[2], 20, by="lower bound", level=0.8, lowest=True)
    bounds = model.predict(model.users[2], [one.id for one in result], interval=0.8).high
    assert [one.score for one in result] == pytest.approx(bounds.tolist(), abs=1e-4)


def test_a_level_beyond_the_errors_seen_widens_the_interval(model):
    seen = np.sort(np.abs(np.random.default_rng(0).normal(size=200))).astype(np.float32)
    calibrated = dataclasses.replace(model.posterior, calibration=seen)
    widths = [calibrated.width(level) for level in (0.99, 0.999, 0.99999)]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("user_spread", lambda part: -part),
        ("item_noise", lambda part: 0 * part),
        ("users.precision", lambda part: -part),
        ("items.noise", lambda part: part * np.nan),
    ],
)
def test_a_posterior_of_impossible_numbers_is_refused(model, tmp_path, name, change):
    palate.save(model, tmp_path / "m")
    arrays, header = read_arrays(tmp_path / "m", "model")
    arrays[f"posterior.{name}"] = change(arrays[f"posterior.{name}"])
    write_arrays(tmp_path / "m", arrays, header)
    with pytest.raises(StorageError, match="do not fit"):
        palate.load(tmp_path / "m")


def test_probes_are_pairs_that_nobody_rated():
    ratings = random_table(40, 30, density=0.7)
    probes = PredictiveSpread(ratings, np.random.default_rng(0))
    rated = set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))
    again = sum(pair in rated for pair in zip(probes.user.tolist(), probes.item.tolist(), strict=True))
    assert again < 0.05 * len(probes.user)
    assert len(rated) > 0.6 * 40 * 30
