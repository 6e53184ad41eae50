"""What is said in passing must be right, too."""

import dataclasses

import numpy as np
import pytest

from palate.cli.info import storage_argument
from palate.datasets import make_ratings
from palate.errors import MissingExtraError
from palate.solvers import SOLVERS
from palate.storage import save
from tables import random_table


@pytest.fixture(scope="module")
def bayes():
    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    return dataclasses.replace(SOLVERS["bayes"], factors=3, sweeps=30, **plain).fit(random_table())


def test_only_biases_that_a_model_has_are_counted():
    ratings = make_ratings(users=300, items=100, ratings=3000, seed=1)
    article = dataclasses.replace(SOLVERS["article"], epochs=1).fit(ratings)
    assert article.size["biases"] == 0
    assert f"{16 * 400 / 30000:.2%}" in storage_argument(article)
    assert "biases" not in storage_argument(article)
    sgd = dataclasses.replace(SOLVERS["sgd"], epochs=1).fit(ratings)
    assert sgd.size["biases"] == 400


def test_a_small_table_is_told_from_which_size_on_factors_pay():
    def numbers(users):
        rows = np.ones((users, 40))
        model = dataclasses.replace(SOLVERS["sgd"], factors=19, epochs=1)
        table = make_ratings(users=users, items=40, ratings=20 * users, seed=1)
        return model.fit(table), rows.size

    small, _ = numbers(30)
    assert "factors save nothing: with 40 items they pay from 41 users on" in storage_argument(small)
    large, cells = numbers(41)
    assert large.size["factors"] + large.size["biases"] < cells
    assert "save nothing" not in storage_argument(large)
    even, cells = numbers(40)
    assert even.size["factors"] + even.size["biases"] >= cells


def test_draws_that_still_move_are_told_apart_from_predictions(bayes, tmp_path, palate):
    for rhat, told in ((1.63, True), (1.02, False)):
        trace = {"name": "precision of the noise", "effective_size": 4.0, "split_rhat": rhat}
        save(dataclasses.replace(bayes, training={**bayes.training, "traces": [trace]}), tmp_path / "m")
        _, out, _ = palate("info", tmp_path / "m")
        assert "draws of: precision of the noise" in out
        assert ("still moving when the fit ended: precision of the noise" in " ".join(out.split())) is told
        assert ("predictions are means over many draws" in " ".join(out.split())) is told


def test_draws_are_not_cut_at_the_ends_of_the_scale(bayes):
    high = dataclasses.replace(bayes, item_bias=bayes.item_bias + 3)
    drawn = [one.score for one in high.recommend(5, 10, by="chance", seed=1, seen=True)]
    assert drawn == sorted(drawn, reverse=True)
    assert len(set(drawn)) == 10
    assert drawn[0] > 5


def test_an_interval_at_the_end_of_the_scale_is_said_once(bayes, tmp_path, palate):
    save(dataclasses.replace(bayes, item_bias=bayes.item_bias + 20), tmp_path / "m")
    _, out, _ = palate("predict", tmp_path / "m", "--user", 5, "--item", 110)
    assert "5.00 to 5.00" not in out
    assert "5.00, the end of the scale, with 90%" in out


def test_ids_are_not_printed_a_second_time_as_titles(bayes, tmp_path, palate):
    save(bayes, tmp_path / "m")
    _, out, _ = palate("explain", tmp_path / "m", "--user", 5, "--item", 107)
    assert "is predicted for item 107\n" in out
    assert "title" not in out
    _, out, _ = palate("similar", tmp_path / "m", "--item", 107)
    assert out.splitlines()[0] == "Item 107"
    assert out.splitlines()[1] != "    107"
    assert "title" not in repr(bayes.recommend(5, 3))


def test_users_have_no_titles(bayes):
    assert {one.title for one in bayes.similar_users(5, 3)} == {""}


def test_a_missing_extra_names_what_works_from_a_clone():
    assert str(MissingExtraError("a service", "serve")).endswith("pip install '.[serve]' in a clone of palate")


