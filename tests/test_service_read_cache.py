"""The caches: nothing that a process changed is read from them."""

import os
import sqlite3

import pytest

from palate.service import read_cache
from palate.service.answer_cache import AnswerCache
from palate.service.read_cache import ReadCache
from palate.service.store import Store


def cache_of(folder):
    (folder / "store").touch()
    return ReadCache(folder / "tokens", folder / "store")


@pytest.mark.parametrize("harm", ["cut", "emptied", "deleted", "replaced", "moved", "store"])
def test_harm_to_the_file_of_tokens_costs_a_query_and_no_change(tmp_path, harm):
    one, two, path = cache_of(tmp_path), cache_of(tmp_path), tmp_path / "tokens"
    for cache in (one, two):
        assert cache.read("a", lambda owner: {"a": 1.0}) == {"a": 1.0}
    if harm in ("cut", "emptied"):
        os.truncate(path, 0)
        if harm == "emptied":
            os.truncate(path, 8 * 4096)
    elif harm == "store":
        (tmp_path / "other").touch()
        os.replace(tmp_path / "other", tmp_path / "store")
        assert one.read("a", lambda owner: {"a": 2.0}) == {"a": 2.0}  # at once
    elif harm == "replaced":
        (tmp_path / "other").write_bytes(bytes(8 * 4096))
        os.replace(tmp_path / "other", path)
    else:
        path.rename(tmp_path / "away")
        if harm == "deleted":
            (tmp_path / "away").unlink()
    two.invalidate("a")
    assert one.read("a", lambda owner: {"a": 3.0}) == {"a": 3.0}
    assert one.read("a", lambda owner: {"a": 4.0}) == {"a": 3.0}
    one.invalidate("a")
    assert two.read("a", lambda owner: {"a": 5.0}) == {"a": 5.0}


def test_nothing_is_cached_where_changes_cannot_be_signalled(tmp_path):
    cache = ReadCache(tmp_path / "none" / "tokens", tmp_path)
    cache.invalidate("a")
    assert cache.read("a", lambda owner: {"a": 1.0}) == {"a": 1.0}
    assert cache.read("a", lambda owner: {"a": 2.0}) == {"a": 2.0}


def test_a_store_file_that_is_replaced_is_seen_at_once(tmp_path):
    for folder, rating in (("one", 4.0), ("two", 2.0)):
        (tmp_path / folder).mkdir()
        store = Store(f"sqlite:///{tmp_path / folder / 'events.sqlite'}")
        store.open()
        store.put("u:5", {"3": rating})
        with sqlite3.connect(tmp_path / folder / "events.sqlite") as plain:
            plain.execute("pragma wal_checkpoint(truncate)")
        plain.close()
        store.close()
    store = Store(f"sqlite:///{tmp_path / 'one' / 'events.sqlite'}")
    store.open()
    assert store.ratings("u:5") == {"3": 4.0}
    for part in (tmp_path / "one").glob("events.sqlite-[ws]*"):
        part.unlink()
    os.replace(tmp_path / "two" / "events.sqlite", tmp_path / "one" / "events.sqlite")
    assert store.ratings("u:5") == {"3": 2.0}
    store.close()


def test_a_reader_asks_again_only_after_a_change(tmp_path):
    queried = []

    def query(owner):
        queried.append(owner)
        return {owner: 1.0}

    one, two = (cache_of(tmp_path) for _ in range(2))
    for _ in range(3):
        assert one.read("a", query) == {"a": 1.0}
    assert queried == ["a"]
    two.invalidate("a")
    one.read("a", query)
    assert queried == ["a", "a"]
    two.invalidate(None)
    one.read("a", query)
    one.read("a", query)
    assert len(queried) == 3


def test_a_change_while_a_reader_reads_is_not_missed(tmp_path):
    cache = cache_of(tmp_path)
    rows = {"a": 1.0}

    def query(owner):
        read = dict(rows)
        rows["a"] = 2.0
        cache.invalidate("u")  # somebody writes after the query and before its result is cached
        return read

    assert cache.read("u", query) == {"a": 1.0}
    assert cache.read("u", lambda owner: dict(rows)) == {"a": 2.0}


def test_a_change_made_without_palate_is_noticed_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(read_cache, "_MAX_AGE", 0.0)
    cache = cache_of(tmp_path)
    assert cache.read("a", lambda owner: {"a": 1.0}) == {"a": 1.0}
    assert cache.read("a", lambda owner: {"a": 2.0}) == {"a": 2.0}


def test_an_answer_is_used_only_for_what_it_was_made_from():
    cache = AnswerCache(2)
    cache.put("a", {"x": 1.0}, b"1")
    cache.put("b", {}, b"2")
    assert cache.get("a", {"x": 1.0}) == b"1"
    assert cache.get("a", {"x": 2.0}) is None
    cache.put("c", {}, b"3")
    assert [cache.get(key, {}) for key in "bc"] == [None, b"3"]  # "b" was used longest ago
