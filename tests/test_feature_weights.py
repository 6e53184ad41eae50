"""What models learn from attributes: the draws of the chain, rows without ratings, explanations, lists and files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from palate import ALS, SGD, BayesianMF, ImplicitALS, Ratings, Vocabulary, fit, load, read_attributes, save
from palate.errors import DataError, SettingsError, StorageError
from palate.parallel import pool
from palate.solvers.bayes import feature_weights
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.state import ModelParts
from palate.solvers.feature_rows import SCALES, FeatureRows, feature_rows, with_unrated

GENRES = ("Comedy", "Drama", "War")
PLAIN = {"user_noise": False, "item_noise": False, "user_sets": False, "item_sets": False}
# Items from 40 on have attributes and no ratings.
RATED, ALL = 40, 48


def genre(item: int) -> str:
    return GENRES[item % 3]


def make(seed: int = 0, users: int = 120, share: float = 0.5) -> Ratings:
    """Ratings by users who like genres: 3 + taste + noise."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(0, 0.8, (users, 3))
    chosen = rng.random((users, RATED)) < share
    user, item = np.nonzero(chosen)
    rating = 3 + taste[user, item % 3] + rng.normal(0, 0.5, len(user))
    ids = Vocabulary(np.arange(users), "user"), Vocabulary(np.arange(RATED), "item")
    return Ratings(*ids, user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32))


TABLE = {"item": list(range(ALL)), "genre": [genre(item) for item in range(ALL)]}


@pytest.fixture(scope="module")
def bayes():
    return BayesianMF(factors=4, sweeps=60, item_features=True, **PLAIN).fit(make(), item_features=TABLE)


def rows_of(values, rated):
    """Attributes of rows, where some have ratings."""
    table = read_attributes({"id": list(range(len(values))), "kind": values})
    return FeatureRows(table, np.arange(len(values), dtype=np.int32), np.asarray(rated, np.int64))


def centred(features):
    table = features.attributes
    return np.array([table.encode({"kind": value}) for value in ("a", "b", "a", "c", "b", "c")])


VALUES, COUNTS = ["a", "b", "a", "c", "b", "c"], [3, 1, 2, 0, 4, 5]


def test_products_are_those_of_the_centred_matrix():
    features = rows_of(VALUES, COUNTS)
    weights = np.random.default_rng(0).normal(size=(features.width, 2))
    assert features.means(weights) == pytest.approx(centred(features) @ weights)


def test_the_density_of_a_scale_is_that_of_rows_whose_weights_are_integrated_out():
    features = rows_of(VALUES, COUNTS)
    (group,), rated = features.groups, np.array(COUNTS) > 0
    rows, matrix = np.random.default_rng(1).normal(size=(6, 3)), centred(features)
    density = group.log_density(np.square(group.project(rows)).sum(1), 3)
    prior = group.log_density(np.zeros(features.width), 0)
    marginal = [
        multivariate_normal(np.zeros(5), np.eye(5) + matrix[rated] @ matrix[rated].T / scale)
        .logpdf(rows[rated].T)
        .sum()
        for scale in SCALES[::20]
    ]
    assert np.diff((density - prior)[::20]) == pytest.approx(np.diff(marginal), abs=1e-6)


def test_weights_are_drawn_around_the_ridge_regression(monkeypatch):
    monkeypatch.setattr(feature_weights, "draw_from_grid", lambda grid, density, rng: 2.0)
    ratings = with_unrated(replace(make(), item_features=read_attributes(TABLE)))
    with pool(1) as run:
        chain = Chain(
            ratings.by_user, ratings.by_item, 2, ModelParts(False, False, False, False, item_features=True), 0, run,
            features=feature_rows(ratings, 1),
        )  # fmt: skip
        side, rng = chain.items, np.random.default_rng(2)
        precision = np.array([[2.0, 0.3, 0], [0.3, 1.0, 0.2], [0, 0.2, 3.0]])
        drawn = []
        for _ in range(4000):
            feature_weights.draw_feature_weights(side, side.features, precision, rng)
            drawn.append(side.feature_weights)
    matrix = np.array([side.features.attributes.encode({"genre": genre(item)}) for item in range(RATED)])
    inverse = np.linalg.inv(matrix.T @ matrix + 2 * np.eye(3))
    rows = side.factors[:RATED, :3] - side.mean
    error = np.sqrt(np.outer(np.diag(inverse), np.diag(np.linalg.inv(precision))) / len(drawn))
    assert np.abs((np.mean(drawn, axis=0) - inverse @ matrix.T @ rows) / error).max() < 5
    assert np.var(drawn, axis=0) == pytest.approx(error**2 * len(drawn), rel=0.15)
    assert side.feature_prior[:RATED, :3] == pytest.approx(matrix @ side.feature_weights, abs=1e-6)


