"""Lists are judged by hand-made tables, by slow twins, and on real ratings."""

from dataclasses import replace
from itertools import pairwise
from math import erf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from palate import SGD, holdout, read_ratings
from palate.datasets import make_ratings
from palate.errors import DataError, SettingsError
from palate.evaluation.bootstrap import compare_lists, holm, paired_bootstrap
from palate.evaluation.item_knn import ItemKNN
from palate.evaluation.lists import (
    ListTask,
    default_metrics,
    evaluate_lists,
    guess_liked,
    parse_metrics,
    popularity,
    random_scores,
    rank,
)

TRAIN = [("ann", "a", 5), ("ann", "b", 1), ("bob", "b", 4), ("bob", "c", 4), ("cat", "d", 3), ("cat", "a", 5)]
TEST = [("ann", "c", 5), ("ann", "d", 2), ("bob", "a", 4), ("bob", "z", 5), ("cat", "b", 1), ("new", "a", 5)]


class Fixed:
    """Recommends what it is told, by ids."""

    def __init__(self, ratings, lists):
        self.users, self.items, self.lists = ratings.users, ratings.items, lists

    def recommend_batch(self, users, n=10):
        rows = [[*self.items.index(list(self.lists[user]))[:n]] for user in users]
        return np.array([row + [-1] * (n - len(row)) for row in rows], np.int32), np.zeros((len(rows), n), np.float32)


class Scoring(Fixed):
    def score_batch(self, users):
        scores = np.full((len(users), len(self.items)), -1, np.float32)
        for row, user in enumerate(users):
            for place, item in enumerate(self.lists[user]):
                scores[row, self.items.index([item])[0]] = -place / 100
        return scores


@pytest.fixture
def parts():
    return read_ratings(TRAIN), read_ratings(TEST)


def split(seed=1, users=120, items=60, ratings=3000):
    return holdout(make_ratings(users=users, items=items, ratings=ratings, seed=seed), 0.25, seed=seed)


def test_a_table_judged_by_hand(parts):
    lists = {"ann": ["c", "d"], "bob": ["d", "a"], "cat": ["b", "c"]}
    result = evaluate_lists(Fixed(parts[0], lists), *parts, n=2, liked=4, baselines=False)
    # Cat likes nothing, the newcomer has no training rating, and nobody can list z.
    assert result.task.users.tolist() == [0, 1, 2]
    assert result.task.relevant.tolist() == [1, 2, 0]
    assert result.values["precision@2"].tolist()[:2] == [0.5, 0.5]
    assert result.scores["recall@4"] == (1 + 0.5) / 2
    ideal = 1 + 1 / np.log2(3)
    assert result.scores["ndcg@2"] == pytest.approx((1 + (ideal - 1) / ideal) / 2)
    assert result.scores["mrr@2"] == 0.75
    assert result.scores["coverage@2"] == 1
    assert "auc" not in result.scores
    assert any("auc" in note for note in result.notes)
    assert any("not judged: 1 user without a training rating" in note for note in result.notes)


