"""What `check_table` and `check_ratings` find."""

import json

import numpy as np
import pytest

from palate import ratings as ratings_module
from palate.check import Times, check_ratings, check_table
from palate.errors import SettingsError
from palate.reading import read_ratings, read_table

GOOD = [(user, item, 1 + (user * item) % 5) for user in range(1, 31) for item in range(100, 120)]


def check(rows, **options):
    return check_table(read_table(rows), **options)


def codes(found, level=None):
    return [finding.code for finding in found.findings if level in (None, finding.level)]


def finding(found, code):
    return next(finding for finding in found.findings if finding.code == code)


def test_a_good_table():
    found = check(GOOD)
    assert found.ok
    assert found.findings == ()
    assert (found.rows, found.usable, found.users, found.items, found.density) == (600, 600, 30, 20, 1.0)
    assert found.scale == (1, 5)
    assert found.scale_reason == "five distinct values from 1 to 5, 1 apart"
    assert found.step == 1
    assert sum(bar.count for bar in found.histogram) == 600
    assert [bar.low for bar in found.histogram] == [1, 2, 3, 4, 5]
    ratings = np.array([row[2] for row in GOOD])
    assert found.mean == pytest.approx(ratings.mean())
    assert found.median == np.median(ratings)


def test_everything_is_ready_for_json():
    found = check([*GOOD, (1, 2, "x"), (1, 100, 3), ("new", 5, 99)])
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["ok"] is False
    assert plain["findings"][0]["level"] == "error"
    assert plain["findings"][0]["examples"][0] == {"where": "the list, row 601", "value": "'x'"}
    assert json.dumps(check([]).as_dict(), allow_nan=False)


def test_rows_that_cannot_be_used_are_counted_with_examples():
    bad = [(1, 1, None), (1, 2, "x"), (1, 3, "y"), (1, 4, "nan"), (1, 5, "inf"), (None, 6, 3), (1, None, 3)]
    found = check([*GOOD, *bad])
    assert not found.ok
    assert found.usable == len(GOOD)
    assert {finding.code: finding.count for finding in found.findings} == {
        "rating-missing": 1,
        "rating-text": 2,
        "rating-nan": 1,
        "rating-infinite": 1,
        "user-missing": 1,
        "item-missing": 1,
    }
    text = finding(found, "rating-text")
    assert text.message == "2 × text for a rating, such as 'x' (row 602)"
    assert [(example.where, example.value) for example in text.examples] == [
        ("the list, row 602", "'x'"),
        ("the list, row 603", "'y'"),
    ]


def test_check_refuses_what_reading_refuses():
    for rows in (GOOD, [*GOOD, GOOD[0]], [*GOOD, (1, 1, None)], [], [(1, 1, "x")]):
        try:
            read_ratings(rows)
        except Exception:
            assert not check(rows).ok
        else:
            assert check(rows).ok


def test_duplicates_and_how_many_of_them_differ():
    found = check([*GOOD, GOOD[0], (1, 101, 3), (1, 101, 4)])
    repeats = finding(found, "duplicates")
    assert repeats.count == 3
    assert repeats.message.startswith(
        "3 rows rate a pair of user and item again, such as user 1 and item 100: 1 (row 1)"
    )
    assert repeats.message.endswith("1 pair is rated differently")


def test_a_table_without_usable_rows():
    found = check([(1, 2, "x")])
    assert codes(found) == ["rating-text", "empty"]
    assert found.scale is None


@pytest.mark.parametrize(
    ("values", "reason", "step"),
    [
        ([0.5, 1, 1.5, 4.5, 5], "five distinct values from 0.5 to 5", 0.5),
        ([1, 2, 3.7], "three distinct values from 1 to 3.7", None),
        ([1, 3, 4, 5], "four distinct values from 1 to 5", 1),
        ([4, 4, 4], "all ratings are 4", None),
        (np.linspace(-9.95, 9.9, 500), "continuous from -9.95 to 9.9, rounded outwards", None),
        (np.linspace(-10, 10, 501), "continuous from -10 to 10", None),
    ],
)
def test_the_scale_is_guessed_with_a_reason(values, reason, step):
    found = check([(row, row % 7, value) for row, value in enumerate(values)])
    assert found.scale_reason == reason
    assert found.step == step


