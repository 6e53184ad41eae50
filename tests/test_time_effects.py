"""Effects of time: what moments are, what the chain draws, and what models answer when a moment is named."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import numpy as np
import pytest

from palate import BayesianMF, load, save
from palate.errors import SettingsError, StorageError
from palate.files import read_arrays, write_arrays
from palate.kernels.times import add_effect, draw_effect
from palate.model.time_effects import Clock, Effect, earlier_ratings
from palate.moments import seconds_of
from palate.parallel import pool
from palate.ratings import RatingScale
from palate.retraining import without_users
from palate.solvers.bayes.state import ModelParts
from palate.solvers.bayes.time_selection import select_times
from palate.splits import holdout, split_by_time
from tables import random_table

DAY, START = 86_400, 1_000_000_000 // 86_400 * 86_400
PLAIN = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
SOLVER = BayesianMF(factors=3, sweeps=60, times=True, **PLAIN)


def moody_table(users=100, days=6, mood=1.0, seed=0):
    """Users rate on a few days each, and are in a good or a bad mood on each."""
    table, rng = random_table(users, 40, density=0.5, seed=seed), np.random.default_rng(seed)
    day, moods = rng.integers(days, size=len(table)), rng.normal(0, mood, (users, days))
    rating = (table.rating + moods[table.user, day]).astype(np.float32)
    time = START + day * DAY + rng.integers(DAY, size=len(table))
    return dataclasses.replace(table, rating=rating, time=time, declared_scale=RatingScale(-9, 15))


@pytest.fixture(scope="module")
def split():
    return holdout(moody_table(), 0.2)


@pytest.fixture(scope="module")
def model(split):
    return SOLVER.fit(split.train)


def rmse(predictions, test):
    return float(np.sqrt(np.square(predictions - test.rating).mean()))


# -------------------------------------------------------------------------------------------------------------- moments


@pytest.mark.parametrize(
    "moment",
    [886204800, 886204800.9, np.int64(886204800), "886204800", "1998-01-31", "1998-01-31T01:00+01:00",
     date(1998, 1, 31), datetime(1998, 1, 31), datetime(1998, 1, 31, tzinfo=UTC)],
)  # fmt: skip
def test_a_moment_can_be_written_in_several_ways(moment):
    assert seconds_of(moment) == 886204800


@pytest.mark.parametrize("moment", ["spring", "", True, float("nan"), float("inf"), 10**30, None, "9" * 40, [1]])
def test_what_is_no_moment_is_refused(moment):
    with pytest.raises(SettingsError, match="is no moment: write a date such as"):
        seconds_of(moment)


# ---------------------------------------------------------------------------------------------------------------- draws


def test_the_draw_of_an_effect_has_the_mean_and_the_variance_of_its_equation():
    """Many groups with the same ratings: their coefficients are draws from one normal distribution."""
    groups, x, w, r = 20_000, [0.5, -1.0, 2.0], [1.0, 4.0, 0.5], [0.3, 0.8, -0.2]
    n = 3 * groups
    regressor, weight, residual = (np.tile(np.array(part, np.float32), groups) for part in (x, w, r))
    order, starts = np.arange(n, dtype=np.int32), np.arange(0, n + 1, 3)
    coefficient, shift = np.full(groups, 0.7), np.zeros(n, np.float32)
    before = residual.copy()
    normals = np.random.default_rng(5).standard_normal(groups, dtype=np.float32)
    arguments = order, starts, regressor, weight, 2.0, normals
    for bounds in ((groups // 2, groups), (0, groups // 2)):  # the order of ranges does not matter
        draw_effect(*arguments, *bounds, coefficient, residual, shift)
    x, w, r = (np.array(part) for part in (x, w, r))
    q = 2.0 + (w * x * x).sum()
    mean = (w * x * (r + 0.7 * x)).sum() / q
    assert abs(coefficient.mean() - mean) < 4 / np.sqrt(q * groups)
    assert abs(coefficient.var() * q - 1) < 4 * np.sqrt(2 / groups)
    parts = coefficient.repeat(3) * np.tile(x, groups)
    assert shift == pytest.approx(parts, abs=1e-5)
    assert residual + parts == pytest.approx(before + 0.7 * np.tile(x, groups), abs=1e-5)
    again, added = np.full(groups, 0.7), np.zeros(n, np.float32)
    draw_effect(*arguments, 0, groups, again, before, np.zeros(n, np.float32))
    assert np.array_equal(again, coefficient)
    add_effect(order, starts, regressor, 0, groups, coefficient, added)
    assert np.array_equal(added, shift)


def test_groups_of_a_rating_follow_from_what_was_known_at_its_moment():
    """Cut at the moment of a rating: its groups are the same, as far as the cut table has them."""
    table = moody_table(users=20)
    indptr, user, time = table.by_user.indptr, table.user.astype(np.int64), table.time
    earlier = earlier_ratings(indptr, table.time_by_user, user, time)
    clock = Clock.of(time, earlier)
    for row in range(0, len(table), 37):
        past = table.take(time < time[row])
        at = earlier_ratings(past.by_user.indptr, past.time_by_user, user[[row]], time[[row]])
        assert at[0] == earlier[row] == (past.user == user[row]).sum()
        assert clock.keys(Effect("count"), user[[row]], time[[row]], at) == int(4 * np.log1p(at[0]))


@pytest.mark.parametrize("users", [20, 200])
def test_earlier_ratings_are_counted(users):
    rng = np.random.default_rng(users)
    counts = rng.integers(9, size=users)
    indptr, rated = np.concatenate([[0], np.cumsum(counts)]), rng.integers(50, size=counts.sum())
    user, time = rng.integers(-1, users, 500), rng.integers(-5, 60, 500)
    expected = [
        0 if u < 0 else int((rated[indptr[u] : indptr[u + 1]] < t).sum()) for u, t in zip(user, time, strict=True)
    ]
    assert earlier_ratings(indptr, rated, user, time).tolist() == expected


# --------------------------------------------------------------------------------------------------------------- models


def test_moments_make_predictions_better_and_intervals_hold(split, model):
    test, timeless = split.test, dataclasses.replace(split.test, time=None)
    assert rmse(model.predict_table(test), test) < 0.9 * rmse(model.predict_table(timeless), test)
    low, high = model.interval_table(test, 0.9)
    # On a table this small the intervals are too wide, and never too narrow.
    assert ((low <= test.rating) & (test.rating <= high)).mean() > 0.86


def test_without_a_moment_the_model_is_that_of_a_fit_without_times(split, model):
    timeless = dataclasses.replace(SOLVER, times=False).fit(split.train)
    assert timeless.times is None
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        assert np.array_equal(getattr(timeless, name), getattr(model, name))
    user, item = model.users[3], model.items[5]
    assert model.predict(user, item, interval=0.9) == timeless.predict(user, item, interval=0.9)
    assert model.recommend(user, 5) == timeless.recommend(user, 5)
    assert timeless.predict(user, item, at="2001-09-09") == timeless.predict(user, item)


def test_all_ways_to_name_a_moment_agree(split, model):
    test = split.test
    row = 17
    user, item = test.users[test.user[row]], test.items[test.item[row]]
    rating, low, high = model.predict(user, item, at=int(test.time[row]), interval=0.9)
    assert rating == pytest.approx(model.predict_table(test)[row], abs=1e-6)
    assert (low, high) == pytest.approx([ends[row] for ends in model.interval_table(test, 0.9)], abs=1e-5)
    then = model.at(int(test.time[row]))
    assert then.predict(user, item, interval=0.9) == pytest.approx((rating, low, high), abs=1e-5)
    both = model.predict([user, user], [[item], [item]], at=int(test.time[row]))
    assert both == pytest.approx(np.full((2, 2), rating), abs=1e-6)
    unknown = model.predict("nobody", "nothing", unknown="mean", at=int(test.time[row]), interval=0.9)
    assert then.predict("nobody", "nothing", unknown="mean", interval=0.9) == pytest.approx(unknown, abs=1e-5)


def test_a_moment_of_which_nothing_is_known_widens_the_interval(split, model):
    user, item, time = split.train.users[0], split.train.items[0], int(split.train.time[0])
    known, later = (model.at(at).predict(user, item, interval=0.5) for at in (time, START + 4000 * DAY))
    assert later.high - later.low > known.high - known.low
    mean = model.at(START + 4000 * DAY)
    assert mean.predict(user, item) == pytest.approx(model.at(START + 5000 * DAY).predict(user, item))


def test_predictions_at_a_moment_use_nothing_that_came_later():
    """A model of the ratings before a moment answers for a row from that row's moment and ids alone."""
    table = moody_table(users=40)
    train, test = split_by_time(table, 0.2)
    fitted = SOLVER.fit(train)
    together = fitted.predict_table(test)
    assert fitted.times.clock.last < test.time.min()
    first = fitted.predict_table(test.take(slice(0, 1)))
    shuffled = dataclasses.replace(test, rating=test.rating[::-1].copy())
    assert first[0] == together[0]
    assert np.array_equal(fitted.predict_table(shuffled), together)


