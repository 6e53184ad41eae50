"""The times of ratings stay with the model that was fitted on them."""

import dataclasses

import numpy as np
import pytest

from palate import ALS, EASE, load, save
from palate.errors import StorageError
from palate.files import read_arrays, write_arrays
from palate.retraining import merge, without_users
from tables import random_table


@pytest.fixture
def ratings():
    table = random_table(users=30, items=20, density=0.5)
    shuffled = table.take(np.random.default_rng(3).permutation(len(table)))
    return dataclasses.replace(shuffled, time=np.arange(len(table), dtype=np.int64) + 1_000_000_000)


def by_pair(table):
    return dict(zip(zip(table.user.tolist(), table.item.tolist(), strict=True), table.time.tolist(), strict=True))


@pytest.mark.parametrize("solver", [ALS(factors=2, regularization=0.1, validation=0.0), EASE(regularization=10.0)])
def test_a_model_file_keeps_the_time_of_each_rating(ratings, solver, tmp_path):
    model = solver.fit(ratings)
    assert by_pair(model.ratings()) == by_pair(ratings)
    save(model, tmp_path / "m.palate")
    assert by_pair(load(tmp_path / "m.palate", mmap=True).ratings()) == by_pair(ratings)


def test_a_file_whose_times_do_not_fit_is_refused(ratings, tmp_path):
    path = tmp_path / "m.palate"
    save(EASE(regularization=10.0).fit(ratings), path)
    arrays, header = read_arrays(path, "model")
    write_arrays(path, {**arrays, "seen.time": arrays["seen.time"][1:]}, header)
    with pytest.raises(StorageError, match="do not fit together"):
        load(path)


def test_new_ratings_have_the_time_at_which_they_are_merged(ratings):
    base = EASE(regularization=10.0).fit(ratings).ratings()
    user, item = base.users[0], base.items[int(base.item[0])]
    merged, _ = merge(base, [(f"u:{user}", str(item), 1.0)], now=2_000_000_000.5)
    times = by_pair(merged)
    assert times.pop((0, int(base.item[0]))) == 2_000_000_000
    assert times.items() <= by_pair(base).items()


def test_times_of_removed_users_go_with_them(ratings):
    model = ALS(factors=2, regularization=0.1, validation=0.0).fit(ratings)
    removed = np.arange(len(model.users)) < 3
    left = without_users(model, removed)
    assert len(left.seen_time) == len(left.seen.values) < len(model.seen_time)
