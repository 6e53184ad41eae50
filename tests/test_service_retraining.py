"""The model is fitted again on its ratings and those of the store."""

import dataclasses
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import palate
from palate.errors import DataError, SettingsError, StorageError, UnknownIdError
from palate.refit import solver_of
from palate.retraining import merge, retrain, without_users
from palate.service.auth import add_key
from palate.service.portable import exclusive_lock
from palate.service.retrains import Retrains
from palate.service.schedule import RetrainingSchedule, parse_interval
from palate.service.store import Store
from serving import (
    CSRF,
    PATIENCE,
    Served,
    bearer,
    client,
    environment,
    fitted,
    is_problem,
    model_file,
    settings,
    stale,
    until,
)


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
    merged, visitors = merge(base, events)
    expected[user, item] = 2.5
    del expected[other, another]
    new = "7000" if text else 7000
    expected[new, item] = 4.0
    pairs = table(merged)
    [stranger] = set(pairs) - set(expected)
    assert pairs.pop(stranger) == 1.0
    assert pairs == expected
    assert [merged.users[at] for at in np.flatnonzero(visitors).tolist()] == [stranger[0]]
    assert list(merged.users.ids) == sorted(merged.users.ids)
    assert table(merge(base, [])[0]) == table(base)


def test_a_new_user_with_a_name_among_numbers_makes_all_ids_texts():
    merged, visitors = merge(fitted().ratings(), [("u:ann", "3", 4.0), ("v:x", "99", 2.0)])
    assert merged.users.is_text
    assert not merged.items.is_text
    pairs = table(merged)
    assert pairs["ann", 3] == 4.0
    assert pairs["5", 1 if ("5", 1) in pairs else 2]
    assert visitors.sum() == 1
    assert 99 in merged.items.ids
    (line,) = merged.notes
    assert re.match(
        r"the user ids of the model \(\d+ rows\) are integers and were read as text, as the store has", line
    )
    assert "such as 'ann'" in line
    assert not merge(fitted().ratings(), [("u:7000", "3", 4.0)])[0].notes


@pytest.mark.parametrize("odd", ["--5", " 12", "12 ", "012", "-0", "１２", "1_0", "9" * 30])
def test_an_id_that_only_looks_like_an_integer_is_another_one(odd):
    base = fitted().ratings()
    merged, _ = merge(base, [(f"u:{odd}", "3", 4.0), ("u:-5", "3", 2.0)])
    pairs = table(merged)
    assert (pairs[odd, 3], pairs["-5", 3]) == (4.0, 2.0)
    assert len(pairs) == len(table(base)) + 2
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
        connection.exec_driver_sql("insert into events values ('u:6', '3', 'five', 1.0, 1), (x'00', '3', 1.0, 1.0, 1)")
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
    result = retrain(path, store)
    assert (result.ratings, result.stored, result.visitors) == (len(fitted().seen.values) + 9, 9, 1)
    model = palate.load(path)
    assert 500 in model.users.ids
    assert len(model.users) == 41
    assert 99 in model.items.ids  # the visitor's rating gave it factors
    assert model.item_counts[model.items.require(99)] == 0  # but the rating itself is not in the file
    assert model.catalogue.text(99) == "never rated"
    assert {key: model.solver[key] for key in ("factors", "sweeps", "seed")} == {"factors": 3, "sweeps": 30, "seed": 1}
    assert store.count_after(Retrains(store).fitted_change) == 0
    again = path.read_bytes()
    store.delete("u:500")
    retrain(path, store)
    assert path.read_bytes() != again
    store.close()