def test_an_explanation_adds_up_with_what_the_moment_adds(split, model):
    user, item, at = split.test.users[split.test.user[0]], split.test.items[split.test.item[0]], int(split.test.time[0])
    why = model.explain(user, item, at=at)
    total = why.intercept + sum(part.contribution for part in why.contributions) + why.remainder + why.time
    assert total == pytest.approx(why.prediction, abs=1e-4)
    assert model.scale.clip(why.prediction) == pytest.approx(model.predict(user, item, at=at), abs=1e-4)
    assert why.time != 0
    assert model.explain(user, item).time == 0


def test_attributes_and_moments_go_together(split):
    items = split.train.items.ids.tolist()
    attributes = {"item": items, "kind": ["ab"[place % 2] for place in range(len(items))]}
    solver = dataclasses.replace(SOLVER, sweeps=20, item_features=True)
    fitted = solver.fit(split.train, item_features=attributes)
    user, item = fitted.users[0], fitted.items[0]
    why = fitted.explain(user, item, at="2001-09-09")
    total = why.intercept + sum(part.contribution for part in why.contributions) + why.remainder + why.time
    assert total == pytest.approx(why.prediction, abs=1e-4)
    assert why.attributes == fitted.explain(user, item).attributes != ()
    assert len(fitted.at("2001-09-09").recommend(user, 3)) == 3


