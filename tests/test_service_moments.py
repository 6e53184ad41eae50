"""Answers at a moment, and lists with a share for items that hardly anybody has rated."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

import palate
from palate.errors import SettingsError
from serving import CSRF, client, is_problem
from tables import random_table

DAY, START = 86_400, 1_000_000_000
EVEN, ODD_DAY = (datetime.fromtimestamp(START + day * DAY, UTC).isoformat() for day in (2, 3))


@pytest.fixture(scope="module")
def timed():
    """A model with effects of time: users are a point milder on odd days. Items 130 to 134 have few ratings."""
    table = random_table(users=40, items=35, density=0.5)
    table = table.take((table.item < 30) | (np.arange(len(table)) % 9 == 0))
    day = np.arange(len(table)) % 4
    rating = np.clip(table.rating + day % 2, 1, 5).astype(np.float32)
    table = dataclasses.replace(table, rating=rating, time=START + day * DAY)
    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    return palate.BayesianMF(factors=2, sweeps=40, times=True, **plain).fit(table)


@pytest.fixture(scope="module")
def web(timed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timed")
    palate.save(timed, folder / "model.palate")
    with client(folder) as served:
        service = palate.Client("http://localhost", retries=0)
        service._http = served
        yield service


def test_every_answer_about_ratings_can_have_a_moment(web, timed):
    user, item = timed.users[5], timed.items[7]
    even, odd = (web.predict(user, item, level=0.8, at=at) for at in (EVEN, ODD_DAY))
    assert odd["prediction"] > even["prediction"] + 0.1
    assert odd["prediction"] == pytest.approx(timed.predict(user, item, at=ODD_DAY), abs=1e-6)
    assert (odd["at"], odd["times"]) == (ODD_DAY, True)
    [of_batch] = web.predict_batch([(user, item)], level=0.8, at=datetime.fromisoformat(ODD_DAY))
    assert of_batch["prediction"] == odd["prediction"]
    listed = web.recommend(user, 3, by="prediction", at=START + 3 * DAY)
    assert [row["item"] for row in listed] == [one.id for one in timed.at(ODD_DAY).recommend(user, 3, by="prediction")]
    assert web.recommend_batch([user], 3, by="prediction", at=ODD_DAY)[user] == listed
    assert web.explain(user, item, at=ODD_DAY)["prediction"] == pytest.approx(odd["prediction"], abs=1e-4)
    rated = {timed.items[0]: 4.0}
    profile = timed.at(ODD_DAY).fold_in(rated)
    assert web.recommend(rated, 1, by="prediction", at=ODD_DAY)[0]["prediction"] == pytest.approx(
        timed.at(ODD_DAY).recommend(profile, 1, by="prediction")[0].score
    )
    assert web.explain(rated, item, at=ODD_DAY)["at"] == ODD_DAY
    for path in ("recommendations", f"predictions/{item}", f"explanations/{item}"):
        assert web._http.get(f"/v1/me/{path}", params={"at": EVEN}, headers=CSRF).json()["at"] == EVEN
    assert "at" not in web.predict(user, item)


@pytest.mark.parametrize("at", ["yesterday", "", "1998-13-01", "1e300", 1e300, "9" * 60, "x" * 65, -(2**41)])
def test_what_is_no_moment_is_refused(web, timed, at):
    user, item = timed.users[5], timed.items[7]
    for path in (f"predictions/{item}", "recommendations", f"explanations/{item}"):
        assert is_problem(web._http.get(f"/v1/users/{user}/{path}", params={"at": at}), 422, "moment|at")
    body = {"pairs": [{"user": user, "item": item}], "at": at}
    assert is_problem(web._http.post("/v1/predictions", json=body), 422, "moment|at")
    with pytest.raises(SettingsError):
        web.recommend({}, at=at)


def test_a_model_without_effects_of_time_says_so(tmp_path):
    with client(tmp_path) as served:
        plain = served.get("/v1/users/5/predictions/3").json()
        dated = served.get("/v1/users/5/predictions/3?at=2001-01-01").json()
        assert dated == {**plain, "at": "2001-01-01", "times": False}
        assert is_problem(served.get("/v1/users/5/recommendations?at=soon"), 422, "'soon' is no moment")
        assert served.post("/v1/predictions", json={"pairs": [], "at": True}).status_code == 422


def test_one_list_a_batch_a_file_and_the_service_explore_alike(web, timed, tmp_path):
    few = set(timed.items.ids[timed.item_counts < 5].tolist())
    assert few
    users = timed.users.ids[:6].tolist()
    single = {user: [one.id for one in timed.recommend(user, 5, explore=0.4, seed=3)] for user in users}
    for listed in single.values():
        assert {place for place, id in enumerate(listed) if id in few} <= {1, 4}
    batch = timed.recommend_batch(users, 5, explore=0.4, seed=3, threads=2)
    assert dict(zip(users, batch.ids.tolist(), strict=True)) == single
    timed.recommend_all(tmp_path / "all.csv", 5, users=users, explore=0.4, seed=3)
    rows = [line.split(",") for line in (tmp_path / "all.csv").read_text().splitlines()[1:]]
    assert [int(row[2]) for row in rows] == [id for listed in single.values() for id in listed]
    assert [row["item"] for row in web.recommend(users[0], 5, explore=0.4, seed=3)] == single[users[0]]
    assert [row["item"] for row in web.recommend_batch(users, 5, explore=0.4, seed=3)[users[1]]] == single[users[1]]
    drawn = {tuple(row["item"] for row in web.recommend(users[0], 5, explore=0.2)) for _ in range(30)}
    assert len(drawn) > 1  # no answer of before is given again
    assert is_problem(web._http.get(f"/v1/users/{users[0]}/recommendations?explore=2"), 422, "explore")
    assert is_problem(web._http.get(f"/v1/users/{users[0]}/recommendations?explore=.5&lowest=true"), 422, "lowest")
    with pytest.raises(SettingsError, match="not with the lowest"):
        timed.recommend_batch(users, lowest=True, explore=0.1)