def test_what_is_deleted_during_a_fit_stays_deleted(tmp_path):
    path = model_file(tmp_path)
    with client(tmp_path) as served:
        store = served.app.state.palate.store
        unrated = next(str(item) for item in range(1, 15) if item not in served_items(served, 5))
        own = str(served_items(served, 5)[0])
        served.put(f"/v1/users/5/ratings/{unrated}", json={"rating": 5})
        served.patch("/v1/users/500/ratings", json={"ratings": {"1": 5, "2": 1}})
        served.put("/v1/me/ratings/3", json={"rating": 1}, headers=CSRF)
        done = []

        def delete(epoch):
            if not done:
                done.append(served.delete(f"/v1/users/5/ratings/{unrated}"))
                done.append(served.delete(f"/v1/users/5/ratings/{own}"))
                done.append(served.delete("/v1/users/500/ratings"))
                done.append(served.delete("/v1/me/ratings/3", headers=CSRF))

        for turn in range(3):
            tag = served.get("/v1/model").json()["model"]
            retrain(path, store, progress=None if turn else delete)
            if turn < 2:
                until(lambda old=tag: served.get("/v1/model").json()["model"] != old)
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
        until(lambda: served.get("/v1/model").json()["users"] == 41)
        rows = served.get("/v1/users/500/recommendations?n=5").json()["recommendations"]
        expected = [(one.id, one.score) for one in palate.load(path).recommend(500, 5)]
        assert [(row["item"], pytest.approx(row["prediction"], abs=1e-6)) for row in rows] == expected


