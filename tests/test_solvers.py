"""What every solver owes: see `palate.solvers.SOLVERS`."""

import dataclasses
import signal
import threading
from functools import cache

import numpy as np
import pytest

from palate.errors import DataError, SettingsError, StorageError
from palate.evaluation import evaluate
from palate.ratings import RatingScale
from palate.solvers import BASELINES, SGD, SOLVERS, settings
from palate.splits import holdout
from tables import random_table, table

pytestmark = pytest.mark.usefixtures("short_pilots")

PARAMETERS = ("user_factors", "item_factors", "user_bias", "item_bias")


def small(name):
    """Return the solver with few factors and passes, where it has these."""
    known = {setting.name for setting in settings(SOLVERS[name])}
    few = {"factors": 5, "sweeps": 8, "epochs": 6}
    # Without hundreds of sweeps of pilots: tests/test_choice.py is about these.
    few |= dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), True)
    return dataclasses.replace(SOLVERS[name], **{key: value for key, value in few.items() if key in known})


def has_passes(name):
    return {"sweeps", "epochs"} & {setting.name for setting in settings(SOLVERS[name])}


@pytest.fixture(params=sorted(SOLVERS))
def solver(request):
    return small(request.param)


@pytest.fixture(params=sorted(filter(has_passes, SOLVERS)))
def iterative(request):
    """A solver that goes over the ratings several times from random factors."""
    return small(request.param)


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in PARAMETERS)


@cache
def large():
    # Large enough to be cut into several blocks.
    return random_table(users=900, items=300, density=0.5)


@cache
def fitted_on_one_thread(solver):
    return solver.fit(large(), threads=1)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_any_number_of_threads_gives_the_same_bits(solver, threads):
    assert same(fitted_on_one_thread(solver), solver.fit(large(), threads=threads))


def test_the_seed_decides(iterative):
    ratings = random_table()
    model = iterative.fit(ratings)
    assert same(model, iterative.fit(ratings))
    assert not same(model, dataclasses.replace(iterative, seed=1).fit(ratings))


def test_ten_threads_may_fit_at_once(solver):
    ratings, models = random_table(), []
    threads = [threading.Thread(target=lambda: models.append(solver.fit(ratings, threads=2))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 10
    assert all(same(model, models[0]) for model in models)


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 1, 3.0)],
        [(1, item, float(item)) for item in range(1, 6)],
        [(user, 1, float(user)) for user in range(1, 6)],
        [(1, 1, 2.0), (2, 1, 4.0), (2, 2, 4.0)],
        [(user, item, 4.0) for user in range(9) for item in range(9)],
        [("a", "x", 1e-6), ("b", "y", 2e-6), ("a", "y", 1.5e-6)],
        [("a", "x", 1e30), ("b", "y", 2e30), ("a", "y", -1e30)],
    ],
    ids=["1x1", "1xn", "nx1", "one rating", "constant", "tiny scale", "huge scale"],
)
def test_odd_tables_fit_and_predict_on_their_scale(solver, rows):
    ratings = table(rows)
    model = solver.fit(ratings)
    predictions = model.predict_table(ratings)
    assert np.isfinite(predictions).all()
    # What is learnt from choices alone are scores, not ratings.
    scale = RatingScale(0, 1) if solver.predicts == "choice" else ratings.scale
    assert model.scale == scale
    # Ends of the scale are rounded to float32 like the ratings.
    low, high = np.float32(scale.low), np.float32(scale.high)
    assert ((predictions >= low) & (predictions <= high)).all()


def test_ids_without_ratings_are_not_in_the_model(solver):
    ratings = random_table()
    model = solver.fit(ratings.take(ratings.item != 3))
    assert model.items.index([103])[0] == -1
    assert len(model.items) == len(model.item_factors) == 39