def test_a_model_without_factors_is_not_described_by_them(tmp_path, folder, palate):
    _, fitted, _ = palate("fit", folder / "ratings.csv", "-o", tmp_path / "ease.palate", "--solver", "ease")
    assert "0 factors" not in fitted
    assert "no factors" in palate("info", tmp_path / "ease.palate")[1]


def test_a_list_for_nobody_names_the_three_ways_out(model, palate):
    code, _, refused = palate("recommend", model)
    assert code == 2
    assert all(option in refused for option in ("--user", "--rated", "--all"))


@pytest.mark.parametrize("command", [("fit", "-o", "m.palate"), ("cross-validate",)])
def test_attributes_are_refused_for_a_solver_that_does_not_learn_from_them(tmp_path, folder, palate, command):
    name, *options = command
    options = [tmp_path / option if option.endswith(".palate") else option for option in options]
    attributes = ("--solver", "sgd", "--item-features", folder / "items.csv")
    code, _, refused = palate(name, folder / "ratings.csv", *options, *attributes)
    assert code == 2
    assert "does not learn from attributes" in refused


def test_a_constant_table_is_fitted_at_once_and_asks_for_no_more_sweeps():
    table = random_table()
    model = SOLVERS["bayes"].fit(dataclasses.replace(table, rating=np.full(len(table), 4, np.float32)))
    training = model.training
    assert (training["sweeps"], training["pilot_sweeps"], training["warnings"]) == (20, 0, [])
    np.testing.assert_allclose(model.predict_table(table), 4, atol=0.05)


def test_lists_and_explanations_say_what_a_reader_needs(palate, answer, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    rows = [(user, item) for user in range(40) for item in range(12) if (user * user + item * user + item) % 5 < 3]
    pairs.write_text("".join(f"u{user}\ti{item}\n" for user, item in rows))
    model = tmp_path / "m"
    settings = ("--solver", "als", "--factors", 2, "--regularization", 0.1, "--choices", "ease")
    assert palate("fit", pairs, "-o", model, *settings, "-q")[0] == 0
    code, out, _ = palate("recommend", model, "--user", "u1", "-n", 3)
    assert (code, "predicted" in out, "chance of choice" in out) == (
        0,
        False,
        True,
    )  # every prediction is the same rating
    _, out, _ = palate("recommend", model, *_all_rated(), "-n", 3)
    assert "--seen lists what was rated, too" in out
    question = ("explain", model, "--user", "u1", "--item", "i1")
    assert set(answer(*question)["choices"][0]) == {"item", "rating", "contribution", "title"}
    assert "People who chose these choose it, too" in palate(*question)[1]


def _all_rated():
    return [part for item in range(12) for part in ("--rated", f"i{item}=1")]


def test_update_names_what_is_new(palate, model, tmp_path):
    (tmp_path / "new.csv").write_text("1,100,3\n1,1700,5\n777,100,2\n778,101,2\n779,101,2\n780,101,2\n")
    code, out, err = palate("update", model, tmp_path / "new.csv", "--duplicates", "last", "-o", tmp_path / "m.palate")
    assert code == 0, err
    text = " ".join(out.split())
    assert "4 new users (777, 778, 779, …), 1 new item (1700);" in text


def test_settings_are_searched_with_attributes(answer, palate, folder, tmp_path):
    kinds = [f"{item},{'even' if item % 2 == 0 else 'odd'}" for item in range(100, 145)]
    (tmp_path / "kinds.csv").write_text("\n".join(["item,kind", *kinds]))
    tune = ("tune", folder / "ratings.csv", "--trials", 1, "--folds", 2, "--item-features", tmp_path / "kinds.csv")
    assert answer(*tune, "--solver", "als", "--factors", 2, "-o", tmp_path / "m.palate")["model"]
    assert answer("info", tmp_path / "m.palate")["items"] == 45
    code, _, err = palate(*tune, "--solver", "sgd")
    assert (code, "does not learn from attributes of items" in " ".join(err.split())) == (2, True)
