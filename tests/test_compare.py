"""Solvers side by side: the same rows for all, honest standard errors, and nothing lost."""

import json
from dataclasses import dataclass, field, replace
from statistics import NormalDist, fmean, stdev

import numpy as np
import pytest
import scipy.stats

from palate.errors import DataError, SettingsError
from palate.evaluation import compare_lists, evaluate, evaluate_lists
from palate.evaluation.compare import compare, solvers_to_compare
from palate.evaluation.lists import LIST_BASELINES, default_metrics
from palate.evaluation.metrics import LEVELS, coverage, log_likelihood
from palate.memory import watch
from palate.model import Model
from palate.ratings import RatingScale
from palate.solvers import BASELINES, SOLVERS, ImplicitALS, Means
from palate.splits import holdout, k_fold, new_users
from tables import random_table, table

RIVALS = {"mean": Means(users=None, items=None), "items": Means(users=None, items=0.0), "bias": Means()}


@dataclass
class Recorder:
    """A baseline that keeps what it was given; `act` is called with the number of the fit (0 for the warming one)."""

    act: object = None
    seen: list = field(default_factory=list)

    def fit(self, ratings, *, threads=None):
        self.seen.append((ratings, "by_user" in vars(ratings), threads))
        model = Means().fit(ratings)
        return (self.act and self.act(len(self.seen) - 1, model)) or model


SCORES = ("rmse", "mae", "nmae", *default_metrics(10))


def rmse(model, test):
    return fmean((float(r) - float(p)) ** 2 for r, p in zip(test.rating, model.predict_table(test), strict=True)) ** 0.5


def test_all_are_fitted_and_judged_on_the_same_rows():
    splits = list(k_fold(random_table(), 3))
    one, two = Recorder(), Recorder()
    results = []
    result = compare({"one": one, "two": two}, iter(splits), threads=1, done=results.append)
    for recorder in (one, two):
        fits = recorder.seen[1:]  # the first only loads kernels
        assert [threads for _, _, threads in fits] == [1] * 3
        assert not any(ordered for _, ordered, _ in fits), "an earlier fit left its work in the table"
        for (train, _, _), split in zip(fits, splits, strict=True):
            assert np.array_equal(train.rating, split.train.rating)
    assert [(one.name, one.split) for one in results] == [(n, s) for s in (1, 2, 3) for n in ("one", "two")]
    assert result["one"].scores == result["two"].scores
    assert (result["two"].difference, result["two"].difference_error) == (0, 0)


def test_several_splits_give_the_standard_error_of_their_mean():
    splits = list(k_fold(random_table(), 4))
    result = compare(RIVALS, splits)
    values = {name: [rmse(solver.fit(train), test) for train, test in splits] for name, solver in RIVALS.items()}
    assert result.reference == min(values, key=lambda name: fmean(values[name]))
    assert [one.name for one in result.solvers] == sorted(values, key=lambda name: fmean(values[name]))
    for name, own in values.items():
        off = [a - b for a, b in zip(own, values[result.reference], strict=True)]
        assert result[name].scores["rmse"] == pytest.approx(fmean(own))
        assert result[name].error == pytest.approx(stdev(own) / 2)
        assert result[name].difference == pytest.approx(fmean(off), abs=1e-12)
        assert result[name].difference_error == pytest.approx(stdev(off) / 2, abs=1e-12)


def test_one_split_gives_the_standard_error_of_its_rows():
    train, test = holdout(random_table(), 0.3)
    result = compare(RIVALS, [(train, test)], reference="mean")
    models = {name: solver.fit(train) for name, solver in RIVALS.items()}
    without = [test.take(np.arange(len(test)) != row) for row in range(len(test))]

    def jackknife(statistic):
        values = [statistic(part) for part in without]
        return np.sqrt((len(values) - 1) * np.mean(np.square(np.array(values) - np.mean(values))))

    for name, model in models.items():
        assert result[name].error == pytest.approx(jackknife(lambda part: rmse(model, part)), rel=0.02)  # noqa: B023
        assert result[name].difference == pytest.approx(rmse(model, test) - rmse(models["mean"], test), abs=1e-12)
        if name != "mean":
            paired = jackknife(lambda part: rmse(model, part) - rmse(models["mean"], part))  # noqa: B023
            assert result[name].difference_error == pytest.approx(paired, rel=0.02)
            assert paired < 0.9 * np.hypot(result[name].error, result["mean"].error)


def test_one_row_and_a_perfect_prediction_have_no_impossible_errors():
    train = table([(1, 1, 3.0), (1, 2, 3.0), (2, 1, 3.0)])
    one = compare(RIVALS, [(train, table([(2, 2, 3.0)]))])["mean"]
    assert one.scores["rmse"] == 0
    assert np.isnan(one.error)
    two = compare(RIVALS, [(train, table([(2, 2, 3.0), (1, 1, 3.0)]))])["mean"]
    assert two.error == 0


def failing(error, at):
    def act(number, model):
        if number == at:
            raise error

    return Recorder(act)


