import ast
import hashlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import naive
from palate import kernels
from palate.kernels import blocks as blocks_kernels
from palate.kernels import layout, sgd, simd
from palate.parallel import pool
from palate.solvers.sgd.stripes import Blocks, Stripes
from tables import random_table

FILES = sorted(Path(kernels.__file__).parent.glob("*.py"))


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    user, item = rng.integers(7, size=300).astype(np.int32), rng.integers(5, size=300).astype(np.int32)
    return user, item, rng.normal(size=300).astype(np.float32)


@pytest.fixture
def parameters():
    rng = np.random.default_rng(2)
    return tuple(rng.normal(0, 0.3, shape).astype(np.float32) for shape in ((7, 16), (5, 16), 7, 5))


def doubles(arrays):
    return tuple(array.astype(np.float64) for array in arrays)


def rows(table):
    return list(zip(*(column.tolist() for column in table), strict=True))


@pytest.mark.parametrize("biased", [True, False])
def test_descend_takes_the_steps_of_its_slow_twin(table, parameters, biased):
    slow = doubles(parameters)
    expected = naive.descend(rows(table), *slow, 0.02, 0.999, biased)
    found = sgd.descend(*table, 0, 300, *parameters, np.float32(0.02), np.float32(0.999), biased, (0,) * 16)
    assert found == pytest.approx(expected, rel=1e-4)
    for fast, other in zip(parameters, slow, strict=True):
        np.testing.assert_allclose(fast, other, atol=1e-4)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_batches_average_gradients_like_their_slow_twin(table, parameters, biased, batch):
    slow = doubles(parameters)
    order = np.random.default_rng(3).permutation(300)
    expected = naive.descend_in_batches([rows(table)[i] for i in order], batch, *slow, 0.05, 0.99, biased)
    found = sgd.descend_in_batches(*table, order, batch, *parameters, np.float32(0.05), np.float32(0.99), biased)
    assert found == pytest.approx(expected, rel=1e-4)
    for fast, other in zip(parameters, slow, strict=True):
        np.testing.assert_allclose(fast, other, atol=1e-4)


def test_squared_error_clips_like_its_slow_twin(table, parameters):
    expected = naive.squared_error(rows(table), *doubles(parameters), -0.4, 0.7)
    found = sgd.squared_error(*table, 0, 300, *parameters, np.float32(-0.4), np.float32(0.7), (0,) * 16)
    assert found == pytest.approx(expected, rel=1e-5)


