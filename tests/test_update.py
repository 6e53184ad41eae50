"""More ratings for a model without a fit: what is touched is folded in, and everything else stays."""

import dataclasses
import json

import numpy as np
import pytest

import palate
from palate import load, save
from palate.datasets import make_ratings
from palate.errors import DataError
from palate.solvers import SOLVERS

PLAIN = dict.fromkeys(("user_noise", "item_noise"), False)
SMALL = {
    "als": {"factors": 4, "sweeps": 5, "regularization": 0.1},
    "sgd": {"factors": 4, "epochs": 5, "regularization": 0.05},
    "bayes": {"factors": 4, "sweeps": 20, "user_sets": True, "item_sets": True, **PLAIN},
    "implicit": {"factors": 4, "sweeps": 5, "regularization": 0.01, "unobserved": 0.1},
    "ease": {"regularization": 20.0},
}
NEW = [(500, 7, 4.0), (500, 8, 1.0), (3, 777, 5.0), (500, 777, 4.0), (9, 8, 2.0)]


@pytest.fixture(scope="module")
def table():
    return make_ratings(users=120, items=40, ratings=2500, seed=2)


@pytest.fixture(scope="module")
def models(table):
    return {name: dataclasses.replace(SOLVERS[name], **settings).fit(table) for name, settings in SMALL.items()}


def untouched(model, newer, side, touched):
    """Return the rows of a side without new ratings, in the old and in the new model."""
    ids = [id for id in getattr(model, side).ids.tolist() if id not in touched]
    return getattr(model, side).index(ids), getattr(newer, side).index(ids)


@pytest.mark.parametrize("name", SMALL)
def test_new_rows_are_there_and_all_others_stay_to_the_bit(models, name):
    model = models[name]
    newer = model.with_ratings(NEW)
    assert newer.users.find(500) >= 0
    assert newer.items.find(777) >= 0
    assert len(newer.users) == len(model.users) + 1
    assert len(newer.items) == len(model.items) + 1
    for side, touched in (("user", {500, 3, 9}), ("item", {7, 8, 777})):
        old, new = untouched(model, newer, f"{side}s", touched)
        for part in (f"{side}_factors", f"{side}_bias"):
            np.testing.assert_array_equal(getattr(model, part)[old], getattr(newer, part)[new])
    counts = newer.training["updates"][-1]
    assert (counts["ratings"], counts["new_users"], counts["new_items"]) == (5, 1, 1)
    assert newer.seen.indptr[-1] == 2500 + 5 - counts["replaced"]


@pytest.mark.parametrize("name", SMALL)
def test_an_updated_model_answers_everything(models, name, tmp_path):
    newer = models[name].with_ratings(NEW)
    save(newer, tmp_path / "m.palate")
    loaded = load(tmp_path / "m.palate")
    assert [one.id for one in loaded.recommend(500, 5)] == [one.id for one in newer.recommend(500, 5)]
    assert 777 not in [one.id for one in newer.recommend(500, 50)]  # seen
    assert np.isfinite(newer.predict([500, 1], [777, 777])).all()
    assert newer.explain(500, 777).contributions
    assert len(newer.similar_items(777, 3)) == 3


@pytest.mark.parametrize("name", ["als", "bayes", "implicit"])
def test_a_new_user_is_what_fold_in_finds(models, name):
    newer = models[name].with_ratings([(500, 7, 4.0), (500, 8, 1.0)])
    profile = newer.fold_in({7: 4.0, 8: 1.0})
    row = newer.users.find(500)
    np.testing.assert_allclose(newer.user_factors[row], profile.factors, rtol=1e-5, atol=1e-6)
    assert newer.user_bias[row] == pytest.approx(profile.bias, abs=1e-6)


def test_doubt_shrinks_with_ratings(models):
    model = models["bayes"]
    newer = model.with_ratings([(500, item, 4.0) for item in model.items.ids[:20].tolist()])
    unknown = model.predict(500, 7, unknown="mean", interval=0.9)
    known = newer.predict(500, 7, interval=0.9)
    assert known.high - known.low < unknown.high - unknown.low


