"""What every endpoint answers, compared with the model itself."""

import dataclasses
from urllib.parse import quote

import pytest

import palate
from palate.catalogue import Entry
from serving import CSRF, ODD, client, fitted, is_problem


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with client(tmp_path_factory.mktemp("served")) as app:
        yield app


@pytest.fixture
def fresh(tmp_path):
    with client(tmp_path) as app:
        yield app


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with client(tmp_path_factory.mktemp("odd"), text=True) as app:
        yield app


def part(id):
    return quote(str(id), safe="")


def pairs(rows):
    return [(row["item"], pytest.approx(row["prediction"], abs=1e-6)) for row in rows]


def test_recommendations_are_those_of_the_model(served):
    model = fitted()
    for query, arguments in (
        ("n=4", {"n": 4}),
        ("n=3&lowest=true", {"n": 3, "lowest": True}),
        ("n=14&seen=true", {"n": 14, "seen": True}),
        ("only=3&only=4&seen=true", {"only": [3, 4], "seen": True}),
        ("exclude=3&exclude=4", {"exclude": [3, 4]}),
        ("least=22", {"least": 22}),
    ):
        answer = served.get(f"/v1/users/5/recommendations?{query}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert body["user"] == 5
        wanted = model.recommend(5, **{"n": 10, **arguments})
        assert pairs(body["recommendations"]) == [(one.id, one.score) for one in wanted]
        assert [row["title"] for row in body["recommendations"]] == [one.title for one in wanted]


def test_an_offset_goes_on_where_the_last_page_ended(served):
    whole = served.get("/v1/users/5/recommendations?n=6").json()["recommendations"]
    parts = [served.get(f"/v1/users/5/recommendations?n=2&offset={at}").json()["recommendations"] for at in (0, 2, 4)]
    assert [row for part in parts for row in part] == whole
    assert served.get("/v1/users/5/recommendations?offset=100").json()["recommendations"] == []


def test_ranking_by_the_lower_bound_and_by_chance(served):
    rows = served.get("/v1/users/5/recommendations?by=lower%20bound&level=0.9").json()["recommendations"]
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert all(row["low"] == pytest.approx(max(1, row["score"]), abs=1e-5) for row in rows)
    assert all(row["low"] <= row["prediction"] <= row["high"] for row in rows)
    drawn = [served.get(f"/v1/users/5/recommendations?by=chance&seed={seed}&n=3").json() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    several = {served.get("/v1/users/5/recommendations?by=chance&n=3").text for _ in range(8)}
    assert len(several) > 1  # drawn anew each time: nothing is kept


def test_intervals_texts_and_reasons_come_on_request(served):
    model = fitted()
    [row] = served.get("/v1/users/5/recommendations?n=1&level=0.5&texts=true&reasons=2").json()["recommendations"]
    wanted = model.predict(5, row["item"], interval=0.5)
    assert (row["low"], row["high"]) == (pytest.approx(wanted.low, abs=1e-5), pytest.approx(wanted.high, abs=1e-5))
    assert row["text"] == model.catalogue.text(row["item"])
    speaks = [part.contribution for part in model.explain(5, row["item"]).contributions if part.contribution > 0]
    assert [one["contribution"] for one in row["because"]] == pytest.approx(sorted(speaks, reverse=True)[:2], abs=1e-6)


def test_predictions_and_explanations(served):
    model = fitted()
    body = served.get("/v1/users/5/predictions/3?level=0.9").json()
    wanted = model.predict(5, 3, interval=0.9)
    assert body == {
        "user": 5, "item": 3, "level": 0.9,
        "prediction": pytest.approx(wanted.rating), "low": pytest.approx(wanted.low), "high": pytest.approx(wanted.high),
    }  # fmt: skip
    assert "low" not in served.get("/v1/users/5/predictions/3").json()
    body = served.get("/v1/users/5/explanations/3?n=2").json()
    parts = body["intercept"] + body["remainder"] + sum(one["contribution"] for one in body["contributions"])
    assert parts == pytest.approx(body["prediction"], abs=1e-6)
    assert body["prediction"] == pytest.approx(model.explain(5, 3).prediction)


def test_questions_and_likeness(served):
    model = fitted()
    body = served.get("/v1/users/5/questions?n=3&exclude=1").json()["questions"]
    assert [row["item"] for row in body] == [one.id for one in model.ask(5, 3, exclude=[1])]
    body = served.get("/v1/items/3/similar?n=3&by=dot").json()
    assert [(row["id"]) for row in body["similar"]] == [one.id for one in model.similar_items(3, 3, by="dot")]
    body = served.get("/v1/users/5/similar?n=3").json()
    assert [(row["id"]) for row in body["similar"]] == [one.id for one in model.similar_users(5, 3)]


def test_batches_are_single_answers_together(served):
    body = {"users": [1, "2", 3], "n": 2, "level": 0.8}
    answers = served.post("/v1/recommendations", json=body).json()["answers"]
    for user, answer in zip((1, 2, 3), answers, strict=True):
        assert answer["user"] == user
        single = served.get(f"/v1/users/{user}/recommendations?n=2&level=0.8").json()
        assert answer["recommendations"] == single["recommendations"]
    pairs = [{"user": 1, "item": 2}, {"user": 3, "item": 4}]
    body = served.post("/v1/predictions", json={"pairs": pairs, "level": 0.9}).json()["predictions"]
    assert body == [served.get(f"/v1/users/{p['user']}/predictions/{p['item']}?level=0.9").json() for p in pairs]
    assert is_problem(served.post("/v1/predictions", json={"pairs": [{"user": 1, "item": 777}]}), 404, "777")


def test_somebody_of_whom_nothing_is_kept(served):
    model = fitted()
    rated = {"1": 5.0, "2": 1.0}
    profile = model.fold_in({1: 5.0, 2: 1.0})
    body = served.post("/v1/anonymous/recommendations", json={"ratings": rated, "n": 3}).json()
    assert pairs(body["recommendations"]) == [(one.id, one.score) for one in model.recommend(profile, 3)]
    body = served.post("/v1/anonymous/questions", json={"ratings": rated, "n": 3}).json()
    assert [row["item"] for row in body["questions"]] == [one.id for one in model.ask(profile, 3)]
    body = served.post("/v1/anonymous/explanations/3", json={"ratings": rated}).json()
    assert body["prediction"] == pytest.approx(model.explain(profile, 3).prediction)
    assert is_problem(
        served.post("/v1/anonymous/recommendations", json={"ratings": {"1": 9}}), 422, "off the model's scale"
    )


def test_the_very_next_recommendation_knows_a_rating(fresh):
    model = fitted()
    before = fresh.get("/v1/users/5/recommendations?n=14").json()
    best = before["recommendations"][0]["item"]
    assert fresh.put(f"/v1/users/5/ratings/{best}", json={"rating": 1}).status_code == 204
    after = fresh.get("/v1/users/5/recommendations?n=14").json()
    own = {row["item"]: row["rating"] for row in fresh.get("/v1/users/5/ratings").json()["ratings"]}
    assert own[best] == 1
    wanted = model.recommend(model.fold_in(own), 14)
    assert pairs(after["recommendations"]) == [(one.id, one.score) for one in wanted]
    assert best not in [row["item"] for row in after["recommendations"]]
    assert fresh.delete(f"/v1/users/5/ratings/{best}").status_code == 204
    assert fresh.get("/v1/users/5/recommendations?n=14").json() == before


def test_ratings_of_the_model_can_be_withdrawn_and_given_again(fresh):
    def rated():
        return {row["item"]: row["rating"] for row in fresh.get("/v1/users/5/ratings").json()["ratings"]}

    own = rated()
    index, values = fitted().seen[fitted().users.require(5)]
    assert own == dict(
        zip(fitted().items.ids[index].tolist(), [pytest.approx(v) for v in values.tolist()], strict=True)
    )
    first = next(iter(own))
    for _ in range(2):  # as often as one likes
        assert fresh.delete(f"/v1/users/5/ratings/{first}").status_code == 204
        assert rated() == {item: rating for item, rating in own.items() if item != first}
    assert is_problem(fresh.get(f"/v1/users/5/ratings/{first}"), 404)
    assert fresh.patch("/v1/users/5/ratings", json={"ratings": {str(first): 2.5, "99": 4}}).status_code == 204
    assert rated() == {**own, first: 2.5, 99: 4}  # 99 was never rated: it counts from the next fit on
    assert fresh.get(f"/v1/users/5/ratings/{first}").json()["rating"] == 2.5
    assert fresh.delete("/v1/users/5/ratings").status_code == 204
    assert rated() == {}
    assert fresh.get("/v1/users/5/recommendations?n=14").json()["recommendations"][0]["item"]


def test_a_new_user_begins_with_a_rating(fresh):
    assert is_problem(fresh.get("/v1/users/500/recommendations"), 404, "neither the model nor the store")
    assert fresh.get("/v1/users/500/ratings").json() == {"user": "500", "ratings": []}
    assert fresh.put("/v1/users/500/ratings/1", json={"rating": 5}).status_code == 204
    body = fresh.get("/v1/users/500/recommendations?n=2").json()
    wanted = fitted().recommend(fitted().fold_in({1: 5}), 2)
    assert pairs(body["recommendations"]) == [(one.id, one.score) for one in wanted]


def test_all_or_nothing_of_a_batch_of_ratings_is_kept(fresh):
    for wrong, status in (({"1": 3, "2": 9}, 422), ({"1": 3, "777": 3}, 404), ({"1": 3, "777": None}, 404)):
        assert is_problem(fresh.patch("/v1/users/501/ratings", json={"ratings": wrong}), status)
    assert fresh.get("/v1/users/501/ratings").json()["ratings"] == []


def test_ids_of_texts_never_come_among_integers(tmp_path):
    catalogue = palate.Catalogue({"extra": Entry("", "a text among integers"), -3: Entry("", "an integer")})
    palate.save(dataclasses.replace(fitted(), catalogue=catalogue), tmp_path / "model.palate")
    with client(tmp_path) as served:
        for user in ("ann", "007", "1.5", "+5", "٥", "9" * 30):
            url, detail = f"/v1/users/{part(user)}/ratings", "user ids of this model are integers"
            assert is_problem(served.put(f"{url}/1", json={"rating": 5}), 422, detail)
            assert is_problem(served.patch(url, json={"ratings": {"1": 5}}), 422, detail)
        for url in ("/v1/users/5/ratings/extra", "/v1/me/ratings/extra"):
            assert is_problem(served.put(url, json={"rating": 5}, headers=CSRF), 422, "item ids of this model are int")
        assert served.put("/v1/users/-7/ratings/-3", json={"rating": 5}).status_code == 204
        assert served.app.state.palate.store.everything() == [("u:-7", "-3", 5.0)]


def test_a_body_without_a_json_header_is_refused(fresh):
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = fresh.put("/v1/users/5/ratings/1", content=b'{"rating": 5}', headers=headers)
        assert is_problem(answer, 415, "Content-Type: application/json")
    wrong = fresh.put("/v1/users/5/ratings/1", json={"rating": "five"})
    assert is_problem(wrong, 422, "rating")


def test_ratings_that_the_model_was_fitted_on_are_not_folded_in(fresh):
    model, url = fitted(), "/v1/users/5/recommendations?n=14"
    before = fresh.get(url).json()
    index, values = model.seen[model.users.require(5)]
    own = {str(model.items[at]): float(value) for at, value in zip(index, values, strict=True)}
    rated = fresh.app.state.palate.store
    for stored in (
        own,
        dict([*own.items()][:2]),
        {"99": 4.0},
        {next(iter(set(map(str, range(1, 15))) - set(own))): None},
    ):
        rated.delete("u:5")
        rated.put("u:5", stored)
        assert fresh.get(url).json() == before == {"user": 5, "recommendations": before["recommendations"]}
    item = next(iter(own))
    for stored in ({item: 6 - own[item] or 1.0}, {item: None}):
        rated.delete("u:5")
        rated.put("u:5", stored)
        assert fresh.get(url).json() != before


@pytest.mark.parametrize("item", ODD, ids=range(len(ODD)))
def test_odd_ids_are_routed_whole(odd, item):
    user = f"user {item}"
    assert odd.get(f"/v1/items/{part(item)}").json()["item"] == item
    assert odd.put(f"/v1/users/{part(user)}/ratings/{part(item)}", json={"rating": 4}).status_code == 204
    assert odd.get(f"/v1/users/{part(user)}/ratings/{part(item)}").json()["rating"] == 4
    assert odd.get(f"/v1/users/{part(user)}/ratings").json()["user"] == user
    body = odd.get(f"/v1/users/{part(user)}/recommendations?n=20").json()["recommendations"]
    assert item not in [row["item"] for row in body]
    assert len(body) == 13
    [one] = odd.get(f"/v1/users/u1/recommendations?only={part(item)}&seen=true").json()["recommendations"]
    assert one["item"] == item
    assert odd.put(f"/v1/me/ratings/{part(item)}", json={"rating": 4}, headers=CSRF).status_code == 204
    assert odd.get(f"/v1/me/ratings/{part(item)}").json()["item"] == item


def test_numbers_and_texts_are_one_id_and_what_looks_like_one_is_not(fresh):
    assert fresh.get("/v1/users/5/recommendations").json()["user"] == 5
    for wrong in ("05", "5.0", "+5", "٥", "9" * 30, "-1"):
        assert is_problem(fresh.get(f"/v1/users/{wrong}/recommendations"), 404), wrong
        assert is_problem(fresh.get(f"/v1/items/{wrong}"), 404), wrong


def test_items_are_searched_and_paged(served):
    whole = served.get("/v1/items?n=100").json()
    assert whole["total"] == 15
    counts = [row["ratings"] for row in whole["items"]]
    assert counts == sorted(counts, reverse=True)
    assert whole["items"][-1] == {
        "item": 99, "title": "never rated", "text": "never rated", "ratings": 0, "mean": None, "has_score": False
    }  # fmt: skip
    parts = [served.get(f"/v1/items?n=4&offset={at}").json()["items"] for at in range(0, 16, 4)]
    assert [row for part in parts for row in part] == whole["items"]
    assert served.get("/v1/items?q=ETE more").json()["total"] == 14
    assert [row["item"] for row in served.get("/v1/items?q=never").json()["items"]] == [99]
    assert served.get("/v1/items?q=nothing of this").json() == {"total": 0, "offset": 0, "items": []}
    seen = fitted().seen
    at = fitted().items.require(3)
    item = served.get("/v1/items/3").json()
    assert item["mean"] == pytest.approx(seen.values[seen.indices == at].mean())
    assert item["ratings"] == (seen.indices == at).sum()


def test_answers_that_depend_on_the_model_alone_have_a_tag(served):
    for path in ("/v1/items?n=3", "/v1/items/3", "/v1/items/3/similar", "/v1/map", "/v1/model", "/v1/model/quality"):
        answer = served.get(path)
        assert answer.status_code == 200, path
        assert "public" in answer.headers["cache-control"]
        again = served.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert served.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_map_holds_every_rated_item(served):
    body = served.get("/v1/map").json()
    assert {row["item"] for row in body["items"]} == set(range(1, 15))
    assert all(-1 <= row[axis] <= 1 for row in body["items"] for axis in "xy")
    assert {row["group"] for row in body["items"]} <= set(range(body["groups"]))
    assert 0.5 < sum(body["explained"]) <= 1.0001
    assert len(served.get("/v1/map?n=3").json()["items"]) == 3


def test_facts_and_quality_of_the_model(served):
    model = fitted()
    body = served.get("/v1/model").json()
    assert (body["users"], body["items"], body["catalogue"], body["factors"]) == (40, 14, 15, model.factors)
    assert body["ratings"] == len(model.seen.values)
    assert body["scale"] == [1, 5]
    body = served.get("/v1/model/quality").json()
    assert len(body["history"]) == len(model.training["history"])
    assert sum(body["spread"]["ratings"]["counts"]) == len(model.seen.values)
    if body["calibration"]:
        assert body["calibration"]["width"] == sorted(body["calibration"]["width"])


def test_a_model_that_is_not_certain_says_so(tmp_path):
    rows = [
        (user, item, float(1 + (user * item) % 5)) for user in range(1, 9) for item in range(1, 7) if (user + item) % 3
    ]
    palate.save(palate.ALS(factors=2).fit(palate.read_ratings(rows)), tmp_path / "model.palate")
    with client(tmp_path) as plain:
        assert plain.get("/v1/model").json()["certain"] is False
        assert is_problem(plain.get("/v1/users/1/recommendations?level=0.9"), 422, "solver 'bayes'")
        assert is_problem(plain.get("/v1/me/questions"), 422)
        assert plain.put("/v1/me/ratings/1", json={"rating": 3}, headers=CSRF).status_code == 204
        body = plain.get("/v1/me/recommendations").json()
        assert body["level"] is None
        assert all("low" not in row for row in body["recommendations"])


def test_health_readiness_and_metrics(served):
    assert served.get("/healthz").json() == {"status": "alive"}
    assert served.get("/readyz").json()["status"] == "ready"
    served.get("/v1/users/5/recommendations")
    text = served.get("/metrics").text
    assert 'route="/v1/users/{user:id}/recommendations"' in text
    assert "palate_model_loaded_seconds" in text


def test_errors_are_problem_documents(served):
    for path in ("/v1/nothing", "/v1/users/5", "/nothing.html", "/v1/users/5/recommendations/", "/v1/items/777"):
        assert is_problem(served.get(path), 404), path
    for query in ("n=0", "n=x", "level=1", "by=luck", "wrong=1", "only=" + "x" * 600, "offset=-1", "seed=-1", "n=1001"):
        assert is_problem(served.get(f"/v1/users/5/recommendations?{query}"), 422, query.split("=")[0]), query
    assert is_problem(served.post("/healthz"), 405)
    assert "allow" in served.post("/healthz").headers
    for body in (
        b"{",
        b"[]",
        b'{"rating": "x"}',
        b'{"rating": NaN}',
        b'{"rating": true}',
        b'{"rating": "3"}',
        b'{"rating": 3, "more": 1}',
        b"{}",
        b"null",
    ):
        answer = served.put("/v1/users/5/ratings/1", content=body, headers={"content-type": "application/json"})
        assert is_problem(answer, 422), body
    answer = served.put("/v1/users/5/ratings/1", content=b"\xff", headers={"content-type": "application/json"})
    assert is_problem(answer, 400)


def test_ratings_that_no_model_can_hold_are_refused(tmp_path):
    import palate

    chosen = [
        (user, item, float(1 + (user * item) % 3)) for user in range(12) for item in range(9) if (user + item) % 2
    ]
    model = palate.ImplicitALS(factors=2).fit(palate.read_ratings(chosen))
    palate.save(model, tmp_path / "model.palate")
    with client(tmp_path) as served:
        for huge in (1e300, -1e300, 3.5e38):
            assert is_problem(served.put("/v1/users/5/ratings/3", json={"rating": huge}), 422), huge
            assert is_problem(served.patch("/v1/users/5/ratings", json={"ratings": {"3": huge}}), 422), huge
            assert is_problem(served.put("/v1/me/ratings/3", json={"rating": huge}, headers={"X-Palate": "1"}), 422)
        assert served.app.state.palate.store.everything() == []
        served.app.state.palate.store.put("u:5", {"3": 1e300})  # by an earlier version
        assert served.get("/v1/users/5/recommendations").status_code == 200


def test_head_answers_as_get_without_a_body(served):
    for path in ("/v1/model", "/v1/users/5/recommendations", "/healthz", "/v1/items/777", "/"):
        head, get = served.head(path), served.get(path)
        assert head.status_code == get.status_code, path
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == get.headers["content-length"]
    assert served.get("/v1/users/5/recommendations").json()["user"] == 5
