import numpy as np
import pytest

from palate import workflow
from palate.cli.scores import print_scores
from palate.errors import DataError, SettingsError
from palate.evaluation import cross_validate, evaluate
from palate.evaluation.lists import LIST_BASELINES
from palate.evaluation.metrics import METRICS, Judged, Metric, mae, nmae, rmse
from palate.ratings import RatingScale
from palate.solvers import BASELINES, EASE, SGD, ImplicitALS, Means
from palate.splits import holdout, k_fold, new_users, split_by
from tables import random_table, table, vocabulary


def test_errors_by_hand():
    rating, prediction = np.array([1, 4, -2], np.float32), np.array([2, 4, 0], np.float32)
    assert rmse(rating, prediction) == pytest.approx(np.sqrt(5 / 3))
    assert mae(rating, prediction) == 1
    assert nmae(rating, prediction, RatingScale(-10, 10)) == 1 / 20
    assert np.isnan(nmae(rating, prediction, RatingScale(1, 1)))
    empty = np.empty(0, np.float32)
    assert np.isnan([rmse(empty, empty), mae(empty, empty), nmae(empty, empty, RatingScale(0, 1))]).all()


def test_the_table_has_all_metrics_and_each_says_what_it_needs():
    assert list(METRICS) == [
        "rmse", "mae", "nmae", "log_likelihood", "coverage_50", "coverage_80", "coverage_90", "coverage_95",
    ]  # fmt: skip
    train, test = holdout(random_table())
    judged = Judged(Means().fit(train), test)
    assert [name for name, metric in METRICS.items() if metric.applies_to(judged)] == ["rmse", "mae", "nmae"]
    with pytest.raises(SettingsError, match="does not know how sure"):
        judged.deviation  # noqa: B018
    with pytest.raises(SettingsError, match="does not know how sure"):
        judged.interval(0.9)


def test_a_new_metric_is_one_entry_and_sees_ids_and_users(monkeypatch, capsys):
    """RMSE over users rather than rows, of known items only; it then shows in evaluations, folds and tables."""

    def user_rmse(judged):
        squares = np.square(judged.rating - judged.prediction) * (judged.item >= 0)
        return float(np.sqrt(judged.user_means(squares).mean()))

    metric = Metric("user_rmse", "RMSE by user", user_rmse, higher_is_better=False, meaning="over users", form=".2f")
    monkeypatch.setitem(METRICS, metric.name, metric)
    train, test = holdout(random_table(), 0.3)
    model = Means().fit(train)
    squares = {}
    for user, rating, prediction in zip(test.user, test.rating, model.predict_table(test), strict=True):
        squares.setdefault(user, []).append((float(rating) - float(prediction)) ** 2)
    expected = np.sqrt(np.mean([np.mean(values) for values in squares.values()]))
    result = evaluate(model, test)
    assert result.scores["user_rmse"] == pytest.approx(expected, rel=1e-5)
    assert cross_validate(Means(), [(train, test)]).mean["user_rmse"] == result.scores["user_rmse"]
    print_scores("Errors", {"means": result.scores, **result.baselines})
    out = capsys.readouterr().out
    assert "RMSE by user" in out
    assert f"{expected:.2f}" in out
    assert "RMSE by user: over users." in " ".join(out.split())


def rows(ratings):
    return set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))


def test_a_holdout_loses_no_row():
    ratings = random_table()
    train, test = holdout(ratings, 0.2, seed=3)
    assert len(test) == round(0.2 * len(ratings))
    assert rows(train) | rows(test) == rows(ratings)
    assert not rows(train) & rows(test)
    assert rows(holdout(ratings, 0.2, seed=3).test) == rows(test)
    assert rows(holdout(ratings, 0.2, seed=4).test) != rows(test)


def test_folds_partition_the_table():
    ratings = random_table()
    tests = [rows(test) for train, test in k_fold(ratings, 5)]
    assert set().union(*tests) == rows(ratings)
    assert sum(map(len, tests)) == len(ratings)


@pytest.mark.parametrize("share", [0, 1, -1, 2, float("nan")])
def test_an_impossible_holdout_is_refused(share):
    with pytest.raises(SettingsError, match="holdout must be between 0 and 1"):
        holdout(random_table(), share)


