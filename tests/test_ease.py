"""EASE against a brute-force twin, and what its head answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.errors import DataError, SettingsError, StorageError
from palate.model.choice import WeightsHead, restore_head
from palate.parallel import pool, single_blas
from palate.reading import read_attributes, read_ratings
from palate.solvers.ease import EASE
from palate.solvers.ease.inverse import invert
from palate.solvers.ease.weights import count_choices, fit_ease
from palate.storage import load, save
from tables import random_table


def fit(ratings, threads=1, **settings):
    with pool(threads) as run:
        return fit_ease(ratings, EASE(**{"regularization": 5.0, "weights": 10**6} | settings), run)


def dense(head):
    weights = np.zeros((head.size, head.size))
    for item in range(head.size):
        part = slice(head.indptr[item], head.indptr[item + 1])
        weights[item, head.targets[part]] = head.weights[part]
    return weights


def brute_force(ratings, regularization, dropout, exponent, liked=None):
    """Each column by itself: a ridge regression of an item's choices on all other items."""
    x = np.zeros((len(ratings.users), len(ratings.items)))
    chosen = np.ones(len(ratings), bool) if liked is None else ratings.rating >= liked
    x[ratings.user[chosen], ratings.item[chosen]] = 1
    counts = np.maximum(1, x.sum(axis=1))
    weights = counts**-exponent
    weights *= counts.sum() / (weights @ counts)
    pull = regularization + dropout / (1 - dropout) * (weights @ x)
    result = np.zeros((x.shape[1], x.shape[1]))
    for j in range(x.shape[1]):
        others = np.arange(x.shape[1]) != j
        left = (x[:, others].T * weights) @ x[:, others] + np.diag(pull[others])
        result[others, j] = np.linalg.solve(left, (x[:, others].T * weights) @ x[:, j])
    return result


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.0, "exponent": 0.0},
        {"dropout": 0.5, "exponent": 0.5},
        {"dropout": 0.2, "exponent": 1.0, "liked": 3.5},
        {"regularization": 0.1},
    ],
)
def test_weights_are_those_of_a_regression_for_each_item(settings):
    ratings = random_table(80, 30, seed=3).compact()
    settings = {"regularization": 5.0, "dropout": 0.5, "exponent": 0.5} | settings
    np.testing.assert_allclose(dense(fit(ratings, **settings)), brute_force(ratings, **settings), atol=2e-5)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_the_inverse_is_that_of_numpy(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size + 5))
    matrix = root @ root.T / size + np.eye(size)
    expected = np.linalg.inv(matrix)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        inverse = np.tril(matrix).astype(dtype)
        inverse += np.triu(np.full_like(inverse, np.nan), 1)  # the upper triangle is not read
        with pool(1) as run, single_blas():
            invert(inverse, run)
        np.testing.assert_allclose(inverse, expected, atol=tolerance)
        np.testing.assert_array_equal(inverse, inverse.T)


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pool(1) as run, pytest.raises(SettingsError, match="regularization"):
        invert(-np.eye(3, dtype=np.float32), run)


def test_pairs_are_counted_exactly():
    ratings = random_table(50, 130, seed=4).compact()
    x = np.zeros((len(ratings.users), len(ratings.items)))
    x[ratings.user, ratings.item] = 1
    with pool(2) as run:
        gram = count_choices(ratings, 0.0, run)
    np.testing.assert_array_equal(np.tril(gram), np.tril(x.T @ x))


def test_any_number_of_threads_gives_the_same_bits():
    ratings = random_table(300, 600, density=0.05, seed=5).compact()
    one, four = fit(ratings, 1, weights=40), fit(ratings, 4, weights=40)
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, four.arrays()[name])


def test_the_strongest_weights_are_kept():
    ratings = random_table(300, 60, seed=6).compact()
    everything, head = dense(fit(ratings)), fit(ratings, weights=10)
    kept = dense(head) != 0
    np.testing.assert_array_equal(dense(head)[kept], everything[kept])
    strength = np.abs(everything) * np.sqrt(np.outer(ratings.item_counts, ratings.item_counts))
    assert strength[kept].min() >= strength[~kept].max()
    assert 10 * 60 <= kept.sum() <= 11 * 60


def test_scores_are_sums_of_contributions_and_survive_saving():
    ratings = random_table(100, 40, seed=7).compact()
    for liked in (None, 3.5):
        fitted = fit(ratings, weights=20, liked=liked)
        head = restore_head(fitted.kind, fitted.settings(), fitted.arrays())
        assert isinstance(head, WeightsHead)
        users = np.array([5, 0, 99], np.int32)
        block = head.user_scores(users, ratings.by_user)
        for row, user in zip(block, users, strict=True):
            items, values = ratings.by_user[user]
            chosen = items if liked is None else items[values >= liked]
            np.testing.assert_allclose(row, dense(fitted)[chosen].sum(axis=0), atol=1e-6)
            (parts,), (base,) = head.contributions(items, values, np.array([3], np.int32))
            assert parts.sum() + base == pytest.approx(row[3], abs=1e-6)
            np.testing.assert_array_equal(row, head.new_user_scores(items, values))


