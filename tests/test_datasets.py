"""Data sets: fetching, folders, the embedded sample and synthetic tables. Nothing here leaves this machine."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from palate import datasets, parallel
from palate.datasets import download, jester, movielens, sample
from palate.datasets.archive import Archive
from palate.datasets.download import fetch
from palate.datasets.synthetic import make_ratings, write_ratings
from palate.errors import DataError, DownloadError, ReadError, SettingsError
from palate.kernels.synthetic import alias_table, draw_items
from palate.ratings import Ratings
from palate.reading import read_ratings

CONTENT = bytes(range(256)) * 4_000  # about 1 MB


class Server:
    """A web server on this machine whose files behave as badly as a test wants."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []  # the Range header of each request
        self.ignores_ranges = False
        self.breaks_after: list[int] = []  # bytes sent by the next answers before the connection breaks
        self.delay = 0.0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/{path}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.ranges.append(self.headers["Range"])
                time.sleep(server.delay)
                content = server.files.get(self.path[1:])
                if content is None:
                    self.send_error(404)
                    return
                start = int((self.headers["Range"] or "bytes=0-")[6:-1])
                if start and start >= len(content):
                    self.send_error(416)
                    return
                if start and not server.ignores_ranges:
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                    content = content[start:]
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if server.breaks_after:
                    content = content[: server.breaks_after.pop(0)]
                with suppress(ConnectionError):  # the client may have had enough
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PALATE_CACHE", str(folder))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def zipped(members: dict[str, str | bytes]) -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return place.getvalue()


# ------------------------------------------------------------------------------------------------------------ fetching