def test_tables_too_small_to_split_are_refused():
    with pytest.raises(SettingsError, match="cannot be split"):
        holdout(table([(1, 1, 1.0)]))
    with pytest.raises(SettingsError, match="folds must be between 2 and"):
        k_fold(table([(1, 1, 1.0), (1, 2, 1.0)]), 3)


def test_evaluation_counts_every_row_known_or_not():
    train = table([(1, 1, 1.0), (1, 2, 5.0), (2, 1, 3.0)])
    test = table([(1, 1, 2.0), (9, 2, 4.0), (2, 8, 3.0), (9, 8, 1.0)])
    model = SGD(epochs=2).fit(train)
    with pytest.warns(UserWarning, match="1 of the 4 test ratings are of pairs that the model was fitted on"):
        result = evaluate(model, test)
    assert (result.ratings, result.unknown) == (4, 3)
    predictions = model.predict([1, 9, 2, 9], [1, 2, 8, 8], unknown="mean")
    expected = np.sqrt(np.mean((predictions - np.array([2, 4, 3, 1])) ** 2))
    assert result.scores["rmse"] == pytest.approx(expected, rel=1e-6)
    assert (result.seen, len(result.lists.task.users)) == (1, 1)
    unseen = evaluate(model, test.take(np.arange(1, 4)))
    assert result.unseen_scores == {name: unseen.scores[name] for name in ("rmse", "mae", "nmae")}
    assert result.scores["ndcg@10"] == unseen.scores["ndcg@10"]
    assert (unseen.seen, unseen.unseen_scores) == (0, {})
    with pytest.raises(DataError, match="no ratings to judge"):
        evaluate(model, test.take(np.zeros(4, bool)))


def test_text_ids_of_a_test_file_meet_integer_ids_of_the_model():
    model = Means().fit(table([(1, 1, 1.0), (2, 2, 5.0)]))
    assert evaluate(model, table([("1", "2", 1.0), ("two", "2", 2.0)])).unknown == 1


def test_cross_validation_reports_means_and_spread():
    seen = []
    result = cross_validate(
        SGD(factors=2, epochs=3), k_fold(random_table(), 3), done=lambda fold, model: seen.append(fold)
    )
    values = [fold.scores["rmse"] for fold in result.folds]
    assert seen == list(result.folds)
    assert result.mean["rmse"] == pytest.approx(np.mean(values))
    assert result.spread["rmse"] == pytest.approx(np.std(values, ddof=1))
    assert set(result.baselines) == {*BASELINES, *LIST_BASELINES}
    one = cross_validate(Means(), [holdout(random_table())])
    assert one.as_dict()["spread"]["rmse"] is None
    with pytest.raises(DataError, match="no folds"):
        cross_validate(Means(), [])


def test_three_things_are_judged_side_by_side():
    train, test = holdout(random_table(users=100), 0.2)
    result = evaluate(SGD(factors=3).fit(train), test, liked=4)
    assert {"rmse", "rated_ndcg@10", "ndcg@10", "recall@20", "auc", "coverage@10"} <= set(result.scores)
    assert result.baselines["item-kNN"].keys() >= {"ndcg@10", "recall@20"}
    assert result.baselines["bias only"].keys() == {"rmse", "mae", "nmae", "rated_ndcg@10"}
    values = result.as_dict()
    assert values["ndcg@10"] == result.scores["ndcg@10"]
    assert (values["liked"], values["seen"], values["unseen"]) == (4, 0, {})
    assert values["baselines"] == result.baselines
    assert sum(band["size"] for band in values["by_activity"]) == values["users"]


@pytest.mark.parametrize("solver", [ImplicitALS(factors=4, sweeps=3), EASE(regularization=10.0)])
def test_a_model_of_choices_is_judged_by_lists_alone(solver):
    train, test = holdout(random_table(users=100), 0.2)
    result = evaluate(solver.fit(train), test, liked=4)
    assert "rmse" not in result.scores
    assert result.scores["ndcg@10"] > 0
    assert "rmse" in result.baselines["bias only"]
    assert result.off_scale == 0
    with pytest.raises(DataError, match="judged by lists alone: lists are not judged: all test ratings"):
        evaluate(solver.fit(train), train)


def test_how_liked_was_guessed_is_said():
    train, test = holdout(random_table(users=100), 0.2)
    result = evaluate(Means().fit(train), test)
    assert any(f"{result.lists.task.liked:g} or more: guessed" in note for note in result.notes)


