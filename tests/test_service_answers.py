"""Answers that are even: ids, unknown items and users, misspelt parameters, a store that is away."""

import gzip
import shutil
import socket
import sqlite3
import sys
import time

import httpx
import pytest

import palate
from palate.errors import SettingsError, StoreError
from palate.service import connections
from palate.service.auth import add_key
from palate.service.settings import Settings
from serving import CSRF, PATIENCE, Served, bearer, client, fitted, is_problem, model_file, stale, store_of, until


@pytest.fixture
def served(tmp_path):
    with client(tmp_path) as app:
        yield app


def take_away(folder):
    """Move the database somewhere else; return what brings it back."""
    away = folder / "away"
    away.mkdir()
    for part in folder.glob("model.palate.events.sqlite*"):
        part.rename(away / part.name)
    return lambda: [part.rename(folder / part.name) for part in away.iterdir()]


def test_a_new_user_of_an_integer_model_has_an_integer(served):
    assert served.put("/v1/users/7001/ratings/1", json={"rating": 5}).status_code == 204
    for path in ("recommendations", "questions", "predictions/3", "explanations/3", "similar", "ratings"):
        body = served.get(f"/v1/users/7001/{path}").json()
        assert body.get("user", body.get("id")) == 7001, path


def test_unknown_items_of_an_anonymous_user_are_named_and_left_out(served):
    rated = {"1": 5.0, "777": 2.0, "99": 3.0}
    profile = fitted().fold_in({1: 5.0})
    body = served.post("/v1/anonymous/recommendations", json={"ratings": rated, "n": 3}).json()
    assert body["unknown"] == [777, 99]
    assert [row["item"] for row in body["recommendations"]] == [one.id for one in fitted().recommend(profile, 3)]
    assert served.post("/v1/anonymous/questions", json={"ratings": rated}).json()["unknown"] == [777, 99]
    assert served.post("/v1/anonymous/explanations/3", json={"ratings": {"777": 1.0}}).json()["unknown"] == [777]
    assert served.post("/v1/anonymous/recommendations", json={"ratings": {"1": 5.0}}).json()["unknown"] == []


def test_misspelt_parameters_are_refused_everywhere(served):
    paths = served.get("/v1/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method in operations:
            url = path.replace("{user}", "5").replace("{item}", "3").replace("{number}", "1")
            if path.startswith("/v1/admin"):
                continue
            answer = served.request(method, f"{url}?limt=3", headers=CSRF)
            assert answer.status_code in (415, 422), (method, path)
            if answer.status_code == 422:
                assert is_problem(answer, 422, "limt"), (method, path)


def test_an_unknown_user_is_nobody_in_particular_where_that_is_asked_for(served):
    prior = fitted().fold_in({})
    body = served.get("/v1/users/500/recommendations?fallback=true&n=3").json()
    assert (body["user"], body["fallback"]) == (500, "prior")
    assert [row["item"] for row in body["recommendations"]] == [one.id for one in fitted().recommend(prior, 3)]
    assert "fallback" not in served.get("/v1/users/5/recommendations?fallback=true").json()
    assert served.get("/v1/users/500/predictions/3?fallback=true").json()["fallback"] == "prior"
    assert served.get("/v1/users/500/questions?fallback=true").json()["fallback"] == "prior"
    answers = served.post("/v1/recommendations", json={"users": [5, 500], "fallback": True}).json()["answers"]
    assert [answer.get("fallback") for answer in answers] == [None, "prior"]
    rows = served.post("/v1/predictions", json={"pairs": [{"user": 500, "item": 3}], "fallback": True}).json()
    assert rows["predictions"][0]["fallback"] == "prior"
    assert is_problem(served.get("/v1/users/500/recommendations"), 404)


def test_origins_are_named_one_by_one():
    with pytest.raises(SettingsError, match=r"^setting origins: '\*' would let every page"):
        Settings.resolve(model="a", origins=["*"])
    for wrong in ("shop.example", "https://shop.example/", "null", "https://*.example"):
        with pytest.raises(SettingsError, match="a scheme and a host"):
            Settings.resolve(model="a", origins=[wrong])
    assert Settings.resolve(model="a", origins=["https://shop.example", "http://[::1]:8000"]).origins


def test_nouns_are_one_and_many():
    with pytest.raises(SettingsError, match="joke/jokes"):
        Settings.resolve(model="a", noun="joke")


def test_the_owner_or_the_file_names_the_page(tmp_path):
    import dataclasses

    model = dataclasses.replace(fitted(), training={"page": {"title": "Jokes", "noun": "joke/jokes", "intro": "Hello"}})
    palate.save(model, tmp_path / "model.palate")
    with client(tmp_path) as served:
        body = served.get("/v1/model").json()
        assert (body["title"], body["noun"], body["intro"]) == ("Jokes", ["joke", "jokes"], "Hello")
    with client(tmp_path, title="Films", noun="film/films") as served:
        body = served.get("/v1/model").json()
        assert (body["title"], body["noun"], body["intro"]) == ("Films", ["film", "films"], "Hello")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 4, 5], [1, 2, 3, 4, 5]),
        ([0.5, 1, 4.5, 5], [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]),
        ([1.0, 1.5, 3.25, 5], []),
        ([-9.95, 0.3, 9.9], []),
    ],
)
def test_few_values_are_told_so_that_each_can_be_pressed(tmp_path, values, expected):
    rows = [(user, item, values[(user * item) % len(values)]) for user in range(1, 9) for item in range(1, 8)]
    palate.save(
        palate.ALS(factors=1, sweeps=2, regularization=0.1).fit(palate.read_ratings(rows)), tmp_path / "model.palate"
    )
    with client(tmp_path) as served:
        assert served.get("/v1/model").json()["values"] == expected


