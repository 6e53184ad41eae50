"""Whether the Gibbs chain samples the model that it says it does: each draw by itself, and all of them together."""

from __future__ import annotations

import math

import numpy as np
import pytest

import naive
from forward import (
    COLUMNS,
    ITEM,
    RATED,
    USER,
    K,
    design,
    draw_ratings,
    draw_state,
    empty_table,
    fill,
    get,
    measure,
    put,
)
from palate.kernels import rows
from palate.parallel import pool, single_blas
from palate.reading import read_ratings
from palate.solvers.bayes import chain as gibbs
from palate.solvers.bayes import set_weights as weighing
from palate.solvers.bayes.low_rank_mean import LowRankMean
from palate.solvers.bayes.state import ModelParts

ALL = ModelParts(True, True, True, True)
MEAN, ROOT = np.array([0.3, -0.2, 0.1]), np.array([[1.5, 0, 0], [0.4, 1.2, 0], [-0.6, 0.3, 2.0]])
PRECISION = ROOT @ ROOT.T
# Standard errors. No right draw is farther off in thousands of comparisons; seeds are fixed anyway.
BOUND = 5.0
# Of the density of Gamma(nu / 2, nu / 2), for each nu that the chain chooses from.
LOG_CONSTANTS = np.array([nu * math.log(nu) - math.lgamma(nu) for nu in gibbs._FREEDOMS / 2])


@pytest.fixture
def chain():
    """A chain at a state that was drawn from the prior, over ratings drawn from that state."""
    rng = np.random.default_rng(3)
    with pool(1) as run:
        ratings = empty_table()
        chain = gibbs.Chain(ratings.by_user, ratings.by_item, K, ALL, 0, run)
        state = draw_state(rng, ALL, 8, 5.0, 2.0)
        put(chain, state)
        fill(chain, draw_ratings(rng, state))
        yield chain


def assert_normal(drawn):
    """Standard normal columns, independent of each other: (draws, columns)."""
    n, columns = drawn.shape
    assert np.abs(drawn.mean(axis=0)).max() < BOUND / np.sqrt(n)
    off = np.abs(drawn.T @ drawn / n - np.eye(columns)) * np.sqrt(n / (1 + np.eye(columns)))
    assert off.max() < BOUND


def assert_gamma(drawn, shape):
    """Gamma(shape, 1) in each column: (draws, columns), (columns,)."""
    n = len(drawn)
    assert np.abs((drawn.mean(axis=0) - shape) / np.sqrt(shape / n)).max() < BOUND
    assert np.abs((drawn.var(axis=0) - shape) / np.sqrt((2 * shape**2 + 6 * shape) / n)).max() < BOUND


def assert_zero(values):
    """Zero on average; successive values may be correlated."""
    batches = np.mean(np.array_split(values, 50), axis=1)
    assert np.abs(batches.mean(axis=0) / (batches.std(axis=0, ddof=1) / np.sqrt(50))).max() < BOUND


def residual_rows(side):
    return (side.factors - side.prior)[:, :COLUMNS].astype(float)


@pytest.mark.parametrize("sets", [False, True])
def test_mean_and_precision_of_a_side_are_normal_wishart(chain, sets):
    side, rng = chain.users, np.random.default_rng(0)
    x, w, n = residual_rows(side), side.weights[:, :COLUMNS].astype(float), len(side.factors)
    shrunk = x.sum(axis=0) / (n + 2)
    # The prior says two rows of 0, and a scatter of 1 from as many rows as columns.
    scatter = np.eye(COLUMNS) + (x - shrunk).T @ (x - shrunk) + 2 * np.outer(shrunk, shrunk)
    freedom = COLUMNS + n
    if sets:
        scatter, freedom = scatter + side.sets_precision * w.T @ w, freedom + len(w)
    root = np.linalg.cholesky(scatter)
    drawn = [chain._draw_prior(side, sets, rng) for _ in range(2500)]
    assert_normal(np.array([(mean - shrunk) @ np.linalg.cholesky(p) * np.sqrt(n + 2) for mean, p in drawn]))
    whitened = np.array([root.T @ precision @ root for _, precision in drawn])
    entries = (whitened - freedom * np.eye(COLUMNS)) / np.sqrt(freedom * (1 + np.eye(COLUMNS)))
    assert np.abs(entries.mean(axis=0)).max() < BOUND / np.sqrt(2500)
    # Squares of chi-squares have a fatter tail than those of normals.
    assert np.abs((entries**2).mean(axis=0) - 1).max() < BOUND * np.sqrt((2 + 12 / freedom) / 2500)