def test_a_model_without_its_ratings_is_judged_by_errors():
    from dataclasses import replace

    train, test = holdout(random_table(), 0.2)
    result = evaluate(replace(Means().fit(train), seen=None), test)
    assert (set(result.scores), result.baselines) == ({"rmse", "mae", "nmae"}, {})
    assert "keeps no ratings" in result.notes[0]


def test_new_users_are_folded_in_before_they_are_judged():
    parts = new_users(random_table(users=150), 0.2, given=0.5)
    model = SGD(factors=3).fit(parts.train)
    result, blind = evaluate(model, parts.test, given=parts.given), evaluate(model, parts.test)
    assert result.scores["rmse"] < blind.scores["rmse"]
    assert (result.unknown, blind.unknown) == (0, len(parts.test))
    assert (blind.lists, len(result.lists.task.users)) == (None, 30)
    user = parts.test.users[int(parts.test.user[0])]
    rows = parts.given.user == parts.test.user[0]
    given = zip(parts.given.items.ids[parts.given.item[rows]].tolist(), parts.given.rating[rows].tolist(), strict=True)
    profile = model.fold_in(dict(given))
    row = int(np.flatnonzero(result.lists.task.train.users.ids[result.lists.task.users] == user)[0])
    listed = result.lists.task.train.items.ids[result.lists.ranked.lists[row]][:10].tolist()
    assert listed == [one.id for one in model.recommend(profile, 10)]
    rated = parts.test.take(parts.test.user == parts.test.user[0])
    errors = rated.rating - model.predict(profile, rated.items.ids[rated.item])
    assert evaluate(model, rated, given=parts.given).scores["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_given_ratings_may_name_what_the_model_does_not_know():
    train = random_table(users=50)
    model = SGD(factors=3).fit(train)
    given = table([("new", "100", 4.0), ("new", "101", 2.0), ("new", "unheard of", 3.0), ("1", "100", 1.0)])
    test = table([("new", "103", 4.0), ("new", "104", 5.0), ("other", "103", 5.0)])
    result = evaluate(model, test, given=given, liked=4)
    assert (result.unknown, result.seen, len(result.lists.task.users)) == (1, 0, 1)
    assert vocabulary(["1"], "user").is_text
    assert len(result.lists.task.train) == len(train) + 3, "what the model knows of user 1 stays as it is"


@pytest.mark.parametrize("kind", ["time", "last", "users", "items", "random"])
def test_every_split_can_be_validated(kind):
    from dataclasses import replace

    ratings = random_table(users=80)
    ratings = replace(ratings, time=np.random.default_rng(0).integers(0, 1000, len(ratings)))
    result = cross_validate(SGD(factors=3), [split_by(ratings, kind, 0.2)], liked=3.5)
    fold = result.folds[0]
    assert fold.seen == 0
    assert result.mean["rmse"] == fold.scores["rmse"]
    assert fold.unknown == (fold.ratings if kind == "items" else 0)
    assert result.as_dict()["liked"] == ([3.5] if fold.lists else [])


def test_new_users_of_a_model_of_both_heads_get_their_lists():
    parts = new_users(random_table(users=150), 0.2, given=0.5)
    model = workflow.fit(parts.train, SGD(factors=3), choices="popularity")
    result = evaluate(model, parts.test, given=parts.given)
    task = result.lists.task
    new = parts.test.users[int(parts.test.user[0])]
    rows = parts.given.user == parts.test.user[0]
    given = zip(parts.given.items.ids[parts.given.item[rows]].tolist(), parts.given.rating[rows].tolist(), strict=True)
    row = int(np.flatnonzero(task.train.users.ids[task.users] == new)[0])
    listed = task.train.items.ids[result.lists.ranked.lists[row][:10]].tolist()
    assert listed == [one.id for one in model.recommend(model.fold_in(dict(given)), 10)]


def test_equal_ratings_have_no_nmae_and_no_deviation_of_it():
    ratings = table([(user, item, 3.0) for user in range(6) for item in range(6) if (user + item) % 4])
    result = cross_validate(Means(), k_fold(ratings, 2))
    assert result.mean["rmse"] == result.spread["rmse"] == 0
    assert np.isnan([result.mean["nmae"], result.spread["nmae"]]).all()
