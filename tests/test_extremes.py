"""Models without factors, and ratings of sizes that float32 hardly holds: numbers or one clear line, never NaN."""

import warnings
from contextlib import suppress

import numpy as np
import pytest

import palate
from palate.errors import DataError, SettingsError
from palate.storage import load, save

PARTS = {"user_noise": False, "item_noise": False, "item_sets": False}


@pytest.fixture(scope="module")
def lonely():
    """A model of one user, and so without factors."""
    ratings = palate.read_ratings([("u", item, float(item % 5)) for item in range(1000)])
    return palate.BayesianMF(factors=4, sweeps=5, user_sets=True, **PARTS).fit(ratings)


def test_newcomers_of_a_model_without_factors_have_intervals(lonely):
    assert lonely.factors == 0
    user, item = lonely.fold_in({3: 4.0, 5: 1.0}), lonely.fold_in_item({"u": 3.0})
    one, several = lonely.predict(user, 7, interval=0.9), lonely.predict(user, [7, 8], interval=0.9)
    assert one.low <= one.rating <= one.high
    assert several.rating.shape == several.low.shape == (2,)
    assert several.low[0] == pytest.approx(one.low)
    of_item = lonely.predict("u", item, interval=0.9)
    assert of_item.low <= of_item.rating <= of_item.high
    assert len(lonely.recommend(user, 3, by="lower bound")) == 3
    assert len(lonely.recommend(user, 3, by="chance", seed=1)) == 3


def test_a_model_without_factors_is_saved_and_mapped(lonely, tmp_path):
    save(lonely, tmp_path / "m")
    assert load(tmp_path / "m", mmap=True).predict("u", 7) == lonely.predict("u", 7)


SOLVERS = {
    "als": palate.ALS(sweeps=3, factors=3),
    "non-negative als": palate.ALS(sweeps=3, factors=3, nonnegative=True),
    "bayes": palate.BayesianMF(sweeps=3, factors=3, user_sets=False, **PARTS),
    "sgd": palate.SGD(epochs=2, factors=3),
}


@pytest.mark.parametrize("size", [3.4e38, 3e38, 1e30, 1e-30, 1e-42])
@pytest.mark.parametrize("name", SOLVERS)
def test_ratings_of_any_size_give_numbers_or_one_line(tmp_path, name, size):
    rng = np.random.default_rng(0)
    rows = [(u, i, size * rng.choice([-1.0, 1.0])) for u in range(12) for i in rng.permutation(15)[:9]]
    with warnings.catch_warnings(action="ignore"), suppress(DataError, SettingsError):
        model = SOLVERS[name].fit(palate.read_ratings(rows))
        save(model, tmp_path / "m")
        loaded = load(tmp_path / "m")
        profile = loaded.fold_in({int(loaded.items.ids[0]): size})
        for user in (0, profile):
            assert np.isfinite(loaded.predict(user, loaded.items.ids)).all()


@pytest.mark.parametrize("shift", [1e6, 1e9, 1e12])
def test_distances_that_float32_loses_are_told(shift):
    rows = [(u, i, shift + (u * i) % 5) for u in range(9) for i in range(9)]
    with pytest.raises(DataError, match="subtract 1000000"):
        palate.SGD(epochs=1).fit(palate.read_ratings(rows, rating=2, time=False))


def test_distances_that_float32_keeps_are_fitted():
    rows = [(u, i, 1e4 + (u * i) % 5) for u in range(9) for i in range(9)]
    palate.SGD(epochs=1).fit(palate.read_ratings(rows))
    palate.SGD(epochs=1).fit(
        palate.read_ratings([(u, i, 1e9) for u in range(9) for i in range(9)], rating=2, time=False)
    )


@pytest.mark.parametrize("solver", [palate.ALS(factors=2, regularization=1, sweeps=2), palate.SGD(factors=2, epochs=2)])
def test_lists_by_interest_of_huge_ratings_give_no_warning(solver, tmp_path):
    ratings = palate.read_ratings([(1, 1, 1e30), (1, 2, -1e30), (2, 1, 5), (2, 2, 3)])
    model = palate.workflow.fit_and_save(solver, ratings, tmp_path / "m.palate").model
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed = model.recommend(1, 2, seen=True, by="interest")
    assert np.isfinite([one.score for one in listed]).all()
