"""Half-steps and lists on a graphics card, run on the CPU by PyTorch, against the kernels of the CPU."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from palate.datasets import make_ratings
from palate.errors import MissingExtraError, SettingsError
from palate.gpu import device as devices
from palate.kernels import rows as kernels
from palate.ranking import BatchRanker, SeenRanges
from palate.solvers import ALS, SGD, BayesianMF, ImplicitALS
from palate.solvers.half_step import balanced_ranges, padded_width, solve_confident_side, solve_side, sum_errors
from palate.splits import holdout

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[gpu]'")

from palate.gpu.normals import draw_normals  # noqa: E402
from palate.gpu.pool import DevicePool  # noqa: E402
from palate.gpu.ranker import DeviceRanker  # noqa: E402
from palate.gpu.rows import DeviceRows  # noqa: E402
from palate.gpu.table import DeviceTable  # noqa: E402

CPU = torch.device("cpu")
K = 9
ALL_PARTS = {"user_noise": True, "item_noise": True, "user_sets": True, "item_sets": True}


def serial(work, tasks):
    return [work(task) for task in tasks]


@pytest.fixture(autouse=True)
def torch_on_the_cpu(monkeypatch, short_pilots):
    monkeypatch.setenv("PALATE_TORCH_DEVICE", "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads of PyTorch wait in busy loops, and tests run side by side
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(users=250, items=90, ratings=6000, seed=3)


def with_empty_row(table):
    return table._replace(indptr=np.append(table.indptr, table.indptr[-1]))


def pools():
    """A card, a card that streams a table in slabs, and one whose memory holds few numbers at a time."""
    return {
        "resident": DevicePool(serial, DeviceRows(CPU)),
        "slabs": DevicePool(serial, DeviceRows(CPU, 0, {"slab_ratings": 700, "resident": False})),
        "small blocks": DevicePool(serial, DeviceRows(CPU, 1 << 12)),
    }


def row_equations(table, others, seed=0):
    rng, width = np.random.default_rng(seed), padded_width(K + 1)
    rows = len(table.indptr) - 1
    other = np.zeros((others, width), np.float32)
    other[:, :K] = rng.normal(0, 0.5, (others, K))
    other[:, K] = 1
    precision = np.eye(width, dtype=np.float32)
    precision[: K + 1, : K + 1] = np.cov(rng.normal(size=(K + 1, 50))) + np.eye(K + 1)
    linear = np.zeros((rows, width), np.float32)
    linear[:, : K + 1] = rng.normal(size=(rows, K + 1))
    offset = rng.normal(0, 0.3, others).astype(np.float32)
    weights = [rng.uniform(0.5, 2, size).astype(np.float32) for size in (rows, others)]
    return other, offset, *weights, precision, linear


# ------------------------------------------------------------------------------------------------------------ half-steps


@pytest.mark.parametrize("name", ["resident", "slabs", "small blocks"])
@pytest.mark.parametrize(("draws", "correlation"), [(0, 0.0), (K + 1, 0.0), (K + 1, -0.9)])
def test_a_card_solves_for_the_rows_that_the_kernels_solve_for(ratings, name, draws, correlation):
    table = with_empty_row(ratings.by_user)
    equations, ranges = row_equations(table, len(ratings.items)), balanced_ranges(table.indptr)
    results = []
    for pool in (serial, pools()[name]):
        out, errors = 0.1 * equations[-1], np.full(len(equations[-1]), np.nan)
        assert solve_side(pool, ranges, table, equations, draws, 12345678901234567, correlation, out, errors) == -1
        results.append((out, errors))
    (expected, expected_errors), (solved, errors) = results
    assert np.abs(solved - expected).max() <= 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(errors, expected_errors, rtol=1e-4, atol=1e-4)
    assert errors[-1] == 0
    assert not solved[:, K + 1 :].any()


@pytest.mark.parametrize("name", ["resident", "slabs", "small blocks"])
def test_a_card_solves_for_choices(ratings, name):
    table = ratings.by_item._replace(values=np.abs(ratings.by_item.values) + np.float32(0.5))
    other = row_equations(table, len(ratings.users))[0]
    other[:, K] = 0
    pairs = (0.1 * other.T @ other).astype(np.float32)
    ridge = np.linspace(0.5, 2, len(ratings.items)).astype(np.float32)
    linear = np.zeros((len(ratings.items), other.shape[1]), np.float32)
    linear[:, :K] = np.random.default_rng(0).normal(0, 0.1, (len(linear), K))
    results = []
    for pool in (serial, pools()[name]):
        out, errors = np.zeros((len(ratings.items), other.shape[1]), np.float32), np.empty(len(ratings.items))
        ranges = balanced_ranges(table.indptr)
        assert solve_confident_side(pool, ranges, table, (other, pairs, ridge, linear), out, errors) == -1
        results.append((out, errors))
    (expected, expected_errors), (solved, errors) = results
    assert np.abs(solved - expected).max() <= 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(errors, expected_errors, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resident", "slabs", "small blocks"])
def test_a_card_sums_up_the_errors_of_rows(ratings, name):
    table = with_empty_row(ratings.by_user)
    other, offset, _, other_weight, _, factors = row_equations(table, len(ratings.items))
    sums = []
    for pool in (serial, pools()[name]):
        plain, weighted = np.full(len(factors), np.nan), np.full(len(factors), np.nan)
        sum_errors(pool, balanced_ranges(table.indptr), table, (factors, other, offset, other_weight), plain, weighted)
        sums.append((plain, weighted))
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-5)
    assert sums[1][0][-1] == 0


def test_rows_longer_than_a_part_are_summed_up_in_parts(ratings, monkeypatch):
    monkeypatch.setattr("palate.gpu.rows._PART", 8)
    table = ratings.by_item
    equations = row_equations(table, len(ratings.users))
    results = []
    for pool in (serial, pools()["resident"]):
        out, errors = np.zeros_like(equations[-1]), np.empty(len(equations[-1]))
        solve_side(pool, balanced_ranges(table.indptr), table, equations, 0, 0, 0.0, out, errors)
        results.append(out)
    assert np.diff(table.indptr).max() > 16
    np.testing.assert_allclose(results[1], results[0], atol=1e-4)


def test_the_first_row_without_a_solution_is_returned(ratings):
    table = ratings.by_user
    *equations, precision, linear = row_equations(table, len(ratings.items))
    broken = equations[2].copy()
    broken[[40, 7, 99]] = np.nan
    arguments = (*equations[:2], broken, equations[3], precision, linear)
    for pool in (serial, pools()["resident"], pools()["slabs"]):
        out, errors = np.zeros_like(linear), np.empty(len(linear))
        assert solve_side(pool, [(0, len(linear))], table, arguments, 0, 0, 0.0, out, errors) == 7


def test_normals_of_a_card_are_those_of_the_kernels():
    rows, key, count = np.arange(500, 1500), 2**61 + 12345, 11
    expected = np.empty((len(rows), count), np.float32)
    for place, row in enumerate(rows.tolist()):
        kernels._draw_normals(key, row, count, expected[place])
    drawn = draw_normals(key, torch.from_numpy(rows), count).numpy()
    np.testing.assert_allclose(drawn, expected, rtol=3e-7, atol=1e-12)
    assert (drawn == expected).mean() > 0.99


def test_rows_of_a_bucket_have_about_the_same_length(ratings):
    table = DeviceTable(ratings.by_item.indptr, ratings.by_item.indices, CPU)
    (slab,) = table.slabs
    rows = np.concatenate([bucket.rows.numpy() for bucket in slab.buckets])
    assert sorted(rows.tolist()) == list(range(len(ratings.items)))
    for bucket in slab.buckets:
        counts = slab.counts[bucket.rows].numpy()
        assert counts.max() <= bucket.length <= max(counts.min() + 4, 1.15 * counts.min() + 4)


def test_slabs_hold_whole_rows_and_no_more_ratings_than_fit():
    indptr = np.array([0, 5, 9, 30, 31, 31, 40])
    indices, values = np.zeros(40, np.int32), np.arange(40, dtype=np.float32)
    table = DeviceTable(indptr, indices, CPU, slab_ratings=10)
    assert [(slab.start, slab.stop) for slab in table.slabs] == [(0, 2), (2, 3), (3, 6)]
    assert [table.load(slab, values)[1].tolist() for slab in table.slabs] == [
        values[start:stop].tolist() for start, stop in ((0, 9), (9, 30), (30, 40))
    ]


# ------------------------------------------------------------------------------------------------------- memory of a card


def test_a_lack_of_memory_makes_blocks_smaller_and_changes_no_row(ratings, monkeypatch):
    table = ratings.by_user
    equations = row_equations(table, len(ratings.items))
    results, refused = [], []
    add = kernels_of_blocks().add

    def add_if_it_fits(self, factors, root, target):
        if factors.numel() > 1 << 12:
            refused.append(factors.numel())
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        add(self, factors, root, target)

    monkeypatch.setattr("palate.gpu.rows._LEAST_CELLS", 1 << 10)
    for fits in (True, False):
        pool = DevicePool(serial, DeviceRows(CPU, 1 << 19))
        if not fits:
            monkeypatch.setattr(kernels_of_blocks(), "add", add_if_it_fits)
        out, errors = np.zeros_like(equations[-1]), np.empty(len(equations[-1]))
        assert solve_side(pool, [], table, equations, 0, 0, 0.0, out, errors) == -1
        results.append(out)
    assert refused
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)


def kernels_of_blocks():
    from palate.gpu.blocks import Equations

    return Equations


def test_too_little_memory_for_the_smallest_block_is_an_error(ratings, monkeypatch):
    def refuse(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(kernels_of_blocks(), "add", refuse)
    with pytest.raises(SettingsError, match=r"too little memory .*Tried to allocate 2 GiB.*: choose device='cpu'"):
        ALS(factors=4, sweeps=1, device="cuda").fit(ratings)


def test_a_table_that_does_not_fit_is_uploaded_anew_each_time(ratings, monkeypatch):
    rows = DeviceRows(CPU)
    pool, table = DevicePool(serial, rows), ratings.by_user
    equations = row_equations(table, len(ratings.items))
    out, errors = np.zeros_like(equations[-1]), np.empty(len(equations[-1]))
    solve_side(pool, [], table, equations, 0, 0, 0.0, out, errors)
    (placed,) = rows._tables.values()
    assert all(slab.indices is not None for slab in placed.slabs)
    failures = [torch.OutOfMemoryError("CUDA out of memory")]
    load = DeviceTable.load

    def load_later(self, slab, values):
        if failures:
            raise failures.pop()
        return load(self, slab, values)

    monkeypatch.setattr(DeviceTable, "load", load_later)
    again = np.zeros_like(out)
    solve_side(pool, [], table, equations, 0, 0, 0.0, again, errors)
    assert (again == out).all()
    assert all(slab.indices is None for slab in placed.slabs)


def test_the_pairs_of_two_tables_stay_on_the_card(ratings):
    rows = DeviceRows(CPU)
    tables = [ratings.by_user._replace(indices=ratings.by_user.indices.copy()) for _ in range(3)]
    placed = [rows._placed(table) for table in tables]
    assert rows._placed(tables[2]) is placed[2]
    assert rows._placed(tables[1]._replace(indptr=tables[1].indptr.copy())) is placed[1]
    assert rows._placed(tables[0]) is not placed[0]


@pytest.fixture
def separate_memory(monkeypatch):
    """Let the card have memory of its own: PyTorch on the CPU would share that of the arrays."""
    for module in ("rows", "table", "ranker"):
        monkeypatch.setattr(f"palate.gpu.{module}.upload", lambda array, device: torch.tensor(array))


@pytest.mark.usefixtures("separate_memory")
def test_ratings_that_change_in_place_are_seen(ratings):
    pool = pools()["resident"]
    table = ratings.by_user._replace(values=ratings.by_user.values.copy())
    equations, ranges = row_equations(table, len(ratings.items)), balanced_ranges(table.indptr)
    for _ in range(2):
        solved, expected, errors = *(np.zeros_like(equations[-1]) for _ in range(2)), np.empty(len(equations[-1]))
        solve_side(pool, ranges, table, equations, 0, 0, 0.0, solved, errors)
        solve_side(serial, ranges, table, equations, 0, 0, 0.0, expected, errors)
        np.testing.assert_allclose(solved, expected, atol=1e-4)
        table.values[:] = np.random.default_rng(1).normal(size=len(table.values))


@pytest.mark.usefixtures("separate_memory")
def test_effects_of_time_are_learned_beside_a_card(ratings):
    time = np.random.default_rng(2).integers(10**9, 10**9 + 10**7, len(ratings))
    timed, last = replace(ratings, time=time), []
    for device in ("cpu", "cuda"):
        model = BayesianMF(factors=4, sweeps=30, times=True, device=device, **ALL_PARTS).fit(timed)
        last.append(model.training["history"][-1]["training_rmse"])
    assert last[1] == pytest.approx(last[0], rel=1e-3)


# ------------------------------------------------------------------------------------------------------------------ fits

FITS = {
    "als": ALS(factors=6, sweeps=6),
    "plain als": ALS(factors=6, sweeps=4, weighted=False, regularization=10.0),
    "implicit": ImplicitALS(factors=8, sweeps=5),
    "confidence": ImplicitALS(factors=8, sweeps=5, confidence=True),
    "bayes": BayesianMF(factors=6, sweeps=12, **ALL_PARTS),
    "sgd": replace(SGD.article(), factors=8, epochs=2, batch_size=50),
    "plain bayes": BayesianMF(factors=6, sweeps=12, **dict.fromkeys(ALL_PARTS, False)),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_on_a_card_agrees_with_one_on_the_cpu_and_repeats_itself(ratings, name):
    train, test = holdout(ratings, 0.2, seed=1)
    on_cpu, on_card, again = (replace(FITS[name], device=device).fit(train) for device in ("cpu", "cuda", "cuda"))
    predictions = [model.predict_table(test) for model in (on_cpu, on_card)]
    errors = [np.sqrt(np.mean((part - test.rating) ** 2)) for part in predictions]
    assert abs(errors[0] - errors[1]) < 1e-3
    history = [model.training["history"][-1]["training_rmse"] for model in (on_cpu, on_card)]
    assert history[1] == pytest.approx(history[0], rel=1e-3)
    for side in ("user_factors", "item_factors", "user_bias", "item_bias"):
        assert (getattr(on_card, side) == getattr(again, side)).all()
    assert on_card.solver["device"] == "cuda"
    assert on_card.training["device"] == "torch on cpu"
    assert "device" not in on_cpu.training


def test_a_resumed_fit_on_a_card_has_the_same_bits(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr("palate.solvers.session._CHECKPOINT_INTERVAL", 0.0)
    solver = BayesianMF(factors=4, sweeps=8, device="cuda", **ALL_PARTS)
    whole = solver.fit(ratings)

    def stop(epoch):
        if epoch.number == 5:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        solver.fit(ratings, checkpoint=tmp_path / "checkpoint", progress=stop)
    resumed = solver.fit(ratings, checkpoint=tmp_path / "checkpoint", resume=True)
    assert (resumed.user_factors == whole.user_factors).all()


def test_weak_regularization_is_reported_as_on_the_cpu():
    rng = np.random.default_rng(0)
    rows = [(user, item, float(rng.normal())) for user in range(20) for item in range(2)]
    for device in ("cpu", "cuda"):
        with pytest.raises(SettingsError, match="regularization is too weak"):
            ALS(factors=8, regularization=1e-12, weighted=False, validation=0, device=device).fit(rows)


# ---------------------------------------------------------------------------------------------------- choice of a device


def test_without_pytorch_cuda_names_the_extra(ratings, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"device='cuda' needs the extra 'gpu': run pip install '.\[gpu\]'"):
        ALS(device="cuda").fit(ratings)


def test_without_a_card_cuda_says_that_there_is_none(ratings, monkeypatch):
    monkeypatch.delenv("PALATE_TORCH_DEVICE")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SettingsError, match=r"no graphics card 'cuda': PyTorch .* sees 0; choose device='cpu'"):
        ALS(device="cuda").fit(ratings)


def test_auto_takes_a_card_where_the_table_is_large(monkeypatch):
    assert devices.find_device("auto", 4e9) is None
    assert devices.find_device("auto", 6e9) == CPU
    assert devices.find_device("cpu", 6e9) is None
    monkeypatch.setenv("PALATE_TORCH_DEVICE", "cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.find_device("cuda", 1) == torch.device("cuda", 1)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert devices.find_device("auto", 6e9) is None


def test_auto_loads_pytorch_only_where_there_is_a_driver(monkeypatch):
    monkeypatch.delenv("PALATE_TORCH_DEVICE")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: None)
    assert devices.find_device("auto", 6e9) == torch.device("cuda")

    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr(devices.ctypes, "CDLL", no_library)
    monkeypatch.setitem(sys.modules, "torch", None)  # to import it now would be an error
    assert devices.find_device("auto", 6e9) is None


def test_a_wrong_name_of_a_device_is_an_error(ratings, monkeypatch):
    with pytest.raises(SettingsError, match="device must be one of auto, cpu, cuda, not 'gpu'"):
        ALS(device="gpu").fit(ratings)
    monkeypatch.setenv("PALATE_TORCH_DEVICE", "nonsense")
    with pytest.raises(SettingsError, match=r"PALATE_TORCH_DEVICE must name a device of PyTorch.*'nonsense'"):
        ALS(device="cuda").fit(ratings)


def test_non_negative_factors_stay_on_the_cpu(ratings, monkeypatch):
    solver = ALS(factors=4, sweeps=2, nonnegative=True)
    with pytest.raises(SettingsError, match="does not solve for non-negative factors: choose device='cpu'"):
        replace(solver, device="cuda").fit(ratings)
    monkeypatch.setattr(devices, "_WORTH_IT", 0)
    automatic, on_cpu = (replace(solver, device=device).fit(ratings) for device in ("auto", "cpu"))
    assert (automatic.user_factors == on_cpu.user_factors).all()


def test_single_steps_stay_on_the_cpu(ratings, monkeypatch):
    with pytest.raises(SettingsError, match="with batch_size=1 each step waits for the one before"):
        SGD(device="cuda").fit(ratings)
    monkeypatch.setattr(devices, "_WORTH_IT", 1)
    assert "device" not in SGD(epochs=1).fit(ratings).training
    assert SGD(epochs=1, batch_size=64, regularization=0.0).fit(ratings).training["device"] == "torch on cpu"


def test_products_on_a_card_have_full_precision_and_leave_pytorch_as_it_was():
    torch.set_float32_matmul_precision("high")
    try:
        with devices.exact_products():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


# ----------------------------------------------------------------------------------------------------------------- lists


@pytest.fixture(scope="module")
def model(ratings):
    return ALS(factors=10, sweeps=3, regularization=0.05, device="cpu").fit(ratings)


@pytest.mark.parametrize(
    "options",
    [{}, {"lowest": True}, {"seen": True}, {"least": 60}, {"only": list(range(1, 31)), "n": 40}, {"n": 200}],
    ids=str,
)
def test_lists_of_a_card_are_those_of_the_cpu(model, tmp_path, options):
    for device in ("cpu", "cuda"):
        model.recommend_all(tmp_path / f"{device}.csv", by="prediction", device=device, **options)
    assert (tmp_path / "cpu.csv").read_text() == (tmp_path / "cuda.csv").read_text()


@pytest.mark.parametrize("k", [1, 7, 8, 21])
def test_equal_scores_and_near_ones_are_ordered_as_on_the_cpu(k):
    rng = np.random.default_rng(k)
    factors = np.repeat(rng.normal(size=(40, k)), 5, axis=0).astype(np.float32)  # each five times
    factors[::7] *= np.float32(1 + 2**-23)
    bias, users = np.zeros(len(factors), np.float32), rng.normal(size=(30, k)).astype(np.float32)
    offsets = rng.normal(size=30).astype(np.float32)
    starts = np.arange(30) * 3
    seen = SeenRanges(starts, starts + 3, np.sort(rng.integers(0, 200, (30, 3)), axis=1).astype(np.int32).ravel())
    lists = []
    for ranker in (BatchRanker(factors, bias), DeviceRanker(CPU, factors, bias)):
        with ranker.opened(1) as rank:
            lists.append(rank(users, offsets, 12, seen))
    for expected, ranked in zip(*lists, strict=True):
        np.testing.assert_array_equal(ranked, expected)


def test_lists_need_little_memory_of_a_card(model, monkeypatch):
    vectors, offsets = model.user_factors, np.zeros(len(model.users), np.float32)
    ranker = DeviceRanker(CPU, model.item_factors, model.item_bias)
    proposals, sizes = DeviceRanker._proposals, []

    def propose(self, vectors, count, seen):
        sizes.append(len(vectors))
        if len(vectors) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return proposals(self, vectors, count, seen)

    monkeypatch.setattr("palate.gpu.ranker._LEAST_CELLS", 1)
    monkeypatch.setattr(DeviceRanker, "_proposals", propose)
    with ranker.opened(1) as rank, BatchRanker(model.item_factors, model.item_bias).opened(1) as expected:
        for one, other in zip(rank(vectors, offsets, 5), expected(vectors, offsets, 5), strict=True):
            np.testing.assert_array_equal(one, other)
    assert max(sizes) > 100 > min(sizes)


def test_a_card_ranks_by_predictions_only(ratings, tmp_path):
    model = BayesianMF(factors=4, sweeps=4, device="cpu", **ALL_PARTS).fit(ratings)
    with pytest.raises(SettingsError, match="ranks by 'prediction', not by 'lower bound': choose device='cpu'"):
        model.recommend_all(tmp_path / "all.csv", by="lower bound", device="cuda")