def test_counts_and_groups_are_those_of_their_slow_twins():
    rng = np.random.default_rng(4)
    cells = rng.permutation(9 * 11)[:60]
    by, other, values = (cells // 11).astype(np.int32), (cells % 11).astype(np.int32), rng.random(60, np.float32)
    counts, others = layout.count(by, 10), layout.count(other, 11)
    assert counts.tolist() == [by.tolist().count(g) for g in range(10)]
    expected = sorted(zip(by.tolist(), other.tolist(), values.tolist(), strict=True))
    indices, grouped = layout.group(by, other, values, counts, others)
    assert list(zip(indices.tolist(), grouped.tolist(), strict=True)) == [row[1:] for row in expected]
    assert not layout.is_grouped(by, other)
    assert layout.is_grouped(np.sort(by), np.arange(60, dtype=np.int32))
    assert not layout.is_grouped(np.zeros(2, np.int32), np.zeros(2, np.int32))


def test_pairs_are_found_in_a_grouped_table():
    table = random_table(users=40, items=30, density=0.3, seed=2)
    dense = np.zeros((40, 30), bool)
    dense[table.user, table.item] = True
    user, item = (index.ravel().astype(np.int32) for index in np.indices(dense.shape))
    found = np.empty(user.size, np.bool_)
    layout.are_rated(table.by_user.indptr, table.by_user.indices, user, item, found)
    np.testing.assert_array_equal(found.reshape(dense.shape), dense)


def test_blocks_hold_every_rating_once_and_share_nothing_within_a_round():
    ratings = random_table(users=500, items=400, density=0.9)
    deal = Stripes.of(ratings, 16)
    assert deal.stripes > 1
    with pool(2) as run:
        blocks = Blocks.cut(deal, ratings, 3.0, 2.0, np.random.default_rng(0), run)
    rows = sorted(zip(deal.user_row[ratings.user], deal.item_row[ratings.item], (ratings.rating - 3) / 2, strict=True))
    assert sorted(zip(blocks.user, blocks.item, blocks.rating, strict=True)) == rows
    visited = []
    for numbers in blocks.rounds(np.random.default_rng(1)):
        parts = [(blocks.indptr[number], blocks.indptr[number + 1]) for number in numbers]
        stripes = [
            (set(deal.user_stripe[blocks.user[start:stop]]), set(deal.item_stripe[blocks.item[start:stop]]))
            for start, stop in parts
        ]
        for side in zip(*stripes, strict=True):
            assert sum(map(len, side)) == len(set().union(*side)) == deal.stripes
        visited += parts
    assert sum(stop - start for start, stop in visited) == len(ratings)
    assert len(set(visited)) == deal.stripes**2
    sizes = np.diff(blocks.indptr)
    assert sizes.max() < 1.5 * sizes.mean()


def test_grouping_sorts_by_groups_of_users_and_keeps_rows_together():
    rng = np.random.default_rng(5)
    user = rng.integers(100, 180, 500).astype(np.int32)
    columns = user, np.arange(500, dtype=np.int32), user.astype(np.float32)
    blocks_kernels.group_block(*columns, 20, 480, 100, 16)
    found, place, rating = columns
    assert (found == rating).all()
    assert sorted(place) == list(range(500))
    assert (place[:20] == np.arange(20)).all()
    assert (place[480:] == np.arange(480, 500)).all()
    groups = (found[20:480] - 100) // 16
    assert (np.diff(groups) >= 0).all()
    assert all((np.diff(place[20:480][groups == group]) > 0).all() for group in range(5))


def test_shuffle_permutes_its_part_only_and_evenly():
    firsts = np.zeros(10)
    for key in range(4000):
        columns = np.arange(12, dtype=np.int32), np.arange(12, dtype=np.int32), np.arange(12, dtype=np.float32)
        blocks_kernels.shuffle_block(*columns, 1, 11, np.int64(key))
        order = columns[0]
        assert all((column == order).all() for column in columns)
        assert (order[0], order[11]) == (0, 11)
        assert sorted(order) == list(range(12))
        firsts[order[1] - 1] += 1
    # Each of 10 places expects 400, standard deviation 19.
    assert abs(firsts - 400).max() < 5 * 19


def test_a_shuffled_copy_has_another_order_for_each_key_and_keeps_groups_together():
    rng = np.random.default_rng(5)
    user = rng.integers(100, 180, 500).astype(np.int32)
    columns = user, np.arange(500, dtype=np.int32), user.astype(np.float32)
    blocks_kernels.group_block(*columns, 20, 480, 100, 16)
    firsts, group_orders = np.zeros(5), set()
    for key in range(1000):
        users, places, values = blocks_kernels.shuffled_copy(*columns, 20, 480, 100, 16, np.int64(key))
        assert (users == values).all()
        assert sorted(places) == sorted(columns[1][20:480])
        groups = (users - 100) // 16
        assert (np.diff(groups) != 0).sum() == 4  # five groups, each in one piece
        firsts[groups[0]] += 1
        group_orders.add(tuple(groups[np.flatnonzero(np.diff(groups, prepend=-1))]))
        again = blocks_kernels.shuffled_copy(*columns, 20, 480, 100, 16, np.int64(key))
        assert (again[1] == places).all()
    # Each of five groups is expected to come first 200 times, standard deviation 13; there are 120 orders of groups.
    assert abs(firsts - 200).max() < 5 * 13
    assert len(group_orders) == 120


def test_sgd_visits_the_ratings_in_another_order_in_each_epoch():
    ratings = random_table(users=100, items=60)
    deal = Stripes.of(ratings, 16)
    with pool(2) as run:
        blocks = Blocks.cut(deal, ratings, 3.0, 2.0, np.random.default_rng(0), run)
    first, second = (blocks.shuffled(0, np.int64(key)) for key in (1, 2))
    assert not (first[1] == second[1]).all()
    assert (
        sorted(zip(*first, strict=True))
        == sorted(zip(*second, strict=True))
        == sorted(zip(blocks.user, blocks.item, blocks.rating, strict=True))
    )


PREDICTIONS = """
import json
from palate import ALS, SGD, BayesianMF, ImplicitALS
from palate.datasets import make_ratings
ratings = make_ratings(users=12, items=10, ratings=70, seed=1)
parts = dict.fromkeys(["user_noise", "item_noise", "user_sets", "item_sets"], True)
solvers = [SGD(factors=3, epochs=2), SGD.article(), ALS(factors=9, sweeps=2), ALS(factors=3, sweeps=2, nonnegative=True),
           ImplicitALS(factors=3, sweeps=2), BayesianMF(factors=3, sweeps=3, **parts)]
print(json.dumps([solver.fit(ratings).predict_table(ratings).tolist() for solver in solvers]))
"""


def test_solvers_find_the_same_without_compiled_code():
    def predictions(**switches):
        command, environment = [sys.executable, "-W", "error", "-c", PREDICTIONS], {**os.environ, **switches}
        return json.loads(subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout)

    np.testing.assert_allclose(predictions(NUMBA_DISABLE_JIT="1"), predictions(), atol=1e-5)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kernels_import_nothing_of_palate_outside_their_folder(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith(("from palate", "import palate"))]
    assert all(line.startswith("from palate.kernels.") for line in lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_kernel_file_that_uses_simd_names_its_hash(path):
    # Numba's cache looks at the file of the kernel only: a new hash in it renews what was compiled with old operations.
    text = path.read_text()
    if "from palate.kernels.simd import" in text:
        digest = hashlib.sha256(Path(inspect.getfile(simd)).read_bytes()).hexdigest()[:12]
        assert f'SIMD = "{digest}"' in text, f"simd.py has changed: set SIMD in {path.name} to {digest}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_jitted_functions_call_none_of_another_file(path):
    allowed = {"jit", "CheckedCache", "forks_wait_for_compilers", *simd.__all__}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("palate.kernels."):
            assert {alias.name for alias in node.names} <= allowed


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="compares machine code")
@pytest.mark.parametrize("size", [1, 7, 40])
def test_long_registers_give_the_same_bits(size):
    @numba.njit(fastmath={"contract"})
    def short(tile, out):
        simd.add_products_4x2(tile, tile, len(tile), 0, 8, np.float32(-1), out)
        simd.add_products_4x2(tile, tile, len(tile), 4, 8, np.float32(-1), out)

        simd.add_products_4x2(tile, tile, len(tile), 0, 24, np.float32(-1), out)
        simd.add_products_4x2(tile, tile, len(tile), 4, 24, np.float32(-1), out)

    @numba.njit(fastmath={"contract"})
    def long(tile, out):
        simd.add_products_8x2(tile, tile, len(tile), 0, 8, np.float32(-1), out)
        simd.add_products_8x2(tile, tile, len(tile), 0, 24, np.float32(-1), out)

    @numba.njit(fastmath={"contract"})
    def longest(tile, out):
        simd.add_products_8x4(tile, tile, len(tile), 0, 8, np.float32(-1), out)

    rng = np.random.default_rng(0)
    tile, out = rng.normal(size=(size, 40)).astype(np.float32), rng.normal(size=(8, 40)).astype(np.float32)
    one, two, three = out.copy(), out.copy(), out.copy()
    short(tile, one)
    long(tile, two)
    longest(tile, three)
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)
    np.testing.assert_allclose(one[:, 8:], out[:, 8:] - tile[:, :8].T @ tile[:, 8:], rtol=1e-5, atol=1e-5)
