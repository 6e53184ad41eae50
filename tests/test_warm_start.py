"""Fits that go on from a model of fewer ratings."""

import dataclasses
import signal

import numpy as np
import pytest

import palate
from palate.datasets import make_ratings
from palate.errors import SettingsError, StorageError
from palate.parallel import pool
from palate.refit import refit
from palate.solvers import SOLVERS
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.combinations import Combination, Member, PartSelection
from palate.solvers.bayes.state import ModelParts
from palate.solvers.warm_start import FreshFit
from palate.splits import holdout

SMALL = {
    "als": {"factors": 4},
    "sgd": {"factors": 4, "epochs": 20},
    "bayes": {"factors": 4, "sweeps": 300, "user_noise": False, "item_noise": False, "user_sets": False},
    "implicit": {"factors": 4},
    "ease": {},
}


@pytest.fixture(scope="module")
def tables():
    """The ratings of the first fit, all ratings with a new user and a new item, and ratings to judge on."""
    table = make_ratings(users=150, items=60, ratings=4500, seed=3)
    train, test = holdout(table, 0.15, seed=1)
    is_old = (train.user != 7) & (train.item != 9)
    is_old &= np.random.default_rng(0).random(len(train)) < 0.97
    return train.take(is_old).compact(), train, test


def fitted(name, ratings, **more):
    return dataclasses.replace(SOLVERS[name], **SMALL[name]).fit(ratings, **more)


def rmse(model, test):
    return float(np.sqrt(np.mean(np.square(model.predict_table(test) - test.rating))))


@pytest.mark.parametrize("name", SMALL)
def test_a_fit_that_goes_on_says_what_a_fit_from_the_start_says(name, tables):
    old, train, test = tables
    first = fitted(name, old)
    warm, fresh = fitted(name, train, start=first), fitted(name, train)
    assert first.training["start"]["warm_fits"] == fresh.training["start"]["warm_fits"] == 0
    passes = first.training.get("sweeps", first.training.get("epochs", 1))
    assert FreshFit.of(warm)[:2] == (len(old), passes)
    assert warm.training["start"]["warm_fits"] == 1
    assert all(epoch["stage"] == "fit" for epoch in warm.training["history"])  # no pilots
    assert len(warm.training["history"]) <= max(2, 0.7 * passes)
    assert len(warm.users) == len(train.users)
    if fresh.predicts == "rating":
        assert rmse(warm, test) < 1.01 * rmse(fresh, test)
    else:
        users = train.users.ids[:40]
        ours, theirs = (model.score_batch(users, by="choice") for model in (warm, fresh))
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9
    again = fitted(name, train, start=warm)
    assert FreshFit.of(again) == FreshFit.of(warm)._replace(warm_fits=2)


def test_a_fit_begins_from_the_start_when_ratings_have_doubled_and_is_advised_before(tables):
    _, train, _ = tables
    few, most = (train.take(np.arange(len(train)) % 20 < share).compact() for share in (8, 14))
    first = fitted("als", few)
    grown = fitted("als", most, start=first)
    assert grown.training["start"]["warm_fits"] == 1
    assert any("--fresh" in note for note in grown.training["notes"])
    doubled = fitted("als", train, start=grown)
    assert FreshFit.of(doubled) == FreshFit(len(train), doubled.training["sweeps"])
    assert not any("--fresh" in note for note in doubled.training["notes"])


def test_a_start_with_other_settings_is_refused(tables):
    old, train, _ = tables
    first = fitted("als", old)
    with pytest.raises(SettingsError, match="the model has factors 4, not 3: leave start out"):
        dataclasses.replace(SOLVERS["als"], factors=3).fit(train, start=first)
    with pytest.raises(SettingsError, match="the model has name 'als', not 'sgd'"):
        fitted("sgd", train, start=first)


def test_a_model_of_bayes_keeps_what_was_selected():
    train = make_ratings(users=40, items=25, ratings=500, seed=3)
    old = train.take(np.arange(500) % 10 > 0).compact()
    solver = palate.BayesianMF(factors=2, sweeps=30, user_noise=False, item_noise=False, item_sets=False)
    first = solver.fit(old)
    warm = solver.fit(train, start=first)
    assert warm.training["pilot_sweeps"] == 0
    assert warm.training["parts"] == first.training["parts"]
    np.testing.assert_array_equal(warm.posterior.calibration, first.posterior.calibration)
    older = [{name: one[name] for name in ("parts", "share")} for one in first.training["combinations"]]
    from_older = dataclasses.replace(first, training={**first.training, "combinations": older})
    assert solver.fit(train, start=from_older).training["start"]["warm_fits"] == 0


