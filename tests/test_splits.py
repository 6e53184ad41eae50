"""Splits lose no row and leak nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from palate import SGD, holdout, k_fold, read_ratings
from palate.datasets import make_ratings
from palate.errors import SettingsError
from palate.evaluation.lists import FoldedIn, evaluate_lists, popularity
from palate.splits import (
    last_of_each_user,
    leave_one_out,
    new_items,
    new_users,
    repeated,
    split_by,
    split_by_time,
)

shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 1000)


@st.composite
def tables(draw):
    """Small tables with times, many of them equal."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=2, max_size=40, unique=True))
    times = draw(st.lists(st.integers(0, 12), min_size=len(pairs), max_size=len(pairs)))
    ratings = read_ratings([(user, item, user + item) for user, item in pairs])
    return replace(ratings, time=np.array(times, np.int64))


def rows(*parts):
    return sorted(
        (int(user), int(item), float(rating), int(time))
        for part in parts
        for user, item, rating, time in zip(part.user, part.item, part.rating, part.time, strict=True)
    )


def attempt(split, *args, **kwargs):
    try:
        return split(*args, **kwargs)
    except SettingsError:
        assume(False)


@given(tables(), shares)
@settings(max_examples=150, deadline=None)
def test_nothing_in_training_is_as_late_as_a_test_rating(ratings, share):
    train, test = attempt(split_by_time, ratings, share)
    assert rows(train, test) == rows(ratings)
    assert train.time.max() < test.time.min()
    # No other moment cuts nearer to the share.
    others = [abs((ratings.time >= moment).sum() - share * len(ratings)) for moment in np.unique(ratings.time)[1:]]
    assert abs(len(test) - share * len(ratings)) == pytest.approx(min(others))


@given(tables(), st.one_of(st.integers(1, 4), shares))
@settings(max_examples=150, deadline=None)
def test_no_training_rating_of_a_user_is_later_than_a_test_rating(ratings, n):
    train, test = attempt(last_of_each_user, ratings, n)
    assert rows(train, test) == rows(ratings)
    for user in np.unique(ratings.user):
        before, after = train.time[train.user == user], test.time[test.user == user]
        assert len(before)
        if len(after):
            assert before.max() <= after.min()
            assert len(after) == (n if n >= 1 else max(1, round(n * (len(before) + len(after)))))
        else:
            assert len(before) <= n or round(n * len(before)) >= len(before) or len(before) == 1


def test_of_one_second_the_later_row_is_the_later_rating():
    ratings = replace(read_ratings([(1, item, 3) for item in range(5)]), time=np.array([4, 4, 4, 4, 4]))
    assert last_of_each_user(ratings, 2).test.item.tolist() == [3, 4]


@given(tables(), seeds)
@settings(max_examples=100, deadline=None)
def test_one_is_left_out_of_each_user_who_has_two(ratings, seed):
    train, test = attempt(leave_one_out, ratings, seed=seed)
    assert rows(train, test) == rows(ratings)
    assert (test.user_counts == (ratings.user_counts >= 2)).all()


@given(tables(), shares, st.one_of(st.integers(1, 4), shares), seeds)
@settings(max_examples=150, deadline=None)
def test_new_users_are_unknown_to_the_training_part(ratings, share, given, seed):
    train, known_of_new, test, known = attempt(new_users, ratings, share, given=given, seed=seed)
    assert rows(train, known_of_new, test) == rows(ratings)
    assert rows(train, known_of_new) == rows(known)
    assert not set(train.user) & set(test.user)
    assert set(known_of_new.user) == set(test.user)
    assert len(train)
    for user in set(test.user):
        all_of_user = ratings.user_counts[user]
        expected = given if given >= 1 else min(max(1, np.round(given * all_of_user)), all_of_user - 1)
        assert known_of_new.user_counts[user] == expected


@given(tables(), shares, seeds)
@settings(max_examples=100, deadline=None)
def test_new_items_are_unknown_to_the_training_part(ratings, share, seed):
    train, test = attempt(new_items, ratings, share, seed=seed)
    assert rows(train, test) == rows(ratings)
    assert not set(train.item) & set(test.item)
    assert len(train)
    assert len(test)


@given(tables(), shares, seeds)
@settings(max_examples=50, deadline=None)
def test_random_splits_keep_every_row_once(ratings, share, seed):
    train, test = holdout(ratings, share, seed=seed)
    assert rows(train, test) == rows(ratings)
    folds = list(k_fold(ratings, 2, seed=seed))
    assert rows(*(fold.test for fold in folds)) == rows(ratings)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_scale_of_a_training_part_does_not_know_the_test_part(seed):
    ratings = read_ratings([(user, item, 3 if (user, item) != (1, 1) else 9) for user in range(5) for item in range(5)])
    split = new_items(ratings, 0.2, seed=seed)
    assert split.train.scale.high == (9 if 9 in split.train.rating else 3)