@pytest.mark.parametrize("name", ["users", "items"])
def test_rows_are_drawn_from_their_posterior(chain, name):
    side, other = (chain.users, chain.items) if name == "users" else (chain.items, chain.users)
    rng, whitened = np.random.default_rng(1), []
    partners = np.hstack([other.factors[:, :K], np.ones((len(other.factors), 1))])
    posteriors = []
    for row in range(len(side.factors)):
        indices, values = side.table[row]
        weights = chain.precision * side.noise[row] * other.noise[indices]
        linear = PRECISION @ (MEAN + side.prior[row, :COLUMNS])
        ratings = list(zip(indices, values, strict=True))
        mean, covariance = naive.solve_row(ratings, partners, other.factors[:, K], weights, PRECISION, linear)
        posteriors.append((mean, np.linalg.cholesky(np.linalg.inv(covariance))))
    side.mean = MEAN
    side.correlation = 0.0  # test_rows.py tests correlated draws
    for _ in range(4000):
        chain._draw_rows(side, other, PRECISION, rng)
        drawn = side.factors[:, :COLUMNS].astype(float)
        whitened.append([(x - mean) @ root for x, (mean, root) in zip(drawn, posteriors, strict=True)])
    assert_normal(np.reshape(whitened, (4000, -1)))


def test_each_weight_of_a_set_is_drawn_given_the_others():
    rng, x, precision = np.random.default_rng(2), design(RATED), 0.7
    indptr, members = np.concatenate([[0], np.cumsum(RATED.sum(axis=0))]), np.nonzero(RATED.T)[1].astype(np.int32)
    share, lengths = (
        (1 / np.sqrt(np.maximum(1, RATED.sum(axis=1)))).astype(np.float32),
        (x**2).sum(axis=0).astype(np.float32),
    )
    target, weights = (rng.normal(size=(rows, 16)).astype(np.float32) for rows in RATED.shape)
    rest, whitened = (target - x @ weights).astype(np.float32), []
    for key in range(4000):
        before, now = weights.astype(float), []
        numbers = np.float32(precision), np.int64(key), True, np.float32(0)
        rows.weigh_sets(indptr, members, share, lengths, rest, weights, *numbers)
        for j in range(len(weights)):
            before[j] = 0
            variance = 1 / (x[:, j] @ x[:, j] + precision)
            now.append((weights[j] - variance * x[:, j] @ (target - x @ before)) / np.sqrt(variance))
            before[j] = weights[j]
        whitened.append(np.ravel(now))
    np.testing.assert_allclose(rest, target - x @ weights, atol=1e-3)
    assert_normal(np.array(whitened))


def sets_posterior(target, x, shape, rate):
    """Precisions of set weights on a fine grid with their probabilities given the targets; mean and mean square of XW.

    Targets are whitened, so T = XW + N(0, 1) column by column: with X = USV', U'T has variances 1 + S^2 / precision.
    """
    u, s, _ = np.linalg.svd(x)
    spectrum = np.zeros(len(x))
    spectrum[: len(s)] = s**2
    grid = np.exp(np.linspace(-16, 8, 4801))
    variances = 1 + spectrum / grid[:, None]
    seen = ((u.T @ target) ** 2).sum(axis=1)
    density = shape * np.log(grid) - rate * grid - (seen / variances + target.shape[1] * np.log(variances)).sum(1) / 2
    probabilities = np.exp(density - density.max())
    probabilities /= probabilities.sum()
    known = 1 - 1 / variances  # of each of U'XW, the share that its target explains, and its variance
    mean = np.einsum("ab,gb,bc->gac", u, known, u.T @ target)
    square = mean**2 + (known @ (u**2).T)[:, :, None]
    return grid, probabilities, np.tensordot(probabilities, mean, 1), np.tensordot(probabilities, square, 1)