def test_any_number_of_threads_gives_the_same_bits_and_a_checkpoint_goes_on(tables, tmp_path):
    old, train, _ = tables
    solver = palate.BayesianMF(factors=3, sweeps=100, user_noise=True, item_noise=True, user_sets=True, item_sets=True)
    first = solver.fit(old)
    whole = solver.fit(train, start=first, threads=1)
    file = tmp_path / "checkpoint"

    def stop(epoch):
        if epoch.number == 20:
            signal.raise_signal(signal.SIGINT)

    assert solver.fit(train, start=first, threads=2, progress=stop, checkpoint=file).training["interrupted"]
    resumed = solver.fit(train, start=first, threads=2, checkpoint=file, resume=True)
    np.testing.assert_array_equal(resumed.user_factors, whole.user_factors)
    np.testing.assert_array_equal(resumed.item_bias, whole.item_bias)


def test_effects_of_time_go_on(tables):
    old, train, _ = tables

    def timed(table):
        return dataclasses.replace(table, time=np.arange(len(table), dtype=np.int64) * 1000)

    parts = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    solver = palate.BayesianMF(factors=3, sweeps=60, times=True, **parts)
    first = solver.fit(timed(old))
    warm = solver.fit(timed(train), start=first)
    assert warm.times is not None
    np.testing.assert_array_equal(warm.times.posterior.calibration, first.times.posterior.calibration)


@pytest.mark.parametrize("head", ["implicit", "ease"])
def test_both_heads_go_on_in_a_refit(head, tables, tmp_path):
    old, train, _ = tables
    model = palate.fit(old, dataclasses.replace(SOLVERS["als"], **SMALL["als"]), choices=head)
    path = tmp_path / "m.palate"
    palate.save(model, path)
    result = refit(path, train)
    assert result.model.training["start"]["warm_fits"] == 1
    assert result.model.training["lists"] == model.training["lists"]
    palate.save(model, path)
    fresh = refit(path, train, fresh=True)
    assert fresh.model.training["start"]["warm_fits"] == 0
    users = train.users.ids[:40]
    ours, theirs = (one.model.score_batch(users, by="choice") for one in (result, fresh))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9


def test_the_noise_of_a_chain_keeps_to_its_bound():
    table = make_ratings(users=40, items=30, ratings=200, seed=1).compact()
    table = dataclasses.replace(table, rating=(table.rating - table.rating.mean()) / table.rating.std())
    means = []
    with pool() as run:
        for least in (0.0, 0.8):
            chain = Chain(table.by_user, table.by_item, 8, ModelParts(False, False, False, False), 0, run)
            chain.least_noise = least
            noise = []
            for _ in range(80):
                chain.sweep()
                noise.append(1 / chain.precision)
            means.append(np.mean(noise[40:]))
    assert means[0] < 0.7 < 0.78 < means[1]


def test_biases_only_can_be_the_whole_average(tables, tmp_path, monkeypatch):
    alone = (Member(Combination(ModelParts(False, False, False, False), has_factors=False)),)
    monkeypatch.setattr("palate.solvers.bayes.fit.select_parts", lambda *_, **__: PartSelection(alone))
    model = palate.BayesianMF(factors=3, sweeps=12).fit(tables[0])
    assert model.item_factors.shape[1] == 0
    assert model.item_bias.std() > 0
    path = tmp_path / "m.palate"
    palate.save(model, path)
    user, item = model.users.ids[3], model.items.ids[5]
    assert palate.load(path).predict(user, item) == model.predict(user, item)
    assert model.recommend(user, 2)


def test_a_checkpoint_holds_every_chain_of_an_average(tables, tmp_path, monkeypatch):
    plain, sets = (ModelParts(False, False, on, on) for on in (False, True))
    members = Member(Combination(sets), 0.6, 0.3), Member(Combination(plain, has_factors=False), 0.4)
    monkeypatch.setattr("palate.solvers.bayes.fit.select_parts", lambda *_, **__: PartSelection(members))
    solver, file = palate.BayesianMF(factors=3, sweeps=12), tmp_path / "checkpoint"
    whole = solver.fit(tables[0])

    def stop(epoch):
        if epoch.number == 5:
            signal.raise_signal(signal.SIGINT)

    assert solver.fit(tables[0], progress=stop, checkpoint=file).training["interrupted"]
    resumed = solver.fit(tables[0], checkpoint=str(file), resume=True)
    assert resumed.training["parts"] == "60% user sets, item sets + 40% biases only"
    np.testing.assert_array_equal(resumed.user_factors, whole.user_factors)
    np.testing.assert_array_equal(resumed.posterior.user_spread, whole.posterior.user_spread)


def test_a_checkpoint_of_another_version_is_refused_in_a_line(tables, tmp_path, monkeypatch):
    solver, file = dataclasses.replace(SOLVERS["als"], **SMALL["als"]), tmp_path / "checkpoint"

    def stop(epoch):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("palate.solvers.session.CHECKPOINT_FORMAT", 1)
    solver.fit(tables[0], progress=stop, checkpoint=file)
    monkeypatch.undo()
    with pytest.raises(StorageError, match="is of another version of palate"):
        solver.fit(tables[0], checkpoint=file, resume=True)
