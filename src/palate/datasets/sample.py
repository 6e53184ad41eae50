"""The embedded sample: jokes written for palate, and a simulation of people who rate them.

Nobody gave these ratings. They are drawn from the model below, so that palate can show and test itself without a
network, and everything that shows them says so.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.catalogue import Catalogue, Entry
from palate.datasets.download import Progress
from palate.errors import DataError
from palate.ratings import Ratings, RatingScale, Vocabulary

__all__ = ["NEVER_RATED", "NOTE", "SCALE", "Joke", "load", "read_jokes", "simulate"]

SCALE = RatingScale(-10, 10)
NEVER_RATED = (37, 74, 111)
NOTE = "generated: these ratings were simulated by palate, nobody gave them; the jokes were written for palate"

RATERS = 2_000
DIMENSIONS = 6
LEAST, MOST = 15, 60  # ratings by one rater


class Joke(NamedTuple):
    """One joke of the sample."""

    kind: str
    title: str
    text: str


def read_jokes() -> list[Joke]:
    """Return the jokes of the sample; the first one has item id 1."""
    text = (files("palate.datasets") / "jokes.json").read_text("utf-8")
    return [Joke(joke["kind"], joke["title"], joke["text"]) for joke in json.loads(text)["jokes"]]


def load(folder: Path | None = None, progress: Progress | None = None) -> tuple[Ratings, Catalogue]:
    """Return the simulated ratings and the catalogue of all jokes, the never-rated ones included.

    Raises
    ------
    DataError
        If a folder is named: the sample is part of palate.
    """
    if folder is not None:
        raise DataError(f"the sample is generated and reads no folder: leave out {folder}")

    jokes = read_jokes()
    entries: dict[int | str, Entry] = {id: Entry(joke.title, joke.text) for id, joke in enumerate(jokes, 1)}
    return simulate([joke.kind for joke in jokes]), Catalogue(entries)


def simulate(kinds: list[str], seed: int = 0) -> Ratings:
    r"""Simulate raters of jokes of the given kinds.

    A rater u has a taste, a joke i loads on the same six hidden dimensions, and jokes of one kind g(i) load alike:

    .. math::

        t_u \sim N(0, 1.3^2 I), \qquad v_i = c_{g(i)} + 0.3 e_i, \qquad f_{ui} = q_i + t_u \cdot v_i

    with :math:`c_g` a random direction of length :math:`\sqrt 6`, :math:`e_i \sim N(0, I)` and quality
    :math:`q_i \sim N(0.4, 1.2^2)`. How funny a joke is to a rater, :math:`f_{ui}`, is never seen. The rater moves a
    slider that has a centre and a spread of its own, and whose centre drifts through the session:

    .. math::

        r_{ui} = \mathrm{clip}\bigl(b_u + d_u (s_{ui} - \tfrac12) + a_u (f_{ui} + 2.6\,\varepsilon_{ui})\bigr)

    with :math:`b_u \sim N(0, 2^2)`, :math:`d_u \sim N(0, 1.2^2)`, :math:`a_u` triangular on 0.5, 1, 1.5,
    :math:`\varepsilon_{ui} \sim N(0, 1)` and :math:`s_{ui}` from 0 to 1 the place of the joke in the session. Ratings
    are clipped to -10..10 and rounded to hundredths, as Jester's slider gives them.

    Ratings are missing, but not at random. A rater rates 15 to 60 jokes, drawn without replacement with weights

    .. math::

        w_{ui} = \frac{1}{\sqrt{3 + k_i}} \Bigl(0.15 + 0.85 \, \sigma(0.35 f_{ui})\Bigr),
        \qquad \sigma(x) = \tfrac12 + \frac{x}{2\sqrt{1 + x^2}}

    where :math:`k_i` is the joke's rank in popularity, from 0, independent of its quality: popular jokes are seen
    more, and people rate more of what they like. Jokes 37, 74 and 111 are shown to nobody.

    Only sums, products, quotients and square roots follow the random draws, one rounding each (so no BLAS), and the
    table has the same bits on every machine as long as NumPy's generator gives the same draws.

    Parameters
    ----------
    kinds
        The kind of each joke; the first one has item id 1.
    seed
        Of the random draws.

    Returns
    -------
    Ratings
        About 75,000 ratings by 2,000 raters with ids from 1, sorted by user and item.

    Examples
    --------
    >>> simulate([joke.kind for joke in read_jokes()])
    Ratings(75,135 ratings, 2,000 users, 117 items)
    """
    rng = np.random.default_rng(seed)
    kind = np.unique(kinds, return_inverse=True)[1]
    funny = _funny(kind, rng)
    chosen = _choose(funny, rng)
    rating = _rate(funny, chosen, rng)
    user, item = np.nonzero(chosen)
    return Ratings(
        Vocabulary(np.arange(1, len(chosen) + 1), "user"),
        Vocabulary(np.arange(1, len(kinds) + 1), "item"),
        user.astype(np.int32),
        item.astype(np.int32),
        rating[user, item].astype(np.float32),
        declared_scale=SCALE,
        notes=(NOTE,),
    ).compact()


def _funny(kind: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how funny each joke is to each rater: raters, jokes."""
    centre = rng.standard_normal((kind.max() + 1, DIMENSIONS))
    length = np.sqrt(_sum_of_columns(centre * centre))
    centre *= (np.sqrt(DIMENSIONS) / length)[:, None]
    loads = centre[kind] + 0.3 * rng.standard_normal((len(kind), DIMENSIONS))
    taste = 1.3 * rng.standard_normal((RATERS, DIMENSIONS))
    funny = np.tile(0.4 + 1.2 * rng.standard_normal(len(kind)), (RATERS, 1))
    for dimension in range(DIMENSIONS):  # not a matrix product: BLAS sums in an order of its own
        funny += taste[:, dimension, None] * loads[None, :, dimension]
    return funny


def _sum_of_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros(len(values))
    for column in values.T:
        total += column
    return total


def _choose(funny: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which jokes each rater rates: raters, jokes."""
    shown = 1 / np.sqrt(3 + rng.permutation(funny.shape[1]))
    x = 0.35 * funny
    weight = shown * (0.15 + 0.85 * (0.5 + x / (2 * np.sqrt(1 + x * x))))
    # The least of exponential variates divided by weights are a draw without replacement by these weights.
    key = rng.standard_exponential(funny.shape) / weight
    key[:, [id - 1 for id in NEVER_RATED]] = np.inf
    order = np.argsort(key, axis=1)
    count = rng.integers(LEAST, MOST + 1, len(funny))
    chosen = np.zeros(funny.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, np.arange(funny.shape[1]) < count[:, None], axis=1)
    return chosen


def _rate(funny: NDArray[np.float64], chosen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the rating of every joke by every rater, to be used where chosen: raters, jokes."""
    raters = len(funny)
    shuffled = np.where(chosen, rng.random(funny.shape), 2)
    place = shuffled.argsort(axis=1).argsort(axis=1) / (chosen.sum(axis=1)[:, None] - 1)
    centre = 2 * rng.standard_normal((raters, 1)) + 1.2 * rng.standard_normal((raters, 1)) * (place - 0.5)
    spread = 0.5 + (rng.random((raters, 1)) + rng.random((raters, 1))) / 2
    slider = centre + spread * (funny + 2.6 * rng.standard_normal(funny.shape))
    rating: NDArray[np.float64] = np.rint(SCALE.clip(slider) * 100) / 100
    return rating
