"""The row solver and the weights of sets, against slow twins and against what their draws must look like."""

import numpy as np
import pytest

import naive
from palate.kernels import rows
from palate.parallel import pool
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.low_rank_mean import LowRankMean
from palate.solvers.bayes.state import ModelParts
from tables import random_table

WIDTH, DRAWN = 16, 11


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    table = random_table(users=30, items=200, density=0.8, seed=1).by_user  # more ratings a row than a tile holds
    other = np.zeros((200, WIDTH), np.float32)
    other[:, :DRAWN] = rng.normal(0, 0.5, (200, DRAWN))
    root = rng.normal(size=(DRAWN, DRAWN))
    precision = np.eye(WIDTH, dtype=np.float32)
    precision[:DRAWN, :DRAWN] = root @ root.T + np.eye(DRAWN)
    linear = np.zeros((30, WIDTH), np.float32)
    linear[:, :DRAWN] = rng.normal(size=(30, DRAWN))
    return {
        "table": table,
        "other": other,
        "offset": rng.normal(size=200).astype(np.float32),
        "row_weight": rng.random(30).astype(np.float32) + 0.5,
        "other_weight": rng.random(200).astype(np.float32) + 0.5,
        "precision": precision,
        "linear": linear,
        "errors": np.empty(30),
    }


def solve(problem, start=0, stop=30, draws=0, key=0, correlation=0.0, out=None):
    out = np.zeros((30, WIDTH), np.float32) if out is None else out
    given = [problem[name] for name in ("other", "offset", "row_weight", "other_weight", "precision", "linear")]
    numbers = start, stop, draws, np.int64(key), correlation
    assert rows.solve_rows(*problem["table"], *given, *numbers, out, problem["errors"]) == -1
    return out


def exact(problem, row):
    items, values = problem["table"][row]
    weights = problem["row_weight"][row] * problem["other_weight"][items]
    ratings = list(zip(items, values, strict=True))
    parts = problem["other"], problem["offset"], weights, problem["precision"], problem["linear"][row]
    return naive.solve_row(ratings, *parts)


def test_rows_are_solved_like_their_slow_twin(problem):
    found = solve(problem)
    for row in range(30):
        np.testing.assert_allclose(found[row], exact(problem, row)[0], atol=2e-4)


@pytest.mark.parametrize(("draws", "correlation"), [(0, 0.0), (DRAWN, 0.0), (DRAWN, -0.9)])
def test_errors_are_those_of_the_solution_or_the_draw(problem, draws, correlation):
    found = solve(problem, draws=draws, key=7, correlation=correlation)
    for row in range(30):
        items, values = problem["table"][row]
        left = values - problem["offset"][items] - problem["other"][items].astype(float) @ found[row]
        weights = problem["row_weight"][row] * problem["other_weight"][items].astype(float)
        np.testing.assert_allclose(problem["errors"][row], (weights * left**2).sum(), rtol=1e-4)


def test_a_row_without_ratings_has_no_errors(problem):
    indptr = problem["table"].indptr.copy()
    indptr[1] = 0  # the first row's ratings become the second's
    problem["table"] = problem["table"]._replace(indptr=indptr)
    for draws in (0, DRAWN):
        solve(problem, draws=draws)
        assert problem["errors"][0] == 0


def test_draws_have_the_mean_and_covariance_they_should(problem):
    problem["row_weight"] *= 0.02  # so that the prior matters too
    mean, covariance = exact(problem, 3)
    drawn = np.array([solve(problem, 3, 4, DRAWN, key)[3, :DRAWN] for key in range(4000)])
    spread = np.sqrt(np.diag(covariance)[:DRAWN])
    assert np.abs((drawn.mean(0) - mean[:DRAWN]) / spread).max() < 4.5 / np.sqrt(4000)
    scaled = np.cov(drawn.T) / np.outer(spread, spread)
    np.testing.assert_allclose(scaled, covariance[:DRAWN, :DRAWN] / np.outer(spread, spread), atol=0.1)