def test_the_model_answers_alone_while_the_store_is_away(tmp_path):
    with client(tmp_path) as served:
        served.put("/v1/users/5/ratings/3", json={"rating": 1})
        served.put("/v1/me/ratings/3", json={"rating": 1}, headers=CSRF)
        bring_back = take_away(tmp_path)
        for path in ("recommendations", "questions", "predictions/4", "explanations/4", "similar"):
            assert served.get(f"/v1/users/5/{path}").json()["degraded"] is True, path
        body = served.get("/v1/users/5/recommendations?n=3").json()
        assert [row["item"] for row in body["recommendations"]] == [one.id for one in fitted().recommend(5, 3)]
        assert served.post("/v1/recommendations", json={"users": [5]}).json()["answers"][0]["degraded"] is True
        for path in ("recommendations", "questions", "predictions/4"):
            assert served.get(f"/v1/me/{path}").json()["degraded"] is True, path
        assert is_problem(served.get("/v1/users/500/recommendations"), 503)  # the store may know this user
        assert is_problem(served.get("/v1/users/5/ratings"), 503)  # what was withdrawn must not come back
        assert is_problem(served.put("/v1/users/5/ratings/3", json={"rating": 1}), 503)
        assert is_problem(served.get("/readyz"), 503)
        bring_back()
        until(lambda: "degraded" not in served.get("/v1/users/5/recommendations").json())
        assert served.get("/v1/users/5/ratings/3").json()["rating"] == 1


def test_answers_without_the_store_can_be_switched_off(tmp_path):
    with client(tmp_path, degrade=False) as served:
        take_away(tmp_path)
        assert is_problem(served.get("/v1/users/5/recommendations"), 503)
        assert is_problem(served.post("/v1/recommendations", json={"users": [5]}), 503)


def test_keys_that_were_read_open_reading_while_the_store_is_away(tmp_path):
    with client(tmp_path, protect="always") as served:
        key = add_key(store_of(served), "read", "test")
        stale(served)
        assert served.get("/v1/users/5/recommendations", headers=bearer(key)).status_code == 200
        take_away(tmp_path)
        stale(served)
        assert served.get("/v1/users/5/recommendations", headers=bearer(key)).json()["degraded"] is True
        assert is_problem(served.get("/v1/users/5/recommendations"), 401)