def test_weights_of_a_new_item_are_nearly_those_of_a_fit(table):
    solver = dataclasses.replace(SOLVERS["ease"], regularization=20.0)
    popular = int(np.argmax(table.item_counts))
    is_new = table.item == popular
    model = solver.fit(table.take(~is_new).compact())
    rows = table.take(is_new)
    newer = model.with_ratings(rows.compact())
    whole = solver.fit(table)
    users = table.users.ids[np.setdiff1d(np.arange(len(table.users)), rows.user)]
    item = int(table.items.ids[popular])
    for other in (newer, whole):
        assert other.items.find(item) >= 0
    ours, theirs = (other.score_batch(users, by="choice")[:, other.items.find(item)] for other in (newer, whole))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


def test_two_new_items_that_the_same_users_chose_have_weights_between_them(table):
    solver = dataclasses.replace(SOLVERS["ease"], regularization=20.0)
    first, second = np.argsort(table.item_counts)[-2:].tolist()
    is_new = np.isin(table.item, [first, second])
    newer = solver.fit(table.take(~is_new).compact()).with_ratings(table.take(is_new).compact())
    whole = solver.fit(table)
    pair = [int(table.items.ids[place]) for place in (first, second)]

    def weights(model):
        row, column = (model.items.find(item) for item in pair)
        head = model.choice
        there = slice(head.indptr[row], head.indptr[row + 1])
        return float(head.weights[there][head.targets[there] == column][0])

    assert weights(newer) == pytest.approx(weights(whole), rel=0.1, abs=0.002)


def test_known_rows_of_a_posterior_take_a_newton_step(models):
    model = models["bayes"]
    user, row = int(model.users.ids[3]), 3
    item = next(one for one in range(len(model.items)) if one not in model.seen[row][0])
    alone = model.with_ratings([(user, int(model.items.ids[item]), 5.0)])
    # Of the rating that the model predicts nothing is learnt.
    predicted = float(model.predict(user, int(model.items.ids[item])))
    same = model.with_ratings([(user, int(model.items.ids[item]), predicted)])
    np.testing.assert_allclose(same.user_factors[row], model.user_factors[row], atol=2e-6)
    assert alone.predict(user, int(model.items.ids[item])) > predicted
    again = model.seen[row]
    given = model.with_ratings([(user, int(model.items.ids[again[0][0]]), float(again[1][0]))])
    np.testing.assert_array_equal(given.user_factors, model.user_factors)


def test_attributes_say_what_is_expected_of_a_row_with_its_first_rating():
    table = make_ratings(users=60, items=30, ratings=900, seed=5)
    kinds = [(int(item), "good" if item % 2 else "bad") for item in [*table.items.ids.tolist(), 901, 902]]
    rated = dataclasses.replace(table, rating=(3 + 1.5 * (table.items.ids[table.item] % 2)).astype(np.float32))
    features = {"item": [one for one, _ in kinds], "kind": [kind for _, kind in kinds]}
    model = dataclasses.replace(SOLVERS["als"], factors=1, sweeps=3, regularization=0.3).fit(
        rated, item_features=features
    )
    user = int(table.users.ids[0])
    newer = model.with_ratings([(user, 901, 3.5), (user, 902, 3.5)])
    assert newer.predict(user, 901) > newer.predict(user, 902) + 0.2


def test_an_empty_update_has_a_record(models):
    empty = palate.read_ratings([(1, 7, 4.0)]).take(np.array([False])).compact()
    newer = models["als"].with_ratings(empty)
    assert newer.training["updates"][-1]["ratings"] == 0


def test_a_model_with_two_heads_keeps_both(table):
    model = palate.fit(table, dataclasses.replace(SOLVERS["als"], **SMALL["als"]))
    for head in ("popularity", "ease", "implicit"):
        model = palate.fit(table, dataclasses.replace(SOLVERS["als"], **SMALL["als"]), choices=head)
        newer = model.with_ratings(NEW)
        assert newer.choice.size == len(newer.items)
        assert len(newer.recommend(500, 5)) == 5


def test_text_ids_and_pairs_that_are_rated_again():
    table = palate.read_ratings([("ann", "tea", 5), ("bob", "tea", 1), ("ann", "milk", 2)])
    model = dataclasses.replace(SOLVERS["als"], factors=1, sweeps=2, regularization=0.1).fit(table)
    newer = model.with_ratings([("ann", "tea", 1), ("cy", "milk", 5)])
    assert newer.training["updates"][-1]["replaced"] == 1
    items, ratings = newer.seen[newer.users.find("ann")]
    assert ratings[items == newer.items.find("tea")].tolist() == [1.0]