def test_scores_of_a_recommender_are_looked_at_where_it_tells_them(parts):
    lists = {"ann": ["c", "d"], "bob": ["d", "a"], "cat": ["b", "c"]}
    result = evaluate_lists(Scoring(parts[0], lists), *parts, n=2, liked=4, baselines=False)
    assert result.values["auc"][0] == 1
    assert result.values["auc"][1] == 0  # of a and z, one is below d and one has no score
    assert result.values["rated_ndcg@2"][0] == 1
    other = Scoring(read_ratings([*TRAIN, ("zoe", "y", 1), ("aaa", "0", 2)]), lists)
    assert evaluate_lists(other, *parts, n=2, liked=4, baselines=False).scores == pytest.approx(
        result.scores, nan_ok=True
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_was_seen_is_left_out_of_lists_and_they_are_filled_up(parts, n):
    lists = {"ann": ["a", "b", "d", "c"], "bob": ["b", "d", "a"], "cat": ["d"]}
    result = evaluate_lists(Fixed(parts[0], lists), *parts, n=n, liked=4, baselines=False, metrics=[f"ndcg@{n}"])
    letters = [[*"abcd"][item] if item >= 0 else None for item in result.ranked.lists.ravel()]
    assert letters == [*["d", "c", None][:n], *["d", "a", None][:n], *[None] * n]


def test_a_list_with_unknown_items_is_refused(parts):
    model = Fixed(read_ratings([*TRAIN, ("ann", "q", 4)]), {"ann": ["q"], "bob": ["d"], "cat": ["b"]})
    with pytest.raises(DataError, match="training part does not know"):
        evaluate_lists(model, *parts, n=2, liked=4)


def test_a_user_without_a_list_gets_no_hits(parts):
    model = Fixed(read_ratings([row for row in TRAIN if row[0] != "ann"]), {"bob": ["a"], "cat": ["b"]})
    result = evaluate_lists(model, *parts, n=2, liked=4, baselines=False)
    assert result.values["hit_rate@2"][0] == 0


@pytest.mark.parametrize(
    ("test", "liked", "message"),
    [
        ([("new", "a", 5)], None, "no user has ratings both"),
        ([("ann", "c", 2)], 4, "no test rating is at or above 4"),
        (TRAIN, 4, r"are training ratings too"),
    ],
)
def test_what_cannot_be_judged_is_told(parts, test, liked, message):
    with pytest.raises(DataError, match=message):
        evaluate_lists(popularity(parts[0]), parts[0], read_ratings(test), liked=liked)


def test_pairs_of_the_training_part_do_not_count(parts):
    task = ListTask.of(parts[0], read_ratings([*TEST, ("ann", "a", 5)]), 4)
    assert task.relevant.tolist() == [1, 2, 0]
    assert any("left out: 1 test rating of pairs in the training part" in note for note in task.notes)


@pytest.mark.parametrize(
    ("values", "liked"),
    [
        ([1, 2, 3, 3, 4, 4, 4, 5], 4),
        ([5, 5, 5, 5, 4, 1], 5),
        ([0, 0, 0, 1], 1),
        ([1, 1, 1], 1),
        ([0.5, 3.5, 4.1, 4.1], 4.1),
        ([-9.5, -3.25, 0.5, 7], 0.5),
    ],
)
def test_what_is_liked_is_guessed(values, liked):
    assert guess_liked(read_ratings([("ann", item, value) for item, value in enumerate(values)])) == liked


def test_four_and_five_are_liked_on_movielens(data):
    assert guess_liked(read_ratings(data / "ml-100k" / "u.data")) == 4


def slow_twin(scores, train, test, liked, n):
    """NDCG and recall user by user, with sets."""
    ndcg, recall = [], []
    for user in range(len(train.users)):
        seen = set(train.item[train.user == user].tolist())
        mine = test.user == user
        if not seen or not mine.any():
            continue
        relevant = set(test.item[mine & (test.rating >= liked)].tolist())
        order = [i for i in np.argsort(-scores[user], kind="stable").tolist() if i not in seen and train.item_counts[i]]
        if relevant:
            gains = [item in relevant for item in order[:n]]
            ideal = sum(1 / np.log2(rank + 2) for rank in range(min(n, len(relevant))))
            ndcg.append(sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)) / ideal)
            recall.append(len(relevant & set(order[:n])) / len(relevant))
    return np.mean(ndcg), np.mean(recall)


