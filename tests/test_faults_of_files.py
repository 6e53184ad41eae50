"""Files that are cut short, damaged, forged or left over, devices and pipes: an error, never a crash or a stall."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import palate
from palate.errors import ReadError, StorageError
from palate.files import read_arrays, replacing, write_arrays
from palate.storage import load, save
from tables import random_table

needs_posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")


def run(code, **more):
    """Run a program in a process of its own."""
    program = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, **more
    )


@pytest.fixture(scope="module")
def model():
    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    return palate.BayesianMF(factors=3, sweeps=5, **plain).fit(random_table())


@pytest.fixture
def path(model, tmp_path):
    save(model, tmp_path / "m.palate")
    return tmp_path / "m.palate"


def test_a_table_that_is_cut_short_after_it_was_opened_does_not_end_the_process(tmp_path):
    code = f"""
    import os, palate, polars as pl
    import palate.reading as reading, palate.reading.frames as frames
    n = 400_000
    frame = pl.DataFrame({{"user": range(n), "item": [7] * n, "rating": [1.0] * n}})
    kinds = (frame.write_csv, reading, "open_text"), (frame.write_parquet, frames, "from_polars"), \\
        (frame.write_ipc, frames, "from_polars")
    for write, module, name in kinds:
        path = r"{tmp_path / "t"}." + write.__name__.removeprefix("write_").replace("ipc", "arrow")
        write(path)
        # The file is cut as soon as its bytes were asked for.
        read = getattr(module, name)
        def cut(*arguments):
            content = read(*arguments)
            os.truncate(path, 9)
            return content
        setattr(module, name, cut)
        print(len(palate.read_ratings(path, user=0, item=1, rating=2, duplicates="last")))
        setattr(module, name, read)
    """
    done = run(code)
    assert (done.returncode, done.stdout) == (0, "400000\n" * 3), done.stderr


@needs_posix
@pytest.mark.parametrize("read", ["read_ratings", "read_catalogue", "load"])
def test_a_device_without_end_is_refused(read):
    code = f"""
    import resource, palate
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    try:
        palate.{read}("/dev/zero")
    except palate.PalateError as error:
        print(error)
    """
    done = run(code)
    assert "/dev/zero" in done.stdout, done.stderr
    assert "device" in done.stdout or "no ordinary file" in done.stdout


@needs_posix
def test_a_pipe_without_a_writer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("palate.reading.content._PATIENCE", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="no program writes"):
        palate.read_ratings(tmp_path / "pipe")
    with pytest.raises(StorageError, match="no ordinary file"):
        load(tmp_path / "pipe")


@needs_posix
def test_a_pipe_is_read_to_its_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "".join(f"{user},{item},3\n" for user in range(200) for item in range(200))
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    assert len(palate.read_ratings(pipe)) == 40_000
    writer.join()


def test_standard_input_is_read():
    done = run('import palate; print(len(palate.read_ratings("-")))', input="1,2,3\n1,3,4\n")
    assert done.stdout == "2\n", done.stderr


def test_the_next_save_removes_what_a_killed_one_has_left(path, model):
    code = f"""
    import os, signal
    from pathlib import Path
    from palate.files import replacing
    with replacing(Path(r"{path}")) as temporary:
        (temporary.parent / ".tmpA1b2C3").write_bytes(b"x" * 999)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(code).returncode == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 2
    stranger = path.parent / f".other.{'0' * 32}.tmp"
    stranger.mkdir()
    save(model, path)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, stranger.name}


def test_a_save_at_work_keeps_its_folder(path, model):
    with replacing(path) as temporary:
        save(model, path)
        assert temporary.exists()
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"


FORGED = {
    "a NaN": ("user_factors", lambda part: np.where(part == part[0, 0], np.nan, part).astype(np.float32)),
    "an infinite bias": ("item_bias", lambda part: np.full_like(part, np.inf)),
    "products beyond float32": ("item_factors", lambda part: np.full_like(part, 3e38)),
    "an index beyond the items": ("seen.indices", lambda part: part + 99),
    "a negative index": ("seen.indices", lambda part: part - 9),
    "a NaN among the ratings": ("seen.values", lambda part: part * np.nan),
    "falling offsets": ("seen.indptr", lambda part: np.append(part[:1], part[:0:-1])),
    "a NaN in a variance": ("posterior.user_spread", lambda part: part * np.nan),
    "an infinite prior": ("posterior.users.mean", lambda part: np.full_like(part, 1e300)),
    "no noise": ("posterior.items.noise", lambda part: np.full_like(part, 1e-320)),
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("mmap", [False, True])
def test_a_forged_model_is_refused_mapped_or_not(path, name, mmap):
    arrays, header = read_arrays(path, "model")
    array, change = FORGED[name]
    write_arrays(path, {**arrays, array: change(arrays[array])}, header)
    with pytest.raises(StorageError, match="do not fit together"):
        load(path, mmap=mmap)


def test_texts_that_overlap_take_no_memory(path):
    arrays, header = read_arrays(path, "model")
    count, size = 50_000, 1 << 20
    ends = np.full(count, size)
    ends[::2] = 0  # every second text would be the whole array
    catalogue = {f"catalogue.{part}.{end}": value for part in ("ids", "titles", "texts")
                 for end, value in (("bytes", np.full(size, 65, np.uint8)), ("ends", ends))}  # fmt: skip
    write_arrays(path, {**arrays, **catalogue}, header)
    with pytest.raises(StorageError, match="does not fit"):
        load(path, mmap=True)


def test_a_model_of_nothing_with_millions_of_factors_takes_no_memory(path):
    arrays, header = read_arrays(path, "model")
    empty = {name: arrays[name][:0] for name in ("user_bias", "item_bias", "users.ids", "items.ids")}
    factors = np.empty((0, 1 << 40), np.float32)
    others = {name: part for name, part in arrays.items() if not name.startswith(("seen", "posterior"))}
    write_arrays(path, {**others, **empty, "user_factors": factors, "item_factors": factors}, header | {"noise": None})
    with pytest.raises(StorageError):
        load(path, mmap=True)


def test_the_checksum_of_a_mapped_model_is_compared_on_request(path, model):
    data = bytearray(path.read_bytes())
    place = data.find(np.asarray(model.user_factors).tobytes())
    data[place] ^= 1  # the last bit of a factor
    path.write_bytes(data)
    load(path, mmap=True)
    for mmap in (False, True):
        with pytest.raises(StorageError, match="damaged"):
            load(path, mmap=mmap, verify=True)
    load(path, verify=False)


@pytest.mark.parametrize(
    "change",
    [{"intercept": "5"}, {"mean": 1e39}, {"scale": [1, 1e300]}, {"scale": [1]}, {"noise": True}, {"penalty": {}}],
)
def test_a_forged_header_is_refused(path, change):
    arrays, header = read_arrays(path, "model")
    write_arrays(path, arrays, header | change)
    with pytest.raises(StorageError):
        load(path)