def test_times_are_kept_and_ratings_without_one_come_last():
    table = make_ratings(users=30, items=20, ratings=200, seed=4)
    timed = dataclasses.replace(table, time=np.arange(200))
    newer = dataclasses.replace(SOLVERS["als"], factors=1, sweeps=2, regularization=0.1).fit(timed).with_ratings(NEW)
    assert len(newer.seen_time) == newer.seen.indptr[-1]
    user = newer.users.find(500)
    assert (newer.seen_time[newer.seen.indptr[user] : newer.seen.indptr[user + 1]] == 199).all()


def test_what_cannot_be_added_is_refused(models):
    with pytest.raises(DataError, match="has choices and no ratings"):  # they would replace ratings by 1
        models["als"].with_ratings({"user": [3, 9], "item": [7, 8]})
    with pytest.raises(DataError, match="off the model's scale"):
        models["als"].with_ratings([(1, 7, 99.0)])
    with pytest.raises(DataError, match="keeps no ratings"):
        dataclasses.replace(models["als"], seen=None).with_ratings(NEW)


def test_the_command_writes_a_new_file(models, tmp_path, capsys, monkeypatch):
    from palate.cli.app import main

    save(models["als"], tmp_path / "m.palate")
    (tmp_path / "new.csv").write_text("user,item,rating\n500,7,4\n500,777,1\n")
    before = (tmp_path / "m.palate").read_bytes()
    command = ["palate", "update", tmp_path / "m.palate", tmp_path / "new.csv", "-o", tmp_path / "m2.palate", "--json"]
    monkeypatch.setattr("sys.argv", [str(part) for part in command])
    main()
    printed = json.loads(capsys.readouterr().out)
    assert printed["update"] == {
        "ratings": 2, "replaced": 0, "new_users": 1, "new_items": 1, "users": 1, "items": 2,
    }  # fmt: skip
    assert load(tmp_path / "m2.palate").users.find(500) >= 0
    assert (tmp_path / "m.palate").read_bytes() == before


@pytest.mark.parametrize("row", [("x", 1, 3), (1, "x", 3)])
def test_a_text_id_does_not_turn_integer_ids_into_text(row):
    model = palate.ALS(factors=2, seed=0, sweeps=2, regularization=1.0).fit(
        [(1, 1, 5), (1, 2, 4), (2, 1, 3), (3, 2, 1)]
    )
    with pytest.raises(DataError, match=r"id 'x' is text, and the . (user|item) ids are integers"):
        model.with_ratings([row, (2, 2, 4)])


def test_evaluate_warns_of_ratings_that_are_off_the_scale(models, tmp_path, capsys, monkeypatch):
    from palate.cli.app import main

    save(models["als"], tmp_path / "m.palate")
    (tmp_path / "test.csv").write_text("user,item,rating\n500,7,80\n500,777,15\n501,7,3\n")
    monkeypatch.setattr("sys.argv", ["palate", "evaluate", f"{tmp_path}/m.palate", f"{tmp_path}/test.csv", "--json"])
    main()
    printed = capsys.readouterr()
    assert json.loads(printed.out)["off_scale"] == 2
    assert "2 of 3 test ratings are off the model's scale" in " ".join(printed.err.split())


def test_retrain_without_a_model_says_what_to_name(capsys, monkeypatch):
    from palate.cli.app import main

    monkeypatch.delenv("PALATE_MODEL", raising=False)
    monkeypatch.setattr("sys.argv", ["palate", "retrain"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "no model is named: give it as an argument, as PALATE_MODEL" in " ".join(capsys.readouterr().err.split())


def test_popularity_after_an_update_is_that_of_a_fit(table):
    solver = palate.ALS(factors=2, sweeps=2, regularization=0.1)
    newer = palate.fit(table, solver).with_ratings(NEW)
    fitted = palate.fit(newer.ratings(), solver)
    assert newer.choice.kind == fitted.choice.kind == "popularity"
    assert newer.choice.share.tolist() == fitted.choice.share.tolist()
    assert newer.choice.share.min() > 0
