"""Who may do what, and what hostile requests get."""

import io
import json
import logging
import re
import socket
import sqlite3

import pytest

from palate.errors import SettingsError
from palate.service.auth import add_key, list_keys, revoke_key, required_scope
from palate.service.cookies import COOKIE
from palate.service.limits import RateLimiter
from palate.service.logs import JsonFormatter
from palate.service.store import Store
from serving import CSRF, Served, client, is_problem, model_file


@pytest.fixture
def served(tmp_path):
    with client(tmp_path) as found:
        yield found


def store_of(found):
    return found.app.state.palate.store


def stale(found):
    """Make the guard read the keys again, as it does after a second."""
    found.app.state.palate.authenticator._read_at = float("-inf")


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


# Visitors


def test_visitors_see_only_what_they_rated_themselves(served):
    mine = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    yours = served.put("/v1/me/ratings/4", json={"rating": 1}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    assert mine != yours
    told = {}
    for name, cookie in (("mine", mine), ("yours", yours), ("nobody", "")):
        headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        told[name] = [row["item"] for row in served.get("/v1/me/ratings", headers=headers).json()["ratings"]]
        recommended = served.get("/v1/me/recommendations?n=14", headers=headers).json()["recommendations"]
        assert set(told[name]).isdisjoint(row["item"] for row in recommended)
        assert len(recommended) == 14 - len(told[name])
        assert all(row["low"] <= row["prediction"] <= row["high"] for row in recommended)
        assert {one["item"] for row in recommended for one in row["because"]} <= set(told[name])
        assert served.get("/v1/me", headers=headers).json() == {"known": bool(cookie), "ratings": len(told[name])}
    assert told == {"mine": [3], "yours": [4], "nobody": []}


def test_no_user_id_names_a_visitor(served):
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    visitor = cookie.partition(".")[0]
    for name in (visitor, f"v:{visitor}", f"v%3A{visitor}", f"u:{visitor}"):
        assert served.get(f"/v1/users/{name}/ratings").json()["ratings"] == []


def test_a_cookie_that_was_not_signed_here_is_nobodys(served):
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    name, _, signature = cookie.partition(".")
    for forged in (name, f"{name}.", f"{name}.{'0' * 64}", f"{'A' * 22}.{signature}", cookie + "0", "", "x" * 5000):
        headers = {"Cookie": f"{COOKIE}={forged}"}
        assert served.get("/v1/me/ratings", headers=headers).json()["ratings"] == [], forged
        assert served.get("/v1/me", headers=headers).json()["known"] is False


def test_the_cookie_is_kept_from_scripts_and_other_sites(served):
    answer = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    told = answer.headers["set-cookie"].lower()
    assert all(part in told for part in ("httponly", "samesite=strict", "path=/v1/me"))
    assert "secure" not in told
    assert "set-cookie" not in served.put("/v1/me/ratings/4", json={"rating": 5}, headers=CSRF).headers
    served.cookies.clear()
    secured = served.put("https://localhost/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    assert "secure" in secured.headers["set-cookie"].lower()


def test_who_deletes_everything_is_forgotten(served):
    served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    answer = served.delete("/v1/me/ratings", headers=CSRF)
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert store_of(served).everything() == []
    assert served.get("/v1/me").json() == {"known": False, "ratings": 0}
    assert served.delete("/v1/me/ratings", headers=CSRF).status_code == 204


def test_nothing_is_set_for_somebody_who_only_looks(served):
    for path in ("/v1/me", "/v1/me/ratings", "/v1/me/recommendations", "/v1/me/questions", "/"):
        assert "set-cookie" not in served.get(path).headers
    assert store_of(served).everything() == []


def test_the_secret_outlives_a_restart(tmp_path):
    with client(tmp_path) as first:
        cookie = first.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    with client(tmp_path) as second:
        assert second.get("/v1/me", headers={"Cookie": f"{COOKIE}={cookie}"}).json()["ratings"] == 1
    with client(tmp_path, secret="another") as third:
        assert third.get("/v1/me", headers={"Cookie": f"{COOKIE}={cookie}"}).json()["known"] is False


def test_visitors_who_do_not_come_back_are_forgotten(served):
    served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    served.put("/v1/users/5/ratings/3", json={"rating": 5})
    store = store_of(served)
    assert store.forget_visitors(0.0) == 0
    assert store.forget_visitors(2e10) == 1
    assert [owner for owner, _, _ in store.everything()] == ["u:5"]
    assert served.get("/v1/me/ratings").json()["ratings"] == []


# Changes from other origins


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/me/ratings/3"), ("DELETE", "/v1/me/ratings/3"), ("DELETE", "/v1/me/ratings")]
)
def test_a_change_by_cookie_needs_our_header_and_our_origin(served, method, path):
    body = {"json": {"rating": 5}} if method == "PUT" else {}
    assert is_problem(served.request(method, path, **body), 403, "X-Palate")
    for foreign in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:99"},
    ):
        assert is_problem(served.request(method, path, headers={**CSRF, **foreign}, **body), 403, "other origins")
    for own in ({"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {}):
        assert served.request(method, path, headers={**CSRF, **own}, **body).status_code == 204


def test_no_page_elsewhere_changes_a_named_users_ratings(served):
    headers = {"Origin": "https://evil.example"}
    assert is_problem(served.put("/v1/users/5/ratings/3", json={"rating": 5}, headers=headers), 403)
    assert is_problem(served.delete("/v1/users/5/ratings", headers=headers), 403)


def test_other_origins_may_not_read_unless_told_so(tmp_path):
    headers = {"Origin": "https://shop.example"}
    with client(tmp_path) as closed:
        assert "access-control-allow-origin" not in closed.get("/v1/model", headers=headers).headers
        asked = {**headers, "Access-Control-Request-Method": "PUT"}
        assert closed.options("/v1/me/ratings/3", headers=asked).status_code == 405
    with client(tmp_path, origins=["https://shop.example"]) as opened:
        assert opened.get("/v1/model", headers=headers).headers["access-control-allow-origin"] == headers["Origin"]
        assert (
            "access-control-allow-origin"
            not in opened.get("/v1/model", headers={"Origin": "https://e.example"}).headers
        )
        assert "access-control-allow-credentials" not in opened.get("/v1/model", headers=headers).headers


def test_a_page_that_may_call_the_api_learns_why_it_was_refused(tmp_path):
    own = {"Origin": "https://shop.example"}
    with client(
        tmp_path, origins=[own["Origin"]], protect="always", rate=1.0, burst=6, largest_body=1024, timeout=0.3
    ) as served:
        asked = {**own, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        answer = served.options("/v1/users/5/ratings/3", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == own["Origin"]
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]
        foreign = served.options("/v1/users/5/ratings/3", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        read = {**bearer(add_key(store_of(served), "read", "test")), **own}
        stale(served)
        body = {"rating": 3}
        holder = sqlite3.connect(tmp_path / "model.palate.events.sqlite", isolation_level=None)
        holder.execute("begin immediate")
        for status, answer in (
            (401, served.put("/v1/users/5/ratings/3", json=body, headers=own)),
            (403, served.put("/v1/users/5/ratings/3", json=body, headers=read)),
            (413, served.post("/v1/recommendations", content=b" " * 2000, headers=read)),
            (421, served.get("/v1/model", headers={**own, "Host": "evil.example"})),
            (503, served.put("/v1/me/ratings/3", json=body, headers={**own, **CSRF})),
            (429, [served.get("/v1/model", headers=own) for _ in range(10)][-1]),
        ):
            assert is_problem(answer, status)
            assert answer.headers["access-control-allow-origin"] == own["Origin"], status
        holder.close()


def test_requests_for_another_host_are_turned_away(tmp_path):
    with client(tmp_path) as served:
        for host in ("localhost@", "evil@localhost", "localhost#", "localhost#evil", "localhost/", "localhost?",
                     "localhost:x", "localhost:", "[::1", "::1", "localhost:80:80", " localhost", "localhost:999999"):  # fmt: skip
            assert is_problem(served.get("/v1/model", headers={"Host": host}), 421), host
        for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example", "[", "a" * 500):
            assert is_problem(served.get("/v1/model", headers={"Host": host}), 421), host
        for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
            assert served.get("/v1/model", headers={"Host": host}).status_code == 200
    with client(tmp_path, hosts=["palate.example"]) as named:
        assert named.get("/v1/model", headers={"Host": "palate.example"}).status_code == 200
        assert is_problem(named.get("/v1/model", headers={"Host": "evil.example"}), 421)


# Keys


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [(None, set()), ("read", {"read"}), ("write", {"read", "write"}), ("admin", {"read", "write", "admin"})],
)
def test_a_key_may_do_what_its_scope_says_and_no_more(served, scope, allowed):
    add_key(store_of(served), "read", "so that there is one")
    headers = bearer(add_key(store_of(served), scope, "test")) if scope else {}
    stale(served)
    for needed, method, path, body in (
        ("read", "GET", "/v1/users/5/recommendations", None),
        ("read", "GET", "/v1/users/5/ratings", None),
        ("read", "POST", "/v1/recommendations", {"users": [5]}),
        ("read", "POST", "/v1/predictions", {"pairs": []}),
        ("read", "GET", "/metrics", None),
        ("write", "PUT", "/v1/users/5/ratings/3", {"rating": 3}),
        ("write", "PATCH", "/v1/users/5/ratings", {"ratings": {}}),
        ("write", "DELETE", "/v1/users/5/ratings/3", None),
        ("write", "DELETE", "/v1/users/5/ratings", None),
        ("admin", "GET", "/v1/admin/state", None),
        ("admin", "POST", "/v1/admin/retrain", None),
    ):
        answer = served.request(method, path, json=body, headers=headers)
        if needed in allowed:
            assert answer.is_success, (method, path, answer.text)
        else:
            assert is_problem(answer, 403 if scope else 401, needed), (method, path)
    for path in ("/v1/model", "/v1/items", "/v1/me/recommendations", "/healthz", "/readyz"):
        assert served.get(path).status_code == 200


def test_named_users_are_protected_beyond_loopback_or_when_there_are_keys_or_as_told(tmp_path):
    for more, status in (
        ({}, 200),
        ({"host": "0.0.0.0"}, 401),
        ({"hosts": ["palate.example"]}, 401),
        ({"proxies": "10.0.0.1"}, 401),
        ({"protect": "always"}, 401),
        ({"host": "0.0.0.0", "protect": "never"}, 200),
    ):
        with client(tmp_path, **more) as served:
            assert served.get("/v1/users/5/ratings").status_code == status, more
            assert is_problem(served.get("/v1/admin/state"), 401, "admin"), more


def test_what_is_no_key_of_ours_is_refused_even_where_none_is_needed(served):
    key = add_key(store_of(served), "admin", "test")
    stale(served)
    _, id, secret = key.split("_", 2)
    for wrong in (
        "x",
        f"palate_{id}_",
        f"palate_{id}_{secret}x",
        f"palate_00000000_{secret}",
        f"palate_{id}_{secret[:-1]}",
        "",
    ):
        assert is_problem(served.get("/v1/model", headers=bearer(wrong)), 401, "no valid API key"), wrong
    assert is_problem(served.get("/v1/model", headers={"Authorization": f"Basic {key}"}), 401)
    assert served.get("/v1/model", headers=bearer(key)).status_code == 200


def test_a_revoked_key_opens_nothing(served):
    store = store_of(served)
    key = add_key(store, "read", "test")
    add_key(store, "read", "another")
    stale(served)
    assert served.get("/v1/users/5/ratings", headers=bearer(key)).status_code == 200
    revoke_key(store, key.split("_")[1])
    stale(served)
    assert is_problem(served.get("/v1/users/5/ratings", headers=bearer(key)), 401)
    with pytest.raises(SettingsError, match="there is no key"):
        revoke_key(store, "00000000")


def test_only_the_first_key_makes_a_store_and_only_beside_a_model(tmp_path, monkeypatch, capsys):
    from palate.cli import main

    def run(*words):
        monkeypatch.setattr("sys.argv", ["palate", "keys", *words, "--model", str(tmp_path / "model.palate")])
        try:
            main()
        except SystemExit as done:
            return done.code or 0, "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    for words in (["list"], ["revoke", "1a2b3c4d"], ["add", "shop"]):
        code, said = run(*words)
        assert code == 2, words
        assert "no such file" in said, words
    assert list(tmp_path.iterdir()) == []
    model_file(tmp_path)
    for words in (["list"], ["revoke", "1a2b3c4d"]):
        code, said = run(*words)
        assert code == 2
        assert "no keys yet" in said
    assert [one.name for one in tmp_path.iterdir()] == ["model.palate"]
    for name in ("", " ", "a\nb", "x" * 300):
        code, said = run("add", name)
        assert code == 2
        assert "needs a name" in said
    assert run("add", "shop")[1].startswith("palate_")
    assert "shop" in run("list")[1]


def test_of_a_key_only_a_hash_is_kept(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    secret = add_key(store, "write", "test").split("_", 2)[2]
    [kept] = list_keys(store)
    assert (kept.scope, kept.name, len(kept.hash)) == ("write", "test", 64)
    store.close()
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    with pytest.raises(SettingsError, match="a scope is one of"):
        add_key(store, "everything", "test")


def test_every_path_of_named_users_is_protected(served):
    for path, operations in served.get("/v1/openapi.json").json()["paths"].items():
        for method in operations:
            open_to_all = path.startswith(
                ("/v1/me", "/v1/items", "/v1/map", "/v1/model", "/v1/anonymous", "/healthz", "/readyz")
            )
            assert (required_scope(method.upper(), path) is None) == open_to_all, (method, path)


# Limits


def test_a_body_that_is_too_large_is_refused_however_it_comes(tmp_path):
    with client(tmp_path, largest_body=2000) as served:
        put = "/v1/users/5/ratings/1"
        large = json.dumps({"rating": 3, "x": "y" * 3000}).encode()
        kind = {"content-type": "application/json"}
        assert is_problem(served.put(put, content=large, headers=kind), 413, "2,000 bytes")
        assert is_problem(served.put(put, content=iter([large[:1500], large[1500:]]), headers=kind), 413)
        assert is_problem(served.put(put, content=large, headers={**kind, "content-length": "9" * 30}), 413)
        assert served.put(put, json={"rating": 3}).status_code == 204


def test_an_address_that_asks_too_often_waits(tmp_path):
    with client(tmp_path, rate=1, burst=5) as served:
        key = add_key(store_of(served), "read", "test")
        stale(served)
        answers = [served.get("/v1/model") for _ in range(8)]
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        assert is_problem(answers[-1], 429, "too many")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert served.get("/v1/model", headers=bearer(key)).status_code == 200


def test_buckets_refill_and_are_bounded(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("palate.service.limits.time.monotonic", lambda: now[0])
    limiter = RateLimiter(2.0, 3)
    ask = lambda address: limiter.wait({"client": (address, 1)})  # noqa: E731
    assert [ask("a") for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert ask("b") == 0
    now[0] = 0.5
    assert [ask("a"), ask("a")] == [0, 0.5]
    for network in range(20_000):
        limiter.wait({"client": (f"2001:db8:{network:x}:1::1", 1)})
    assert len(limiter._buckets) == 10_000
    first = [ask("2001:db8:1:2::1"), ask("2001:db8:1:2::2"), ask("2001:db8:1:2:ffff::3"), ask("2001:db8:1:2::4")]
    assert first == [0, 0, 0, 0.5]
    assert RateLimiter(0.0, 1).wait({"client": None}) == 0


def test_an_answer_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    import asyncio

    with client(tmp_path, timeout=0.05) as served:
        from palate.service.routes import users

        async def slowly(*given):
            await asyncio.sleep(5)

        monkeypatch.setattr(users, "run_in_threadpool", slowly)
        assert is_problem(served.get("/v1/users/5/recommendations?reasons=1"), 503, "longer than 0.05 s")


# What every answer carries, and what logs do not


def test_every_answer_has_the_headers_that_browsers_heed(served):
    for path in ("/", "/v1/model", "/v1/nothing", "/v1/users/5/recommendations?n=0", "/metrics"):
        headers = served.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert re.fullmatch("[0-9a-f]{16}", headers["x-request-id"])
        assert "server" not in headers
    assert served.get("/", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert served.get("/", headers={"X-Request-Id": "a\tb" * 50}).headers["x-request-id"] != "a\tb" * 50


def test_logs_name_requests_and_hold_no_secret(served, monkeypatch):
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    logging.getLogger("palate.access").setLevel(logging.INFO)
    key = add_key(store_of(served), "admin", "test")
    stale(served)
    name = served.get("/v1/users/5/recommendations?only=3&seen=true", headers=bearer(key)).headers["x-request-id"]
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.get("/v1/items/a%0Ab%22")
    rows = [json.loads(line) for line in said.getvalue().splitlines() if "palate.access" in line]
    assert rows[0]["request"] == name
    assert rows[0]["status"] == 200
    assert [row["path"] for row in rows] == ["/v1/users/5/recommendations", "/v1/me/ratings/3", "/v1/items/a%0Ab%22"]
    for secret in (key, key.split("_", 2)[2], cookie, cookie.partition(".")[0], "only=3"):
        assert secret not in said.getvalue()


def test_paths_lead_nowhere_else(served):
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%5c..%5c..",
        "/page/..%00",
        "//etc/passwd",
        "/%ff%fe",
    ):
        assert served.get(path).status_code in (404, 405), path
    for id in ("%00", "%ff%fe", "%ed%a0%80", "%0a", "%E2%80%AE"):
        assert served.get(f"/v1/items/{id}").status_code in (404, 422), id
        assert served.get(f"/v1/users/{id}/recommendations").status_code in (404, 422), id
        assert is_problem(served.put(f"/v1/users/{id}/ratings/1", json={"rating": 3}), 422), id
    assert is_problem(served.get("/v1/items/" + "x" * 600), 422)
    assert is_problem(served.put("/v1/users/" + "x" * 600 + "/ratings/1", json={"rating": 3}), 422)


def test_texts_of_items_come_as_json_and_nothing_else(served):
    answer = served.get("/v1/items/3")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["title"] == "Item <b>3</b>"


def test_requests_that_are_no_http_do_not_stop_a_service(tmp_path):
    with Served(tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as one:
            for _ in range(2):  # a HEAD leaves the connection usable
                one.sendall(b"HEAD /v1/users/5/recommendations HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = one.recv(10_000)
                assert answer.startswith(b"HTTP/1.1 200")
                assert answer.endswith(b"\r\n\r\n")
        for sent in (
            b"\x00" * 100,
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /v1/model HTTP/1.1\r\n\r\n",
            b"PUT / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            b"A" * 200_000,
        ):
            with socket.create_connection(("127.0.0.1", served.port), timeout=5) as one:
                try:
                    one.sendall(sent)
                    one.settimeout(2)
                    answer = one.recv(1000)
                except (TimeoutError, ConnectionError):
                    continue
                assert not answer or answer.split()[1] in (b"400", b"421"), answer
        served.wait()
        assert served.stop() in (0, -15)


def test_nothing_of_the_service_can_unpickle():
    from pathlib import Path

    import palate.service

    for path in Path(palate.service.__file__).parent.rglob("*.py"):
        assert not re.search(r"\b(pickle|marshal|shelve|eval|exec)\b", path.read_text()), path


def test_settings_have_one_schema_for_flags_environment_and_file(tmp_path, monkeypatch):
    from palate.service.settings import Settings

    file = tmp_path / "palate.toml"
    file.write_text('model = "a.palate"\nport = 1000\nrate = 5\nhosts = ["a.example"]\nretrain_every = "6h"\n')
    found = Settings.resolve(file)
    assert (found.port, found.rate, found.hosts, found.is_exposed) == (1000, 5, ["a.example"], True)
    monkeypatch.setenv("PALATE_PORT", "2000")
    assert (Settings.resolve(file).port, Settings.resolve(file, port=3000).port) == (2000, 3000)
    assert Settings.resolve(file, port=None).port == 2000
    again = Settings.resolve(file, secret="s")
    for name, value in again.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.resolve() == again
    file.write_text('model = "a"\nprot = 5\n')
    with pytest.raises(SettingsError, match="prot"):
        Settings.resolve(file)
    for wrong, name in (({"port": -1}, "port"), ({"workers": 0}, "workers"), ({"protect": "maybe"}, "protect")):
        with pytest.raises(SettingsError, match=name):
            Settings.resolve(**{"model": "a", **wrong})
    monkeypatch.delenv("PALATE_MODEL")
    with pytest.raises(SettingsError, match="model"):
        Settings.resolve()
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.resolve(tmp_path / "none.toml")


def test_the_manual_lists_every_setting_and_every_path(served):
    from pathlib import Path

    from palate.service.settings import Settings

    text = (Path(__file__).parents[1] / "docs" / "serving.md").read_text()
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^\| `{name}` \| .*\| {re.escape(field.description)} \|$", text, re.MULTILINE), name
    for path in served.get("/v1/openapi.json").json()["paths"]:
        if not path.startswith("/v1/me"):
            assert path.replace("/v1/anonymous/", "…/") in text or path in text, path