def test_lists_at_a_moment_are_those_of_the_model_then(split, model):
    then = model.at(int(split.train.time[0]))
    best = then.recommend(then.users[0], 5)
    assert [one.score for one in best] == pytest.approx(then.predict(then.users[0], [one.id for one in best]), abs=1e-5)
    assert then.predict(then.fold_in({then.items[0]: 5.0}), then.items[1]) > 1


def test_a_profile_is_asked_without_a_moment(model):
    profile = model.fold_in({model.items[0]: 5.0})
    for ask in (
        lambda: model.predict(profile, model.items[1], at="2001-09-09"),
        lambda: model.explain(profile, model.items[1], at="2001-09-09"),
    ):
        with pytest.raises(SettingsError, match="made without a moment"):
            ask()


def test_a_table_without_times_has_no_effects_of_time(split):
    timeless = dataclasses.replace(split.train, time=None)
    with pytest.raises(SettingsError, match="the ratings have no times"):
        SOLVER.fit(timeless)
    with pytest.raises(SettingsError, match="all the same time"):
        SOLVER.fit(dataclasses.replace(split.train, time=np.full(len(split.train), START)))
    assert dataclasses.replace(SOLVER, times=None, sweeps=2).fit(timeless).times is None


# ----------------------------------------------------------------------------------------------------- choice and files


