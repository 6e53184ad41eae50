"""Which parts of the Bayesian model are switched on, and that nothing but the ratings decides it."""

from __future__ import annotations

import dataclasses
import signal
from math import sqrt

import numpy as np
import pytest

from palate import BayesianMF
from palate.parallel import pool
from palate.ratings import Ratings
from palate.solvers.bayes.fit import GibbsFit
from palate.solvers.bayes.part_selection import select_parts
from palate.solvers.bayes.pilot_chains import PilotChains
from palate.solvers.bayes.state import ModelParts
from palate.solvers.session import open_session
from palate.splits import holdout
from tables import random_table, vocabulary

FREE = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"))
SETS = {"user_noise": False, "item_noise": False, "user_sets": None, "item_sets": None}


def scaled(ratings):
    ratings = ratings.compact()
    return dataclasses.replace(ratings, rating=(ratings.rating - ratings.rating.mean()) / ratings.rating.std())


def choose(ratings, fixed, k=3, threads=1, **more):
    with pool(threads) as run:
        return select_parts(scaled(ratings), k, fixed, 0, run, **more)


def told_by_sets(users=1500, items=40, seed=0):
    """Two kinds of people, who can be told apart by what they rate at once, and by their noisy ratings only slowly."""
    rng = np.random.default_rng(seed)
    kind, shelf, liked = rng.random(users) < 0.5, np.arange(items) < items // 2, np.arange(items) % 2 == 0
    user, item = np.nonzero(rng.random((users, items)) < np.where(kind[:, None] == shelf, 0.4, 0.05))
    values = np.where(kind[user] == liked[item], 1, -1) + rng.normal(0, 3, len(user))
    ids = vocabulary(list(range(users)), "user"), vocabulary(list(range(items)), "item")
    return Ratings(*ids, user.astype(np.int32), item.astype(np.int32), values.astype(np.float32))


def uneven_noise(users=150, items=60, seed=0):
    """Half of the users rate at random."""
    table = random_table(users, items, density=0.4, noise=0.1, seed=seed)
    rng = np.random.default_rng(seed)
    noise = np.where(rng.random(users) < 0.5, 3, 0.1)[table.user] * rng.normal(size=len(table))
    return dataclasses.replace(table, rating=(table.rating + noise).astype(np.float32), declared_scale=None)


def test_sets_that_tell_taste_are_chosen():
    choice = choose(told_by_sets(), SETS)
    assert choice.parts.user_sets
    assert "user sets" in choice.records[0]


@pytest.mark.parametrize("seed", range(3))
def test_what_held_out_ratings_cannot_tell_apart_is_averaged(seed):
    choice = choose(random_table(80, 50, density=0.3, noise=0.3, seed=seed), SETS)  # sets drawn at random
    assert len(choice.members) > 1
    assert sum(member.share for member in choice.members) == pytest.approx(1)
    assert " + " in choice.records[0]


def test_noise_of_users_is_chosen_where_it_differs():
    choice = choose(uneven_noise(), {"user_noise": None, "item_noise": False, "user_sets": False, "item_sets": False})
    assert choice.parts.user_noise


@pytest.mark.parametrize("fixed", [ModelParts(True, False, True, False), ModelParts(False, True, False, True)])
def test_what_a_person_fixed_is_kept(fixed):
    for name in FREE:
        partly_fixed = fixed._asdict() | {name: None}
        tried = set()
        choice = choose(random_table(40, 30), partly_fixed, report=lambda epoch: tried.add(epoch.setting))  # noqa: B023
        assert choice.parts._replace(**{name: True}) == fixed._replace(**{name: True})
        assert tried == {fixed._replace(**{name: on}).describe() for on in (True, False)} | {"biases only"}


def test_parts_that_a_person_fixed_are_judged_for_the_intervals_alone():
    tried = set()
    fixed = ModelParts(True, False, True, False)
    choice = choose(random_table(), fixed._asdict(), report=lambda epoch: tried.add(epoch.setting))
    assert [member.combination.parts for member in choice.members] == [fixed]
    assert tried == {fixed.describe()}
    assert len(choice.records) == 0
    assert len(choice.calibration) == 200


def test_a_table_too_small_to_judge_gets_the_plain_model():
    choice = choose(random_table(10, 8), FREE | {"item_sets": True})
    assert choice.parts == ModelParts(False, False, False, True)
    assert choice.sweeps == 0
    assert "too few" in choice.records[0]


def test_the_choice_is_the_same_for_any_number_of_threads():
    one, three = (choose(random_table(), FREE, threads=threads) for threads in (1, 3))
    assert one.parts == three.parts
    assert one.records == three.records
    assert np.array_equal(one.calibration, three.calibration)


def test_sparse_tables_have_fewer_factors_unless_a_number_is_asked_for():
    sparse, dense = random_table(100, 80, density=0.05), random_table(100, 80, density=0.3)
    for ratings, solver, k in (
        (sparse, BayesianMF(), 15),
        (sparse, BayesianMF(factors=40), 40),
        (sparse, BayesianMF(factors=7), 7),
        (dense, BayesianMF(), 31),
    ):
        with open_session(solver, ratings, 1, None, None) as session:
            assert GibbsFit(solver, session).k == k


def test_a_clear_choice_is_judged_on_two_folds_at_most_and_a_tiny_table_on_more(monkeypatch):
    folds = []
    judge = PilotChains.judge_alone

    def counted(pilots, combination):
        if all(pilots is not known for known in folds):
            folds.append(pilots)
        return judge(pilots, combination)

    monkeypatch.setattr(PilotChains, "judge_alone", counted)
    counts = []
    for users in (60, 200):
        folds.clear()
        choose(random_table(users, 60, density=0.5, seed=1), SETS)
        counts.append(len(folds))
    assert counts[0] > 2 >= counts[1]