def test_nobody_learns_where_the_store_is(tmp_path):
    with client(tmp_path) as served:
        take_away(tmp_path)
        for answer in (served.get("/readyz"), served.put("/v1/users/5/ratings/3", json={"rating": 1})):
            assert is_problem(answer, 503, "the store is gone")
            assert "sqlite" not in answer.text
            assert str(tmp_path) not in answer.text


def test_a_full_disk_is_not_ready(tmp_path, monkeypatch):
    with client(tmp_path) as served:
        assert served.get("/readyz").status_code == 200
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr("palate.service.database.shutil.disk_usage", lambda path: usage._replace(free=4096))
        assert is_problem(served.get("/readyz"), 503, "no room left")
        monkeypatch.undo()
        holder = sqlite3.connect(tmp_path / "model.palate.events.sqlite", isolation_level=None)
        holder.execute("begin immediate")
        store_of(served).database.busy = 0.01
        with pytest.raises(StoreError):
            store_of(served).check()
        holder.close()


def test_a_model_file_that_is_removed_is_told(tmp_path):
    path = model_file(tmp_path)
    with client(tmp_path) as served:
        path.unlink()
        refused = until(lambda: served.get("/v1/model").json()["refused"])
        assert "model.palate is missing" in refused
        assert "/" not in refused
        assert served.get("/v1/users/5/recommendations").status_code == 200
        model_file(tmp_path)
        until(lambda: served.get("/v1/model").json()["refused"] is None)


def test_two_hosts_are_no_host(tmp_path):
    with Served(tmp_path) as served, socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as one:
        one.sendall(b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert one.recv(1000).split()[1] == b"400"


class Impatient(Served):
    """A service that waits a shorter time for headers."""

    def command(self):
        code = "from palate.service import connections; connections.HEADER_SECONDS = 3.0; from palate.cli import run; run()"
        return [sys.executable, "-c", code, *super().command()[3:]]


def test_silent_connections_keep_nobody_out(tmp_path):
    with Impatient(tmp_path) as served:
        silent = []
        for _ in range(connections.SILENT_CONNECTIONS + 50):
            one = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE)
            one.sendall(b"GET / HT")
            silent.append(one)
        assert httpx.get(f"{served.url}/healthz", timeout=PATIENCE).status_code == 200
        silent[0].settimeout(PATIENCE)
        assert silent[0].recv(10) == b""  # the oldest was closed for the newest
        began = time.monotonic()
        silent[-1].settimeout(PATIENCE)
        assert silent[-1].recv(10) == b""  # and all others after their time
        assert time.monotonic() - began < PATIENCE
        for one in silent:
            one.close()


def test_what_a_request_gets_wrong_is_said_once_and_clearly(served):
    def detail(answer, status):
        assert is_problem(answer, status)
        return answer.json()["detail"]

    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    body = gzip.compress(b'{"ratings": {}}')
    assert "without 'Content-Encoding: gzip'" in detail(
        served.post("/v1/anonymous/recommendations", content=body, headers=packed), 415
    )
    for path in ("/v1/users/5/recommendations?n=1&n=2", "/v1/items?q=a&q=b", "/v1/me/questions?n=1&n=1"):
        assert "comes twice" in detail(served.get(path), 422)
    assert served.get("/v1/users/5/recommendations?exclude=1&exclude=2&n=1").status_code == 200
    wrong = detail(served.post("/v1/recommendations", json={"users": [1.5, True]}), 422)
    assert wrong.startswith(
        "body.users.0: Input should be a valid integer, or: Input should be a valid string; body.us"
    )
    assert "body.at: " in detail(served.post("/v1/predictions", json={"pairs": [], "at": [1]}), 422)
    assert served.get("/v1/items", headers={"If-None-Match": "*"}).status_code == 304


def test_a_request_without_a_host_is_told_so(tmp_path):
    with Served(tmp_path) as served, socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as one:
        one.sendall(b"GET /v1/model HTTP/1.0\r\n\r\n")
        assert one.recv(1000).split()[1] == b"400"