@pytest.mark.parametrize("mood", [1.0, 0.0])
def test_pilots_choose_effects_of_time_where_they_help(mood):
    table = moody_table(mood=mood)
    table = dataclasses.replace(table, rating=(table.rating - table.rating.mean()) / table.rating.std())
    with pool(1) as run:
        choice = select_times(table.compact(), 3, ModelParts(False, False, False, False), None, 0, run)
    assert choice.is_on == (mood > 0)
    assert len(choice.calibration) == 200
    assert choice.records[0].startswith(f"times: {'on' if mood else 'off'}, RMSE")


def test_threads_and_interruptions_change_no_bit(split, tmp_path):
    solver = dataclasses.replace(SOLVER, sweeps=30)
    whole = solver.fit(split.train, threads=1)

    def stop(epoch):
        if epoch.number == 24:
            raise RuntimeError

    path = tmp_path / "c"
    path.unlink(missing_ok=True)
    with pytest.raises(RuntimeError):
        solver.fit(split.train, threads=2, progress=stop, checkpoint=path)
    again = solver.fit(split.train, threads=2, checkpoint=path, resume=True)
    assert np.array_equal(whole.predict_table(split.test), again.predict_table(split.test))
    assert np.array_equal(whole.times.user_factors, again.times.user_factors)


def test_a_model_file_keeps_the_effects(split, model, tmp_path):
    path = tmp_path / "m.palate"
    save(model, path)
    loaded = load(path, mmap=True)
    assert np.array_equal(loaded.predict_table(split.test), model.predict_table(split.test))
    assert np.array_equal(loaded.interval_table(split.test, 0.9), model.interval_table(split.test, 0.9))
    arrays, header = read_arrays(path, "model")
    for name, damaged in (
        ("times.1.keys", arrays["times.1.keys"][::-1].copy()),
        ("times.0.mean", arrays["times.0.mean"][1:]),
        ("times.user_bias", arrays["times.user_bias"][1:]),
        ("times.posterior.item_spread", -arrays["times.posterior.item_spread"] - 1),
    ):
        write_arrays(path, {**arrays, name: damaged}, header)
        with pytest.raises(StorageError, match="do not fit together"):
            load(path)


def test_effects_of_removed_users_go_with_them(split, model):
    removed = np.arange(len(model.users)) < 5
    left = without_users(model, removed)
    rows = split.test.take(split.test.user >= 5)
    assert left.predict_table(rows) == pytest.approx(model.predict_table(rows), abs=1e-5)
    keys = sum(len(one.keys) for one in left.times.effects)
    assert keys < sum(len(one.keys) for one in model.times.effects)


def test_more_ratings_keep_the_effects_and_fold_in_what_they_touch(split, model):
    first, rest = holdout(split.test, 0.5)
    newcomer = random_table(users=1, items=40, density=0.5, seed=9)
    newcomer = dataclasses.replace(
        newcomer, users=dataclasses.replace(newcomer.users, ids=np.array([0])), time=np.full(len(newcomer), START + DAY)
    )
    more = model.with_ratings(first).with_ratings(newcomer)
    assert len(more.users) == len(model.users) + 1
    assert rmse(more.predict_table(rest), rest) < rmse(more.predict_table(dataclasses.replace(rest, time=None)), rest)
    assert rmse(more.predict_table(rest), rest) < rmse(model.predict_table(rest), rest) + 0.02
    untouched = model.with_ratings(newcomer.take(slice(0, 1)).compact())
    rows = rest.take(rest.item != rest.items.find(newcomer.items[int(newcomer.item[0])]))
    assert untouched.predict_table(rows) == pytest.approx(model.predict_table(rows), abs=1e-5)