def test_fetch_delivers_the_file_and_reports_its_progress(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    seen: list[tuple[int, int | None]] = []
    fetch([server.url("a")], tmp_path / "new" / "a", progress=lambda *state: seen.append(state))
    assert (tmp_path / "new" / "a").read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["a"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_fetch_continues_what_an_earlier_call_left(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_fetch_starts_again_where_the_server_ignores_ranges(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.ignores_ranges = True
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_fetch_continues_after_a_broken_connection(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.breaks_after = [300_000, 300_000]
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]


def test_fetch_keeps_what_came_when_it_gives_up(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.breaks_after = [1000, 0]
    with pytest.raises(DownloadError, match="the connection broke after 1,000 of 1,024,000 bytes"):
        fetch([server.url("a")], tmp_path / "a")
    assert names(tmp_path) == ["a.part"]
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=1000-"


def test_fetch_starts_again_when_the_part_is_longer_than_the_file(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT + CONTENT)
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_fetch_starts_again_when_the_continued_file_is_wrong(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    fetch([server.url("a")], tmp_path / "a", check=lambda path: "" if path.read_bytes() == CONTENT else "wrong")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_fetch_takes_the_next_address(server: Server, tmp_path: Path) -> None:
    server.files |= {"bad": b"<html>", "good": CONTENT}
    urls = [server.url(name) for name in ("missing", "bad", "good")]
    fetch(urls, tmp_path / "a", check=lambda path: "too short" if path.stat().st_size < 100 else "")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_fetch_names_every_address_with_its_reason_and_the_way_out(server: Server, tmp_path: Path) -> None:
    server.files["bad"] = b"<html>"
    urls = [server.url("missing"), server.url("bad"), "http://127.0.0.1:1/closed"]
    with pytest.raises(DownloadError) as caught:
        fetch(urls, tmp_path / "a.zip", check=lambda path: "not a zip file")
    message = str(caught.value)
    assert "\n" not in message
    assert f"cannot fetch a.zip: {urls[0]} (HTTP 404 Not Found); {urls[1]} (not a zip file); {urls[2]} (" in message
    assert "refused" in message
    assert message.endswith(f"put a.zip into {tmp_path} by hand, or give a folder that holds its files with --folder")
    assert names(tmp_path) == []


def test_fetch_does_not_wait_for_ever(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.delay = 0.5
    with pytest.raises(DownloadError, match=r"nothing came for 0\.1 s"):
        fetch([server.url("a")], tmp_path / "a", timeout=0.1)


def test_fetch_takes_over_the_part_of_a_killed_process_only(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    killed, running = tmp_path / "a.111.part", tmp_path / "a.222.part"
    killed.write_bytes(CONTENT[:5000])
    running.write_bytes(CONTENT[:7000])
    os.utime(killed, (0, 0))
    fetch([server.url("a")], tmp_path / "a")
    assert server.ranges == ["bytes=5000-"]
    assert names(tmp_path) == ["a", "a.222.part"]


def test_many_fetches_of_one_file_at_once_do_no_damage(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    racing = [threading.Thread(target=fetch, args=([server.url("a")], tmp_path / "a")) for _ in range(8)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert names(tmp_path) == ["a"]
    assert server.ranges.count("bytes=1000-") == 1


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PALATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="set PALATE_CACHE"):
        jester.ARCHIVE.provide()


def test_the_cache_follows_the_platform_unless_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download.cache_folder() == Path(os.environ["PALATE_CACHE"])
    monkeypatch.delenv("PALATE_CACHE")
    assert download.cache_folder().parts[-1] in {"palate", "Cache"}


# ------------------------------------------------------------------------------------------------------------ archives


def archive(server: Server, content: bytes, **settings: object) -> Archive:
    server.files["set.zip"] = content
    arguments = {"folder": "set", "urls": (server.url("set.zip"),), "rows": {"a.dat": 2, "b.txt": None}} | settings
    return Archive(**arguments)  # type: ignore[arg-type]


GOOD = zipped({"a.dat": "1\n2", "b.txt": "text", "other.txt": "not asked for"})


def test_an_archive_is_fetched_once_and_unpacked(server: Server, cache: Path) -> None:
    wanted = archive(server, GOOD, sha256=hashlib.sha256(GOOD).hexdigest())
    assert not wanted.is_cached()
    assert wanted.provide() == cache / "set"
    assert wanted.is_cached()
    wanted.provide()
    assert len(server.ranges) == 1
    assert names(cache / "set") == ["a.dat", "a.dat.sha256", "b.txt", "b.txt.sha256", "set.zip"]
    assert (cache / "set" / "a.dat").read_text() == "1\n2"


def test_only_the_named_members_leave_an_archive_and_none_leaves_its_folder(server: Server, cache: Path) -> None:
    evil = zipped({"../../a.dat": "1\n2\n", "/tmp/b.txt": "b", "../evil.txt": "c"})
    archive(server, evil).provide()
    assert names(cache) == ["set"]
    assert names(cache / "set") == ["a.dat", "a.dat.sha256", "b.txt", "b.txt.sha256", "set.zip"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Please log in</html>", "not the expected zip file: File is not a zip file"),
        (GOOD[:-30], "not the expected zip file: File is not a zip file"),
        (GOOD.replace(b"1\n2", b"1\n3", 1), "not the expected zip file: Bad CRC-32"),
        (zipped({"a.dat": "1\n2\n"}), "not the expected zip file: it holds no b.txt"),
        (zipped({"a.dat": "1\n2\n3\n", "b.txt": ""}), "its a.dat has 3 lines, expected 2"),
    ],
)
def test_what_is_not_the_archive_is_refused(server: Server, cache: Path, content: bytes, reason: str) -> None:
    wanted = archive(server, content)
    with pytest.raises(DownloadError, match=reason):
        wanted.provide()
    assert names(cache / "set") == []


def test_another_checksum_is_refused(server: Server, cache: Path) -> None:
    with pytest.raises(DownloadError, match=r"its SHA-256 is \w{16}…, expected 0000"):
        archive(server, GOOD, sha256="0" * 64).provide()
    assert names(cache / "set") == []


def test_a_changed_file_is_noticed_and_comes_back_from_the_archive(server: Server, cache: Path) -> None:
    wanted = archive(server, GOOD)
    wanted.provide()
    damaged = cache / "set" / "a.dat"
    damaged.write_text("1\n3")
    with pytest.raises(DownloadError, match=r"a\.dat has changed since it was fetched: delete it and try again"):
        wanted.provide()
    damaged.unlink()
    wanted.provide()
    assert damaged.read_text() == "1\n2"
    assert len(server.ranges) == 1


def test_an_archive_put_into_the_cache_by_hand_is_used(server: Server, cache: Path) -> None:
    (cache / "set").mkdir(parents=True)
    (cache / "set" / "set.zip").write_bytes(b"not a zip")
    wanted = archive(server, GOOD)
    with pytest.raises(DownloadError, match=r"set\.zip: not the expected zip file: .*; delete it and try again"):
        wanted.provide()
    (cache / "set" / "set.zip").write_bytes(GOOD)
    wanted.provide()
    assert server.ranges == []


# ----------------------------------------------------------------------------------------------------- published sets


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no data set 'jokes': there are sample, jester, ml-100k, ml-latest-small"):
        datasets.load("jokes")


def test_every_data_set_says_where_it_lies(cache: Path) -> None:
    for name, dataset in datasets.DATASETS.items():
        assert dataset.name == name
        assert dataset.is_cached() == dataset.generated
        assert dataset.generated == ("generated" in dataset.title) == ("generated" in dataset.terms)
        assert dataset.generated or dataset.path() == cache / name


def test_jester_is_fetched_checked_and_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped(
        {
            "jester_ratings.dat": "1\t\t5\t\t0.219\n1\t\t7\t\t-9.281\n63\t\t5\t\t2.5",
            "jester_items.dat": "5:\n<p>\nA joke.\n</p>\n\n7:\n<p>\nAnother.\n</p>\n\n8:\n<p>\nA third.\n</p>\n",
        }
    )
    small = replace(archive(server, content), folder="jester", rows={"jester_ratings.dat": 3, "jester_items.dat": None})
    monkeypatch.setattr(jester, "ARCHIVE", small)
    ratings, catalogue = datasets.load("jester")
    assert ratings.users.ids.tolist() == [1, 63]
    assert ratings.items.ids.tolist() == [5, 7]
    assert ratings.scale == jester.SCALE
    assert catalogue is not None
    assert set(catalogue.entries) == {5, 7, 8}


def test_movielens_latest_small_is_fetched_and_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped(
        {
            "ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,30,0.5,964981247\n",
            "ml-latest-small/movies.csv": 'movieId,title,genres\n10,"Hall, The (1977)",Comedy\n30,Heat,Drama\n',
        }
    )
    small = replace(archive(server, content), folder="ml-latest-small", rows=movielens.LATEST_SMALL.rows)
    monkeypatch.setattr(movielens, "LATEST_SMALL", small)
    ratings, catalogue = datasets.load("ml-latest-small")
    assert ratings.rating.tolist() == [4.0, 0.5]
    assert (ratings.scale.low, ratings.scale.high) == (0.5, 5)
    assert catalogue is not None
    assert catalogue.entries[10].title == "Hall, The (1977)"


@pytest.mark.parametrize(("name", "missing"), [("jester", "jester_ratings.dat"), ("ml-100k", "u.data")])
def test_a_folder_without_the_files_says_which(name: str, missing: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=f"holds no {missing}"):
        datasets.load(name, tmp_path)
    with pytest.raises(ReadError, match="is not a folder"):
        datasets.load(name, tmp_path / "nowhere")


def test_jester_from_a_folder(data: Path) -> None:
    ratings, catalogue = datasets.load("jester", data / "jester")
    assert (len(ratings), len(ratings.users), len(ratings.items)) == (363_209, 5_000, 100)
    assert ratings.scale == jester.SCALE
    assert catalogue is not None
    assert len(catalogue.entries) == 150


def test_movielens_from_a_folder(data: Path) -> None:
    known = datasets.DATASETS["ml-100k"]
    ratings, catalogue = known.load(data / "ml-100k")
    assert (len(ratings), len(ratings.users), len(ratings.items)) == (known.ratings, known.users, known.items)
    assert ratings.scale == known.scale
    assert catalogue is not None
    assert catalogue.entries[1].title == "Toy Story (1995)"


def test_a_folder_without_texts_gives_ratings_alone(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n2\t2\t5\t4\n")
    ratings, catalogue = datasets.load("ml-100k", tmp_path)
    assert len(ratings) == 2
    assert catalogue is None


def wheel(path: Path, table: bytes, films: str) -> Path:
    stem = "recbole/dataset_example/ml-100k/ml-100k"
    path.write_bytes(zipped({f"{stem}.inter": table, f"{stem}.item": films}))
    return path


def test_the_wheel_becomes_the_files_of_grouplens(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, films = b"1\t2\t3\t4\n", "id\ttitle\tyear\tclass\n2\tMisérables, Les\t1995\tDrama\n3\tunkonwn\tunkonwn\tx\n"
    source = wheel(tmp_path / "w.whl", b"header\n" + table, films)
    with pytest.raises(DownloadError, match=r"w\.whl are not those that GroupLens published"):
        movielens.unpack_wheel(source, cache)
    monkeypatch.setattr(movielens, "_U_DATA_SHA256", hashlib.sha256(table).hexdigest())
    movielens.unpack_wheel(source, movielens.ML_100K.path())
    ratings, catalogue = datasets.load("ml-100k")
    assert len(ratings) == 1
    assert catalogue is not None
    assert [entry.title for entry in catalogue.entries.values()] == ["Misérables, Les (1995)", "unknown"]


def test_a_wheel_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.whl").write_bytes(GOOD)
    with pytest.raises(DownloadError, match=r"w\.whl does not hold MovieLens 100K"):
        movielens.unpack_wheel(tmp_path / "w.whl", tmp_path)


def test_both_reasons_are_given_when_neither_source_delivers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "ML_100K", replace(movielens.ML_100K, urls=(server.url("ml-100k.zip"),)))
    monkeypatch.setattr("sys.executable", "no-such-python")
    with pytest.raises(DownloadError, match=r"ml-100k\.zip \(HTTP 404 Not Found\).*recbole==1\.2\.1: pip did not"):
        datasets.load("ml-100k")


@pytest.mark.network
def test_the_wheel_from_the_package_index_holds_the_published_table(
    data: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movielens, "ML_100K", replace(movielens.ML_100K, urls=(server.url("ml-100k.zip"),)))
    fetched, titles = datasets.load("ml-100k")
    published, expected = datasets.load("ml-100k", data / "ml-100k")
    for name in ("user", "item", "rating"):
        assert np.array_equal(getattr(fetched, name), getattr(published, name))
    assert np.array_equal(fetched.items.ids, published.items.ids)
    assert titles is not None
    assert expected is not None
    assert set(titles.entries) == set(expected.entries)
    # The published file has lost its accents and kept some blanks at the end of titles.
    differ = [id for id, entry in titles.entries.items() if entry.title != expected.entries[id].title.strip()]
    assert len(differ) <= 12


# ---------------------------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def jokes() -> datasets.Loaded:
    return datasets.load("sample")


def test_the_sample_is_as_announced(jokes: datasets.Loaded) -> None:
    known, (ratings, catalogue) = datasets.DATASETS["sample"], jokes
    assert (len(ratings), len(ratings.users), len(ratings.items)) == (known.ratings, known.users, known.items)
    assert ratings.scale == known.scale
    assert ratings.notes[0].startswith("generated:")
    assert catalogue is not None
    assert list(catalogue.entries) == list(range(1, 121))
    assert set(catalogue.entries) - set(ratings.items.ids.tolist()) == set(sample.NEVER_RATED)
    assert all(entry.title and entry.text for entry in catalogue.entries.values())


def test_the_sample_has_the_same_bits_everywhere(jokes: datasets.Loaded) -> None:
    ratings = jokes.ratings
    columns = (ratings.user, ratings.item, ratings.rating)
    digest = hashlib.sha256(b"".join(column.astype(column.dtype.newbyteorder("<")).tobytes() for column in columns))
    assert digest.hexdigest()[:16] == "883ae03d2e88e6bb"


def test_the_sample_uses_the_slider_of_jester(jokes: datasets.Loaded) -> None:
    rating = jokes.ratings.rating
    assert rating.min() == -10
    assert rating.max() == 10
    assert np.array_equal(rating, (np.rint(rating.astype(float) * 100) / 100).astype(np.float32))
    assert 0.01 < np.mean(np.abs(rating) == 10) < 0.1


def test_raters_of_the_sample_rate_some_jokes_and_rather_those_they_like(jokes: datasets.Loaded) -> None:
    ratings = jokes.ratings
    per_user = np.bincount(ratings.user)
    assert (per_user.min(), per_user.max()) == (15, 60)
    per_item = np.bincount(ratings.item)
    assert per_item.max() > 3 * per_item.min()
    kinds = np.arange(120) % 8
    rng = np.random.default_rng(3)
    funny = sample._funny(kinds, rng)
    chosen = sample._choose(funny, rng)
    assert funny[chosen].mean() > funny.mean() + 0.5


def test_a_sample_with_another_seed_is_another_one(jokes: datasets.Loaded) -> None:
    other = sample.simulate([joke.kind for joke in sample.read_jokes()], seed=1)
    assert len(other) != len(jokes.ratings)


def test_the_sample_reads_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the sample is generated"):
        datasets.load("sample", tmp_path)


def factorize(ratings: Ratings, factors: int, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Alternating least squares on dense arrays: predictions (users, items) and item factors (items, k)."""
    mask, values = np.zeros((2, len(ratings.users), len(ratings.items)))
    mask[ratings.user, ratings.item] = 1
    values[ratings.user, ratings.item] = ratings.rating - ratings.rating.mean()
    rng = np.random.default_rng(0)
    users, items = (rng.normal(0, 0.1, (count, factors)) for count in mask.shape)
    item_bias = np.zeros(mask.shape[1])
    for _ in range(12):
        user_bias, users = half_sweep(mask, values - mask * item_bias, items, penalty)
        item_bias, items = half_sweep(mask.T, values.T - mask.T * user_bias, users, penalty)
    predictions = ratings.rating.mean() + user_bias[:, None] + item_bias + users @ items.T
    return ratings.scale.clip(predictions), items


def half_sweep(
    mask: NDArray[np.float64], values: NDArray[np.float64], others: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.column_stack([np.ones(len(others)), others])
    gram = np.einsum("ui,ik,il->ukl", mask, x, x, optimize=True) + penalty * np.eye(x.shape[1])
    found = np.linalg.solve(gram, (values @ x)[:, :, None])[:, :, 0]
    return found[:, 0], found[:, 1:]


def rmse(predictions: NDArray[np.float64], test: Ratings) -> float:
    return float(np.sqrt(np.mean((predictions[test.user, test.item] - test.rating) ** 2)))


def test_factors_learn_much_more_of_the_sample_than_biases(jokes: datasets.Loaded) -> None:
    ratings = jokes.ratings
    held_out = np.random.default_rng(0).random(len(ratings)) < 0.1
    train, test = ratings.take(~held_out), ratings.take(held_out)
    biases, _ = factorize(train, 0, 1)
    taste, _ = factorize(train, 6, 20)
    assert 3.6 < rmse(biases, test) < 4
    assert rmse(taste, test) < 0.8 * rmse(biases, test)


def test_jokes_of_one_kind_please_the_same_raters(jokes: datasets.Loaded) -> None:
    _, factors = factorize(jokes.ratings, 6, 20)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(len(unit))
    all_kinds = np.array([joke.kind for joke in sample.read_jokes()])
    kinds = all_kinds[jokes.ratings.items.ids - 1]
    nearest = np.argsort(-cosine, axis=1)[:, :3]
    assert np.mean(kinds[nearest] == kinds[:, None]) > 0.85


# ---------------------------------------------------------------------------------------------------- synthetic tables


def check_table(table: Ratings, users: int, items: int, ratings: int) -> None:
    assert (len(table.users), len(table.items), len(table)) == (users, items, ratings)
    pair = table.user.astype(np.int64) * items + table.item
    assert np.all(np.diff(pair) > 0)  # sorted by user, then item; no pair twice
    assert pair[0] >= 0
    assert table.item.max() < items
    assert np.all(np.bincount(table.user, minlength=users) >= 1)
    assert table.scale.low <= table.rating.min()
    assert table.rating.max() <= table.scale.high


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_synthetic_table_has_the_size_that_was_asked_for(draw: st.DataObject) -> None:
    users, items = draw.draw(st.integers(1, 40)), draw.draw(st.integers(1, 40))
    ratings = draw.draw(st.integers(users, users * items))
    popularity, activity, seed = draw.draw(st.tuples(st.floats(0, 3), st.floats(0, 3), st.integers(0, 9)))
    table = make_ratings(users, items, ratings, popularity=popularity, activity=activity, seed=seed)
    check_table(table, users, items, ratings)


def test_synthetic_degrees_follow_power_laws() -> None:
    table = make_ratings(5_000, 1_000, 300_000, popularity=0.8, activity=0.6)
    check_table(table, 5_000, 1_000, 300_000)
    for index, least in ((table.user, 8), (table.item, 8)):
        degrees = np.sort(np.bincount(index))[::-1]
        assert degrees[0] > least * np.median(degrees)
    even = np.bincount(make_ratings(5_000, 1_000, 300_000, popularity=0, activity=0).user)
    assert np.all(even == 60)


def test_a_synthetic_table_depends_on_its_arguments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_ratings(3_000, 500, 400_000, seed=5)
    monkeypatch.setattr(parallel, "available", lambda: 1)
    again, other = make_ratings(3_000, 500, 400_000, seed=5), make_ratings(3_000, 500, 400_000, seed=6)
    for name in ("user", "item", "rating"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.item, other.item)
    assert not np.array_equal(first.rating, other.rating)


def test_the_structure_of_a_synthetic_table_is_the_one_returned() -> None:
    table, truth = make_ratings(2_000, 300, 100_000, factors=4, noise=0.5, scale=(-10, 10), return_truth=True)
    expected = truth.mean + truth.user_bias[table.user] + truth.item_bias[table.item]
    expected += np.sum(truth.user_factors[table.user] * truth.item_factors[table.item], axis=1)
    inside = np.abs(expected) < 7
    error = (table.rating - expected)[inside]
    assert abs(error.mean()) < 0.01
    assert abs(error.std() - 0.5) < 0.01
    taste = np.sum(truth.user_factors[table.user] * truth.item_factors[table.item], axis=1)
    assert 1.9 < taste.std() < 3  # 0.12 of a scale 20 wide


def test_a_factorization_recovers_a_synthetic_table() -> None:
    table = make_ratings(600, 150, 20_000, factors=2, noise=0.3, scale=(-10, 10))
    held_out = np.random.default_rng(0).random(len(table)) < 0.1
    biases, _ = factorize(table.take(~held_out), 0, 0.3)
    found, _ = factorize(table.take(~held_out), 2, 0.3)
    assert rmse(biases, table.take(held_out)) > 2
    assert rmse(found, table.take(held_out)) < 0.6


def test_steps_make_stars() -> None:
    assert set(make_ratings(200, 100, 5_000, step=1).rating) == {1, 2, 3, 4, 5}
    halves = make_ratings(200, 100, 5_000, scale=(0.5, 5), step=0.5).rating
    assert set(halves) == {half / 2 for half in range(1, 11)}


def test_a_synthetic_table_needs_little_more_memory_than_itself() -> None:
    make_ratings(10, 10, 20)
    tracemalloc.start()
    make_ratings(20_000, 2_000, 2_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.25 * 12 * 2_000_000 + 200 * 22_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 10, 101), "10 users and 10 items can have 10 to 100 ratings, not 101"),
        ((10, 10, 9), "not 9"),
        ((0, 10, 9), "users and items must be from 1"),
        ((2**31, 10, 2**32), "users and items must be from 1"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_ratings(*arguments)


@pytest.mark.parametrize("wrong", [{"factors": -1}, {"noise": -0.5}, {"noise": np.nan}, {"step": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="must"):
        make_ratings(10, 10, 20, **wrong)  # type: ignore[call-overload]


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_the_alias_table_holds_the_weights(weights: list[float]) -> None:
    weight = np.array(weights)
    keep, alias = alias_table(weight)
    kept = keep / 2**32
    found = kept + np.bincount(alias, 1 - kept, minlength=len(weight))
    np.testing.assert_allclose(found / len(weight), weight / weight.sum(), atol=1e-8)


@pytest.mark.parametrize("easy", [0, 20])  # all by a race, all by rejection
def test_items_are_drawn_one_after_the_other_without_replacement(easy: int) -> None:
    weight = np.array([8.0, 4, 2, 1, 1])
    users = 20_000
    item = np.empty(2 * users, dtype=np.int32)
    draw_items(0, users, np.uint64(3), np.arange(0, 2 * users + 1, 2), weight, *alias_table(weight), easy, item)
    share = weight / weight.sum()
    expected = {
        (i, j): share[i] * share[j] / (1 - share[i]) + share[j] * share[i] / (1 - share[j])
        for i in range(5)
        for j in range(i + 1, 5)
    }
    pairs = [tuple(pair) for pair in item.reshape(-1, 2).tolist()]
    for pair, probability in expected.items():
        assert abs(pairs.count(pair) / users - probability) < 5 * np.sqrt(probability / users)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".dat", ".parquet"])
def test_a_written_table_can_be_read(suffix: str, tmp_path: Path) -> None:
    table = make_ratings(50, 40, 300, scale=(-10, 10))
    write_ratings(table, tmp_path / f"ratings{suffix}")
    assert names(tmp_path) == [f"ratings{suffix}"]
    again = read_ratings(tmp_path / f"ratings{suffix}")
    assert np.array_equal(again.rating, table.rating)
    for side in ("user", "item"):
        ids, index = getattr(again, f"{side}s").ids, getattr(again, side)
        assert np.array_equal(ids[index], getattr(table, side) + 1)


def test_the_layout_of_jester_has_two_tabs(tmp_path: Path) -> None:
    table = make_ratings(1, 3, 3, step=1)
    write_ratings(table, tmp_path / "r.dat")
    first = (tmp_path / "r.dat").read_text().splitlines()[0]
    assert first == f"1\t\t1\t\t{table.rating[0]:.1f}"


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.csv, \.tsv, \.dat or \.parquet"):
        write_ratings(make_ratings(1, 1, 1), tmp_path / "ratings.xlsx")


@pytest.mark.parametrize("make", [lambda: datasets.load("sample"), lambda: make_ratings(10, 10, 50)])
def test_generated_ratings_say_so(make: Callable[[], object]) -> None:
    made = make()
    ratings = made.ratings if isinstance(made, datasets.Loaded) else made
    assert any(note.startswith("generated:") for note in ratings.notes)  # type: ignore[attr-defined]