def test_an_empty_table_is_refused(solver):
    with pytest.raises(DataError, match="no ratings"):
        solver.fit(table([(1, 1, 1.0)]).take(np.array([False])))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_table_with_nan_is_refused(solver, value):
    with pytest.raises(DataError, match="NaN or infinite"):
        solver.fit(table([(1, 1, value), (1, 2, 2.0)], RatingScale(1, 5)))


@pytest.fixture
def checkpoint_after_each_epoch(monkeypatch):
    monkeypatch.setattr("palate.solvers.session._CHECKPOINT_INTERVAL", 0)


@pytest.mark.usefixtures("checkpoint_after_each_epoch")
def test_resuming_equals_a_straight_run(iterative, tmp_path):
    ratings, straight = random_table(users=300, items=100), []
    model = iterative.fit(ratings, progress=straight.append)
    for cut in range(1, len(straight), 4):
        path, seen = tmp_path / f"{cut}.checkpoint", []

        def stop(epoch, seen=seen, cut=cut):
            seen.append(epoch)
            if len(seen) == cut:
                raise RuntimeError("power cut")

        with pytest.raises(RuntimeError):
            iterative.fit(ratings, progress=stop, checkpoint=path)
        resumed = iterative.fit(ratings, checkpoint=path, resume=True)
        assert same(model, resumed)
        timeless = [[{**epoch, "seconds": 0} for epoch in fit.training["history"]] for fit in (model, resumed)]
        assert timeless[0] == timeless[1]


@pytest.mark.usefixtures("checkpoint_after_each_epoch")
def test_a_checkpoint_of_another_fit_is_refused(iterative, tmp_path):
    path = tmp_path / "checkpoint"
    iterative.fit(random_table(), checkpoint=path)
    for other, ratings in ((iterative, random_table(seed=1)), (dataclasses.replace(iterative, seed=9), random_table())):
        with pytest.raises(StorageError, match="belongs to other ratings or settings"):
            other.fit(ratings, checkpoint=path, resume=True)


def test_ctrl_c_leaves_a_usable_model(iterative):
    ratings, seen, before = large(), [], signal.getsignal(signal.SIGINT)

    def press(epoch):
        seen.append(epoch)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    model = iterative.fit(ratings, progress=press)
    # A Bayesian fit that is interrupted in its pilot still makes one sweep, from which the model is made.
    assert [epoch.stage for epoch in seen[2:]] == ["fit"] * (iterative.name == "bayes")
    assert model.training["interrupted"]
    assert np.isfinite(model.predict_table(ratings)).all()
    assert signal.getsignal(signal.SIGINT) is before


def test_every_epoch_trains_on_every_row(iterative):
    ratings = large()
    history = iterative.fit(ratings).training["history"]
    # Pilots of the Bayesian solver hold out a fifth; k_fold shares the rest of a division among its folds.
    held = round((0.2 if iterative.name == "bayes" else getattr(iterative, "validation", 0)) * len(ratings))
    assert {epoch["rows"] for epoch in history if epoch["stage"] == "fit"} == {len(ratings)}
    for epoch in history:
        if epoch["stage"] == "pilot":
            assert abs(epoch["rows"] - (len(ratings) - held)) < 5 * np.sqrt(held)


def test_every_setting_has_help_and_is_checked(solver):
    for setting in settings(solver):
        assert setting.help
        wrong = "no" if setting.type is not str else "nonsense"
        with pytest.raises(SettingsError, match=setting.name):
            dataclasses.replace(solver, **{setting.name: wrong}).fit(random_table())


@pytest.mark.parametrize(
    ("name", "value"),
    [("factors", -1), ("epochs", 0), ("learning_rate", 0.0), ("learning_rate", float("nan")), ("validation", 1.0),
     ("regularization", -0.1), ("factors", True), ("seed", -1)],
)  # fmt: skip
def test_impossible_settings_are_named(name, value):
    with pytest.raises(SettingsError, match=name):
        SGD(**{name: value}).fit(random_table())


