"""The model of the Gibbs chain drawn forwards: from the priors to the ratings, in numpy's float64."""

from __future__ import annotations

import numpy as np

from palate.solvers.bayes import chain as gibbs
from palate.solvers.bayes import set_weights as weighing
from tables import table

K = 2
COLUMNS = K + 1
# Who rated what: six users, five items, and the user and the item without ratings that a chain adds.
RATED = np.array([[0, 1, 1, 1, 0], [1, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 1], [1, 1, 0, 0, 1]])
RATED = np.pad(RATED, ((0, 1), (0, 1)))
USER, ITEM = np.nonzero(RATED)
_BY_ITEM = np.lexsort((USER, ITEM))


def empty_table():
    return table([(int(u), int(i), 0.0) for u, i in zip(USER, ITEM, strict=True)])


def fill(chain, values):
    """Let a chain over the table see these ratings."""
    chain.users.table.values[:], chain.items.table.values[:] = values, values[_BY_ITEM]


def draw_state(rng, parts, freedom, noise_shape, noise_rate):
    """All unknowns of the model; precisions of factors are Wishart(1, freedom) and of noise Gamma(shape, rate)."""
    state = {"precision": rng.gamma(noise_shape) / noise_rate}
    for name, rated, noise, sets in (
        ("users", RATED, parts.user_noise, parts.user_sets),
        ("items", RATED.T, parts.item_noise, parts.item_sets),
    ):
        rows, others = rated.shape
        wide = rng.normal(size=(freedom, COLUMNS))
        root = np.linalg.inv(np.linalg.cholesky(wide.T @ wide))  # rows z @ root have the covariance that is wanted
        factors = rng.normal(size=(rows, COLUMNS)) @ root + rng.normal(size=COLUMNS) @ root / np.sqrt(2)
        if sets:
            state[f"{name}.sets_precision"] = scale = rng.gamma(weighing._SHAPE) / weighing._RATE
            state[f"{name}.weights"] = weights = rng.normal(size=(others, COLUMNS)) @ root / np.sqrt(scale)
            state[f"{name}.prior"] = design(rated) @ weights
            factors += state[f"{name}.prior"]
        state[f"{name}.factors"] = factors
        if noise:
            state[f"{name}.freedom"] = nu = rng.choice(gibbs._FREEDOMS)
            state[f"{name}.noise"] = rng.gamma(nu / 2, size=rows) / (nu / 2)
    return state


def design(rated):
    return rated / np.sqrt(np.maximum(1, rated.sum(axis=1, keepdims=True)))


def expected(state):
    p, q = state["users.factors"], state["items.factors"]
    return (p[:, :K] @ q[:, :K].T + p[:, K:] + q[:, K])[USER, ITEM]


def precisions(state):
    user_noise, item_noise = (
        state.get("users.noise", np.ones(len(RATED))),
        state.get("items.noise", np.ones(len(RATED.T))),
    )
    return state["precision"] * user_noise[USER] * item_noise[ITEM]


def draw_ratings(rng, state):
    return (expected(state) + rng.normal(size=len(USER)) / np.sqrt(precisions(state))).astype(np.float32)


def put(chain, state):
    """Set a chain to a state."""
    arrays, numbers = {}, {}
    for name, value in state.items():
        if np.ndim(value) == 0:
            numbers[name] = float(value)
        else:
            padded = np.zeros((*value.shape[:-1], 8) if value.ndim == 2 else value.shape, np.float32)
            padded[..., : value.shape[-1]] = value
            arrays[name] = padded
    chain.restore(arrays, numbers)


def get(chain, names):
    """Read some of the unknowns of a chain."""
    arrays, numbers = chain.state()
    values = {name: (arrays | numbers)[name] for name in names}
    return {name: value[:, :COLUMNS].astype(float) if np.ndim(value) == 2 else value for name, value in values.items()}


def measure(state, values):
    """Numbers whose distributions a wrong sampler would change."""
    errors, weights = values - expected(state), precisions(state)
    numbers = [
        state["precision"],
        (weights * errors**2).sum(),
        (weights * errors).sum() / np.sqrt(weights.sum()),
        (weights * errors * values).sum() / np.sqrt((weights * values**2).sum()),
    ]
    for name in ("users", "items"):
        linked = state.get(f"{name}.prior", 0)
        residuals = state[f"{name}.factors"] - linked
        mean = residuals.mean(axis=0)
        scatter = (residuals - mean).T @ (residuals - mean)
        numbers += [np.linalg.det(scatter), scatter[K, K], scatter[0, 0], (mean @ mean) / scatter.trace()]
        if f"{name}.noise" in state:
            noise = state[f"{name}.noise"]
            numbers += [state[f"{name}.freedom"], np.log(noise).mean(), noise.mean(), noise[0]]
        if f"{name}.weights" in state:
            squares, weights_of_sets = (linked**2).sum(), state[f"{name}.weights"]
            numbers += [state[f"{name}.sets_precision"], (weights_of_sets**2).sum(), squares / (residuals**2).sum()]
            numbers += [(linked * residuals).sum() / np.sqrt(squares * (residuals**2).sum())]
    return numbers