def test_similar_items_have_partial_correlations():
    ratings = random_table(200, 25, seed=8).compact()
    x = np.zeros((len(ratings.users), len(ratings.items)))
    x[ratings.user, ratings.item] = 1
    precision = np.linalg.inv(x.T @ x + 5 * np.eye(25))
    expected = -precision / np.sqrt(np.outer(np.diag(precision), np.diag(precision)))
    head = fit(ratings, dropout=0.0, exponent=0.0)
    for item in (0, 7):
        np.testing.assert_allclose(np.delete(head.similarities(item), item), np.delete(expected[item], item), atol=1e-5)


def test_a_catalogue_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("palate.solvers.ease.weights._MOST_ITEMS", 10)
    with pytest.raises(SettingsError, match="implicit"):
        fit(random_table(20, 30).compact())


def test_a_fit_chooses_its_regularization_on_lists():
    ratings = random_table(200, 40, density=0.2, seed=9)
    model = EASE().fit(ratings, threads=1)
    tried = model.training["ndcg_of_regularizations"]
    assert tried[f"{model.training['regularization']:g}"] == max(tried.values())
    given = EASE(regularization=model.training["regularization"]).fit(ratings, threads=2)
    for name, array in model.choice.arrays().items():
        np.testing.assert_array_equal(array, given.choice.arrays()[name])
    assert model.predicts == "choice"


def test_a_fit_without_choices_is_refused():
    with pytest.raises(DataError, match="liked"):
        EASE(liked=9.0).fit(random_table(20, 10))


def test_a_file_keeps_the_head_and_a_forged_one_is_refused(tmp_path):
    model = EASE(regularization=5.0).fit(random_table(30, 12, seed=1))
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model").choice
    for name, array in model.choice.arrays().items():
        np.testing.assert_array_equal(array, loaded.arrays()[name])
    targets = model.choice.targets.copy()
    targets[0] = 1000
    save(replace(model, choice=replace(model.choice, targets=targets)), tmp_path / "forged")
    with pytest.raises(StorageError, match="do not fit together"):
        load(tmp_path / "forged")


@pytest.fixture(scope="module")
def tastes():
    """Choices of users who each like one of two genres; two films of each genre have no choices. And the genres."""
    rng = np.random.default_rng(5)
    genre, taste = np.arange(40) % 2, np.arange(200) % 2
    chance = np.where(taste[:, None] == genre, 0.4, 0.05)
    chance[:, 36:] = 0
    user, item = np.nonzero(rng.random((200, 40)) < chance)
    rows = list(zip(user.tolist(), item.tolist(), np.ones(len(user)), strict=True))
    genres = pl.DataFrame({"film": range(40), "genre": ["war" if one else "love" for one in genre]})
    return rows, genres, taste


@pytest.mark.parametrize("liked", [None, 1.0])
def test_an_item_without_choices_is_for_those_who_choose_items_of_its_kind(tastes, liked, tmp_path):
    rows, genres, taste = tastes
    settings = {"regularization": 20.0, "weights": 30, "liked": liked}
    model = EASE(**settings).fit(rows, item_features=genres)
    assert model.items.ids.tolist() == list(range(40))
    users = range(200)
    love, war = (np.array([model.predict(user, film) for user in users]) for film in (36, 37))
    assert ((war > love) == taste).mean() > 0.95
    explained = model.explain(1, 37).contributions
    assert sum(part.contribution for part in explained) == pytest.approx(war[1], abs=1e-6)
    save(model, tmp_path / "m.palate")
    assert load(tmp_path / "m.palate").predict(1, 37) == war[1]
    plain = EASE(**settings).fit(rows)
    assert plain.items.ids.tolist() == list(range(36))
    before, after = (
        np.array([one.predict(user, film) for user in users for film in range(36)]) for one in (plain, model)
    )
    assert np.corrcoef(before, after)[0, 1] > 0.99


def test_weights_of_items_without_choices_do_not_depend_on_threads(tastes):
    rows, genres, _ = tastes
    one, three = (EASE(regularization=20.0).fit(rows, item_features=genres, threads=threads) for threads in (1, 3))
    assert np.array_equal(one.choice.weights, three.choice.weights)


def test_attributes_that_tell_nothing_lead_nowhere(tastes):
    rows, genres, _ = tastes
    rng = np.random.default_rng(0)
    shuffled = genres.with_columns(pl.Series("genre", rng.permutation(genres["genre"].to_list())))
    model = EASE(regularization=20.0).fit(rows, item_features=shuffled)
    known, told = (np.std([model.predict(user, film) for user in range(200)]) for film in (0, 37))
    assert told < known / 2


def test_attributes_of_items_that_nobody_chose_alone_tell_nothing(tastes):
    rows, genres, _ = tastes
    rows = [(user, item, 1.0 if item % 4 else 2.0) for user, item, _ in rows]
    model = EASE(regularization=20.0, liked=2.0).fit(rows, item_features=genres.filter(pl.col("film") % 4 > 0))
    assert [model.predict(0, film) for film in (1, 37)] == [0, 0]


def test_attributes_of_users_are_refused_and_left_out_where_they_came_with_the_ratings(tastes):
    rows, genres, taste = tastes
    people = pl.DataFrame({"user": range(300), "taste": ["war" if user % 2 else "love" for user in range(300)]})
    with pytest.raises(
        SettingsError, match=r"'ease' does not learn from attributes of users: use bayes, als or implicit"
    ):
        EASE(regularization=20.0).fit(rows, item_features=genres, user_features=people)
    table = replace(read_ratings(rows), user_features=read_attributes(people, "user"))
    assert len(EASE(regularization=20.0).fit(table, item_features=genres).users) == len(taste)
