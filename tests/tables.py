"""Tables for tests."""

import numpy as np

from palate.ratings import Ratings, RatingScale, Vocabulary


def table(rows, scale=None):
    """Ratings from (user, item, rating) rows; ids all int or all text."""
    users, items = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    return Ratings(
        vocabulary(users, "user"),
        vocabulary(items, "item"),
        np.array([users.index(row[0]) for row in rows], np.int32),
        np.array([items.index(row[1]) for row in rows], np.int32),
        np.array([row[2] for row in rows], np.float32),
        scale,
    )


def vocabulary(ids, kind):
    return Vocabulary(np.array(ids, dtype=object if ids and isinstance(ids[0], str) else np.int64), kind)


def random_table(users=60, items=40, density=0.4, factors=3, noise=0.3, seed=0, scale=RatingScale(1, 5)):
    """A low-rank table with noise, clipped to the scale."""
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 0.8, (users, factors)), rng.normal(0, 0.8, (items, factors))
    full = 3 + rng.normal(0, 0.3, users)[:, None] + rng.normal(0, 0.3, items) + p @ q.T
    user, item = np.nonzero(rng.random((users, items)) < density)
    values = scale.clip(full[user, item] + rng.normal(0, noise, len(user)))
    ids = vocabulary(list(range(1, users + 1)), "user"), vocabulary(list(range(100, 100 + items)), "item")
    return Ratings(*ids, user.astype(np.int32), item.astype(np.int32), values.astype(np.float32), scale)
