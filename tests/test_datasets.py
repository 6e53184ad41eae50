"""Data sets by name: published ones, from a server on this machine or a folder, and the embedded sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dense_als import factorize, rmse
from file_server import GOOD, Server, archive, zipped
from palate import datasets
from palate.datasets import jester, movielens, sample
from palate.datasets.synthetic import make_ratings
from palate.errors import DataError, DownloadError, ReadError

pytestmark = pytest.mark.usefixtures("cache")

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


@pytest.mark.parametrize("make", [lambda: datasets.load("sample"), lambda: make_ratings(10, 10, 50)])
def test_generated_ratings_say_so(make: Callable[[], object]) -> None:
    made = make()
    ratings = made.ratings if isinstance(made, datasets.Loaded) else made
    assert any(note.startswith("generated:") for note in ratings.notes)  # type: ignore[attr-defined]