def test_items_without_ratings_are_predicted_from_their_attributes(bayes):
    model, plain = bayes, BayesianMF(factors=4, sweeps=60, **PLAIN).fit(make())
    assert len(model.items) == ALL
    assert len(plain.items) == RATED
    rng = np.random.default_rng(0)
    taste = rng.normal(0, 0.8, (120, 3))
    cold = np.arange(RATED, ALL)
    truth = 3 + taste[:, cold % 3]
    users = np.arange(120)[:, None]
    predicted, low, high = model.predict(users, cold, interval=0.9)
    assert np.sqrt(np.mean((predicted - truth) ** 2)) < 0.6 * np.sqrt(np.mean((truth - 3) ** 2))
    noise = np.random.default_rng(5).normal(0, 0.5, truth.shape)
    assert 0.85 < np.mean((truth + noise >= low) & (truth + noise <= high)) < 0.99
    _, warm_low, warm_high = model.predict(users, np.arange(RATED), interval=0.9)
    assert (high - low).mean() > 1.005 * (warm_high - warm_low).mean()  # the genre tells all that makes items differ


@pytest.mark.parametrize("solver", [ALS(factors=4, regularization=0.05), ImplicitALS(factors=4, sweeps=8)])
def test_least_squares_draw_rows_toward_their_attributes(solver):
    ratings = make()
    liked = ratings if isinstance(solver, ALS) else ratings.take(ratings.rating > 3.2)
    model = solver.fit(liked, item_features=TABLE)
    assert len(model.items) == ALL
    users = model.users.ids[:, None]
    cold, warm = model.predict(users, np.arange(42, ALL)), model.predict(users, np.arange(36))
    means = np.stack([warm[:, kind::3].mean(axis=1) for kind in range(3)], axis=1)
    assert np.corrcoef(cold[:, :3].ravel(), means.ravel())[0, 1] > 0.9
    new = model.fold_in_item({}, features={"genre": "War"})
    same = next(item for item in range(RATED, ALL) if genre(item) == "War")
    if isinstance(solver, ALS):  # what nobody chose counts as not chosen once a new item is folded in
        assert model.predict(model.users.ids, new) == pytest.approx(model.predict(model.users.ids, same), abs=1e-4)


def test_a_new_item_is_what_its_attributes_say(bayes):
    new = bayes.fold_in_item({}, features={"genre": genre(45)})
    assert bayes.predict(np.arange(120), new) == pytest.approx(bayes.predict(np.arange(120), 45), abs=1e-4)
    rated = bayes.fold_in_item({7: 5.0, 8: 5.0, 9: 5.0}, features={"genre": genre(45)})
    assert bayes.predict(7, rated) > bayes.predict(7, new)
    with pytest.raises(SettingsError, match="knows no attributes of users"):
        bayes.fold_in({}, features={"age": 3})


def test_users_without_ratings_are_predicted_from_their_attributes():
    ratings = make()
    swapped = replace(
        ratings, users=Vocabulary(ratings.items.ids, "user"), items=Vocabulary(ratings.users.ids, "item"),
        user=ratings.item, item=ratings.user,
    )  # fmt: skip
    table = {"user": TABLE["item"], "genre": TABLE["genre"]}
    model = BayesianMF(factors=4, sweeps=60, user_features=True, **PLAIN).fit(swapped, user_features=table)
    taste = np.random.default_rng(0).normal(0, 0.8, (120, 3))
    predicted = model.predict(45, np.arange(120))
    assert np.corrcoef(predicted, taste[:, 45 % 3])[0, 1] > 0.8
    new = model.fold_in({}, features={"genre": genre(45)})
    assert model.predict(new, np.arange(120)) == pytest.approx(predicted, abs=1e-4)
    told = model.explain(45, 3)
    assert told.attributes[0].attribute.startswith(("genre", "attributes that it does not have"))


def test_explanations_tell_what_attributes_add(bayes):
    explanation = bayes.explain(3, 45)
    said = {one.attribute: one.contribution for one in explanation.attributes}
    assert set(said) == {f"genre: {genre(45)}", "attributes that it does not have"}
    partner = np.append(bayes.user_factors[3], 1)
    shift = bayes.item_features.shift(45) - bayes.item_features.base
    assert sum(said.values()) == pytest.approx(float(shift @ partner), abs=1e-5)
    total = explanation.intercept + sum(one.contribution for one in explanation.contributions) + explanation.remainder
    assert total == pytest.approx(explanation.prediction, abs=1e-4)


def test_pilots_decide_about_attributes():
    on = BayesianMF(factors=4, sweeps=5, **PLAIN).fit(make(), item_features=TABLE)
    assert "item features" in on.training["parts"]
    off = BayesianMF(factors=4, sweeps=5, item_features=False, **PLAIN).fit(make(), item_features=TABLE)
    assert off.training["parts"] == "plain"
    with pytest.raises(SettingsError, match="user_features is on, and there is no table of attributes"):
        BayesianMF(user_features=True, **PLAIN).fit(make())


