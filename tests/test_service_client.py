"""The client: the same questions as to a model, over HTTP."""

import numpy as np
import pytest

import palate
from palate.errors import DataError, ServiceError, SettingsError, UnknownIdError
from serving import ODD, client, fitted


@pytest.fixture
def web(tmp_path):
    with client(tmp_path, text=True) as served:
        service = palate.Client("http://localhost", retries=0)
        service._http = served
        yield service


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
        response = next(script)
        if isinstance(response, Exception):
            raise response
        return response

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
    rows = web.recommend("u3", 3, exclude=["w"] * 3000, seen=True)
    assert [row["item"] for row in rows] == [one.id for one in model.recommend("u3", 3, exclude=["w"], seen=True)]


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
            base_url="http://localhost", transport=httpx.MockTransport(lambda _, response=answer: response)
        )
        with pytest.raises(ServiceError):
            web.recommend("u1")
    web.close()
    with pytest.raises(ServiceError, match="closed"):
        web.model()