def test_a_fit_that_diverges_says_so():
    with pytest.raises(SettingsError, match=r"diverged .* lower learning_rate .*, now 9"):
        SGD(learning_rate=9.0, decay=False, regularization=0.0).fit(random_table())


def test_sgd_beats_the_baselines_on_a_table_with_structure():
    train, test = holdout(random_table(users=400, items=150, density=0.3), 0.1)
    result = evaluate(SGD(factors=8).fit(train), test)
    assert result.scores["rmse"] < 0.75 * result.baselines["bias only"]["rmse"]
    assert result.baselines["bias only"]["rmse"] < result.baselines["global mean"]["rmse"]


def test_at_rest_sgd_is_where_the_gradient_vanishes():
    # With the learning rate fallen to zero, the stochastic steps have come close to a stationary point of the objective.
    ratings = random_table(users=80, items=50, density=0.5)
    penalty = 0.05
    model = SGD(factors=4, epochs=400, regularization=penalty, validation=0.0).fit(ratings)
    spread = float(ratings.rating.std(dtype=np.float64))
    p, q = (array.astype(float) / np.sqrt(spread) for array in (model.user_factors, model.item_factors))
    bias_u, bias_i = model.user_bias / spread, model.item_bias / spread
    scaled = (ratings.rating - model.intercept) / spread
    error = scaled - bias_u[ratings.user] - bias_i[ratings.item] - (p[ratings.user] * q[ratings.item]).sum(1)
    gradient, size = np.zeros_like(p), np.zeros_like(p)
    np.add.at(gradient, ratings.user, error[:, None] * q[ratings.item] - penalty * p[ratings.user])
    np.add.at(size, ratings.user, np.abs(error[:, None] * q[ratings.item]))
    assert np.abs(gradient).sum() < 0.05 * size.sum()


def test_the_article_is_reproduced():
    article = SGD.article()
    assert dataclasses.asdict(article) == {
        "factors": 16, "biases": False, "epochs": 10, "learning_rate": 0.05, "decay": False, "regularization": 0.0,
        "batch_size": 64, "initialization": "xavier", "scaling": "unit", "validation": 0.0, "patience": 10, "seed": 0,
    }  # fmt: skip
    ratings = random_table(users=300, items=100)
    model = article.fit(ratings)
    assert not model.user_bias.any()
    assert not model.item_bias.any()
    assert model.intercept == 3  # the middle of 1 to 5
    assert [epoch["rows"] for epoch in model.training["history"]] == [len(ratings)] * 10
    # Row of U times row of V, and the whole product, are the same prediction.
    whole = model.intercept + model.user_factors @ model.item_factors.T
    u, i = model.users.require(5), model.items.require(177)
    one = model.intercept + float(model.user_factors[u] @ model.item_factors[i])
    assert model.predict(5, 177) == pytest.approx(one) == pytest.approx(whole[u, i])


def test_baselines_are_the_means_they_are_named_after():
    ratings = table([(1, 1, 1.0), (1, 2, 2.0), (2, 1, 5.0)])
    predicted = {name: solver.fit(ratings).predict(2, 2) for name, solver in BASELINES.items()}
    assert predicted["global mean"] == pytest.approx(8 / 3)
    assert predicted["item mean"] == pytest.approx(2)
    assert predicted["user mean"] == pytest.approx(5)


def test_bias_only_solves_its_normal_equations():
    ratings = random_table()
    model = BASELINES["bias only"].fit(ratings)
    users, items = np.eye(len(ratings.users))[ratings.user], np.eye(len(ratings.items))[ratings.item]
    design = np.hstack([users, items])
    penalty = np.diag([15.0] * len(ratings.users) + [10.0] * len(ratings.items))
    expected = np.linalg.solve(design.T @ design + penalty, design.T @ (ratings.rating - model.mean))
    np.testing.assert_allclose(np.r_[model.user_bias, model.item_bias], expected, atol=1e-4)