def test_a_declared_scale():
    found = check([*GOOD, (1, 5, 99)], scale=(1, 5))
    assert found.scale_reason == "as declared; ratings go from 1 to 5"
    assert finding(found, "off-scale").examples[0].value == "99"


@pytest.mark.parametrize(("value", "bounds"), [(99, "1 to 5"), (-1, "1 to 5"), (-99, "1 to 5"), (1000, "1 to 5")])
def test_values_that_may_mean_not_rated(value, bounds):
    found = check([*GOOD, (1, 5, value), (1, 6, value)])
    lone = finding(found, "lone-value")
    assert (lone.level, lone.count) == ("warning", 2)
    assert f"rating {value} (2 times) lies far from the others, {bounds}" in lone.message
    assert ("counts of events, keep all of them: --solver implicit" in lone.message) == (value > 0)


def test_lone_values_at_both_ends_and_among_continuous_ones():
    rows = [(row, row % 7, value) for row, value in enumerate(np.linspace(-10, 10, 400))]
    assert codes(check([*rows, (1, 8, 99), (1, 9, -99)])).count("lone-value") == 2
    assert "lone-value" not in codes(check(rows))
    assert "lone-value" not in codes(check([*GOOD, (1, 5, 0)]))


def test_zeros_that_outnumber_the_rest():
    zeros = [(user, item, 0) for user in range(1, 31) for item in range(200, 220)]
    assert "50% of the ratings are 0" in finding(check([*GOOD, *zeros]), "zero").message


def test_times_and_ids_in_the_rating_column():
    times = [(user, item, 881_250_949 + user * item) for user in range(30) for item in range(20)]
    assert "look like times (1997-12-04" in finding(check_table(read_table(times, rating=2)), "wrong-column").message
    numbers = [(user, item, user * 20 + item) for user in range(30) for item in range(20)]
    assert "look like ids (600 integers from 0 to 599)" in finding(check(numbers), "wrong-column").message


def test_ratings_in_an_id_column():
    found = check([(user, rating / 2, 3.5) for user in range(30) for rating in range(1, 10)])
    assert "the item ids look like ratings" in finding(found, "ratings-as-ids").message


def test_ids_that_differ_only_in_spelling():
    found = check([*((f"u{user}", item, rating) for user, item, rating in GOOD), ("u1 ", 5, 3), ("U2", 5, 3)])
    assert finding(found, "similar-users").count == 4
    found = check([(1, "1", 3), (2, "1.0", 4), (1, "01", 5), (2, "a", 4), (3, "b", 3)])
    alike = finding(found, "similar-items")
    assert alike.count == 3
    assert "'01' and '1' and '1.0'" in alike.message


# What skipping and settling would do


def test_what_is_skipped_or_settled_is_no_error():
    rows = [*GOOD, (1, 100, 5), (1, 1, None)]
    assert not check(rows).ok
    assert not check(rows, duplicates="last").ok
    found = check(rows, duplicates="last", on_error="skip")
    assert found.ok
    assert finding(found, "duplicates").message.endswith("kept the last in the file")
    assert finding(found, "rating-missing").level == "note"
    with pytest.raises(SettingsError, match="duplicates must be one of"):
        check(rows, duplicates="first")


