import numpy as np
import pytest

from palate.errors import DataError, SettingsError
from palate.evaluation import cross_validate, evaluate
from palate.evaluation.metrics.errors import METRICS
from palate.ratings import RatingScale
from palate.solvers import SGD, Means
from palate.splits import holdout, k_fold
from tables import random_table, table


def test_metrics_by_hand():
    rating, prediction = np.array([1, 4, -2], np.float32), np.array([2, 4, 0], np.float32)
    found = {name: metric(rating, prediction, RatingScale(-10, 10)) for name, metric in METRICS.items()}
    assert found == pytest.approx({"rmse": np.sqrt(5 / 3), "mae": 1, "nmae": 1 / 20})
    empty = np.empty(0, np.float32)
    assert all(np.isnan(metric(empty, empty, RatingScale(0, 1))) for metric in METRICS.values())
    assert np.isnan(METRICS["nmae"](rating, prediction, RatingScale(1, 1)))


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
    found = evaluate(model, test)
    assert (found.ratings, found.unknown) == (4, 3)
    predictions = model.predict([1, 9, 2, 9], [1, 2, 8, 8], unknown="mean")
    expected = np.sqrt(np.mean((predictions - np.array([2, 4, 3, 1])) ** 2))
    assert found.scores["rmse"] == pytest.approx(expected, rel=1e-6)
    assert set(found.baselines) == {"global mean", "item mean", "user mean", "bias only"}
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