def test_ratings_of_one_value_are_no_trouble():
    table = random_table()
    same = dataclasses.replace(table.compact(), rating=np.zeros(len(table), np.float32))
    with pool(1) as run:
        choice = select_parts(same, 3, FREE, 0, run)
    assert choice.parts == ModelParts(False, False, False, False)
    assert np.isfinite(choice.calibration).all()


@pytest.mark.parametrize("stop", [1, 110, 200])
def test_an_interrupt_ends_the_pilots_after_the_sweep(stop):
    epochs = []
    choice = choose(random_table(), FREE, report=epochs.append, interrupted=lambda: len(epochs) >= stop)
    assert choice.sweeps == len(epochs) == stop
    assert "no time to judge all parts" in choice.records[-1]
    assert choice.parts == ModelParts(False, False, False, False) or stop == 200


def test_an_interrupt_in_a_later_part_leaves_what_was_found(monkeypatch):
    table, epochs = told_by_sets(800), []
    with monkeypatch.context() as patch:
        patch.setattr("palate.solvers.bayes.stacked_selection._ENOUGH_TO_COMPARE", 1000)
        once = choose(table, SETS)
    choice = choose(table, SETS, report=epochs.append, interrupted=lambda: len(epochs) >= once.sweeps + 30)
    assert choice.sweeps == once.sweeps + 30
    assert choice.members == once.members
    assert choice.records[: len(once.records)] == once.records
    assert np.array_equal(choice.calibration, once.calibration)


def test_large_tables_are_judged_by_some_of_their_users(monkeypatch):
    monkeypatch.setattr("palate.solvers.bayes.part_selection._MOST_RATINGS", 500)
    rows = []
    choose(random_table(), FREE, report=lambda epoch: rows.append(epoch.rows))
    assert 380 < rows[0] < 450


def pilot_chains(ratings, seed=0):
    split = holdout(scaled(ratings), 0.2, seed=seed)
    return PilotChains(
        split, 3, seed, 30, lambda function, tasks: [function(task) for task in tasks], 1.0, None, lambda: False
    )


def test_ids_without_training_ratings_are_predicted_from_the_mean():
    table = random_table(60, 40, density=0.05)
    pilots = pilot_chains(table)
    cold = pilots.user == -1
    assert cold.any()
    pilots.settle(ModelParts(False, False, False, False))
    chain = pilots.settled
    mean = chain.users.mean
    predicted, drawn, variance = pilots._predict(chain)
    for row in np.flatnonzero(cold):
        q = chain.items.factors[pilots.item[row]] if pilots.item[row] >= 0 else chain.items.mean
        assert predicted[row] == pytest.approx(mean[:3] @ q[:3] + mean[3] + q[3], abs=1e-5)
    is_known = ~cold & (pilots.item >= 0)
    assert np.array_equal(predicted[is_known], drawn[is_known])
    assert not np.isclose(predicted[cold], drawn[cold]).any()
    noise = chain.users.noise[pilots.user] * chain.items.noise[pilots.item]
    assert variance == pytest.approx(1 / chain.precision / noise, rel=1e-5)


def test_the_variance_of_draws_is_no_part_of_an_error():
    rng = np.random.default_rng(0)
    pilots = pilot_chains(random_table(200, 100, density=0.5))
    count, truth = len(pilots.held_out), pilots.held_out.rating - np.float32(0.3)
    pilots.limits = -np.inf, np.inf
    blocks = (truth + rng.normal(0, 0.5, (4, count))).astype(np.float32)
    assert sqrt(pilots._squared_errors(blocks).mean()) == pytest.approx(0.3, abs=0.02)


def test_residuals_have_the_size_that_was_predicted():
    table = random_table(150, 60, density=0.4, noise=0.5, seed=2)
    choice = choose(dataclasses.replace(table, declared_scale=None), FREE)
    assert 0.9 < np.sqrt(np.square(choice.calibration).mean()) < 1.1


def test_a_fit_goes_on_after_its_pilots(tmp_path, monkeypatch):
    monkeypatch.setattr("palate.solvers.session._CHECKPOINT_INTERVAL", 0)
    solver, ratings, straight = BayesianMF(factors=3, sweeps=6), random_table(), []
    model = solver.fit(ratings, progress=straight.append)
    first = [epoch.stage for epoch in straight].index("fit")
    assert first == model.training["pilot_sweeps"] > 200
    seen = []

    def stop(epoch):
        seen.append(epoch)
        if len(seen) == first + 3:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        solver.fit(ratings, progress=stop, checkpoint=tmp_path / "c")
    rest = []
    resumed = solver.fit(ratings, progress=rest.append, checkpoint=tmp_path / "c", resume=True)
    assert [epoch.number for epoch in rest] == [3, 4, 5, 6]
    assert np.array_equal(resumed.user_factors, model.user_factors)
    assert np.array_equal(resumed.posterior.calibration, model.posterior.calibration)
    assert resumed.training["choices"] == model.training["choices"]


def test_pilots_that_were_cut_short_are_run_again(tmp_path):
    solver, ratings, seen = BayesianMF(factors=3, sweeps=6), random_table(), []

    def press(epoch):
        seen.append(epoch)
        if len(seen) == 50:
            signal.raise_signal(signal.SIGINT)

    cut = solver.fit(ratings, progress=press, checkpoint=tmp_path / "c")
    assert cut.training["stage"] == "pilot"
    assert not (tmp_path / "c").exists()
    resumed = solver.fit(ratings, checkpoint=tmp_path / "c", resume=True)
    assert np.array_equal(resumed.user_factors, solver.fit(ratings).user_factors)