def test_a_fit_anew_says_that_visitors_have_no_rows(tmp_path):
    path = model_file(tmp_path)
    for owner, is_mentioned in (("u:500", False), ("v:somebody", True)):
        store = Store(f"sqlite:///{tmp_path / 'model.palate.events.sqlite'}")
        store.open()
        store.put(owner, {"3": 4.0})
        store.close()
        command = [sys.executable, "-m", "palate", "retrain", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
        assert ("no rows of their own" in done.stdout) == is_mentioned


def test_a_fit_anew_that_cannot_be_leaves_the_model_alone(tmp_path, monkeypatch):
    path = model_file(tmp_path)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    palate.save(dataclasses.replace(fitted(), seen=None), path)
    with pytest.raises(DataError, match="keeps no ratings"):
        retrain(path, store)
    model_file(tmp_path)
    before = path.read_bytes()
    with exclusive_lock(path), pytest.raises(StorageError, match="being fitted already"):
        retrain(path, store)
    with pytest.raises(SettingsError, match="cannot be fitted again"):
        solver_of(dataclasses.replace(fitted(), solver={}), {})
    monkeypatch.setattr("palate.retraining.without_users", lambda model, removed: (path.touch(), model)[1])
    with pytest.raises(StorageError, match="was replaced while"):
        retrain(path, store)
    assert path.read_bytes() == before
    store.close()


def test_when_a_fit_is_due(tmp_path, monkeypatch):
    assert [parse_interval(text) for text in ("", "500", "90s", "2d")] == [
        (0, 0.0),
        (500, 0.0),
        (0, 90.0),
        (0, 172_800.0),
    ]
    for wrong in ("soon", "0", "-1", "5x", "1.5h"):
        with pytest.raises(SettingsError, match="a fit is due"):
            parse_interval(wrong)
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    by_count = RetrainingSchedule(settings(tmp_path, retrain_every="2"), store)
    by_time = RetrainingSchedule(settings(tmp_path, retrain_every="1h"), store)
    never = RetrainingSchedule(settings(tmp_path), store)
    causes = lambda: [one.cause() for one in (by_count, by_time, never)]  # noqa: E731
    store.put("u:1", {"1": 1.0})
    assert causes() == [None, None, None]
    store.put("u:1", {"2": 1.0})
    assert causes() == ["ratings", None, None]
    now = time.monotonic()
    monkeypatch.setattr("palate.service.schedule.time.monotonic", lambda: now + 4000)
    assert causes() == ["ratings", "time", None]
    retrains = Retrains(store)
    asked = retrains.request("requested")
    assert retrains.request("requested") == asked
    assert causes() == ["requested"] * 3
    assert retrains.begin() == asked
    assert causes() == ["ratings", "time", None]
    retrains.finish(asked, 9)
    assert causes() == [None, None, None]
    store.close()


def test_a_clock_that_goes_back_stops_no_fit(tmp_path, monkeypatch):
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    retrains, now = Retrains(store), time.monotonic()
    monkeypatch.setattr("palate.service.retrains.time.time", lambda: 4e9)  # in the year 2096
    retrains.finish(retrains.begin(), 9)
    monkeypatch.undo()
    by_count = RetrainingSchedule(settings(tmp_path, retrain_every="1"), store)
    by_time = RetrainingSchedule(settings(tmp_path, retrain_every="1h"), store)
    store.put("u:1", {"1": 1.0})
    assert (by_count.cause(), by_time.cause()) == ("ratings", None)
    monkeypatch.setattr("palate.service.schedule.time.monotonic", lambda: now + 4000)
    assert by_time.cause() == "time"
    monkeypatch.undo()
    retrains.request("requested")
    assert by_time.cause() == "requested"
    store.close()


def test_fits_are_told_by_number_and_failures_with_their_reason(tmp_path):
    path = model_file(tmp_path)
    with client(tmp_path, protect="always") as served:
        store = served.app.state.palate.store
        admin = bearer(add_key(store, "admin", "test"))
        stale(served)
        state = lambda: served.get("/v1/admin/state", headers=admin).json()  # noqa: E731
        assert (state()["pending"], state()["running"], state()["last"], state()["paused"]) == (None, None, None, False)
        answer = served.post("/v1/admin/retrain", headers=admin)
        asked = answer.json()
        assert (answer.status_code, asked["state"], asked["cause"]) == (202, "pending", "requested")
        assert served.post("/v1/admin/retrain", headers=admin).json()["id"] == asked["id"]
        one = lambda: served.get(answer.headers["location"], headers=admin).json()  # noqa: E731
        assert state()["pending"] == one() == asked
        told = []
        retrain(path, store, progress=lambda epoch: told.append(state()["running"]))
        assert told[0]["id"] == asked["id"]
        assert one()["state"] == "done"
        assert one()["ratings"] == len(fitted().seen.values)
        palate.save(dataclasses.replace(fitted(), seen=None), path)
        with pytest.raises(DataError):
            retrain(path, store)
        assert (state()["last"]["state"], state()["last"]["cause"]) == ("failed", "command")
        assert "keeps no ratings" in state()["last"]["reason"]
        left = Retrains(store).begin()  # is killed before it ends
        model_file(tmp_path)
        retrain(path, store)
        assert (Retrains(store).get(left).state, Retrains(store).get(left).reason) == (
            "failed",
            "it was ended from outside",
        )
        assert state()["last"]["state"] == "done"
        assert is_problem(served.get("/v1/admin/retrains/99", headers=admin), 404, "no fit 99")


def test_a_running_service_fits_itself_anew(tmp_path):
    with (
        Served(tmp_path, "--retrain-every", "3", "--log", "info") as served,
        palate.Client(served.url, timeout=PATIENCE) as web,
    ):
        tag = web.model()["model"]
        web.rate(500, {1: 5, 2: 1, 3: 4})
        until(lambda: web.model()["model"] != tag)
        assert web.model()["users"] == 41
        assert len(web.recommend(500)) == 10
        assert web.ratings(500) == {1: 5, 2: 1, 3: 4}


def test_a_fit_that_fails_by_itself_is_told_and_one_that_is_asked_for_begins_all_the_same(tmp_path):
    import httpx

    palate.save(dataclasses.replace(fitted(), seen=None), tmp_path / "model.palate")
    store = Store(f"sqlite:///{tmp_path / 'model.palate.events.sqlite'}")
    store.open()
    key = add_key(store, "admin", "test")
    store.close()
    with Served(tmp_path, "--retrain-every", "1") as served:

        def ask(method, path):
            return httpx.request(method, served.url + path, headers=bearer(key), json={"rating": 3}, timeout=PATIENCE)

        assert ask("PUT", "/v1/users/5/ratings/3").status_code == 204
        state = lambda: ask("GET", "/v1/admin/state").json()  # noqa: E731
        until(lambda: state()["paused"])
        assert state()["last"]["cause"] == "ratings"
        assert "keeps no ratings" in state()["last"]["reason"]
        asked = ask("POST", "/v1/admin/retrain").json()["id"]
        until(lambda: ask("GET", f"/v1/admin/retrains/{asked}").json()["state"] == "failed")