def test_lines_that_are_no_rows_are_found(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("user,item,rating\n1,10,5\n1,20\n2,10,3\n2,20,4\n")
    found = check_table(read_table(path))
    assert not found.ok
    assert "1 × no row of the table, such as line 3 has 2 columns, 3 expected" in finding(found, "bad-line").message
    assert check_table(read_table(path), on_error="skip").ok


# Times


def test_times_are_shown():
    rows = [(user, item, rating, 1_262_304_000 + 3600 * place) for place, (user, item, rating) in enumerate(GOOD)]
    found = check(rows)
    assert found.times == Times("2010-01-01T00:00:00Z", "2010-01-25T23:00:00Z", "hours", "ascending")
    assert str(found.times) == "2010-01-01T00:00:00Z to 2010-01-25T23:00:00Z, in whole hours, ascending"
    assert found.as_dict()["times"]["order"] == "ascending"
    assert check(rows[::-1]).times.order == "descending"
    by_user = [(user, item, rating, 1_262_304_000 + 86_400 * item) for user, item, rating in GOOD]
    assert check(by_user).times.order == "ascending within each user"
    assert check(by_user).times.resolution == "days"
    assert check([*rows[1::2], *rows[::2]]).times.order == "none"
    assert check(GOOD).times is None
    assert check_ratings(read_ratings(rows))[0].endswith("; 2010-01-01 to 2010-01-25")


def test_times_that_only_order_the_ratings(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("user,item,rating,time\n" + "".join(f"{u},{i},{r},{n}\n" for n, (u, i, r) in enumerate(GOOD)))
    assert "small numbers, 0 to 599" in finding(check_table(read_table(path)), "small-times").message


# Choices, thumbs, counts


@pytest.mark.parametrize("value", [1, 3, -1])
def test_constant_ratings_are_choices(value):
    found = finding(check([(user, item, value) for user, item, _ in GOOD]), "constant")
    assert "--solver implicit" in found.message
    assert f"all ratings are {value}" in found.message


@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (-1, 0, 1)])
def test_thumbs_are_recognised(values):
    found = check([(user, item, values[(user * item) % len(values)]) for user, item, _ in GOOD])
    assert codes(found) == ["thumbs"]
    assert f"--missing {values[0]} --solver implicit" in found.findings[0].message


def test_counts_are_recognised():
    rng = np.random.default_rng(0)
    for counts in (rng.geometric(0.2, 600), rng.zipf(1.7, 600).clip(max=10**6), rng.poisson(1.0, 600) ** 3):
        found = check([(user, item, int(count)) for (user, item, _), count in zip(GOOD, counts, strict=True)])
        message = finding(found, "counts").message
        assert "--solver implicit" in message
        assert "--confidence" in message
        assert "logarithm" in message
    assert "counts" not in codes(check([(u, i, 1 + (u * i) % 10) for u, i, _ in GOOD]))


# Zeros and outliers


@pytest.mark.parametrize(("value", "scale"), [(0, "1 to 5"), (-1, "1 to 5"), (6, "1 to 5")])
def test_rare_values_that_stretch_the_scale(value, scale):
    found = check([*GOOD, *((user, 7, value) for user in range(1, 4))])
    (rare,) = [one for one in found.findings if one.code in ("rare-value", "lone-value")]
    assert (rare.level, rare.count) == ("warning", 3)
    assert f"rating {value} (3 times)" in rare.message
    assert scale in rare.message
    assert f"--missing {value}" in rare.message or "--scale 1 5" in rare.message
    looked = check_ratings(read_ratings([*GOOD, *((user, 7, value) for user in range(1, 4))]))
    assert f"rating {value} (3 times)" in looked[1]


def test_values_between_the_steps():
    assert "1 rating, such as 3.7, lies between the steps" in finding(check([*GOOD, (1, 7, 3.7)]), "off-step").message


def test_usual_ends_are_not_rare():
    rng = np.random.default_rng(0)
    for scale, share in (
        ((1, 2, 3, 4, 5), (0.06, 0.1, 0.3, 0.34, 0.2)),
        ((0.5, 1, 2, 3, 4, 5), (0.01, 0.04, 0.1, 0.25, 0.4, 0.2)),
    ):
        values = rng.choice(scale, 600, p=share)
        assert codes(check([(u, i, v) for (u, i, _), v in zip(GOOD, values, strict=True)])) == []


