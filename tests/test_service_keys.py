"""API keys: who may do what."""

import pytest

from palate.errors import SettingsError
from palate.service.auth import add_key, list_keys, required_scope, revoke_key
from palate.service.store import Store
from serving import bearer, client, is_problem, model_file, stale, store_of


@pytest.fixture
def served(tmp_path):
    with client(tmp_path) as app:
        yield app


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
    from palate.cli.app import main

    def run(*words):
        monkeypatch.setattr("sys.argv", ["palate", "keys", *words, "--model", str(tmp_path / "model.palate")])
        try:
            main()
        except SystemExit as done:
            return done.code or 0, "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    for words in (["list"], ["revoke", "1a2b3c4d"], ["add", "shop"]):
        code, output = run(*words)
        assert code == 2, words
        assert "no such file" in output, words
    assert list(tmp_path.iterdir()) == []
    model_file(tmp_path)
    for words in (["list"], ["revoke", "1a2b3c4d"]):
        code, output = run(*words)
        assert code == 2
        assert "no keys yet" in output
    assert [one.name for one in tmp_path.iterdir()] == ["model.palate"]
    for name in ("", " ", "a\nb", "x" * 300):
        code, output = run("add", name)
        assert code == 2
        assert "needs a name" in output
    assert run("add", "shop")[1].startswith("palate_")
    assert "shop" in run("list")[1]


def test_of_a_key_only_a_hash_is_kept(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'events.sqlite'}")
    store.open()
    secret = add_key(store, "write", "test").split("_", 2)[2]
    [key] = list_keys(store)
    assert (key.scope, key.name, len(key.hash)) == ("write", "test", 64)
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