@pytest.mark.parametrize("name", ["users", "items"])
def test_sets_and_their_scale_are_drawn_from_their_posterior(chain, name):
    side, other, lengths, rated = (
        (chain.users, chain.items, chain.lengths[0], RATED)
        if name == "users"
        else (chain.items, chain.users, chain.lengths[1], RATED.T)
    )
    rng, x = np.random.default_rng(4), design(rated)
    # Targets that sets explain badly leave their precision wide open: its moves must be right far out, too.
    target = rng.normal(size=(len(x), COLUMNS))
    side.factors[:, :COLUMNS], side.mean = MEAN + target @ np.linalg.inv(ROOT), MEAN
    grid, probabilities, mean, square = sets_posterior(target, x, weighing._SHAPE, weighing._RATE)
    scales, lengths_of_weights, links = [], [], []
    np.testing.assert_allclose(lengths, (x**2).sum(axis=0), rtol=1e-6)
    for _ in range(4000):
        weighing.draw_set_weights([weighing.LinkedSide(side, other, lengths, PRECISION)], chain.run, rng)
        scales.append(side.sets_precision)
        lengths_of_weights.append(((side.weights[:, :COLUMNS] @ ROOT) ** 2).sum())
        links.append(side.prior[:, :COLUMNS] @ ROOT)
        np.testing.assert_allclose(side.prior, x @ side.weights, atol=1e-5 * (1 + np.abs(side.weights).max()))
        side.prior[:] = x @ side.weights  # else the error of rounding grows with each move of the scale
    quantiles = np.interp(np.log(scales), np.log(grid), np.cumsum(probabilities)) - 1 / 2
    assert_zero(np.stack([quantiles, quantiles**2 - 1 / 12], axis=1))
    links = np.array(links)[:, :-1]  # the last row has no set
    assert_zero(np.reshape(links - mean[:-1], (4000, -1)))
    assert_zero(np.reshape(np.square(links) - square[:-1], (4000, -1)))
    # Given the weights, their precision is Gamma-distributed: the two moved together.
    shape = weighing._SHAPE + side.weights[:, :COLUMNS].size / 2
    assert_zero((np.array(scales) * (weighing._RATE + np.array(lengths_of_weights) / 2) - shape)[:, None])


def test_noise_is_drawn_from_its_posterior(chain):
    rng, start = np.random.default_rng(5), chain.state()
    alpha, before, freedoms = (
        chain.precision,
        chain.users.noise.astype(float),
        (chain.users.freedom, chain.items.freedom),
    )
    p, q = chain.users.factors.astype(float), chain.items.factors.astype(float)
    values = np.zeros(RATED.shape)
    values[USER, ITEM] = chain.users.table.values
    squares = RATED * (values - p[:, :K] @ q[:, :K].T - p[:, [K]] - q[:, K]) ** 2
    by_user, by_item, common, chosen = [], [], [], []
    for _ in range(2500):
        chain.restore(*start)
        chain._draw_noise(before @ squares, rng)
        phi, drawn = chain.users.noise.astype(float), chain.items.noise.astype(float)
        by_item.append(drawn * (freedoms[1] + alpha * before @ squares) / 2)
        by_user.append(phi * (freedoms[0] + alpha * squares @ drawn) / 2)
        common.append([chain.precision * (gibbs._NOISE_RATE + phi @ squares @ drawn / 2)])
        chosen.append([surprise(chain.users.freedom, phi), surprise(chain.items.freedom, drawn)])
    assert_gamma(np.array(by_user), (freedoms[0] + RATED.sum(axis=1)) / 2)
    assert_gamma(np.array(by_item), (freedoms[1] + RATED.sum(axis=0)) / 2)
    assert_gamma(np.array(common), np.array([1 + len(USER) / 2]))
    assert_zero(np.hstack([chosen, np.square(chosen) - 1]))


def surprise(freedom, noise):
    """How far the logarithm of drawn degrees of freedom is from its posterior mean, in standard deviations."""
    grid, halves = np.log(gibbs._FREEDOMS), gibbs._FREEDOMS / 2
    density = len(noise) * LOG_CONSTANTS + (halves - 1) * np.log(noise).sum() - halves * noise.sum()
    chances = np.exp(density - density.max())
    mean = np.average(grid, weights=chances)
    return (np.log(freedom) - mean) / np.sqrt(np.average((grid - mean) ** 2, weights=chances))


# The joint test. Chains start at draws from the prior, and each sweep is followed by new ratings drawn given the state
# (Geweke 2004, "Getting it right: joint distribution tests of posterior simulators"). A right sampler leaves state and
# ratings distributed as they started; the errors of a wrong one add up over sweeps.
EXTRA_FREEDOM, NOISE_SHAPE, NOISE_RATE = 6, 5.0, 0.5
FORWARD, CHAINS, SWEEPS = 1500, 50, 30