def test_one_value_that_fills_a_wide_table():
    rows = [(user, item, rating if item % 3 == 0 else 0) for user, item, rating in GOOD]
    assert "leave them out with missing=0 (--missing 0)" in finding(check(rows), "zero").message
    rows = [(user, item, rating if item % 3 == 0 else 99) for user, item, rating in GOOD]
    assert "--missing 99" in finding(check(rows), "filler").message


def test_every_user_once_is_a_warning():
    found = check([(row, row % 7, 1 + row % 5) for row in range(50)])
    assert finding(found, "users-once").level == "warning"
    assert "is the user column right?" in finding(found, "users-once").message


def test_single_users_items_and_values():
    assert codes(check([(1, 2, 3)])) == ["one-user", "one-item", "constant", "users-once", "items-once"]
    found = check([*GOOD, (77, 100, 3), (78, 100, 4)])
    assert finding(found, "users-once").message == "2 users have one rating only"
    assert (found.users_once, found.items_once) == (2, 0)
    assert found.most_item == (100, 32)


def test_the_summary_is_a_line_or_two():
    (line,) = check_ratings(read_ratings(GOOD))
    counts, scale = line.split(", scale ")
    assert counts == "600 ratings of 20 items by 30 users (100% of all pairs)"
    assert scale == "1 to 5: five distinct values from 1 to 5, 1 apart"
    lines = check_ratings(read_ratings([*GOOD, (77, 100, 99)]))
    assert len(lines) == 2
    assert lines[1].startswith("rating 99 (1 time) lies far from the others, 1 to 5")
    assert lines[1].endswith("1 user has one rating only")
    assert check_ratings(read_ratings(GOOD).take(np.zeros(600, bool))) == ("no ratings",)


def test_the_summary_of_many_rows_is_that_of_the_check(monkeypatch):
    user, item = (side.ravel() for side in np.mgrid[:400, :300])
    rows = user, item, user * item % 5
    few = check_ratings(read_ratings(rows))
    monkeypatch.setattr(ratings_module, "_LARGE", 0)
    assert check_ratings(read_ratings(rows)) == few


def test_published_tables_are_good(data):
    found = check_table(read_table(data / "ml-100k" / "u.data"))
    assert found.ok
    assert codes(found) == ["items-once"]
    assert found.items_once == 141
    assert found.scale == (1, 5)
    swapped = check_table(read_table(data / "ml-100k" / "u.data", user=0, item=1, rating=3))
    assert "look like times (1997-09-20 to 1998-04-22" in finding(swapped, "wrong-column").message
    jester = check_table(read_table(data / "jester" / "jester5k_ratings.dat"))
    assert jester.ok
    assert jester.scale == (-10, 10)
    assert jester.scale_reason == "continuous from -9.95 to 9.9, rounded outwards"


def test_ids_that_were_rounded_are_told(tmp_path):
    rows = [("1.23457E+17", 1, 3), ("1.23457E+17", 2, 4), ("2.5E+17", 1, 5), ("7.5e+16", 2, 1)]
    assert "3 user ids, such as '1.23457E+17', are a rounded number" in finding(check(rows), "rounded-users").message
    rows = [(76561198037867621.0, 1, 3), (76561198037867632.0, 2, 4), (1.0, 1, 2)]
    assert "rounded" in finding(check(rows), "rounded-users").message


@pytest.mark.parametrize("other", ["ann\u200b", "\ufeffann", "\uff41nn", "a\u00adnn"])
def test_ids_that_look_the_same(other):
    found = check([("ann", 1, 3), (other, 1, 4), ("bob", 2, 3), ("Jose\u0301", 1, 3), ("Jos\u00e9", 2, 3)])
    assert finding(found, "similar-users").count == 4


def test_days_as_spreadsheets_count_them():
    rows = [(user, item, 3 + user % 2, 43_831.5 + item) for user in range(3) for item in range(4)]
    table = read_table(rows, user=0, item=1, rating=2, time=3)
    assert "as Excel counts them" in finding(check_table(table), "small-times").message