def test_a_failure_is_shown_and_does_not_cost_the_others():
    wrong = {"early": failing(DataError("too odd a table"), 1), "late": failing(ZeroDivisionError("oh"), 2)}
    result = compare({**wrong, **RIVALS}, k_fold(random_table(), 3), reference="late")
    assert result["early"].failure == "on split 1: too odd a table"
    assert result["late"].failure == "on split 2: ZeroDivisionError: oh"
    assert [len(solver.seen) for solver in wrong.values()] == [2, 3], "a failed solver is not tried again"
    assert result.solvers[-2:] == (result["early"], result["late"])
    assert result.reference == "bias"  # the one that was asked for has no result
    assert all(len(result[name].splits) == 3 for name in RIVALS)
    alone = compare({"early": failing(DataError("no"), 1)}, k_fold(random_table(), 3))
    assert alone.reference is None


def interrupting(at):
    return Recorder(lambda number, model: replace(model, training={"interrupted": True}) if number == at else None)


def test_an_interrupted_comparison_keeps_what_is_finished():
    result = compare({**RIVALS, "cut": interrupting(2)}, k_fold(random_table(), 3))
    assert (result.interrupted, result.splits) == (True, 1)
    assert all(len(one.splits) == 1 and one.failure is None for one in result.solvers)
    assert result["bias"].error > 0  # from the rows of the one split
    first = compare({"mean": Means(), "cut": interrupting(1), "bias": Means()}, k_fold(random_table(), 3))
    assert [first[name].failure for name in ("mean", "cut", "bias")] == [None, *["interrupted before it was done"] * 2]
    with pytest.raises(KeyboardInterrupt):
        compare({"cut": interrupting(0)}, k_fold(random_table(), 3))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(SettingsError, match="reference 'x' is not compared: choose from mean"):
        compare(RIVALS, [], reference="x")
    with pytest.raises(DataError, match="no splits"):
        compare(RIVALS, [])
    train, test = holdout(random_table())
    with pytest.raises(DataError, match="split 2 has no ratings"):
        compare(RIVALS, [(train, test), (train, test.take(np.zeros(len(test), bool)))])


def test_the_result_is_plain_values():
    broken = failing(DataError("no"), 1)
    values = compare({"mean": Means(), "broken": broken}, [holdout(random_table())]).as_dict()
    json.dumps(values, allow_nan=False)
    assert (values["reference"], values["splits"], values["interrupted"]) == ("mean", 1, False)
    good, bad = values["solvers"]
    assert set(good) == {
        "name", *SCORES, "rmse_error", "difference", "difference_error", "lists", "seconds", "memory", "failure", "splits",
    }  # fmt: skip
    assert set(good["splits"][0]) == {
        "split", "seconds", "memory", *SCORES, "ratings", "unknown", "off_scale", "seen", "unseen", "liked", "users",
        "standard_errors", "notes", "chances",
    }  # fmt: skip
    assert (bad["name"], bad["failure"], bad["seconds"]) == ("broken", "on split 1: no", None)


def test_solvers_to_compare_are_all_but_variants():
    names = list(solvers_to_compare())
    assert set(names) == set(SOLVERS) - {"article"} | set(BASELINES) | set(LIST_BASELINES)
    assert list(solvers_to_compare(["article", "sgd"]))[:2] == ["article", "sgd"]
    assert solvers_to_compare(["sgd"], seed=7)["sgd"].seed == 7
    with pytest.raises(SettingsError, match="no solver 'magic' to compare: choose from"):
        solvers_to_compare(["magic"])


def test_solvers_of_choices_are_compared_by_their_lists():
    solvers = {"choices": ImplicitALS(factors=4, sweeps=4), "mean": Means(users=None, items=None), **LIST_BASELINES}
    result = compare(solvers, k_fold(random_table(users=100), 2), liked=4)
    assert result.solvers[0].name == "mean", "those with an RMSE come first"
    others = [one.scores["ndcg@10"] for one in result.solvers[1:]]
    assert others == sorted(others, reverse=True)
    assert "rmse" not in result["choices"].scores
    assert (result.reference, result["choices"].failure) == ("mean", None)
    best = max(solvers, key=lambda name: result[name].scores["ndcg@10"])
    assert result.list_reference == best
    for name in set(solvers) - {best}:
        off = result[name].lists
        assert (off.reference, off.name) == (best, name)
        assert off.low <= off.difference <= off.high <= 1
        assert off.difference <= 0
    alone = compare({"choices": ImplicitALS(factors=2, sweeps=2)}, [holdout(random_table())], liked=4)
    assert (alone.reference, alone.list_reference) == (None, "choices")


def test_lists_on_one_split_are_compared_as_by_compare_lists():
    train, test = holdout(random_table(users=100), 0.3)
    result = compare({"bias": Means(), **LIST_BASELINES}, [(train, test)], liked=4, reference="bias")
    evaluations = {
        name: evaluate_lists(one.fit(train, liked=4), train, test, liked=4) for name, one in LIST_BASELINES.items()
    }
    evaluations["bias"] = evaluate_lists(Means().fit(train), train, test, liked=4)
    for expected in compare_lists(evaluations, reference="bias"):
        assert result[expected.name].lists.difference == pytest.approx(expected.difference)
        assert result[expected.name].lists.p_value == pytest.approx(expected.p_value, abs=0.06)


