"""A model exchanged under load, several workers, fitting anew, and the client."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import palate
from palate.errors import DataError, ServiceError, SettingsError, StorageError, UnknownIdError
from palate.retraining import merge, retrain, solver_of, without_users
from palate.service.model_holder import ModelHolder
from palate.service.schedule import RetrainingSchedule, parse_interval
from palate.service.store import Store
from serving import ODD, Served, client, environment, fitted, model_file


def another():
    """Return a model of the same users and items that predicts something else."""
    model = fitted()
    return dataclasses.replace(model, item_bias=-model.item_bias, intercept=model.intercept - 0.5)


def until(found, what, seconds=20):
    end = time.monotonic() + seconds
    while not (value := what(found)):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return value


# Exchanging the model


def test_a_new_file_is_served_and_a_bad_one_is_not(tmp_path):
    path = model_file(tmp_path)
    first = path.read_bytes()
    with client(tmp_path) as served:
        answers = served.get("/v1/users/5/recommendations").json()
        tag = served.get("/v1/model").json()["model"]
        for bad in (b"", b"nonsense" * 100, first[:-1000], first[:2000], bytes(len(first))):
            path.write_bytes(bad)  # in place, over what is being served
            told = until(served, lambda served: served.get("/v1/model").json()["refused"])
            assert "model.palate" in told
            assert "/" not in told  # where the model is, is nobody's business
            assert served.get("/v1/users/5/recommendations").json() == answers
            assert served.get("/v1/model").json()["model"] == tag
            path.write_bytes(first)
            until(served, lambda served: served.get("/v1/model").json()["refused"] is None)
        path.unlink()
        time.sleep(0.6)
        assert served.get("/v1/users/5/recommendations").json() == answers
        palate.save(another(), path)
        until(served, lambda served: served.get("/v1/model").json()["model"] != tag)
        found = served.get("/v1/users/5/recommendations").json()["recommendations"]
        assert [row["item"] for row in found] == [one.id for one in another().recommend(5)]


def test_a_model_is_a_regular_file(tmp_path):
    path = tmp_path / "model.palate"
    os.mkfifo(path)
    for wrong in (path, Path("/dev/zero"), tmp_path):
        with pytest.raises(StorageError):
            ModelHolder(wrong, tmp_path)
    for wrong in (path, Path("/dev/zero")):
        with pytest.raises(StorageError, match="no regular file"):
            retrain(wrong, None)
    path.unlink()
    model_file(tmp_path)
    with client(tmp_path) as served:
        path.unlink()
        os.mkfifo(path)
        told = until(served, lambda served: served.get("/v1/model").json()["refused"])
        assert told == "model model.palate is no regular file"


def test_a_copy_is_checked_once_and_old_ones_go(tmp_path):
    path = model_file(tmp_path)
    folder = tmp_path / "copies"
    folder.mkdir()
    one, two = ModelHolder(path, folder), ModelHolder(path, folder)
    assert [file.suffix for file in folder.iterdir()] == [".palate"]
    assert not one.has_changed()
    palate.save(another(), path)
    assert one.has_changed()
    assert one.refresh()
    assert two.current.model.recommend(5)  # still the old one, whose file is gone
    assert two.refresh()
    assert not two.refresh()
    assert [file.name for file in folder.iterdir()] == [f"{one.current.digest}.palate"]
    with pytest.raises(StorageError):
        ModelHolder(tmp_path / "none.palate", folder)


def test_no_request_fails_while_models_are_exchanged_under_load(tmp_path):
    import httpx

    models = [tmp_path / "a.palate", tmp_path / "b.palate"]
    palate.save(fitted(), models[0])
    palate.save(another(), models[1])
    expected = {tuple(one.id for one in model.recommend(5)) for model in (fitted(), another())}
    stop, failed, seen = threading.Event(), [], []

    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:

        def ask():
            with httpx.Client(base_url=served.url, timeout=20) as web:
                while not stop.is_set():
                    answer = web.get("/v1/users/5/recommendations")
                    if answer.status_code != 200:
                        failed.append(answer.text)
                    else:
                        seen.append(tuple(row["item"] for row in answer.json()["recommendations"]))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(6):
            fresh = tmp_path / "fresh"
            shutil.copy(models[(turn + 1) % 2], fresh)
            fresh.replace(tmp_path / "model.palate")
            time.sleep(0.8)
        stop.set()
        for thread in threads:
            thread.join()
        assert served.stop() in (0, -15)
    assert failed == []
    assert set(seen) == expected
    assert len(seen) > 50


def test_two_workers_that_write_at_once_lose_nothing(tmp_path):
    import httpx

    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:
        failed = []

        def write(name):
            # A connection for each request, so that both workers get some.
            for turn in range(30):
                answer = httpx.put(
                    f"{served.url}/v1/users/{name}/ratings/{1 + turn % 14}", json={"rating": 1 + turn % 5}
                )
                told = httpx.get(f"{served.url}/v1/users/{name}/ratings/{1 + turn % 14}")
                if answer.status_code != 204 or told.json().get("rating") != 1 + turn % 5:
                    failed.append((answer.text, told.text))

        threads = [threading.Thread(target=write, args=(f"{900 + at}",)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        text = httpx.get(f"{served.url}/metrics").text
        given = sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("palate_events_total"))
        assert given == 120  # of both workers together
        for at in range(4):
            rows = httpx.get(f"{served.url}/v1/users/{900 + at}/ratings").json()["ratings"]
            assert {row["item"]: row["rating"] for row in rows} == {
                1 + turn % 14: 1 + turn % 5 for turn in range(16, 30)
            }


def test_workers_end_when_their_supervisor_is_killed(tmp_path):
    with Served(tmp_path, "--workers", "2", "--log", "warning") as served:
        served.process.kill()
        served.process.wait()

        def is_gone(served):
            try:
                os.killpg(served.process.pid, 0)
            except ProcessLookupError:
                return True
            return False

        try:
            until(served, is_gone)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(served.process.pid, signal.SIGKILL)


# Fitting anew


def table(ratings):
    users, items = ratings.users, ratings.items
    rows = zip(ratings.user.tolist(), ratings.item.tolist(), ratings.rating.tolist(), strict=True)
    return {(users[u], items[i]): r for u, i, r in rows}


@pytest.mark.parametrize("text", [False, True])
def test_events_overrule_the_ratings_of_the_model(text):
    base = fitted(text).ratings()
    expected = table(base)
    (user, item), *_ = expected
    (other, another), *_ = [name for name in expected if name[0] != user]
    events = [
        (f"u:{user}", str(item), 2.5),
        (f"u:{other}", str(another), None),
        ("u:7000", str(item), 4.0),
        ("v:abc", str(item), 1.0),
    ]
    found, visitors = merge(base, events)
    expected[user, item] = 2.5
    del expected[other, another]
    new = "7000" if text else 7000
    expected[new, item] = 4.0
    told = table(found)
    [stranger] = set(told) - set(expected)
    assert told.pop(stranger) == 1.0
    assert told == expected
    assert [found.users[at] for at in np.flatnonzero(visitors).tolist()] == [stranger[0]]
    assert list(found.users.ids) == sorted(found.users.ids)
    assert table(merge(base, [])[0]) == table(base)


def test_a_new_user_with_a_name_among_numbers_makes_all_ids_texts():
    found, visitors = merge(fitted().ratings(), [("u:ann", "3", 4.0), ("v:x", "99", 2.0)])
    assert found.users.is_text
    assert not found.items.is_text
    assert table(found)["ann", 3] == 4.0
    assert table(found)["5", 1 if ("5", 1) in table(found) else 2]
    assert visitors.sum() == 1
    assert 99 in found.items.ids


@pytest.mark.parametrize("odd", ["--5", " 12", "12 ", "012", "-0", "１２", "1_0", "9" * 30])
def test_an_id_that_only_looks_like_an_integer_is_another_one(odd):
    base = fitted().ratings()
    found, _ = merge(base, [(f"u:{odd}", "3", 4.0), ("u:-5", "3", 2.0)])
    told = table(found)
    assert (told[odd, 3], told["-5", 3]) == (4.0, 2.0)
    assert len(told) == len(table(base)) + 2
    assert base.users.index([odd])[0] == -1
    assert fitted().catalogue.get(odd) is None


def test_bad_rows_of_the_store_stop_no_fit(tmp_path, caplog):
    path = model_file(tmp_path)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    store.put("u:5", {"3": 2.5, "4": 1e300, "": 2.0, "6": float("inf")})
    for owner in ("", "5", "u:", "w:5", "U:5"):
        store.put(owner, {"3": 1.0})
    with store.writing() as connection:
        connection.exec_driver_sql("insert into events values ('u:6', '3', 'five', 1.0), (x'00', '3', 1.0, 1.0)")
    retrain(path, store)
    assert "10 rows of the store cannot be used" in caplog.text
    model = palate.load(path)
    assert len(model.users) == 40
    assert model.ratings().users.ids.tolist() == fitted().users.ids.tolist()
    items, values = model.seen[model.users.require(5)]
    assert dict(zip(items.tolist(), values.tolist(), strict=True))[model.items.require(3)] == 2.5
    store.close()


def test_a_model_forgets_users_and_says_the_same_of_all_others():
    model = fitted()
    gone = np.zeros(40, bool)
    gone[[0, 7, 39]] = True
    left = without_users(model, gone)
    assert len(left.users) == 37
    for user in (2, 9, 38):
        assert left.recommend(user) == model.recommend(user)
        assert left.predict(user, 3, interval=0.9) == model.predict(user, 3, interval=0.9)
        assert left.seen[left.users.require(user)][0].tolist() == model.seen[model.users.require(user)][0].tolist()
    for user in (1, 8, 40):
        with pytest.raises(UnknownIdError):
            left.predict(user, 3)
    assert left.fold_in_item({2: 5.0}).bias == pytest.approx(model.fold_in_item({2: 5.0}).bias)
    assert without_users(model, np.zeros(40, bool)) is model


def test_a_fit_anew_learns_from_the_store_and_keeps_no_visitor(tmp_path):
    path = model_file(tmp_path)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    store.put("u:500", {str(item): 5.0 for item in range(1, 8)})
    store.put("v:somebody", {"99": 4.0, "3": 1.0})
    told = retrain(path, store)
    assert (told.ratings, told.stored, told.visitors) == (len(fitted().seen.values) + 9, 9, 1)
    model = palate.load(path)
    assert 500 in model.users.ids
    assert len(model.users) == 41
    assert 99 in model.items.ids  # the visitor's rating gave it factors
    assert model.item_counts[model.items.require(99)] == 0  # but the rating itself is not in the file
    assert model.catalogue.text(99) == "never rated"
    assert {key: model.solver[key] for key in ("factors", "sweeps", "seed")} == {"factors": 3, "sweeps": 30, "seed": 1}
    assert store.count_since(float(store.fact("retrained"))) == 0
    again = path.read_bytes()
    store.delete("u:500")
    retrain(path, store)
    assert path.read_bytes() != again
    store.close()


def test_what_is_deleted_during_a_fit_stays_deleted(tmp_path):
    path = model_file(tmp_path)
    with client(tmp_path) as served:
        store, mine = served.app.state.palate.store, {"X-Palate": "1"}
        unrated = next(str(item) for item in range(1, 15) if item not in served_items(served, 5))
        own = str(served_items(served, 5)[0])
        served.put(f"/v1/users/5/ratings/{unrated}", json={"rating": 5})
        served.patch("/v1/users/500/ratings", json={"ratings": {"1": 5, "2": 1}})
        served.put("/v1/me/ratings/3", json={"rating": 1}, headers=mine)
        done = []

        def delete(epoch):
            if not done:
                done.append(served.delete(f"/v1/users/5/ratings/{unrated}"))
                done.append(served.delete(f"/v1/users/5/ratings/{own}"))
                done.append(served.delete("/v1/users/500/ratings"))
                done.append(served.delete("/v1/me/ratings/3", headers=mine))

        for turn in range(3):
            tag = served.get("/v1/model").json()["model"]
            retrain(path, store, progress=None if turn else delete)
            if turn < 2:
                until(served, lambda served, old=tag: served.get("/v1/model").json()["model"] != old)
            assert {int(unrated), int(own)}.isdisjoint(served_items(served, 5))
            assert served_items(served, 500) == []
            assert served.get("/v1/me/ratings").json()["ratings"] == []
            assert (500 in palate.load(path).users.ids) == (turn == 0)  # this fit had read the ratings already
        assert [answer.status_code for answer in done] == [204] * 4
        assert store.everything() == []  # of what no model has any more not even the withdrawal is kept
        assert served.get("/v1/users/500/recommendations").status_code == 404


def served_items(served, user):
    return [row["item"] for row in served.get(f"/v1/users/{user}/ratings").json()["ratings"]]


def test_after_a_fit_anew_the_service_says_of_a_user_what_the_model_says(tmp_path):
    path = model_file(tmp_path)
    with client(tmp_path) as served:
        for item, rating in ((1, 4.123456), (2, 1.7), (99, 3.3)):
            served.put(f"/v1/users/500/ratings/{item}", json={"rating": rating})
        store = served.app.state.palate.store
        retrain(path, store)
        until(served, lambda served: served.get("/v1/model").json()["users"] == 41)
        found = served.get("/v1/users/500/recommendations?n=5").json()["recommendations"]
        told = [(one.id, one.score) for one in palate.load(path).recommend(500, 5)]
        assert [(row["item"], pytest.approx(row["prediction"], abs=1e-6)) for row in found] == told


def test_a_fit_anew_says_that_visitors_have_no_rows(tmp_path):
    path = model_file(tmp_path)
    for owner, said in (("u:500", False), ("v:somebody", True)):
        store = Store(f"sqlite:///{tmp_path / 'model.palate.events.sqlite'}")
        store.open()
        store.put(owner, {"3": 4.0})
        store.close()
        command = [sys.executable, "-m", "palate", "retrain", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
        assert ("no rows of their own" in done.stdout) == said


def test_what_cannot_be_served_is_one_line_and_makes_no_store(tmp_path):
    def refused(*arguments):
        command = [sys.executable, "-m", "palate", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=30)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done
        return done.stderr

    good, bad, none = model_file(tmp_path), tmp_path / "bad.palate", tmp_path / "none.palate"
    bad.write_bytes(b"nonsense")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for workers in (1, 2):
            flags = ("--port", port, "--workers", workers)
            assert f"127.0.0.1:{port} cannot be listened on (address already in use)" in refused("serve", good, *flags)
    for workers in (1, 2):
        for path in (bad, none):
            assert str(path) in refused("serve", path, "--port", 0, "--workers", workers)
    assert str(none) in refused("retrain", none)
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["bad.palate", "model.palate"]


def test_a_fit_anew_that_cannot_be_leaves_the_model_alone(tmp_path, monkeypatch):
    path = model_file(tmp_path)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    palate.save(dataclasses.replace(fitted(), seen=None), path)
    with pytest.raises(DataError, match="keeps no ratings"):
        retrain(path, store)
    model_file(tmp_path)
    before = path.read_bytes()
    with open(path, "rb") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="already"):
            retrain(path, store)
    with pytest.raises(SettingsError, match="cannot be fitted anew"):
        solver_of(dataclasses.replace(fitted(), solver={}), {})
    monkeypatch.setattr("palate.retraining.without_users", lambda model, gone: (path.touch(), model)[1])
    with pytest.raises(StorageError, match="was replaced while"):
        retrain(path, store)
    assert path.read_bytes() == before
    store.close()


def test_when_a_fit_is_due(tmp_path):
    from serving import settings

    assert [parse_interval(text) for text in ("", "500", "90s", "2d")] == [(0, 0.0), (500, 0.0), (0, 90.0), (0, 172_800.0)]
    for wrong in ("soon", "0", "-1", "5x", "1.5h"):
        with pytest.raises(SettingsError, match="a fit is due"):
            parse_interval(wrong)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    by_count = RetrainingSchedule(settings(tmp_path, retrain_every="2"), store)
    by_time = RetrainingSchedule(settings(tmp_path, retrain_every="1h"), store)
    never = RetrainingSchedule(settings(tmp_path), store)
    store.put("u:1", {"1": 1.0})
    assert [one.is_due() for one in (by_count, by_time, never)] == [False, False, False]
    store.put("u:1", {"2": 1.0})
    store.set_fact("retrained", str(time.time() - 4000))
    assert [one.is_due() for one in (by_count, by_time, never)] == [True, True, False]
    store.set_fact("retrain wanted", str(time.time()))
    assert never.is_due()
    store.set_fact("retrained", str(time.time()))
    assert [one.is_due() for one in (by_count, by_time, never)] == [False, False, False]
    store.close()


def test_a_running_service_fits_itself_anew(tmp_path):
    with Served(tmp_path, "--retrain-every", "3", "--log", "info") as served, palate.Client(served.url) as web:
        tag = web.model()["model"]
        web.rate(500, {1: 5, 2: 1, 3: 4})
        until(web, lambda web: web.model()["model"] != tag, 60)
        assert web.model()["users"] == 41
        assert len(web.recommend(500)) == 10
        assert web.ratings(500) == {1: 5, 2: 1, 3: 4}


# The client


@pytest.fixture
def web(tmp_path):
    with client(tmp_path, text=True) as served:
        found = palate.Client("http://localhost", retries=0)
        found._http = served
        yield found


def test_the_client_asks_what_a_model_is_asked(web):
    model = fitted(text=True)
    assert web.model()["users"] == 40
    assert [row["item"] for row in web.recommend("u3", 3, least=1, exclude=["w"])] == [
        one.id for one in model.recommend("u3", 3, least=1, exclude=["w"])
    ]
    assert [row["item"] for row in web.recommend({ODD[0]: 5.0}, 3)] == [
        one.id for one in model.recommend(model.fold_in({ODD[0]: 5.0}), 3)
    ]
    assert web.recommend_batch(["u1", "u2"], 2)["u2"] == web.recommend("u2", 2)
    assert web.predict("u3", ODD[1], level=0.9)["low"] == pytest.approx(model.predict("u3", ODD[1], interval=0.9).low)
    assert web.predict_batch([("u3", ODD[1])], level=0.9) == [web.predict("u3", ODD[1], level=0.9)]
    assert web.explain("u3", ODD[2])["prediction"] == pytest.approx(model.explain("u3", ODD[2]).prediction)
    assert web.explain({ODD[0]: 5.0}, ODD[2])["contributions"][0]["item"] == ODD[0]
    assert [row["item"] for row in web.ask("u3", 2)] == [one.id for one in model.ask("u3", 2)]
    assert web.ask({}, 1)[0]["item"] == model.ask(model.fold_in({}), 1)[0].id
    assert [row["id"] for row in web.similar_items(ODD[0], 2)] == [one.id for one in model.similar_items(ODD[0], 2)]
    assert [row["id"] for row in web.similar_users("u3", 2)] == [one.id for one in model.similar_users("u3", 2)]
    assert web.item(ODD[0])["item"] == ODD[0]
    assert len(web.items("text", n=5)) == 5
    web.rate("new/user", {ODD[0]: 5, "w": 1})
    web.rate("new/user", {"w": None})
    assert web.ratings("new/user") == {ODD[0]: 5}
    web.forget("new/user")
    assert web.ratings("new/user") == {}


def test_the_clients_errors_are_those_of_the_model(web):
    with pytest.raises(UnknownIdError, match="nobody"):
        web.recommend("nobody")
    with pytest.raises(DataError, match="off the model's scale"):
        web.rate("u1", {"w": 9})
    with pytest.raises(SettingsError, match="greater than or equal to 1"):
        web.recommend("u1", 0)
    web._http.app.state.palate.authenticator._is_exposed = True
    with pytest.raises(ServiceError, match=r"401.*API key"):
        web.recommend("u1")


def test_the_client_asks_again_while_a_service_is_away_or_busy(monkeypatch):
    import httpx

    waits = []
    monkeypatch.setattr("palate.client.time.sleep", waits.append)
    script = iter(
        [
            httpx.ConnectError("no"),
            httpx.Response(503, headers={"Retry-After": "2"}),
            httpx.Response(429),
            httpx.Response(200, json={"users": 1}),
        ]
    )

    def answer(request):
        told = next(script)
        if isinstance(told, Exception):
            raise told
        return told

    web = palate.Client("http://localhost")
    web._http = httpx.Client(base_url="http://localhost", transport=httpx.MockTransport(answer))
    assert web.model() == {"users": 1}
    assert len(waits) == 3
    assert 2 <= waits[1] <= 2.5
    assert 0.4 <= waits[2] <= 0.5
    script = iter([httpx.ReadTimeout("no")] * 5)
    with pytest.raises(ServiceError, match="cannot be reached"):
        web.model()
    script = iter([httpx.Response(503, text="a proxy's page")] * 5)
    with pytest.raises(ServiceError, match="503, a proxy"):
        web.model()
    web.close()


def test_the_client_filters_as_the_model_does(web):
    model = fitted(text=True)
    assert web.recommend("u3", only=[]) == [] == model.recommend("u3", only=[])
    assert web.recommend_batch(["u3"], only=[]) == {"u3": []}
    assert web.recommend({"w": 5.0}, only=[]) == []
    assert web.recommend("u3", 3, exclude="w") == web.recommend("u3", 3, exclude=["w"])
    assert [row["item"] for row in web.recommend("u3", only="w", seen=True)] == ["w"]
    for wrong in ({"exclude": b"w"}, {"exclude": 1.5}, {"only": [None]}):
        with pytest.raises(DataError):
            web.recommend("u3", **wrong)
    many = [*["ü" * 100, "x" * 500] * 20, "w"]
    with pytest.raises(UnknownIdError):  # too long for an address: it goes as a body
        web.recommend("u3", exclude=many)
    told = web.recommend("u3", 3, exclude=["w"] * 3000, seen=True)
    assert [row["item"] for row in told] == [one.id for one in model.recommend("u3", 3, exclude=["w"], seen=True)]


def test_the_client_takes_numbers_of_numpy_and_refuses_what_is_no_id(tmp_path):
    with client(tmp_path) as served:
        web = palate.Client("http://localhost", retries=0)
        web._http = served
        user, item = np.int64(5), np.int32(3)
        web.rate(user, {item: np.float32(4.5)})
        assert web.ratings(user)[3] == 4.5
        assert web.predict(user, item) == web.predict(5, 3)
        assert web.recommend(user, np.int64(3), exclude=np.array([1, 2])) == web.recommend(5, 3, exclude=[1, 2])
        assert list(web.recommend_batch(np.array([5, 6]), np.int64(2))) == [5, 6]
        assert web.predict_batch([(user, item)]) == web.predict_batch([(5, 3)])
        for wrong in (".", "..", "", None, 1.5, True, b"5", "\ud800"):
            with pytest.raises(DataError):
                web.ratings(wrong)
        for body in (object(), float("nan"), {5}):
            with pytest.raises(DataError, match="cannot be sent"):
                web.rate(5, {3: body})
        with pytest.raises(DataError, match="cannot be sent"):
            web.items("x" * 100_000)


def test_the_client_says_what_it_cannot_read(monkeypatch):
    import httpx

    for wrong in ({"retries": -1}, {"retries": 1.5}, {"url": "http://localhost:x"}):
        with pytest.raises(SettingsError):
            palate.Client(**wrong)
    web = palate.Client("http://localhost", retries=0)
    for answer in (
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"other": 1}),
        httpx.Response(200),
        httpx.Response(200, stream=httpx.ByteStream(b"no gzip"), headers={"Content-Encoding": "gzip"}),
        httpx.Response(302, headers={"Location": "/"}),
    ):
        web._http = httpx.Client(
            base_url="http://localhost", transport=httpx.MockTransport(lambda _, told=answer: told)
        )
        with pytest.raises(ServiceError):
            web.recommend("u1")
    web.close()
    with pytest.raises(ServiceError, match="closed"):
        web.model()
