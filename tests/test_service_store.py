"""The event store: durable, honest about its troubles, well again without a restart."""

import itertools
import sqlite3
import sys
import threading

import pytest
import sqlalchemy as sa

from palate.errors import SettingsError, StoreError
from palate.service import tables
from palate.service.store import Store
from serving import CSRF, PATIENCE, Served, client, is_problem, until


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.sqlite'}"
    return request.getfixturevalue("postgresql")


@pytest.fixture
def store(url):
    opened = Store(url, 0.2)
    opened.open()
    yield opened
    opened.close()


def test_what_was_put_is_there_once_and_the_last_word_counts(store):
    for _ in range(3):
        store.put("u:1", {"a": 1.5, "b": None})
    store.put("u:1", {"a": 2.5})
    assert store.ratings("u:1") == {"a": 2.5, "b": None}
    assert store.ratings("u:2") == {}
    store.put("u:2", {"ü/ 💥'; --": 1e-3})
    assert store.everything() == [("u:1", "a", 2.5), ("u:1", "b", None), ("u:2", "ü/ 💥'; --", 1e-3)]
    store.withdraw("u:1", ["c"], "b")
    assert store.ratings("u:1") == {"a": 2.5, "b": None}
    store.withdraw("u:1", ["c"])
    assert store.ratings("u:1") == {"a": None, "b": None, "c": None}
    store.put("u:1", {"a": 2.0, "c": 3.0})
    assert (store.forget_withdrawals(0), store.forget_withdrawals(1 << 40)) == (0, 1)
    assert store.ratings("u:1") == {"a": 2.0, "c": 3.0}
    store.delete("u:1", "a")
    for _ in range(2):
        store.delete("u:1", "c")
        store.delete("u:2")
    assert store.everything() == []
    store.put("u:1", {})


def test_single_values_are_kept_or_replaced(store):
    assert store.fact("cookies") is None
    assert store.set_fact("cookies", "a", keep=True) == "a"
    assert store.set_fact("cookies", "b", keep=True) == "a"
    assert store.set_fact("cookies", "c") == "c" == store.fact("cookies")


def test_what_changed_is_counted_whatever_the_clock_says(store, monkeypatch):
    store.put("u:1", {"a": 1.0, "b": 2.0})
    before = store.last_change()
    monkeypatch.setattr("palate.service.store.time.time", lambda: 1.0)
    assert (store.count_after(-1), store.count_after(before)) == (2, 0)
    store.put("u:1", {"b": 3.0, "c": 3.0})
    store.withdraw("u:1", ["d"], "d")
    assert (store.count_after(-1), store.count_after(before)) == (4, 3)
    assert store.last_change() == before + 2


EVENTS_OF_FIRST_VERSION = (
    "create table events (owner text not null, item text not null, rating double precision, "
    "at double precision not null, primary key (owner, item))"
)


def test_a_store_of_the_first_version_is_migrated(url):
    first = Store(url)
    first.open()
    with first.writing() as connection:
        for statement in (
            "drop table events",
            "drop table counters",
            "drop table retrains",
            EVENTS_OF_FIRST_VERSION,
            "insert into events values ('u:1', 'a', 1.0, 100.0), ('u:1', 'b', 2.0, 300.0)",
            "insert into facts values ('retrained', '200.0')",
            "update version set steps = 1",
        ):
            connection.execute(sa.text(statement))
    first.close()
    store = Store(url)
    store.open()
    assert store.ratings("u:1") == {"a": 1.0, "b": 2.0}
    assert (store.count_after(0), store.fact("retrained")) == (1, None)
    store.put("u:1", {"a": 3.0})
    assert store.count_after(0) == 2
    store.close()


def test_two_stores_see_each_others_ratings_at_once(url, store):
    other = Store(url)
    other.open()
    for turn in range(50):
        store.put("u:1", {"a": float(turn)})
        assert other.ratings("u:1") == {"a": float(turn)}
        other.delete("u:1")
        assert store.ratings("u:1") == {}
    other.close()