@given(seed=st.integers(0, 1000), n=st.integers(1, 70), threads=st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_lists_from_scores_are_judged_as_a_slow_twin_does(seed, n, threads):
    train, test = split(seed, users=40, items=50, ratings=600)
    scores = np.random.default_rng(seed).integers(0, 20, (40, 50)).astype(np.float32)
    names = [f"ndcg@{n}", f"recall@{n}"]
    result = evaluate_lists(
        lambda users: scores[users], train, test, liked=4, metrics=names, baselines=False, threads=threads
    )
    assert [result.scores[name] for name in names] == pytest.approx(slow_twin(scores, train, test, 4, n))


def test_a_model_is_judged_by_its_lists_as_by_its_scores():
    train, test = split()
    model = SGD(factors=4).fit(train)
    scores = model.user_factors @ model.item_factors.T + model.item_bias
    users, items = model.users.index(train.users.ids), model.items.index(train.items.ids)
    assert min(users.min(), items.min()) >= 0
    by_lists = evaluate_lists(model, train, test, baselines=False, metrics=["ndcg@10", "coverage@10", "diversity@10"])
    by_scores = evaluate_lists(
        lambda block: scores[users[block]][:, items], train, test, baselines=False, metrics=list(by_lists.scores)
    )
    assert by_lists.scores == pytest.approx(by_scores.scores, rel=1e-3)


def test_what_was_rated_is_ordered_by_predictions_where_there_are_no_scores():
    train, test = split()
    model = SGD(factors=4).fit(train)
    result = evaluate_lists(model, train, test, baselines=False)
    task = result.task
    gains, scores = [], []
    for row, user in enumerate(task.users):
        rows = np.flatnonzero(test.user == user)
        if len(rows) > 1:
            predicted = model.predict_table(test.take(rows))
            gains.append(ndcg_score([test.rating[rows] - train.scale.low], [predicted], k=10))
            scores.append(result.values["rated_ndcg@10"][row])
    assert scores == pytest.approx(gains)


def test_a_model_tells_its_scores_so_it_has_an_auc():
    train, test = split()
    model = SGD(factors=4).fit(train)
    lists = evaluate_lists(model, train, test, baselines=False)
    task = lists.task
    hits, others = [], []
    for row, user in enumerate(task.users):
        relevant = task.relevant_items[task.relevant_indptr[row] : task.relevant_indptr[row + 1]]
        candidates = np.setdiff1d(np.flatnonzero(train.item_counts), [*train.by_user[user][0], *relevant])
        if len(relevant) and task.relevant[row] == len(relevant):
            scores = model.score_batch([train.users[user]])[0]
            places = model.items.index(train.items.ids)
            better = scores[places[relevant]][:, None] - scores[places[candidates]]
            hits.append(np.mean((better > 0) + 0.5 * (better == 0)))
            others.append(lists.values["auc"][row])
    assert len(hits) > 50
    assert others == pytest.approx(hits)
    by_lists = evaluate_lists(model, train, test, baselines=False, metrics=["ndcg@10", "recall@20"])
    assert by_lists.scores == {name: lists.scores[name] for name in ("ndcg@10", "recall@20")}


def test_a_draw_of_users_is_judged_where_there_are_many():
    train, test = split()
    task = ListTask.of(train, test, 4, most=7, seed=1)
    whole = ListTask.of(train, test, 4)
    assert len(task.users) == 7
    assert set(task.users) < set(whole.users)
    assert any("7 of" in note for note in task.notes)
    assert np.array_equal(task.users, ListTask.of(train, test, 4, most=7, seed=1).users)
    assert len(ListTask.of(train, test, 4, most=10_000).users) == len(whole.users)


def test_threads_and_blocks_do_not_change_the_result(monkeypatch):
    train, test = split()
    names = [*default_metrics(10), "ndcg_sampled@10", "mrr_sampled@10", "hit_rate_sampled@10"]
    with pytest.warns(UserWarning, match="Krichene"):
        first = evaluate_lists(random_scores(train, 1), train, test, metrics=names, threads=1)
    monkeypatch.setattr("palate.evaluation.lists.ranked._CELLS", 60 * 9)
    with pytest.warns(UserWarning, match="drawn items"):
        second = evaluate_lists(random_scores(train, 1), train, test, metrics=names, threads=3)
    for name in first.values:
        np.testing.assert_array_equal(first.values[name], second.values[name])
    assert first.scores == second.scores
    assert first.baselines["item-kNN"].scores == second.baselines["item-kNN"].scores


def test_sampled_measures_flatter_and_say_so():
    train, test = split()
    with pytest.warns(UserWarning, match="flattering"):
        result = evaluate_lists(
            popularity(train), train, test, metrics=["hit_rate_sampled@10", "recall@10"], baselines=False
        )
    assert any("flattering" in note for note in result.notes)
    assert not any("sampled" in name for name in default_metrics(10))


def test_a_perfect_and_a_constant_recommender():
    train, test = split()
    perfect = np.zeros((len(train.users), len(train.items)), np.float32)
    perfect[test.user, test.item] = test.rating
    result = evaluate_lists(lambda users: perfect[users], train, test, liked=4, baselines=False)
    for name in ("ndcg@10", "auc", "rated_ndcg@10", "mrr@10", "hit_rate@10"):
        assert result.scores[name] == pytest.approx(1)
    constant = evaluate_lists(lambda users: np.zeros((len(users), 60)), train, test, liked=4, baselines=False)
    assert constant.scores["auc"] == 0.5


def test_scores_of_another_shape_are_refused():
    train, test = split()
    with pytest.raises(DataError, match="60 items are needed"):
        evaluate_lists(lambda users: np.zeros((len(users), 3)), train, test)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ndgc@10", "there is no measure of lists 'ndgc'"),
        ("ndcg", "write for example ndcg@10"),
        ("ndcg@0", "write for example ndcg@10"),
        ("ndcg@x", "write for example ndcg@10"),
        ("auc@10", "write auc"),
    ],
)
def test_measures_that_do_not_exist(name, message):
    with pytest.raises(SettingsError, match=message):
        parse_metrics([name])


