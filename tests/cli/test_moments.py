"""The option --at: a prediction, a list and an explanation at a moment."""

import dataclasses

import numpy as np
import pytest

from palate import BayesianMF, save
from tables import random_table

DAY, START = 86_400, 1_000_000_000


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A file of a model with effects of time; users are a point milder on odd days."""
    table = random_table(users=40, items=30, density=0.5)
    day = np.arange(len(table)) % 4
    rating = np.clip(table.rating + day % 2, 1, 5).astype(np.float32)
    table = dataclasses.replace(table, rating=rating, time=START + day * DAY)
    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    path = tmp_path_factory.mktemp("timed") / "m.palate"
    save(BayesianMF(factors=2, sweeps=40, times=True, **plain).fit(table), path)
    return path


def test_a_prediction_can_have_a_moment(answer, palate, timed):
    pair = ("predict", timed, "--user", 5, "--item", 107)
    even, odd = (answer(*pair, "--at", START + day * DAY) for day in (2, 3))
    assert (even["at"], even["times"]) == (str(START + 2 * DAY), True)
    assert odd["prediction"] > even["prediction"] + 0.1
    assert odd["low"] < odd["prediction"] < odd["high"]
    assert answer(*pair, "--at", "2001-09-12T01:46:40")["prediction"] == odd["prediction"]
    assert "at" not in answer(*pair)
    code, out, _ = palate(*pair, "--at", "2001-09-12")
    assert (code, "no effects of time" in out) == (0, False)


def test_lists_explanations_and_newcomers_can_have_a_moment(answer, timed):
    best = answer("recommend", timed, "--user", 5, "-n", 2, "--at", "2001-09-12")["recommendations"]
    one = answer("predict", timed, "--user", 5, "--item", best[0]["item"], "--at", "2001-09-12")
    assert best[0]["prediction"] == pytest.approx(one["prediction"], abs=1e-5)
    even, why = (answer("explain", timed, "--user", 5, "--item", 107, "--at", START + day * DAY) for day in (2, 3))
    total = why["intercept"] + why["remainder"] + why["time"] + sum(one["contribution"] for one in why["contributions"])
    assert total == pytest.approx(why["prediction"], abs=1e-4)
    assert why["time"] > even["time"] + 0.1
    answer("explain", timed, "--rated", "107=5", "--item", 108, "--at", "2001-09-12")
    answer("predict", timed, "--rated", "107=5", "--item", 108, "--at", "2001-09-12")


def test_a_moment_is_checked_and_a_model_without_times_says_so(palate, timed, sure):
    code, _, err = palate("predict", timed, "--user", 5, "--item", 107, "--at", "spring")
    assert (code, "'spring' is no moment: write a date such as 2001-03-31" in err) == (2, True)
    code, out, _ = palate("predict", sure, "--user", 5, "--item", 107, "--at", "2001-09-12")
    assert (code, "The model has no effects of time: this holds for any moment." in out) == (0, True)
    for question in (("recommend", "-n", 1), ("explain", "--item", 107)):
        _, out, _ = palate(question[0], sure, "--user", 5, *question[1:], "--at", "2001-09-12")
        assert "The model has no effects of time: this holds for any moment." in out


def test_every_answer_at_a_moment_repeats_it(answer, timed, sure):
    for model, knows in ((timed, True), (sure, False)):
        for question in (("recommend", "-n", 1), ("explain", "--item", 107), ("predict", "--item", 107)):
            told = answer(question[0], model, "--user", 5, *question[1:], "--at", "2001-09-12")
            assert (told["at"], told["times"]) == ("2001-09-12", knows)
