"""Rows without ratings: what the other side makes of their attributes, and how well that is known."""

from __future__ import annotations

import numpy as np
import pytest

from palate import Vocabulary, read_attributes
from palate.parallel import pool
from palate.ratings import Ratings
from palate.solvers.bayes.attribute_effects import filled, with_attributes
from palate.solvers.bayes.attribute_slopes import AttributeSlopes
from palate.solvers.bayes.low_rank_mean import LowRankMean
from palate.solvers.bayes.mixed_model import MixedModel, RatedPairs
from palate.solvers.feature_rows import FeatureRows

USERS, ITEMS, RATED, NOISE = 300, 80, 60, 0.5
KINDS = np.arange(ITEMS) % 4


def serial(function, tasks):
    return [function(task) for task in tasks]


def table(taste, seed=0):
    """Ratings of the first items: what a user makes of the kind of an item, and noise; one more user without ratings."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((USERS, RATED)) < 0.4)
    rating = taste[user, KINDS[item]] + rng.normal(0, NOISE, len(user))
    ids = Vocabulary(np.arange(USERS), "user"), Vocabulary(np.arange(RATED), "item")
    ratings = Ratings(*ids, user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32))
    grouped = ratings.by_user
    return ratings, grouped._replace(indptr=np.append(grouped.indptr, grouped.indptr[-1]))


def features_of(counts, by_count=True):
    attributes = read_attributes({"id": list(range(ITEMS)), "kind": [f"kind {kind}" for kind in KINDS]})
    places, rated = np.arange(ITEMS + 1, dtype=np.int32), np.zeros(ITEMS + 1, np.int64)
    places[-1], rated[: len(counts)] = -1, counts
    return FeatureRows(attributes, places, rated, by_count)


@pytest.fixture(scope="module")
def taste():
    return np.random.default_rng(1).normal(0, 0.7, (USERS, 4))


@pytest.fixture(scope="module")
def learned(taste):
    """What is learnt by users and items of which nothing else is known: no factors, no biases."""
    ratings, by_user = table(taste)
    features = features_of(ratings.item_counts)
    nothing = np.zeros((ITEMS + 1, 1)), np.zeros((USERS + 1, 1))
    return features, AttributeSlopes.of(features, *nothing, by_user, serial)


def test_slopes_are_the_posterior_means_of_a_linear_model(taste):
    _, by_user = table(taste)
    columns = np.random.default_rng(2).normal(size=(RATED, 3))
    weight = (np.arange(RATED) % 5 > 0).astype(np.float32)
    model = MixedModel(RatedPairs.of(by_user, serial), by_user.values, columns, weight)
    model.mean, model.covariance, model.noise = np.array([0.1, -0.2, 0.3]), np.diag([0.5, 0.2, 0.1]), 0.4
    solved = model.solve(weight)
    for user in (0, 17):
        items, values = by_user[user]
        known, values = columns[items[weight[items] > 0]], values[weight[items] > 0]
        matrix = known.T @ known / 0.4 + np.linalg.inv(model.covariance)
        right = known.T @ values / 0.4 + np.linalg.solve(model.covariance, model.mean)
        assert solved[user, :3] == pytest.approx(np.linalg.solve(matrix, right), abs=1e-5)
    assert solved[-1, :3] == pytest.approx(model.mean, abs=1e-5)


def test_the_noise_and_the_spread_of_slopes_are_found():
    rng = np.random.default_rng(3)
    taste = rng.normal(0, 0.7, (USERS, 4))
    _, by_user = table(taste)
    model = MixedModel(
        RatedPairs.of(by_user, serial), by_user.values, np.eye(4)[KINDS[:RATED]], np.ones(RATED, np.float32)
    )
    slopes = model.fit()
    assert model.noise == pytest.approx(NOISE**2, rel=0.05)
    assert model.covariance == pytest.approx(np.cov(taste, rowvar=False), abs=0.06)
    assert np.corrcoef(slopes[:-1, :4].ravel(), taste.ravel())[0, 1] > 0.9


def test_a_row_that_is_held_out_does_not_tell_about_itself():
    features = features_of(np.full(RATED, 7))
    rows = np.random.default_rng(4).normal(size=(ITEMS + 1, 2))
    expected, folds = features.held_out(rows)
    assert sorted(np.unique(folds)) == list(range(-1, 8))
    assert (folds[RATED:] == -1).all()
    changed = rows.copy()
    changed[5] += 3
    again, _ = features.held_out(changed)
    same = folds == folds[5]
    assert again[same] == pytest.approx(expected[same])
    assert not np.allclose(again[RATED:-1], expected[RATED:-1])
    assert expected[RATED:] == pytest.approx(features.expected(rows)[RATED:])
    assert expected[-1] == pytest.approx(0)


def test_components_are_the_eigenvectors_of_the_attributes():
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice([f"word{n}" for n in range(120)], 12)) for _ in range(200)]
    attributes = read_attributes({"id": list(range(200)), "text": texts, "kind": [f"k{n % 3}" for n in range(200)]})
    counts = rng.integers(1, 9, 200)
    features = FeatureRows(attributes, np.arange(200, dtype=np.int32), counts, by_count=True)
    assert features.width > 100
    matrix = features.means(np.eye(features.width))
    _, vectors = np.linalg.eigh((matrix.T * features.weight) @ matrix)
    overlap = np.linalg.svd(features.components(3).T @ vectors[:, -3:])[1]
    assert overlap == pytest.approx(1, abs=0.01)
    assert features.components(1000).shape[1] <= features.width


def test_slopes_predict_rows_without_ratings(taste, learned):
    features, slopes = learned
    components = features.means(slopes.weights) + np.outer(features.there, slopes.base)
    predicted = (slopes.slopes @ components.T)[:USERS, RATED:ITEMS]
    error = np.mean((predicted - taste[:, KINDS[RATED:]]) ** 2)
    assert error < 0.2 * taste.var()
    assert slopes.variance == pytest.approx(error + NOISE**2, rel=0.1)


def test_noise_has_no_slopes():
    ratings, by_user = table(np.zeros((USERS, 4)))
    slopes = AttributeSlopes.of(
        features_of(ratings.item_counts), np.zeros((ITEMS + 1, 1)), np.zeros((USERS + 1, 1)), by_user, serial
    )
    assert slopes.slopes.shape[1] == 0
    assert slopes.variance == pytest.approx(NOISE**2, rel=0.05)


def test_rows_with_ratings_stay_as_they_are(taste):
    ratings, by_user = table(taste)
    by_item = ratings.by_item
    stops = np.append(by_item.indptr, [by_item.indptr[-1]] * (ITEMS - RATED + 1))
    rng = np.random.default_rng(6)
    means = tuple(
        (rng.normal(0, 0.1, (rows, 2)).astype(np.float32), rng.normal(0, 0.1, rows).astype(np.float32))
        for rows in (USERS + 1, ITEMS + 1)
    )
    with pool(1) as run:
        wide, effects = with_attributes(
            means, (None, features_of(ratings.item_counts)), (by_user, by_item._replace(indptr=stops)), run
        )
    (users, user_bias), (items, item_bias) = filled(wide, effects)
    assert users.shape[1] == items.shape[1] > 2
    assert (users[:, :2] == means[0][0]).all()
    assert (items[:RATED, :2] == means[1][0][:RATED]).all()
    assert not items[:RATED, 2:].any()
    assert items[RATED:-1, 2:].any()
    assert effects[0] is None
    cold = users[:-1] @ items[RATED:-1].T + user_bias[:-1, None] + item_bias[RATED:-1]
    assert np.corrcoef(cold.ravel(), taste[:, KINDS[RATED:]].ravel())[0, 1] > 0.85


def test_a_sample_may_have_more_columns_than_a_mean_keeps():
    rng = np.random.default_rng(7)
    wide = rng.normal(size=(9, 31)).astype(np.float32), rng.normal(size=(8, 31)).astype(np.float32)
    mean = LowRankMean(np.zeros(8), np.zeros(7), 2, serial)
    for part in (slice(0, 31), slice(0, 31)):
        mean.add(wide[0][:, part], wide[1][:, part], 2.0)
    users, items, user_bias, _ = mean.mean()
    assert users.shape[1] == 8
    assert users @ items.T == pytest.approx(wide[0][:, :-1] @ wide[1][:, :-1].T, abs=0.05)
    assert user_bias == pytest.approx(wide[0][:, -1])