def test_a_measure_of_scores_without_scores(parts):
    with pytest.raises(SettingsError, match="auc needs the scores"):
        evaluate_lists(Fixed(parts[0], {}), *parts, metrics=["auc"])


def test_item_knn_is_the_cosine_of_raters():
    train, _ = split()
    for liked in (-np.inf, 4.0):
        rows = train.rating >= liked
        table = np.zeros((len(train.users), len(train.items)))
        table[train.user[rows], train.item[rows]] = 1
        norms = np.maximum(np.sqrt(table.sum(axis=0)), 1e-9)
        cosine = (table.T @ table) / np.outer(norms, norms)
        np.fill_diagonal(cosine, 0)
        everyone = np.arange(len(train.users), dtype=np.int32)
        whole = ItemKNN(neighbours=1000).fit(train, liked=liked)(everyone)
        np.testing.assert_allclose(whole, table @ cosine, rtol=1e-4, atol=1e-6)
        nearest = np.argsort(-cosine.astype(np.float32), axis=1, kind="stable")[:, :5]
        kept = np.zeros_like(cosine)
        np.put_along_axis(kept, nearest, np.take_along_axis(cosine, nearest, 1), 1)
        few = ItemKNN(neighbours=5).fit(train, liked=liked, threads=2)(everyone)
        # Nearly equal cosines may be told apart by rounding.
        assert (np.abs(few - table @ kept.T) < 1e-5).mean() > 0.98


def test_no_neighbours_are_refused():
    with pytest.raises(SettingsError, match="at least 1"):
        ItemKNN(neighbours=0)


def test_tenths_hold_everybody_once():
    train, test = split()
    result = evaluate_lists(popularity(train), train, test)
    bands = result.by_activity
    assert sum(band.size for band in bands) == len(result.task.users)
    assert all(first.high < second.low for first, second in pairwise(bands))
    hits = (result.ranked.places[:, :10] >= 0).sum()
    items = result.by_popularity
    assert sum(band.size for band in items) == (train.item_counts > 0).sum()
    assert sum(band.scores["relevant"] for band in items) == len(result.task.relevant_items)
    assert sum(band.scores["relevant"] * band.scores["recall"] for band in items) == pytest.approx(hits)
    assert items[-1].scores["recall"] > items[0].scores["recall"]


def test_an_evaluation_can_be_read():
    train, test = split()
    result = evaluate_lists(popularity(train), train, test)
    lines = str(result).splitlines()
    assert lines[0].split("  ")[-1].strip() == "random"
    assert [line.split()[0] for line in lines[1 : len(result.scores) + 1]] == [*result.scores]
    assert "guessed" in str(result)
    plain = result.as_dict()
    assert plain["ndcg@10"] == result.scores["ndcg@10"]
    assert plain["baselines"]["random"]["ndcg@10"] < plain["ndcg@10"]
    assert plain["liked"] == result.task.liked
    assert repr(result).startswith("ListEvaluation(")


