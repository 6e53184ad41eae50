import dataclasses
import json
import multiprocessing
import os
import pickle
import pickletools
import resource
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

import model_files
from palate.catalogue import Catalogue, Entry
from palate.errors import StorageError
from palate.files import read_arrays, write_arrays
from palate.solvers import SGD
from palate.storage import FORMAT, load, save
from tables import random_table, table

CATALOGUE = Catalogue({100: Entry("Une blague", "Ligne 1\nLigne 2 🙂"), "x": Entry("", "")})


@pytest.fixture(scope="module")
def model():
    return dataclasses.replace(SGD(factors=3, epochs=2).fit(random_table()), catalogue=CATALOGUE)


@pytest.fixture
def path(model, tmp_path):
    save(model, tmp_path / "m.palate")
    return tmp_path / "m.palate"


@pytest.mark.parametrize("mmap", [False, True])
def test_a_model_comes_back_as_it_was(model, path, mmap):
    loaded = load(path, mmap=mmap)
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    for ours, theirs in zip(loaded.seen, model.seen, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.users.ids.tolist() == model.users.ids.tolist()
    assert (loaded.intercept, loaded.mean, loaded.scale, loaded.penalty) == (
        model.intercept, model.mean, model.scale, model.penalty,
    )  # fmt: skip
    assert loaded.solver == dict(model.solver)
    assert loaded.training == dict(model.training)
    assert loaded.catalogue.get(100) == CATALOGUE.get(100)
    assert loaded.recommend(5) == model.recommend(5)
    assert loaded.explain(5, 100) == model.explain(5, 100)


def test_mapped_arrays_are_views_of_the_file(path):
    assert not load(path, mmap=True).user_factors.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        load(path, mmap=True).user_factors[0] = 1


def test_text_ids_come_back(tmp_path):
    ratings = table([("ann", "日本", 1.0), ("", "🙂", 2.0), ("ann", "a\nb", 3.0)])
    save(SGD(epochs=1).fit(ratings), tmp_path / "m")
    assert load(tmp_path / "m").items.ids.tolist() == ["a\nb", "日本", "🙂"]


def test_the_file_is_plain_safetensors_and_no_pickle(path):
    tensors = load_file(path)
    assert tensors["user_factors"].shape == (60, 3)
    with pytest.raises((ValueError, pickle.UnpicklingError)):
        list(pickletools.genops(path.read_bytes()))


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(path, keep, mmap):
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(StorageError, match=r"damaged|not a palate model"):
        load(path, mmap=mmap)


def test_a_flipped_bit_anywhere_is_noticed(path):
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in [*range(0, 200, 7), *rng.integers(len(data), size=100).tolist()]:
        changed = data.copy()
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(StorageError):
            load(path)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 9, b"\xff" * 99, b"user,item,rating\n1,2,3\n", b"\x02\0\0\0\0\0\0\0{}"]
)
def test_what_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(StorageError, match="not a palate model"):
        load(tmp_path / "m")


def test_missing_files_and_folders_are_named(tmp_path, model):
    with pytest.raises(StorageError, match=r"nothing.palate cannot be read: No such file"):
        load(tmp_path / "nothing.palate")
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        load(tmp_path)
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        save(model, tmp_path / "nowhere" / "m.palate")


def test_a_later_format_is_refused(path):
    arrays, header = read_arrays(path, "model")
    write_arrays(path, arrays, {**header, "format": 99})
    with pytest.raises(StorageError, match="format 99 and this version of palate reads format 1: upgrade palate"):
        load(path)


def assert_close(answer, recorded):
    """Compare JSON values; numbers may differ by the rounding of another processor."""
    if isinstance(recorded, dict):
        assert answer.keys() == recorded.keys()
        for key in recorded:
            assert_close(answer[key], recorded[key])
    elif isinstance(recorded, list):
        assert len(answer) == len(recorded)
        for one, other in zip(answer, recorded, strict=True):
            assert_close(one, other)
    elif isinstance(recorded, float):
        assert answer == pytest.approx(recorded, rel=1e-4, abs=1e-5)
    else:
        assert answer == recorded


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("path", sorted(model_files.FIXTURES.glob("*.palate")), ids=lambda path: path.stem)
def test_files_of_every_released_format_answer_as_they_did(path, mmap):
    prefix, solver = path.stem.rsplit("-", 1)
    recorded = json.loads((model_files.FIXTURES / f"{prefix}.json").read_text(encoding="utf-8"))[solver]
    model = load(path, mmap=mmap)
    assert_close(model_files.answers(model), recorded)
    assert model.predicts == ("choice" if solver == "implicit" else "rating")


def test_every_released_format_has_files():
    names = {path.stem for path in model_files.FIXTURES.glob("*.palate")}
    assert names >= {
        f"model-format-{number}-{solver}" for number in range(1, FORMAT + 1) for solver in model_files.SMALL
    }


def test_arrays_that_do_not_fit_together_are_refused(path):
    arrays, header = read_arrays(path, "model")
    write_arrays(path, {**arrays, "user_bias": arrays["user_bias"][1:]}, header)
    with pytest.raises(StorageError, match="do not fit together"):
        load(path)
    for name, change in {
        "seen.indices": lambda part: part + 99,
        "seen.indptr": lambda part: part[::-1].copy(),
        "user_factors": lambda part: part * np.nan,
        "item_factors": lambda part: part.astype(np.float64),
        "users.ids": lambda part: part[::-1].copy(),
    }.items():
        write_arrays(path, {**arrays, name: change(arrays[name])}, header)
        with pytest.raises(StorageError, match="do not fit together"):
            load(path)
    del arrays["user_bias"]
    write_arrays(path, arrays, header)
    with pytest.raises(StorageError, match="lacks a part"):
        load(path)


def test_a_header_of_another_kind_is_refused(path):
    arrays, header = read_arrays(path, "model")
    write_arrays(path, arrays, {**header, "kind": "checkpoint"})
    with pytest.raises(StorageError, match="not a palate model"):
        load(path)
    assert json.dumps(header)


def test_a_full_disk_leaves_the_old_file_and_no_litter(path, model):
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # writes beyond 1000 bytes fail like on a full disk
    try:
        with pytest.raises(StorageError, match="cannot be written"):
            save(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def _save_forever(model, path):
    while True:
        save(model, path)


def test_a_kill_while_saving_leaves_a_whole_file(path, model):
    for wait in (0.05, 0.11, 0.2):
        process = multiprocessing.get_context("spawn").Process(target=_save_forever, args=(model, path))
        process.start()
        process.join(1 + wait)
        process.kill()
        process.join()
        assert load(path).recommend(5) == model.recommend(5)


def test_the_file_gets_the_mode_that_the_umask_asks_for(path, model):
    before = os.umask(0o027)
    try:
        save(model, path.with_name("new"))
    finally:
        os.umask(before)
    assert path.with_name("new").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_a_header_with_a_number_that_is_not_finite_is_damaged(tmp_path, monkeypatch, number):
    dumps = json.dumps
    monkeypatch.setattr(
        "palate.files.json.dumps", lambda *args, **kwargs: dumps({"mean": 0.25}).replace("0.25", number)
    )
    write_arrays(tmp_path / "m.palate", {"a": np.zeros(1, np.float32)}, {})
    with pytest.raises(StorageError, match="is damaged"):
        read_arrays(tmp_path / "m.palate", "model")
