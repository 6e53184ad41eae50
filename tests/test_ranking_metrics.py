"""Measures of lists agree with ir-measures, scikit-learn and their definitions."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, ndcg_score, roc_auc_score

from palate.evaluation.metrics import catalogue, ranking
from palate.evaluation.metrics.calibration import brier, reliability
from palate.kernels.lists import match, rank_among_drawn

seeds = st.integers(0, 2**32 - 1)

# Ours, and what ir-measures calls the same measure.
MEASURES = [
    (ranking.ndcg, ir_measures.nDCG),
    (ranking.recall, ir_measures.R),
    (ranking.precision, ir_measures.P),
    (ranking.average_precision, ir_measures.AP),
    (ranking.reciprocal_rank, ir_measures.RR),
    (ranking.hit_rate, ir_measures.Success),
]


def random_lists(seed, users=12, items=30, n=15):
    """Lists that may end early, with relevant items that may lie outside of the lists."""
    rng = np.random.default_rng(seed)
    lists = np.array([rng.permutation(items)[:n] for _ in range(users)], dtype=np.int32)
    for row in lists:
        row[rng.integers(0, n + 1) :] = -1
    groups = [np.sort(rng.permutation(items)[: rng.integers(0, 12)]).astype(np.int32) for _ in range(users)]
    return lists, groups


def csr(groups):
    return np.concatenate([[0], np.cumsum([len(group) for group in groups])]), np.concatenate(groups).astype(np.int32)


def hits_of(lists, groups):
    places = np.empty(lists.shape, np.int64)
    indptr, items = csr(groups)
    match(lists, indptr[:-1], indptr[1:], items, places)
    return places >= 0


@pytest.mark.parametrize(("ours", "theirs"), MEASURES, ids=lambda one: getattr(one, "__name__", ""))
@given(seed=seeds, n=st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_each_measure_is_that_of_ir_measures(ours, theirs, seed, n):
    lists, groups = random_lists(seed)
    values = ours(hits_of(lists, groups), np.array([len(group) for group in groups]), n)
    judgements = {str(user): {str(item): 1 for item in group} for user, group in enumerate(groups) if len(group)}
    run = {
        str(user): {str(item): float(len(row) - rank) for rank, item in enumerate(row) if item >= 0}
        for user, row in enumerate(lists)
    }
    expected = {one.query_id: one.value for one in ir_measures.iter_calc([theirs @ n], judgements, run)}
    for user, group in enumerate(groups):
        if not len(group):
            assert np.isnan(values[user])
        else:  # users without a list are left out of a run
            assert values[user] == pytest.approx(expected.get(str(user), 0.0))


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_auc_is_that_of_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, (6, 40)).astype(np.float32)
    hidden = rng.random(scores.shape) < 0.2
    scores[hidden] = np.nan
    groups = [np.flatnonzero(~hidden[user] & (rng.random(40) < 0.2)).astype(np.int32) for user in range(6)]
    values = ranking.auc(scores, *csr(groups), np.array([len(group) for group in groups]))
    for user, group in enumerate(groups):
        if not len(group):
            assert np.isnan(values[user])
            continue
        truth = np.isin(np.arange(40), group)[~hidden[user]]
        assert values[user] == pytest.approx(roc_auc_score(truth, scores[user][~hidden[user]]))


def test_auc_of_an_item_without_a_score_is_that_of_the_lowest():
    scores = np.array([[3, 2, 1, np.nan]], np.float32)
    for relevant in ([0, 3], [0, 3, 9]):  # item 9 is not in the catalogue: only its number is known
        items = np.array([0, 3], np.int32)
        assert ranking.auc(scores, np.array([0, 2]), items, np.array([len(relevant)])) == pytest.approx(
            1 / len(relevant)
        )


def test_auc_without_items_to_be_above_is_not_known():
    scores = np.array([[1, 2]], np.float32)
    assert np.isnan(ranking.auc(scores, np.array([0, 2]), np.array([0, 1], np.int32), np.array([2])))[0]


@given(seed=seeds, n=st.integers(1, 12), ties=st.booleans())
@settings(max_examples=30, deadline=None)
def test_order_of_rated_items_is_that_of_scikit_learn(seed, n, ties):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 10, 8)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    scores = rng.integers(0, 4, indptr[-1]).astype(float) if ties else rng.random(indptr[-1])
    gains = rng.integers(0, 5, indptr[-1]).astype(float)
    values = ranking.rated_ndcg(scores, gains, indptr, n)
    for user, size in enumerate(sizes):
        part = slice(indptr[user], indptr[user + 1])
        if size < 2 or not gains[part].any():
            assert np.isnan(values[user])
        else:
            assert values[user] == pytest.approx(ndcg_score([gains[part]], [scores[part]], k=n))


def test_what_has_no_score_is_ordered_last():
    values = ranking.rated_ndcg(np.array([np.nan, -5.0]), np.array([0.0, 1.0]), np.array([0, 2]), 2)
    assert values[0] == 1


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_measures_of_the_catalogue_follow_their_definitions(seed):
    rng = np.random.default_rng(seed)
    lists, _ = random_lists(seed)
    users = 50
    rated = rng.random((users, 30)) < rng.random(30)
    rated[:, 0] = False
    counts, raters = rated.sum(axis=0), csr([np.flatnonzero(column) for column in rated.T])
    listed = [row[row >= 0] for row in lists]
    everything = np.concatenate(listed)
    possible = (counts > 0) | np.isin(np.arange(30), everything)
    assert catalogue.coverage(lists, counts) == pytest.approx(len(set(everything.tolist())) / possible.sum())
    times = np.bincount(everything, minlength=30)[possible].astype(float)
    differences = np.abs(times[:, None] - times).sum() / (2 * len(times) * times.sum()) if times.sum() else np.nan
    assert catalogue.gini(lists, counts) == pytest.approx(differences, nan_ok=True)
    novelty = catalogue.novelty(lists, counts, users)
    popular = catalogue.popularity_share(lists, counts)
    head = set(np.argsort(-counts, kind="stable")[: int(np.ceil((counts > 0).sum() / 10))].tolist())
    diversity = catalogue.diversity(lists, *raters, users)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_MOST_WORDS", 0)  # without sets of bits
        np.testing.assert_allclose(catalogue.diversity(lists, *raters, users), diversity, rtol=1e-12)
    norms = np.maximum(np.sqrt(counts), 1)
    cosine = (rated.T.astype(float) @ rated) / np.outer(norms, norms)
    for user, row in enumerate(listed):
        if not len(row):
            assert np.isnan(novelty[user])
            assert np.isnan(popular[user])
            continue
        assert novelty[user] == pytest.approx(np.mean(-np.log2(np.maximum(counts[row], 1) / users)))
        assert popular[user] == pytest.approx(np.mean([item in head for item in row.tolist()]))
        if len(row) > 1:
            pairs = cosine[np.ix_(row, row)][np.triu_indices(len(row), 1)]
            assert diversity[user] == pytest.approx(1 - pairs.mean())
        else:
            assert np.isnan(diversity[user])


def test_gini_of_lists_that_are_all_alike_and_all_different():
    counts = np.ones(100, int)
    assert catalogue.gini(np.zeros((50, 1), np.int32), counts) == pytest.approx(0.99)
    assert catalogue.gini(np.arange(100, dtype=np.int32)[:, None], counts) == pytest.approx(0)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_chances_are_compared_with_what_happened(seed):
    rng = np.random.default_rng(seed)
    chance = rng.random(500).round(rng.integers(1, 4))
    happened = rng.random(500) < chance
    assert brier(chance, happened) == pytest.approx(brier_score_loss(happened, chance))
    told = reliability(chance, happened, 10)
    assert told.rows.sum() == 500
    assert told.chance @ told.rows == pytest.approx(chance.sum())
    assert told.share @ told.rows == pytest.approx(happened.sum())
    assert (np.diff(told.chance) > 0).all()
    assert told.error < 0.25
    assert reliability(chance**3, happened, 10).error > told.error


def test_nothing_to_compare_is_not_known():
    nothing = np.empty(0)
    assert np.isnan(brier(nothing, nothing))
    assert np.isnan(reliability(nothing, nothing).error)


def test_ranks_among_drawn_items_are_those_of_the_whole_scaled_down():
    rng = np.random.default_rng(0)
    scores = rng.random((50, 1000), dtype=np.float32)
    users = np.arange(50, dtype=np.int32)
    indptr, items = np.arange(51) * 4, np.tile(np.array([3, 5, 7, 900], np.int32), 50)
    ranks = np.empty(200, np.int32)
    rank_among_drawn(scores, users, indptr, items, 100, 7, ranks)
    above = (scores[:, None, :] > scores[np.arange(50)[:, None], items.reshape(50, 4)][..., None]).mean(axis=2)
    assert ranks.min() >= 1
    assert ranks.max() <= 101
    # Each rank is 1 and a binomial number of 100 draws: the mean of 200 has a standard error of at most .36.
    assert ranks.mean() == pytest.approx(1 + 100 * above.mean(), abs=1.5)
    again = np.empty(100, np.int32)
    rank_among_drawn(scores[25:], users[25:], indptr[25:], items, 100, 7, again)
    assert (again == ranks[100:]).all()


def test_equal_scores_count_as_higher_and_missing_ones_have_no_rank():
    scores, items = np.array([[1, 1, 1, np.nan]], np.float32), np.array([0, 3], np.int32)
    ranks = np.empty(2, np.int32)
    rank_among_drawn(scores, np.array([0], np.int32), np.array([0, 2]), items, 10, 0, ranks)
    assert ranks.tolist() == [11, 0]
