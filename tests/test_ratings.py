import numpy as np
import pytest

from palate.errors import DataError, SettingsError, UnknownIdError
from palate.ratings import RatingScale, Vocabulary
from tables import random_table, table, vocabulary


@pytest.mark.parametrize("asked", [20, "20", np.int32(20), 20.0, np.float64(20)])
def test_integer_ids_are_found_however_they_are_spelled(asked):
    assert vocabulary([10, 20], "user").require(asked) == 1


@pytest.mark.parametrize(
    "asked", ["20.0", "020", "twenty", "", 20.5, None, float("nan"), float("inf"), 2**70, "9" * 40]
)
def test_what_is_no_integer_id_is_unknown(asked):
    with pytest.raises(UnknownIdError, match="integers from 10 to 20"):
        vocabulary([10, 20], "user").require(asked)


def test_text_ids_are_exact():
    ids = vocabulary(["1", "a", "日本", "🙂"], "item")
    assert ids.index(["🙂", "a", "A", " a", "日本"]).tolist() == [3, 1, -1, -1, 2]
    assert ids.require(1) == 0
    with pytest.raises(UnknownIdError, match=r"item 'b' is unknown: the 4 item ids are text such as '1'"):
        ids.require("b")


def test_an_empty_vocabulary_knows_nothing():
    assert Vocabulary(np.empty(0, np.int64), "user").index([1, 2]).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("ratings", "low", "high"),
    [
        ([1, 2, 5], 1, 5),
        ([0.5, 5], 0.5, 5),
        ([-9.95, 0, 9.9], -10, 10),
        ([-9.5, 9.9], -9.5, 9.9),
        ([1.5, 9.9], 1.5, 9.9),
        ([2.50042, 2.999], 2.50042, 2.999),
        ([3, 3], 3, 3),
        ([4.1, 4.7], 4.1, 4.7),
    ],
)
def test_a_scale_is_guessed_from_the_ratings(ratings, low, high):
    assert RatingScale.of(np.array(ratings, np.float32)) == RatingScale(low, high)


@pytest.mark.parametrize("ends", [(5, 1), (float("nan"), 1), (0, float("inf"))])
def test_an_impossible_scale_is_refused(ends):
    with pytest.raises(SettingsError, match="scale"):
        RatingScale(*ends)


def test_the_unit_scale_is_inverted():
    scale = RatingScale(-3, 7)
    values = np.linspace(-3, 7, 9)
    np.testing.assert_allclose(scale.from_unit(scale.to_unit(values)), values)
    assert scale.to_unit(np.array([-3.0, 7.0])).tolist() == [-1, 1]


def test_grouping_keeps_every_rating():
    ratings = random_table()
    for by, mine, other in ((ratings.by_user, "user", "item"), (ratings.by_item, "item", "user")):
        rows = set(
            zip(getattr(ratings, mine).tolist(), getattr(ratings, other).tolist(), ratings.rating.tolist(), strict=True)
        )
        found = [
            (g, i, r) for g in range(len(by.indptr) - 1) for i, r in zip(*(x.tolist() for x in by[g]), strict=True)
        ]
        assert set(found) == rows
        assert len(found) == len(ratings)
        assert all((np.diff(by[g][0]) > 0).all() for g in range(len(by.indptr) - 1))


def test_take_guesses_the_scale_from_its_own_part_alone():
    ratings = table([(1, 1, 1.0), (1, 2, 5.0), (2, 1, 3.0)])
    assert ratings.scale == RatingScale(1, 5)
    assert ratings.take(np.array([0, 2])).scale == RatingScale(1, 3)
    declared = table([(1, 1, 1.0), (1, 2, 5.0)], RatingScale(0, 10))
    assert declared.take(np.array([True, False])).scale == RatingScale(0, 10)


def test_compact_drops_ids_without_ratings():
    ratings = table([(1, 7, 1.0), (2, 8, 2.0), (3, 9, 3.0)]).take(np.array([True, False, True])).compact()
    assert ratings.users.ids.tolist() == [1, 3]
    assert ratings.items.ids[ratings.item].tolist() == [7, 9]
    assert ratings.compact() is ratings


def test_an_empty_table_has_no_scale():
    with pytest.raises(DataError, match="no scale"):
        _ = table([(1, 1, 1.0)]).take(np.array([False])).scale


def test_times_go_with_their_ratings():
    from dataclasses import replace

    ratings = replace(table([(1, 7, 1.0), (2, 8, 2.0), (3, 9, 3.0)]), time=np.array([30, 10, 20]))
    part = ratings.take(np.array([2, 0]))
    assert part.time.tolist() == [20, 30]
    assert part.compact().time.tolist() == [20, 30]
    assert replace(part, notes=("x",)).time.tolist() == [20, 30]
    assert ratings.take(ratings.time < 25).time.tolist() == [10, 20]
    assert table([(1, 7, 1.0)]).take(np.array([0])).time is None
