"""Limits, headers, logs, and hostile requests."""

import io
import json
import logging
import re
import socket
from pathlib import Path

import pytest

import palate.service
from palate.service.auth import add_key
from palate.service.cookies import COOKIE
from palate.service.limits import RateLimiter
from palate.service.logs import JsonFormatter
from serving import CSRF, PATIENCE, Served, bearer, client, is_problem, stale, store_of


@pytest.fixture
def served(tmp_path):
    with client(tmp_path) as app:
        yield app


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
    with client(tmp_path, rate=0.001, burst=5) as served:
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

        async def slowly(*arguments):
            await asyncio.sleep(5)

        monkeypatch.setattr(users, "run_in_threadpool", slowly)
        assert is_problem(served.get("/v1/users/5/recommendations?reasons=1"), 503, "longer than 0.05 s")


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
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    logging.getLogger("palate.access").setLevel(logging.INFO)
    key = add_key(store_of(served), "admin", "test")
    stale(served)
    name = served.get("/v1/users/5/recommendations?only=3&seen=true", headers=bearer(key)).headers["x-request-id"]
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.get("/v1/items/a%0Ab%22")
    rows = [json.loads(line) for line in output.getvalue().splitlines() if "palate.access" in line]
    assert rows[0]["request"] == name
    assert rows[0]["status"] == 200
    assert [row["path"] for row in rows] == ["/v1/users/5/recommendations", "/v1/me/ratings/3", "/v1/items/a%0Ab%22"]
    for secret in (key, key.split("_", 2)[2], cookie, cookie.partition(".")[0], "only=3"):
        assert secret not in output.getvalue()


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
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as one:
            for _ in range(2):  # a HEAD leaves the connection usable
                one.sendall(b"HEAD /v1/users/5/recommendations HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = one.recv(10_000)
                while not answer.endswith(b"\r\n\r\n"):
                    answer += one.recv(10_000)
                assert answer.startswith(b"HTTP/1.1 200")
        for sent in (
            b"\x00" * 100,
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /v1/model HTTP/1.1\r\n\r\n",
            b"PUT / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            b"A" * 200_000,
        ):
            with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as one:
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
    for path in Path(palate.service.__file__).parent.rglob("*.py"):
        assert not re.search(r"\b(pickle|marshal|shelve|eval|exec)\b", path.read_text()), path
