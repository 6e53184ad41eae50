import numpy as np
import pytest

from palate.cli.scores import print_scores
from palate.errors import DataError, SettingsError
from palate.evaluation import cross_validate, evaluate
from palate.evaluation.metrics import METRICS, Judged, Metric, mae, nmae, rmse
from palate.ratings import RatingScale
from palate.solvers import SGD, Means
from palate.splits import holdout, k_fold
from tables import random_table, table


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
    result = evaluate(model, test)
    assert (result.ratings, result.unknown) == (4, 3)
    predictions = model.predict([1, 9, 2, 9], [1, 2, 8, 8], unknown="mean")
    expected = np.sqrt(np.mean((predictions - np.array([2, 4, 3, 1])) ** 2))
    assert result.scores["rmse"] == pytest.approx(expected, rel=1e-6)
    assert set(result.baselines) == {"global mean", "item mean", "user mean", "bias only"}
    with pytest.raises(DataError, match="no ratings to judge"):
        evaluate(model, test.take(np.zeros(4, bool)))


def test_text_ids_of_a_test_file_meet_integer_ids_of_the_model():
    model = Means().fit(table([(1, 1, 1.0), (2, 2, 5.0)]))
    assert evaluate(model, table([("1", "1", 1.0), ("two", "2", 2.0)])).unknown == 1


def test_cross_validation_reports_means_and_spread():
    seen = []
    result = cross_validate(
        SGD(factors=2, epochs=3), k_fold(random_table(), 3), done=lambda fold, model: seen.append(fold)
    )
    values = [fold.scores["rmse"] for fold in result.folds]
    assert seen == list(result.folds)
    assert result.mean["rmse"] == pytest.approx(np.mean(values))
    assert result.spread["rmse"] == pytest.approx(np.std(values, ddof=1))
    assert set(result.baselines) == {"global mean", "item mean", "user mean", "bias only"}
    one = cross_validate(Means(), [holdout(random_table())])
    assert one.as_dict()["spread"]["rmse"] is None
    with pytest.raises(DataError, match="no folds"):
        cross_validate(Means(), [])