@pytest.mark.parametrize("correlation", [-0.9, -0.5, 0.6])
def test_draws_correlate_with_those_before_and_keep_their_mean_and_covariance(problem, correlation):
    problem["row_weight"] *= 0.02
    mean, covariance = exact(problem, 3)
    root = np.linalg.cholesky(np.linalg.inv(covariance[:DRAWN, :DRAWN]))
    out, whitened = np.zeros((30, WIDTH), np.float32), []
    for key in range(12_000):
        drawn = solve(problem, 3, 4, DRAWN, key, correlation, out)[3, :DRAWN].astype(float)
        whitened.append((drawn - mean[:DRAWN]) @ root)
    whitened = np.array(whitened[200:])
    np.testing.assert_allclose(whitened.mean(0), 0, atol=0.09)
    np.testing.assert_allclose(whitened.T @ whitened / len(whitened), np.eye(DRAWN), atol=0.13)
    np.testing.assert_allclose(whitened[1:].T @ whitened[:-1] / len(whitened), correlation * np.eye(DRAWN), atol=0.13)


def test_a_draw_depends_on_key_and_row_alone(problem):
    whole = solve(problem, draws=DRAWN, key=5)
    np.testing.assert_array_equal(solve(problem, 7, 9, DRAWN, 5)[7:9], whole[7:9])
    assert not np.array_equal(solve(problem, draws=DRAWN, key=6), whole)


def test_a_matrix_that_is_not_positive_definite_is_named(problem):
    problem["precision"] = -1e6 * np.eye(WIDTH, dtype=np.float32)
    given = [problem[name] for name in ("other", "offset", "row_weight", "other_weight", "precision", "linear")]
    out = np.zeros((30, WIDTH), np.float32)
    assert rows.solve_rows(*problem["table"], *given, 4, 30, 0, np.int64(0), 0.0, out, np.empty(30)) == 4


def test_weights_of_sets_are_drawn_from_their_posterior():
    rng = np.random.default_rng(1)
    users, items, precision = 12, 4, 1.7
    member = rng.random((users, items)) < 0.5
    member[0] = True
    share = (1 / np.sqrt(member.sum(1).clip(1))).astype(np.float32)
    x = member * share[:, None]
    target = rng.normal(size=(users, 16)).astype(np.float32)
    inverse = np.linalg.inv(x.T @ x + precision * np.eye(items))
    indptr = np.concatenate([[0], np.cumsum(member.sum(0))])
    members = np.concatenate([np.flatnonzero(column) for column in member.T]).astype(np.int32)
    weights, rest = np.zeros((items, 16), np.float32), target.copy()
    lengths = (x**2).sum(0).astype(np.float32)
    drawn = []
    for key in range(6000):
        rows.weigh_sets(
            indptr, members, share, lengths, rest, weights, np.float32(precision), np.int64(key), True, np.float32(0)
        )
        drawn.append(weights.copy())
    np.testing.assert_allclose(rest, target - x @ weights, atol=1e-2)
    drawn = np.array(drawn[100:])
    np.testing.assert_allclose(drawn.mean(0), inverse @ x.T @ target, atol=0.06)
    np.testing.assert_allclose(np.cov(drawn[:, :, 2].T), inverse, atol=0.05)


@pytest.mark.parametrize("on", [False, True])
def test_a_chain_finds_the_noise_that_a_table_was_made_with(on):
    ratings = random_table(users=150, items=100, density=0.6, noise=0.5, scale=random_table().scale.__class__(-50, 50))
    with pool(2) as run:
        chain = Chain(ratings.by_user, ratings.by_item, 4, ModelParts(on, on, on, on), 0, run)
        found = []
        for _ in range(80):
            chain.sweep()
            found.append(chain.precision)
    # With single precisions around one, the common one is that of a typical rating.
    assert np.mean(found[40:]) ** -0.5 == pytest.approx(0.5, rel=0.12)


def test_the_average_of_products_is_that_of_all_samples():
    rng = np.random.default_rng(2)
    average, full = (
        LowRankMean(np.zeros(39), np.zeros(29), 3, lambda function, tasks: [function(task) for task in tasks]),
        np.zeros((40, 30)),
    )
    base = rng.normal(size=(40, 4)), rng.normal(size=(30, 4))
    for number in range(50):
        p, q = (side + 0.01 * rng.normal(size=side.shape) for side in base)
        average.add(p.astype(np.float32), q.astype(np.float32), number + 1.0)
        full += (number + 1) * p[:, :3] @ q[:, :3].T
    p, q, user_bias, item_bias = average.mean()
    assert p.shape[1] <= 12
    np.testing.assert_allclose(p @ q.T, full / 1275, atol=0.01)
    np.testing.assert_allclose(user_bias, base[0][:, 3], atol=0.01)
    np.testing.assert_allclose(item_bias, base[1][:, 3], atol=0.01)
