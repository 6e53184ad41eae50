"""Ranking: exact to the last bit, whoever asks, for however many users, on however many threads."""

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from palate.errors import MissingExtraError, PalateError, SettingsError, StorageError, UnknownIdError
from palate.memory import watch
from palate.model import Model
from palate.ranking import batch, best, scores, single
from palate.ratings import Grouped, RatingScale, Vocabulary


def make(users=70, items=90, k=6, seed=0, text=False, whole=False):
    """A model that was not fitted; whole numbers make many scores equal."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (rng.integers(-1, 2, shape) if whole else rng.normal(size=shape)).astype(np.float32)

    rated = rng.random((users, items)) < 0.2
    indptr = np.concatenate([[0], np.cumsum(rated.sum(1))])
    seen = Grouped(indptr, np.nonzero(rated)[1].astype(np.int32), np.ones(indptr[-1], np.float32))
    ids = [
        np.array([f"{kind}{i:04}" for i in range(n)], object) if text else np.arange(n) * 3
        for kind, n in (("u", users), ("i", items))
    ]
    return Model(
        Vocabulary(ids[0], "user"), Vocabulary(ids[1], "item"), 3.5, 3.5, draw(users), draw(items), draw(users, k),
        draw(items, k), RatingScale(-50, 50), seen,
    )  # fmt: skip


@pytest.fixture(params=[False, True], ids=["numpy", "compiled"])
def compiled(request, monkeypatch):
    monkeypatch.setattr(single, "_compiled", lambda cells: request.param)


@pytest.mark.parametrize("k", [1, 5, 8, 9, 16, 31, 64])
def test_a_score_is_the_same_sum_whatever_computes_it(compiled, k):
    rng = np.random.default_rng(k)
    factors, bias, vector = rng.normal(size=(40, k)), rng.normal(size=40), rng.normal(size=k)
    arguments = factors.astype(np.float32), bias.astype(np.float32), vector.astype(np.float32), 3.7
    result = scores(*arguments)
    assert result.tolist() == naive.scores(*arguments).tolist()
    np.testing.assert_allclose(result, factors @ vector + bias + 3.7, atol=1e-5)


@pytest.mark.parametrize("use", [False, True], ids=["numpy", "compiled"])
@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.booleans()), min_size=1, max_size=80),
    n=st.integers(1, 85),
    lowest=st.booleans(),
)
def test_the_best_are_exact_and_ties_go_by_index(use, rows, n, lowest):
    columns = list(zip(*rows, strict=True))
    result, allowed, hidden = (np.array(one, kind) for one, kind in zip(columns, ("f4", "?", "?"), strict=True))
    seen = np.flatnonzero(hidden)[::-1].astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "_compiled", lambda cells: use)
        assert best(result, n, allowed, seen, lowest).tolist() == naive.best(result, allowed & ~hidden, n, lowest)
        assert best(result, n, None, seen, lowest).tolist() == naive.best(result, ~hidden, n, lowest)
        assert best(result, n).tolist() == naive.best(result, np.ones(len(rows), bool), n, False)


def expected(model, user, n, lowest, allowed=None, seen=False):
    allowed = np.ones(len(model.items), bool) if allowed is None else allowed.copy()
    if not seen:
        allowed[model.seen[user][0]] = False
    offset = model.intercept + float(model.user_bias[user])
    result = naive.scores(model.item_factors, model.item_bias, model.user_factors[user], offset)
    chosen = naive.best(result, allowed, n, lowest)
    return chosen, model.scale.clip(result[chosen])


@settings(deadline=None, max_examples=40)
@given(
    users=st.integers(1, 7), items=st.integers(1, 90), k=st.integers(1, 10), n=st.sampled_from([1, 2, 10, 33, 120]),
    lowest=st.booleans(), seen=st.booleans(), whole=st.booleans(), some=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_many_users_get_what_each_would_get_alone(users, items, k, n, lowest, seen, whole, some, seed):
    model = make(users, items, k, seed, whole=whole)
    only = model.items.ids[seed % 2 :: 2] if some else None
    allowed = np.isin(model.items.ids, only) if some else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_USERS", 3)
        patch.setattr(batch, "_ITEMS", 40)
        chosen, ratings = model.recommend_batch(n=n, lowest=lowest, seen=seen, only=only)
    assert chosen.shape == ratings.shape == (users, n)
    for user in range(users):
        wanted, ratings_wanted = expected(model, user, n, lowest, allowed, seen)
        assert chosen[user].tolist() == wanted + [-1] * (n - len(wanted))
        assert ratings[user, : len(wanted)].tolist() == ratings_wanted.tolist()
        assert np.isnan(ratings[user, len(wanted) :]).all()
        alone = model.recommend(user * 3, n, lowest=lowest, seen=seen, only=only)
        assert [(one.id, one.score) for one in alone] == [
            (3 * item, score) for item, score in zip(wanted, ratings_wanted)
        ]


def test_items_that_differ_in_the_last_bit_are_told_apart():
    # What BLAS rounds is larger than the differences here.
    model = make(users=5, items=400, k=24)
    near = np.tile(model.item_factors[:1], (400, 1))
    rng = np.random.default_rng(0)
    for _ in range(3):
        near = np.where(rng.random(near.shape) < 0.3, np.nextafter(near, np.float32(9)), near)
    model = dataclasses.replace(model, item_factors=near, item_bias=np.zeros(400, np.float32), intercept=0.0)
    chosen, _ = model.recommend_batch(n=15)
    for user in range(5):
        assert chosen[user].tolist() == expected(model, user, 15, False)[0]


def test_threads_blocks_and_company_do_not_change_a_bit(monkeypatch):
    model = make(users=700, items=2000, k=20)
    first = model.recommend_batch(n=10, threads=1)
    others = [model.recommend_batch(n=10, threads=threads) for threads in (2, 5)]
    monkeypatch.setattr(batch, "_USERS", 17)
    others.append(model.recommend_batch(n=10))
    monkeypatch.setattr(batch, "_ITEMS", 64)
    others.append(model.recommend_batch(n=10))
    others.append(tuple(map(np.vstack, zip(*(model.recommend_batch([3 * u], n=10) for u in range(700))))))
    for items, ratings in others:
        np.testing.assert_array_equal(items, first[0])
        np.testing.assert_array_equal(ratings, first[1])


def test_ten_callers_at_once_get_the_same():
    model = make(users=300, items=1500, k=16)
    wanted = model.recommend_batch(n=7)
    with ThreadPoolExecutor(10) as executor:
        for items, ratings in executor.map(lambda _: model.recommend_batch(n=7, threads=2), range(10)):
            np.testing.assert_array_equal(items, wanted[0])
            np.testing.assert_array_equal(ratings, wanted[1])


def test_odd_questions_have_answers():
    model = make(users=4, items=50)
    assert model.recommend_batch([], n=3)[0].shape == (0, 3)
    assert (model.recommend_batch(n=3, only=[])[0] == -1).all()
    everything = Grouped(np.arange(5) * 50, np.tile(np.arange(50, dtype=np.int32), 4), np.ones(200, np.float32))
    full = dataclasses.replace(model, seen=everything)
    assert (full.recommend_batch(n=3)[0] == -1).all()
    assert full.recommend(0) == []
    assert (make(items=1).recommend_batch(n=2, seen=True)[0] == [0, -1]).all()
    twice = model.recommend_batch([3, "3", 0], n=4)[0]
    np.testing.assert_array_equal(twice[0], twice[1])
    for n in (0, True, 2.5):
        with pytest.raises(SettingsError, match="n must be"):
            model.recommend_batch(n=n)
    with pytest.raises(UnknownIdError, match="user 1"):
        model.recommend_batch([0, 1])


def test_filters_of_a_batch_are_those_of_one_user():
    model = make()
    least = int(np.median(model.item_counts))
    filters = {"exclude": model.items.ids[5:9], "least": least, "only": model.items.ids[::2]}
    items, _ = model.recommend_batch(n=100, **filters)
    for user, row in zip(model.users.ids, items, strict=True):
        assert model.items.ids[row[row >= 0]].tolist() == [one.id for one in model.recommend(user, 100, **filters)]


def test_seen_items_may_come_in_any_order():
    model = make()
    backwards = [model.seen[user][0][::-1] for user in range(70)]
    jumbled = dataclasses.replace(model, seen=model.seen._replace(indices=np.concatenate(backwards)))
    np.testing.assert_array_equal(jumbled.recommend_batch(n=90)[0], model.recommend_batch(n=90)[0])


def test_without_the_compiler_the_answers_are_the_same():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_ranking import make; m = make(4, 80, 10);"
        "i, r = m.recommend_batch(n=5); print(i.tolist(), r.tolist(), list(m.recommend(3, 5)))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, os.path.dirname(__file__)], capture_output=True, text=True, check=True,
            env={**os.environ, "NUMBA_DISABLE_JIT": off},
        ).stdout
        for off in "10"
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert "score=" in outputs[0]


@pytest.mark.parametrize("text", [False, True])
def test_everyone_is_written_to_parquet(tmp_path, text, monkeypatch):
    monkeypatch.setattr("palate.model.batch._USERS", 16)
    model, path, calls = make(text=text), tmp_path / "all.parquet", []
    rows = model.recommend_all(path, 80, titles=True, lowest=True, progress=lambda *done: calls.append(done))
    frame = pl.read_parquet(path)
    assert frame.columns == ["user", "rank", "item", "score", "title"]
    assert rows == len(frame)
    assert calls == [(16, 70), (32, 70), (48, 70), (64, 70), (70, 70)]
    wanted = [
        (user, place + 1, one.id, one.score, one.title)
        for user in map(model.users.__getitem__, range(70))
        for place, one in enumerate(model.recommend(user, 80, lowest=True))
    ]
    assert frame.rows() == wanted
    chosen = model.users.ids[[5, 2]]
    assert model.recommend_all(path, 3, users=chosen) == 6
    assert pl.read_parquet(path)["user"].to_list() == [chosen[0]] * 3 + [chosen[1]] * 3
    assert model.recommend_all(path, users=[]) == 0
    assert pl.read_parquet(path).schema["item"] == (pl.String if text else pl.Int64)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_what_is_broken_off_leaves_the_former_file(tmp_path, monkeypatch, stop):
    monkeypatch.setattr("palate.model.batch._USERS", 8)
    path = tmp_path / "all.parquet"
    path.write_bytes(b"as it was")

    def progress(done, of):
        if done > 40:
            raise stop

    with pytest.raises(stop):
        make().recommend_all(path, progress=progress)
    assert path.read_bytes() == b"as it was"
    assert [entry.name for entry in tmp_path.iterdir()] == ["all.parquet"]


def test_a_full_disk_is_an_error_and_leaves_the_former_file(tmp_path):
    path = tmp_path / "all.parquet"
    path.write_bytes(b"as it was")
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1]); from test_ranking import make;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); m = make(3000, 400);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)); m.recommend_all(sys.argv[2], 300)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": ""}
    run = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__), path], capture_output=True, text=True, env=environment
    )
    assert "StorageError" in run.stderr
    assert "cannot be written" in run.stderr.splitlines()[-1]
    assert path.read_bytes() == b"as it was"
    assert [entry.name for entry in tmp_path.iterdir()] == ["all.parquet"]


def test_bad_places_are_errors(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        make().recommend_all(tmp_path / "no" / "all.parquet")
    with pytest.raises(PalateError, match="n must be"):
        make().recommend_all(tmp_path / "all.parquet", 0)


def test_memory_is_for_the_items_there_are_and_not_for_those_asked_for(tmp_path):
    model = make(users=5)
    assert model.recommend_all(tmp_path / "all.parquet", 2_000_000_000) == model.recommend_all(
        tmp_path / "b.parquet", 90
    )
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    for wrong in (10**30, 1 << 31, True, 1.5, "3"):
        with pytest.raises(SettingsError, match="n must be"):
            model.recommend_all(tmp_path / "c.parquet", wrong)


def test_memory_does_not_grow_with_users_times_items(tmp_path):
    model = make(users=20_000, items=4000, k=8)
    model.recommend_all(tmp_path / "all.parquet", users=model.users.ids[:10])
    grown = watch()
    model.recommend_all(tmp_path / "all.parquet")
    result = grown()
    if result is None:
        pytest.skip("this system does not tell how much memory is used")
    assert result < 20_000 * 4000 * 4 / 3


@pytest.fixture(scope="module")
def large():
    pytest.importorskip("faiss")
    model = make(users=120, items=6000, k=12)
    return model, model.index_items(threads=1)


@pytest.mark.parametrize("options", [{}, {"lowest": True}, {"seen": True}, {"least": 22}])
def test_an_index_finds_nearly_all_of_the_best(large, options):
    model, index = large
    result = 0
    for user in model.users.ids:
        exact, near = model.recommend(user, 10, **options), model.recommend(user, 10, index=index, **options)
        assert len(near) == 10
        assert {one.score for one in near} <= {one.score for one in model.recommend(user, 300, **options)}
        result += len(set(exact) & set(near))
    assert result / (10 * len(model.users)) > 0.9
    assert 0.9 < index.recall <= 1


def test_an_index_keeps_to_the_filters(large):
    model, index = large
    for user in model.users.ids[:20]:
        best = {one.id for one in model.recommend(user, 10)}
        near = {one.id for one in model.recommend(user, 10, index=index, exclude=best)}
        assert len(near) == 10
        assert not near & best
        assert not near & set(model.items.ids[model.seen[user // 3][0]].tolist())
    only = model.items.ids[:50]
    assert model.recommend(0, 10, only=only, index=index) == model.recommend(0, 10, only=only)
    rare = int(np.sort(model.item_counts)[-3])
    assert model.recommend(0, 10, least=rare, index=index) == model.recommend(0, 10, least=rare)
    assert model.recommend(0, 7000, index=index) == model.recommend(0, 7000)
    newcomer = model.fold_in({0: 3.0, 3: 5.0})
    assert {one.id for one in model.recommend(newcomer, 10, index=index)}.isdisjoint({0, 3})


def test_an_index_belongs_to_one_model(large):
    model, index = large
    assert dataclasses.replace(model, scale=RatingScale(1, 5)).recommend(0, index=index)
    with pytest.raises(SettingsError, match="another model"):
        make().recommend(0, index=index)
    with pytest.raises(SettingsError, match="an index ranks by 'prediction'"):
        model.recommend(0, by="lower bound", index=index)
    with pytest.raises(SettingsError, match="n must be"):
        model.recommend(0, 0, index=index)


def test_an_index_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install \'\.\[ann\]\'"):
        make().index_items()