def test_a_moment_can_be_written_in_several_ways():
    start = int(datetime(2001, 3, 31, tzinfo=UTC).timestamp())
    ratings = replace(read_ratings([(1, item, 3) for item in range(4)]), time=start + np.array([-1, 0, 1, 90000]))
    for moment in ("2001-03-31", "2001-03-31T00:00", "2001-03-31T01:00+01:00", date(2001, 3, 31), start):
        assert len(split_by_time(ratings, since=moment).test) == 3
    assert len(split_by_time(ratings, since=datetime(2001, 4, 1)).test) == 1


def test_the_same_seed_gives_the_same_split():
    ratings = make_ratings(users=50, items=20, ratings=400, seed=1)
    for split in (leave_one_out, new_users, new_items):
        first, again, other = (split(ratings, seed=seed).test for seed in (1, 1, 2))
        assert first.item.tolist() == again.item.tolist()
        assert (first.user.tolist(), first.item.tolist()) != (other.user.tolist(), other.item.tolist())


def test_a_split_is_repeated_with_the_next_seeds():
    ratings = make_ratings(users=50, items=20, ratings=400, seed=1)
    several = list(repeated(new_users, ratings, 3, seed=5, share=0.2, given=2))
    assert len({tuple(parts.test.item) for parts in several}) == 3
    assert several[1].test.item.tolist() == new_users(ratings, 0.2, given=2, seed=6).test.item.tolist()


def test_splits_by_name():
    ratings = make_ratings(users=50, items=20, ratings=400, seed=1)
    timed = replace(ratings, time=np.arange(400))
    sizes = {kind: len(split_by(timed, kind, 0.2).test) for kind in ("random", "time", "last", "users", "items")}
    assert sizes["random"] == sizes["time"] == 80
    assert all(0 < size < 200 for size in sizes.values())
    with pytest.raises(SettingsError, match="choose from random, time, last, users, items"):
        split_by(ratings, "week")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda ratings: split_by_time(ratings), "needs times, and this table has none"),
        (lambda ratings: last_of_each_user(ratings), "needs times, and this table has none"),
        (lambda ratings: split_by_time(timed(ratings), 1.5), "between 0 and 1, not 1.5"),
        (lambda ratings: split_by_time(timed(ratings), since="1969-01-01"), "all ratings are since 1969-01-01"),
        (lambda ratings: split_by_time(timed(ratings), since="1999-01-01"), "they go from 1970-01-01 to 1970-01-01"),
        (lambda ratings: split_by_time(timed(ratings), since="spring"), "'spring' is no moment"),
        (lambda ratings: split_by_time(replace(ratings, time=np.zeros(len(ratings), int))), "the same time"),
        (lambda ratings: split_by_time(timed(ratings).take(np.arange(0))), "without ratings"),
        (lambda ratings: last_of_each_user(timed(ratings), 1.5), "a count, or a share"),
        (lambda ratings: last_of_each_user(timed(ratings), 1000), "no user has enough"),
        (lambda ratings: new_users(ratings, 0), "between 0 and 1, not 0"),
        (lambda ratings: new_users(ratings, given=1.5), "given must be"),
        (lambda ratings: new_users(ratings, given=1000), "fewer than two users"),
        (lambda ratings: new_items(ratings, 2), "between 0 and 1, not 2"),
        (lambda ratings: new_items(ratings.take(ratings.item == 0)), "1 rated items"),
        (lambda ratings: leave_one_out(ratings.take(np.arange(1))), "no user has enough"),
        (lambda ratings: repeated(holdout, ratings, 0), "at least once"),
    ],
)
def test_splits_that_cannot_be_made(split, message):
    with pytest.raises(SettingsError, match=message):
        split(make_ratings(users=20, items=10, ratings=100, seed=1))


def timed(ratings):
    return replace(ratings, time=np.arange(len(ratings)))


def test_times_follow_their_rows():
    ratings = timed(make_ratings(users=20, items=10, ratings=100, seed=1))
    chosen = ratings.take(ratings.user < 5)
    assert chosen.time.tolist() == np.flatnonzero(ratings.user < 5).tolist()
    assert chosen.compact().time.tolist() == chosen.time.tolist()


def test_new_users_get_lists_from_what_they_are_given():
    parts = new_users(make_ratings(users=300, items=60, ratings=9000, seed=1), 0.2, given=0.5)
    model = SGD(factors=8).fit(parts.train)
    judged = evaluate_lists(FoldedIn(model, parts.given), parts.known, parts.test, metrics=["ndcg@10"])
    assert len(judged.task.users) == 60
    unknown = evaluate_lists(popularity(parts.train), parts.known, parts.test, metrics=["ndcg@10"], baselines=False)
    assert judged.scores["ndcg@10"] > judged.baselines["random"].scores["ndcg@10"]
    assert unknown.scores["ndcg@10"] > 0