def test_the_interval_of_a_difference_is_that_of_its_mean():
    differences = np.random.default_rng(0).normal(0.1, 1, 400)
    error, low, high, p = paired_bootstrap(differences, resamples=4000)
    exact = differences.std() / 20
    assert error == pytest.approx(exact, rel=0.06)
    assert (low, high) == pytest.approx(differences.mean() + exact * np.array([-1.96, 1.96]), abs=0.15 * exact)
    z = abs(differences.mean()) / exact
    assert p == pytest.approx(1 - erf(z / 2**0.5), abs=0.02)
    assert paired_bootstrap(np.zeros(50))[3] == 1


def test_many_users_are_drawn_in_groups():
    differences = np.random.default_rng(0).normal(0.01, 1, 50_000)
    error, low, high, _ = paired_bootstrap(differences, resamples=1000)
    assert error == pytest.approx(differences.std() / 50_000**0.5, rel=0.1)
    assert (low + high) / 2 == pytest.approx(differences.mean(), abs=0.1 * error + 1e-5)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        _, low, high, _ = paired_bootstrap(rng.exponential(1, 60) - 1, resamples=400, level=0.9, seed=trial)
        covered += low <= 0 <= high
    assert 0.82 < covered / 300 < 0.95  # a binomial share of .9 has a standard error of .017; skew costs a little


def test_one_user_cannot_be_compared():
    with pytest.raises(SettingsError, match="two users"):
        paired_bootstrap(np.zeros(1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_corrected_p_values(values):
    corrected = holm(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    assert (corrected >= np.array(values)).all()
    assert (corrected <= np.minimum(1, np.array(values) * len(values))).all()
    assert corrected.min() == pytest.approx(min(1, min(values) * len(values)))


def test_recommenders_are_compared_user_by_user():
    train, test = split()
    result = evaluate_lists(ItemKNN().fit(train), train, test)
    everyone = {"mine": result, **result.baselines}
    table = compare_lists(everyone, "ndcg@10", reference="random")
    assert [one.name for one in table][-1] != "random"
    for one in table:
        values = everyone[one.name].values["ndcg@10"] - everyone["random"].values["ndcg@10"]
        assert one.difference == pytest.approx(np.nanmean(values))
        assert one.low < one.difference < one.high
        assert one.as_dict()["reference"] == "random"
    same = compare_lists({"one": result, "two": replace(result)})[0]
    assert (same.difference, same.p_value) == (0, 1)
    assert str(same).startswith("two to one: +0.0000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "nobody"}, "is not compared"),
        ({"metric": "coverage@10"}, "no values of users"),
    ],
)
def test_comparisons_that_cannot_be_made(change, message):
    train, test = split()
    result = evaluate_lists(popularity(train), train, test)
    with pytest.raises(SettingsError, match=message):
        compare_lists(result.baselines, **change)
    with pytest.raises(SettingsError, match="two recommenders"):
        compare_lists({"one": result})
    other = evaluate_lists(popularity(test), test, train)
    if not np.array_equal(other.task.users, result.task.users):
        with pytest.raises(SettingsError, match="same users"):
            compare_lists({"one": result, "two": other})


def test_lists_that_exist_can_be_judged_again():
    train, test = split()
    task = ListTask.of(train, test)
    ranked = rank(popularity(train), task, 20)
    assert ranked.lists.shape == (len(task.users), 20)
    assert ranked.hits.sum() == (ranked.places >= 0).sum()


def test_movielens_figures_of_popularity(data):
    """The whole protocol on a known table: 80/20 split of the rows, seed 0, liked from 4 on."""
    train, test = holdout(read_ratings(data / "ml-100k" / "u.data"), 0.2, seed=0)
    result = evaluate_lists(popularity(train, 4), train, test, metrics=["ndcg@10", "recall@20"])
    assert result.task.liked == 4
    assert result.scores["ndcg@10"] == pytest.approx(0.177, abs=0.004)
    assert result.scores["recall@20"] == pytest.approx(0.208, abs=0.004)
    assert result.baselines["item-kNN"].scores["ndcg@10"] > 0.3
