"""What a Bayesian fit makes of the samples of its chain, against slow twins that keep every sample."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import naive
from palate import BayesianMF, holdout
from palate.parallel import pool
from palate.ratings import RatingScale
from palate.solvers.bayes import predictive_spread
from palate.solvers.bayes.accumulator import PosteriorAccumulator, sweep_weight
from palate.solvers.bayes.calibration import calibrate
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.predictive_spread import PredictiveSpread
from palate.solvers.bayes.state import ModelParts
from palate.solvers.half_step import center_and_spread, standardize_table
from tables import random_table

K, SWEEPS = 3, 8
ALL = ModelParts(True, True, True, True)
LEVELS = (0.5, 0.8, 0.9, 0.95)


@pytest.fixture
def short_chain():
    """An accumulator after a few sweeps of a chain, and all that it saw."""
    ratings = random_table(40, 30, density=0.3, seed=3)
    table = standardize_table(ratings, *center_and_spread(ratings.rating))
    with pool(1) as run:
        chain, accumulator = Chain(table.by_user, table.by_item, K, ALL, 0, run), PosteriorAccumulator(table, K, 0, run)
        samples = []
        for _ in range(SWEEPS):
            chain.sweep()
            accumulator.add([chain], [1.0])
            users, items = (side.factors[:, : K + 1].astype(float) for side in (chain.users, chain.items))
            # A row without ratings may be like any other.
            users[-1], items[-1] = (side.population_draw(chain.sweeps) for side in (chain.users, chain.items))
            pairs = accumulator.spread.user, accumulator.spread.item
            samples.append(
                SimpleNamespace(
                    users=chain.users.expected().astype(float),
                    items=chain.items.expected().astype(float),
                    noise=(1 / chain.precision, chain.users.variance, chain.items.variance),
                    pairs=predictions(users, items)[pairs],
                )
            )
        yield accumulator, samples


def predictions(users, items):
    return users[:, :K] @ items[:, :K].T + users[:, [K]] + items[:, K]


WEIGHTS = [sweep_weight(number) for number in range(1, SWEEPS + 1)]


def test_the_means_are_those_of_all_samples_by_their_weights(short_chain):
    accumulator, samples = short_chain
    (user_factors, user_bias), (item_factors, item_bias) = accumulator.means()
    matrices = [predictions(sample.users, sample.items) for sample in samples]
    products = [one.users[:, :K] @ one.items[:, :K].T for one in samples]
    expected = naive.weighted_mean(products, WEIGHTS)

    def distance(a, b):
        return np.sqrt(np.mean((a - b) ** 2))

    # The rank may be cut until the root mean square of what is lost is 0.01.
    assert distance(user_factors @ item_factors.T, expected) < 0.0101
    np.testing.assert_allclose(user_bias, naive.weighted_mean([one.users[:, K] for one in samples], WEIGHTS), atol=1e-6)
    np.testing.assert_allclose(item_bias, naive.weighted_mean([one.items[:, K] for one in samples], WEIGHTS), atol=1e-6)
    whole = user_factors @ item_factors.T + user_bias[:, None] + item_bias
    assert distance(whole, naive.weighted_mean(matrices, WEIGHTS)) < 0.0101
    # The chain moves enough that equal weights would be noticed.
    assert distance(expected, np.mean(products, axis=0)) > 0.015


def test_the_noise_is_that_of_all_samples_by_their_weights(short_chain):
    accumulator, samples = short_chain
    posterior = accumulator.posterior(accumulator.means(), (True, True), np.zeros(0, np.float32))
    noises = posterior.noise, posterior.user_noise, posterior.item_noise
    for value, sampled in zip(noises, zip(*(one.noise for one in samples), strict=True), strict=True):
        np.testing.assert_allclose(value, naive.weighted_mean(sampled, WEIGHTS), rtol=1e-6)


def test_the_variance_of_a_pair_is_that_of_its_predictions_by_their_weights(short_chain):
    accumulator, samples = short_chain
    spread, sampled = accumulator.spread, [one.pairs for one in samples]
    np.testing.assert_allclose(spread.mean, naive.weighted_mean(sampled, WEIGHTS), atol=1e-5)
    variance = naive.weighted_variance(sampled, WEIGHTS)
    np.testing.assert_allclose(spread.squares / spread.total_weight, variance, rtol=1e-3, atol=1e-6)
    assert np.abs(variance / np.var(sampled, axis=0) - 1).mean() > 0.05  # equal weights would be noticed


def test_the_variances_of_pairs_are_split_between_users_and_items_as_well_as_can_be(short_chain):
    spread = short_chain[0].spread
    user, item = spread.spread()
    assert (user >= 0).all()
    assert (item >= 0).all()
    variance = spread.squares / spread.total_weight
    best = naive.nonnegative_split(spread.user, spread.item, variance, spread.shape)
    fitted = user[spread.user] + item[spread.item]
    assert np.square(variance - fitted).sum() < 1.001 * np.square(variance - best).sum()
    np.testing.assert_allclose(fitted.mean(), best.mean(), rtol=0.01)


class Walk:
    """A chain whose predictions move at random, a little from sweep to sweep."""

    def __init__(self, spread):
        self.sweeps, self.seen, self.rng = 0, [], np.random.default_rng(0)
        self.state = np.zeros(len(spread.user))

    def sweep(self):
        self.sweeps += 1
        self.state = 0.8 * self.state + self.rng.normal(size=len(self.state))
        self.seen.append(self.state.astype(np.float32))
        return self.seen[-1].copy()


@pytest.mark.parametrize(("sweeps", "size"), [(12, 2), (16, 4), (22, 4), (40, 8)])
def test_the_error_of_the_mean_is_that_of_its_batches(monkeypatch, sweeps, size):
    monkeypatch.setattr(predictive_spread, "_MOST_BATCHES", 8)
    spread = PredictiveSpread(random_table(20, 15), np.random.default_rng(0))
    spread.batch_sweeps = 2
    walk = Walk(spread)
    monkeypatch.setattr(PredictiveSpread, "_predict", lambda self, chain, run: chain.sweep())
    for _ in range(sweeps):
        # `add` counts by the number of a sweep, which `_predict` raises here.
        spread.add(walk, 1.0, 1.0, None)
        spread.end_sweep(walk.sweeps)
    assert spread.batch_sweeps == size
    assert spread.mean_error() == pytest.approx(naive.batch_means_error(walk.seen, size), rel=1e-6)


def test_short_pilots_narrow_the_intervals_by_three_percent_at_most():
    normal = np.random.default_rng(0).normal(size=20_000)
    normal = (normal / np.sqrt(np.mean(normal**2))).astype(np.float32)  # of size 1
    levels = (np.arange(200) + 0.5) / 200
    quantiles = np.quantile(np.abs(normal), levels)
    for size, left in ((0.8, 0.8), (1.0, 1.0), (1.02, 1.0), (1.03, 1.0), (1.1, 1.1 / 1.03), (2.5, 2.5 / 1.03)):
        np.testing.assert_allclose(calibrate(normal * np.float32(size)), left * quantiles, rtol=1e-5)


def gaussian_table(seed, users=500, items=120, ratings_each=14):
    """Ratings as the model says they are: normal, on no scale, neither rounded nor clipped."""
    ratings = random_table(users, items, density=ratings_each / items, seed=seed)
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 0.7, (users, 2)), rng.normal(0, 0.7, (items, 2))
    values = rng.normal(0, 0.5, users)[ratings.user] + rng.normal(0, 0.5, items)[ratings.item]
    values += (p[ratings.user] * q[ratings.item]).sum(axis=1) + rng.normal(size=len(ratings))
    return dataclasses.replace(ratings, rating=values.astype(np.float32), declared_scale=RatingScale(-50, 50))


def test_intervals_cover_what_they_say_within_the_binomial_error():
    # With so few ratings of each user, the spread of predictions is a third of the variance of a rating.
    plain, inside = dict.fromkeys(ALL._fields, False), []
    for seed in range(4):
        train, test = holdout(gaussian_table(seed), 0.3, seed=seed)
        model = BayesianMF(factors=K, sweeps=150, **plain).fit(train)
        bounds = [model.interval_table(test, level) for level in LEVELS]
        inside.append([(low <= test.rating) & (test.rating <= high) for low, high in bounds])
    covered = np.concatenate(inside, axis=1)
    n = covered.shape[1]
    for level, share in zip(LEVELS, covered.mean(axis=1), strict=True):
        assert abs(share - level) < 3.5 * np.sqrt(level * (1 - level) / n), f"{share:.4f} of {n} in {level:.0%}"