def test_threads_of_two_stores_lose_nothing(url):
    stores = [Store(url, PATIENCE), Store(url, PATIENCE)]
    failed = []

    def write(to, name):
        try:
            for turn in range(40):
                to.put(f"u:{name}", {str(turn): float(turn)})
        except StoreError as error:
            failed.append(error)

    for one in stores:
        one.open()
    threads = [
        threading.Thread(target=write, args=(to, f"{at}{of}")) for at in range(3) for of, to in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = stores[0].everything()
    for one in stores:
        one.close()
    assert failed == []
    assert sorted(rows) == sorted(
        (f"u:{at}{of}", str(turn), float(turn)) for at in range(3) for of in range(2) for turn in range(40)
    )


def test_a_store_of_a_later_version_is_refused(url, store):
    with store.writing() as connection:
        connection.execute(sa.text("update version set steps = 99"))
    with pytest.raises(StoreError, match="upgrade palate"):
        Store(url).open()


def test_steps_are_taken_once(url, store, monkeypatch):
    taken = []
    monkeypatch.setattr(tables, "_STEPS", [*tables._STEPS, lambda connection: taken.append(connection.dialect.name)])
    monkeypatch.setattr(tables, "VERSION", 3)
    store.put("u:1", {"a": 1.0})
    for _ in range(2):
        newer = Store(url)
        newer.open()
        assert newer.ratings("u:1") == {"a": 1.0}
        newer.close()
    assert len(taken) == 1


def test_urls_that_cannot_be_a_store_are_refused():
    for wrong in ("nonsense", "mysql://a/b", "sqlite://", "sqlite:///:memory:", "://", "https://user:secret@x"):
        with pytest.raises(SettingsError) as refused:
            Store(wrong)
        assert "secret" not in str(refused.value)
    with pytest.raises(StoreError, match="is gone"):
        Store("sqlite:////nowhere/at/all/events.sqlite").open()


# The database cannot be used, and can be used again without a restart


def refuses(served, words, *, reading=True):
    assert is_problem(served.put("/v1/users/5/ratings/3", json={"rating": 5}), 503, words)
    answer = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    assert is_problem(answer, 503, words)
    assert int(answer.headers["retry-after"]) >= 1
    if reading:
        assert is_problem(served.get("/readyz"), 503, words)
    assert served.get("/healthz").status_code == 200
    assert served.get("/v1/items").status_code == 200


def works(served, rating=4.0):
    assert served.put("/v1/users/5/ratings/3", json={"rating": rating}).status_code == 204
    assert served.get("/v1/users/5/ratings/3").json()["rating"] == rating
    assert served.get("/readyz").status_code == 200


def test_a_locked_database(tmp_path):
    with client(tmp_path, busy=0.05) as served:
        works(served)
        holder = sqlite3.connect(tmp_path / "model.palate.events.sqlite", isolation_level=None)
        holder.execute("begin immediate")
        refuses(served, "is locked", reading=False)
        assert served.get("/v1/users/5/ratings/3").json()["rating"] == 4.0  # readers do not wait for writers
        holder.execute("rollback")
        holder.close()
        works(served, 3.0)


def test_a_full_disk(tmp_path):
    with client(tmp_path) as served:
        works(served)
        engine = served.app.state.palate.store.database.engine()

        @sa.event.listens_for(engine, "begin")
        def full(connection):
            connection.exec_driver_sql("pragma max_page_count = 1")  # no less than it has: not one page more

        def fill():
            for turn in range(300):
                served.app.state.palate.store.put(f"u:{turn + 1000}", {str(one): 1.0 for one in range(100)})

        with pytest.raises(StoreError, match="no room left"):
            fill()
        answer = served.patch("/v1/users/5/ratings", json={"ratings": {str(one): 3 for one in range(1, 15)}})
        owners = {owner for owner, _, _ in served.app.state.palate.store.everything()}
        assert answer.status_code in (204, 503)  # some room may be left on the last page
        assert ("u:5" in owners) or answer.status_code == 503
        sa.event.remove(engine, "begin", full)

        @sa.event.listens_for(engine, "begin")
        def roomy(connection):
            connection.exec_driver_sql("pragma max_page_count = 1000000")

        works(served, 3.0)


def test_a_database_that_is_gone_and_comes_back(tmp_path):
    path, away = tmp_path / "model.palate.events.sqlite", tmp_path / "away"
    away.mkdir()
    with client(tmp_path) as served:
        works(served)
        for part in tmp_path.glob(path.name + "*"):
            part.rename(away / part.name)
        refuses(served, "is gone")
        assert not path.exists()  # nothing is written into an empty one in its place
        for part in away.iterdir():
            part.rename(tmp_path / part.name)
        assert served.get("/v1/users/5/ratings/3").json()["rating"] == 4.0
        works(served, 3.0)


def test_something_that_is_no_database(tmp_path):
    (tmp_path / "model.palate.events.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError), client(tmp_path):
        pass


def test_the_service_on_postgresql(tmp_path, postgresql):
    with client(tmp_path, store=postgresql) as served:
        works(served)
        served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
        assert len(served.get("/v1/me/recommendations").json()["recommendations"]) == 10
        store = served.app.state.palate.store
        others = (
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )
        engine = sa.create_engine(sa.make_url(postgresql).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(sa.text(others))
        works(served, 3.0)  # connections that were cut are made anew
        with engine.begin() as connection:
            for table in ("events", "keys", "facts", "counters", "retrains", "version"):
                connection.execute(sa.text(f"drop table {table}"))
        engine.dispose()
        assert is_problem(served.put("/v1/users/5/ratings/3", json={"rating": 5}), 503)
        store.close()


def test_a_postgresql_that_is_not_there(tmp_path):
    with pytest.raises(StoreError) as refused:
        Store("postgresql://user:secret@127.0.0.1:1/palate").open()
    assert "secret" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


# What is kept in memory


def test_a_store_without_its_tables_is_not_ready(tmp_path):
    with client(tmp_path) as served:
        assert served.get("/readyz").status_code == 200
        with sqlite3.connect(tmp_path / "model.palate.events.sqlite") as plain:
            plain.execute("drop table events")
        plain.close()
        assert is_problem(served.get("/readyz"), 503)


# The files


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_nobody_else_may_read_the_store(tmp_path):
    path = tmp_path / "events.sqlite"
    for mode in (None, 0o644):
        if mode is not None:  # as earlier versions made it
            path.chmod(mode)
        store = Store(f"sqlite:///{path}")
        store.open()
        store.put("u:1", {"a": 1.0})
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
        assert modes == dict.fromkeys([path.name, f"{path.name}-fresh", f"{path.name}-shm", f"{path.name}-wal"], 0o600)
        store.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_after_a_service_ends_all_is_in_the_one_file(tmp_path, workers):
    import httpx

    runtime = tmp_path / "tmp"
    runtime.mkdir()
    with Served(tmp_path, "--log", "error", "--workers", workers, TMPDIR=str(runtime)) as served:
        for item in range(1, 6):
            url = f"{served.url}/v1/users/5/ratings"
            assert httpx.put(f"{url}/{item}", json={"rating": 5}, timeout=PATIENCE).status_code == 204
            assert httpx.get(url, timeout=PATIENCE).status_code == 200  # a reader is open, too
        assert served.stop() in (0, -15)
    path = tmp_path / "model.palate.events.sqlite"
    wal = path.with_name(path.name + "-wal")
    assert not wal.exists() or not wal.stat().st_size
    copied = tmp_path / "copy.sqlite"
    copied.write_bytes(path.read_bytes())
    with sqlite3.connect(copied) as alone:
        assert alone.execute("select count(*) from events").fetchone() == (5,)
    assert list(runtime.glob("palate-*")) == []  # nor is a copy of the model left


# kill -9


def test_every_acknowledged_rating_outlives_a_kill(tmp_path):
    import httpx

    acknowledged = {}
    served = Served(tmp_path, "--log", "error")

    def write(turn):
        with httpx.Client(base_url=served.url, timeout=PATIENCE) as web:
            for count in itertools.count():
                user, item, rating = 1000 * (turn + 1) + count % 7, 1 + count % 14, 1 + (turn + count) % 5
                try:
                    response = web.put(f"/v1/users/{user}/ratings/{item}", json={"rating": rating})
                except httpx.TransportError:  # the service was killed
                    return
                assert response.status_code == 204, response.text
                acknowledged[f"u:{user}", str(item)] = float(rating)
                writes.append(count)

    turns = 5
    for turn in range(turns):
        writes = []
        with served:
            writer = threading.Thread(target=write, args=(turn,))
            writer.start()
            until(lambda: len(writes) > 25 or not writer.is_alive())  # noqa: B023
            served.kill()
            writer.join()
        assert len(writes) > 25
    store = Store(f"sqlite:///{tmp_path / 'model.palate.events.sqlite'}")
    store.open()
    stored = {(owner, item): rating for owner, item, rating in store.everything()}
    store.close()
    assert set(acknowledged) <= set(stored)
    # At a kill one write may be under way: it may be stored or not.
    differ = {name for name, rating in acknowledged.items() if stored[name] != rating}
    assert len(differ) + len(stored) - len(acknowledged) <= turns