@pytest.mark.parametrize(
    "parts",
    [ModelParts(*on) for on in ((0, 0, 0, 0), (1, 1, 0, 0), (0, 0, 1, 1))],
    ids=lambda parts: parts.describe(),
)
def test_prior_and_sampler_agree_on_the_joint_distribution(parts, monkeypatch):
    # The solver's own priors are so wide that factors would overflow: more degrees of freedom, as if from more rows.
    wishart = gibbs._wishart
    monkeypatch.setattr(gibbs, "_wishart", lambda scale, freedom, rng: wishart(scale, freedom + EXTRA_FREEDOM, rng))
    rng = np.random.default_rng(6)
    prior = parts, COLUMNS + EXTRA_FREEDOM, NOISE_SHAPE, NOISE_RATE
    states = [draw_state(rng, *prior) for _ in range(FORWARD)]
    forward = np.array([measure(state, draw_ratings(rng, state)) for state in states])
    with pool(1) as run:
        ratings = empty_table()
        chain = gibbs.Chain(ratings.by_user, ratings.by_item, K, parts, 0, run)
        walks = np.array([walk(chain, draw_state(rng, *prior), rng) for _ in range(CHAINS)])
    ranks = [
        (ranked(forward[:, j], forward[:, j]), ranked(forward[:, j], walks[..., j])) for j in range(walks.shape[2])
    ]
    for degree in (1, 2):
        for j, (right, sampled) in enumerate(ranks):
            by_chain = (sampled**degree).mean(axis=1)
            error = np.sqrt(by_chain.var(ddof=1) / CHAINS + (right**degree).var() / FORWARD)
            assert abs(by_chain.mean() - (right**degree).mean()) < BOUND * error, f"number {j} of forward.measure"


def ranked(among, values):
    """Where values lie among others: -1 is below all of them, 1 above."""
    among = np.sort(among)
    return (np.searchsorted(among, values) + np.searchsorted(among, values, "right")) / len(among) - 1


def walk(chain, state, rng):
    put(chain, state)
    measured = []
    for _ in range(SWEEPS):
        values = draw_ratings(rng, state)
        fill(chain, values)
        before = chain.precision
        chain.sweep()
        # The last draw of a sweep is exact under the solver's Gamma prior; a Metropolis step turns that prior into ours.
        odds = (NOISE_SHAPE - 1) * np.log(chain.precision / before) - (NOISE_RATE - gibbs._NOISE_RATE) * (
            chain.precision - before
        )
        if np.log(rng.random()) > odds:
            chain.precision = before
        state = get(chain, state)
        measured.append(measure(state, values))
    return measured


def test_draws_over_many_blocks_of_rows_are_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(5)
    users, items = 9001, 30  # three blocks of users
    user = np.repeat(np.arange(users), 2).astype(np.int32)
    item = np.column_stack([np.arange(users) % items, (np.arange(users) * 7 + 1) % items])
    ratings = read_ratings((user, item.ravel(), rng.normal(size=2 * users)))

    def arrays(threads: int) -> list[np.ndarray]:
        with pool(threads) as run, single_blas():
            chain = gibbs.Chain(ratings.by_user, ratings.by_item, K, ALL, 0, run)
            mean = LowRankMean(ratings.user_counts, ratings.item_counts, K, run)
            for sweep in range(9):  # more than gather before a reduction
                chain.sweep()
                mean.add(chain.users.expected(), chain.items.expected(), sweep + 1.0)
            return [*chain.state()[0].values(), *mean.mean()]

    for one, three in zip(arrays(1), arrays(3), strict=True):
        np.testing.assert_array_equal(one, three)


def test_mean_of_many_samples_is_their_mean():
    rng = np.random.default_rng(6)
    rows, columns = 5000, 12
    base = rng.normal(size=(rows, 3)), rng.normal(size=(columns, 3))
    expected, total = np.zeros((rows, columns)), 0.0
    with pool(2) as run:
        mean = LowRankMean(np.zeros(rows - 1), np.zeros(columns - 1), 2, run)
        for weight in range(1, 20):
            users, items = (side + 0.01 * rng.normal(size=side.shape) for side in base)
            mean.add(users.astype(np.float32), items.astype(np.float32), weight)
            expected += weight * (users[:, :2] @ items[:, :2].T + users[:, 2:] + items[:, 2])
            total += weight
        left, right, user_bias, item_bias = mean.mean()
    error = left @ right.T + user_bias[:, None] + item_bias - expected / total
    assert np.sqrt((error**2).mean()) < 0.01