def test_new_users_are_compared_with_their_given_ratings():
    parts = new_users(random_table(users=120), 0.3)
    result = compare({"bias": Means(), "mean": Means(users=None, items=None), **LIST_BASELINES}, [parts], liked=4)
    assert result["bias"].scores["rmse"] < result["mean"].scores["rmse"]
    assert result["bias"].error > 0
    assert result["item-kNN"].lists is not None or result.list_reference == "item-kNN"
    assert all(one.failure is None for one in result.solvers)


def test_memory_is_what_a_fit_takes_at_most():
    def take(number, model):
        np.ones(10_000_000)  # 80 MB, gone at once

    result = compare({"large": Recorder(take), "small": Means()}, [holdout(random_table())])
    if watch()() is None:
        assert result["large"].memory is None
    else:
        assert 75e6 < result["large"].memory < 120e6
        assert result["small"].memory < 20e6


def test_likelihood_and_coverage_by_hand():
    rng = np.random.default_rng(0)
    rating, prediction = rng.normal(0, 2, (2, 50)).astype(np.float32)
    deviation = rng.uniform(0.5, 2, 50).astype(np.float32)
    slow = fmean(
        np.log(NormalDist(float(p), float(d)).pdf(float(r)))
        for r, p, d in zip(rating, prediction, deviation, strict=True)
    )
    assert log_likelihood(rating, prediction, deviation) == pytest.approx(slow, rel=1e-6)
    # On a scale, the density is that share of the normal one that lies on it, and sums to one there.
    scale = RatingScale(-3, 4)
    grid = np.linspace(-3, 4, 7001, dtype=np.float32)
    many = [np.array([value]) for value in grid]
    whole = [np.exp(log_likelihood(value, np.array([3.5]), np.array([1.5]), scale)) for value in many]
    assert np.trapezoid(whole, grid) == pytest.approx(1, rel=1e-3)
    assert log_likelihood(rating, prediction, deviation, RatingScale(-99, 99)) == pytest.approx(slow, rel=1e-6)
    # Ratings off the scale widen it; a scale of one value says nothing.
    assert np.isfinite(log_likelihood(rating, prediction, deviation, RatingScale(-0.1, 0.1)))
    assert log_likelihood(rating, prediction, deviation, RatingScale(1, 1)) == pytest.approx(slow, rel=1e-6)
    low, high = prediction - deviation, prediction + deviation
    inside = sum(a <= r <= b for r, a, b in zip(rating, low, high, strict=True))
    assert coverage(rating, low, high) == inside / 50
    assert coverage(np.array([1, 2]), np.array([1, 2]), np.array([1, 2])) == 1  # ends included
    assert np.isnan(coverage(*[np.empty(0)] * 3))
    assert np.isnan(log_likelihood(*[np.empty(0)] * 3))


def test_likelihood_far_off_the_scale_is_that_of_a_truncated_normal_distribution():
    rating, scale = np.array([1, 4, 5, 2]), RatingScale(1, 5)
    prediction, deviation = np.array([40.0, -30.0, 3.0, 900.0]), np.array([1.0, 0.7, 50.0, 2.0])
    ends = [(end - prediction) / deviation for end in (scale.low, scale.high)]
    expected = scipy.stats.truncnorm.logpdf(rating, *ends, loc=prediction, scale=deviation).mean()
    assert np.isfinite(expected)
    assert log_likelihood(rating, prediction, deviation, scale) == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def intervals(monkeypatch):
    """Give models with user biases intervals as wide as a normal distribution of deviation 0.8 has them."""

    def deviation(model, ratings):
        return np.full(len(ratings), 0.8, np.float32) if model.user_bias.any() else None

    def interval(model, ratings, level):
        if not model.user_bias.any():
            return None
        half = 0.8 * NormalDist().inv_cdf((1 + level) / 2)
        prediction = model.predict_table(ratings)
        return prediction - half, prediction + half

    monkeypatch.setattr(Model, "deviation_table", deviation)
    monkeypatch.setattr(Model, "interval_table", interval)


def test_models_with_intervals_are_judged_by_them(intervals):
    split = holdout(random_table(), 0.3)
    evaluation = evaluate(Means().fit(split.train), split.test)
    names = {"log_likelihood", *(f"coverage_{level * 100:.0f}" for level in LEVELS)}
    assert set(evaluation.scores) == {*SCORES} | names
    assert evaluation.scores["coverage_50"] < evaluation.scores["coverage_80"] < evaluation.scores["coverage_95"] <= 1
    assert set(evaluation.baselines["global mean"]) == {"rmse", "mae", "nmae", "rated_ndcg@10"}
    model = Means().fit(split.train)
    arrays = split.test.rating, model.predict_table(split.test), np.full(len(split.test), 0.8), model.scale
    assert evaluation.scores["log_likelihood"] == pytest.approx(log_likelihood(*arrays), rel=1e-5)
    result = compare(RIVALS, [split])
    assert result["bias"].scores == pytest.approx(evaluation.scores)
    assert "log_likelihood" not in result["mean"].scores
