"""Anonymous visitors, and changes that pages of other origins may not make."""

import sqlite3

import pytest

from palate.service.auth import add_key
from palate.service.cookies import COOKIE
from serving import CSRF, bearer, client, is_problem, stale, store_of


@pytest.fixture
def served(tmp_path):
    with client(tmp_path) as app:
        yield app


def test_visitors_see_only_what_they_rated_themselves(served):
    mine = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    yours = served.put("/v1/me/ratings/4", json={"rating": 1}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    assert mine != yours
    rated = {}
    for name, cookie in (("mine", mine), ("yours", yours), ("nobody", "")):
        headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        rated[name] = [row["item"] for row in served.get("/v1/me/ratings", headers=headers).json()["ratings"]]
        recommended = served.get("/v1/me/recommendations?n=14", headers=headers).json()["recommendations"]
        assert set(rated[name]).isdisjoint(row["item"] for row in recommended)
        assert len(recommended) == 14 - len(rated[name])
        assert all(row["low"] <= row["prediction"] <= row["high"] for row in recommended)
        assert {one["item"] for row in recommended for one in row["because"]} <= set(rated[name])
        assert served.get("/v1/me", headers=headers).json() == {"known": bool(cookie), "ratings": len(rated[name])}
    assert rated == {"mine": [3], "yours": [4], "nobody": []}


def test_no_user_id_names_a_visitor(served):
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    visitor = cookie.partition(".")[0]
    for name in (visitor, f"v:{visitor}", f"v%3A{visitor}", f"u:{visitor}"):
        assert served.get(f"/v1/users/{name}/ratings").json()["ratings"] == []


def test_a_cookie_that_was_not_signed_here_is_nobodys(served):
    cookie = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF).cookies[COOKIE]
    served.cookies.clear()
    name, _, signature = cookie.partition(".")
    for forged in (
        name,
        f"{name}.",
        f"{name}.{'0' * 64}",
        f"{'A' * 22}.{signature}",
        cookie + "0",
        "",
        "x" * 5000,
        ".",
        "é",
    ):
        headers = {"Cookie": f"{COOKIE}={forged}".encode("latin-1")}
        assert served.get("/v1/me/ratings", headers=headers).json()["ratings"] == [], forged
        assert served.get("/v1/me", headers=headers).json()["known"] is False


def test_the_cookie_is_kept_from_scripts_and_other_sites(served):
    answer = served.put("/v1/me/ratings/3", json={"rating": 5}, headers=CSRF)
    attributes = answer.headers["set-cookie"].lower()
    assert all(part in attributes for part in ("httponly", "samesite=strict", "path=/v1/me"))
    assert "secure" not in attributes
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
        tmp_path, origins=[own["Origin"]], protect="always", rate=0.001, burst=6, largest_body=1024, timeout=0.3
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