def test_a_fit_that_was_interrupted_goes_on_to_the_same_model(tmp_path):
    solver = BayesianMF(factors=3, sweeps=12, item_features=True, **PLAIN)
    whole = solver.fit(make(), item_features=TABLE)
    place = tmp_path / "checkpoint"

    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.number == 7:
            raise Stop

    from palate.solvers import session

    patch = pytest.MonkeyPatch()
    patch.setattr(session, "_CHECKPOINT_INTERVAL", 0.0)
    with pytest.raises(Stop):
        solver.fit(make(), item_features=TABLE, checkpoint=place, progress=stop)
    resumed = solver.fit(make(), item_features=TABLE, checkpoint=place, resume=True)
    patch.undo()
    assert (resumed.item_factors == whole.item_factors).all()
    assert (resumed.item_features.weights == whole.item_features.weights).all()
    other = {**TABLE, "genre": TABLE["genre"][::-1]}
    with pytest.raises(StorageError, match="belongs to other ratings or settings"):
        solver.fit(make(), item_features=other, checkpoint=place, resume=True)


def test_threads_do_not_change_the_model():
    solver = BayesianMF(factors=3, sweeps=6, item_features=True, **PLAIN)
    one, two = (solver.fit(make(), item_features=TABLE, threads=threads) for threads in (1, 2))
    assert (one.item_factors == two.item_factors).all()


def test_model_files_keep_attributes(bayes, tmp_path):
    save(bayes, tmp_path / "model.palate")
    loaded = load(tmp_path / "model.palate")
    assert loaded.explain(3, 45) == bayes.explain(3, 45)
    assert loaded.as_dict()["attributes"] == {"items": ["genre"]}
    again = BayesianMF(factors=4, sweeps=5, item_features=True, **PLAIN).fit(loaded.ratings())
    assert len(again.items) == ALL


def test_lists_give_a_share_to_items_without_ratings(bayes):
    few = set(range(RATED, ALL))
    listed = [one.id for one in bayes.recommend(3, 10, explore=0.2, seed=1)]
    assert [place for place, id in enumerate(listed) if id in few] == [4, 9]
    assert len(set(listed)) == 10
    assert [one.id for one in bayes.recommend(3, 10, explore=0.2, seed=1)] == listed
    assert {one.id for one in bayes.recommend(3, 8, explore=1.0, seed=1)} == few
    with pytest.raises(SettingsError, match="the share for exploration lies from 0 to 1"):
        bayes.recommend(3, explore=2)


def test_solvers_that_do_not_learn_from_attributes_say_so():
    with pytest.raises(SettingsError, match="the solver 'sgd' does not learn from attributes"):
        SGD(factors=2, epochs=1).fit(make(), item_features=TABLE)
    came_with_it = replace(make(), item_features=read_attributes(TABLE))
    assert len(SGD(factors=2, epochs=1).fit(came_with_it).items) == RATED
    with pytest.raises(SettingsError, match="nonnegative factors do not go with attributes"):
        ALS(factors=2, nonnegative=True).fit(make(), item_features=TABLE)


def test_ids_of_both_tables_are_compared():
    with pytest.raises(
        DataError, match=r"no item of the table of attributes has a rating: .*name the column that holds them"
    ):
        ALS(factors=2).fit(make(), item_features={"item": [900, 901], "genre": ["a", "b"]})
    model = ALS(factors=2, regularization=0.1).fit(
        make(), item_features={"item": ["1", "2", "x", "99"], "genre": ["a", "b", "a", "b"]}
    )
    assert model.training["notes"] == [
        "38 of 40 items with ratings have no attributes",
        "1 items have attributes and no rating: they are predicted from their attributes",
        "left out 1 items of the table of attributes whose ids are no integers, as all others are",
    ]
    assert model.items.ids[-1] == 99


def test_attributes_are_used_where_ratings_are_too_few_to_judge_them():
    tastes = {"Ann": ("space", "love"), "Bob": ("space", "love"), "Cem": ("love", "space"), "Dora": ("love", "space")}
    films = {"Alien": "space", "Solaris": "space", "Notting Hill": "love", "Amelie": "love"}
    rows = [
        (who, film, 5 if genre == best else 1) for who, (best, _) in tastes.items() for film, genre in films.items()
    ]
    genres = {"film": [*films, "Gravity", "Emma"], "genre": [*films.values(), "space", "love"]}
    model = fit(rows, item_features=genres)
    assert "item features: on, as they are given and 16 ratings are too few to judge" in model.training["choices"]
    assert [model.recommend(who, 1)[0].id for who in tastes] == ["Gravity", "Gravity", "Emma", "Emma"]
    plain = BayesianMF(item_features=False).fit(rows, item_features=genres)
    assert plain.predict("Ann", "Gravity") == pytest.approx(plain.predict("Ann", "Emma"))
