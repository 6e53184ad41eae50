"""Commands that judge and compare."""

import dataclasses

import pytest

from palate.datasets import write_ratings
from palate.evaluation.lists import LIST_BASELINES
from palate.splits import holdout, new_users
from tables import random_table


def test_evaluate_and_cross_validate(answer, model, folder):
    printed = answer("evaluate", model, folder / "ratings.csv")
    assert (printed["unknown"], printed["seen"]) == (0, printed["ratings"])
    assert printed["rmse"] < printed["baselines"]["global mean"]["rmse"]
    options = ("--epochs", 3, "--solver", "sgd")
    printed = answer("cross-validate", folder / "ratings.csv", "--folds", 3, "--seed", 1, *options)
    assert len(printed["folds"]) == 3
    assert printed["rmse"] == pytest.approx(sum(fold["rmse"] for fold in printed["folds"]) / 3)
    files = ("--fold", folder / "ratings.csv", folder / "ratings.csv")
    assert len(answer("cross-validate", *files, *files, *options)["folds"]) == 2


def test_evaluate_tells_whether_chances_were_right(palate, answer, folder, tmp_path):
    ratings = random_table(users=120, items=60, density=0.3, seed=2)
    train, test = holdout(ratings, 0.1)
    for part, table in (("train", train), ("test", test)):
        write_ratings(table, tmp_path / f"{part}.csv")
    model = tmp_path / "both.palate"
    assert palate("fit", tmp_path / "train.csv", "-o", model, "--solver", "sgd", "--epochs", 3)[0] == 0
    chances = answer("evaluate", model, tmp_path / "test.csv")["chances"]
    assert sum(one["rows"] for one in chances["liking"]["bins"]) == len(test)
    pairs = sum(one["rows"] for one in chances["choice"]["bins"])
    assert pairs == (60 - train.user_counts[test.user_counts > 0]).sum()
    told, seen = (sum(one[name] * one["rows"] for one in chances["choice"]["bins"]) for name in ("chance", "share"))
    assert seen == pytest.approx(len(test))
    assert 0.5 * len(test) < told < 1.5 * len(test)
    code, out, err = palate("evaluate", model, tmp_path / "test.csv")
    assert code == 0, err
    assert "Chances that the model gave" in out
    assert palate("recommend", model, "--user", train.users[0], "--by", "choice")[1].split("\n")[1].split()[1:3] == [
        "choice",
        "score",
    ]
    assert "%" in palate("recommend", model, "--user", train.users[0])[1]


def test_compare_prints_one_table(palate, answer, folder):
    ratings = folder / "ratings.csv"
    code, out, err = palate("compare", ratings, "--solvers", "sgd,article", "--folds", 2)
    assert code == 0
    heading, _, *lines = out.splitlines()
    assert heading.split() == ["RMSE", "to", "sgd", "MAE", "NDCG@10"]
    assert lines[0].split()[0] == "sgd"
    assert out.count("*") == 5  # the best RMSE, MAE, NDCG and recall, and what the star means
    assert "Lists are compared with those of" in " ".join(out.split())
    assert "Judged by 2 random folds (seed 0)" in out
    assert "split 2 of 2, article: RMSE" in err
    printed = answer("compare", ratings, "--solvers", "sgd", "--repeats", 2, "--reference", "bias only", "--seed", 3)
    assert printed["protocol"] == "2 random holdouts of 0.1 of the ratings (seeds 3 to 4)"
    assert printed["reference"] == "bias only"
    names = {one["name"] for one in printed["solvers"]}
    assert names == {"sgd", "global mean", "item mean", "user mean", "bias only", *LIST_BASELINES}
    assert palate("compare", ratings, "--solvers", "sgd", "--quiet")[2] == ""


def test_compare_judges_given_splits_as_cross_validate_does(answer, folder, tmp_path):
    lines = (folder / "ratings.csv").read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(lines[:700]))
    (tmp_path / "test.csv").write_text(lines[0] + "".join(lines[700:]))
    files = ("--fold", tmp_path / "train.csv", tmp_path / "test.csv")
    printed = answer("compare", *files, *files, "--solvers", "sgd")
    judged = answer("cross-validate", *files, "--solver", "sgd")
    one = next(one for one in printed["solvers"] if one["name"] == "sgd")
    assert [split["rmse"] for split in one["splits"]] == [judged["rmse"]] * 2
    assert one["splits"][0]["unknown"] == judged["folds"][0]["unknown"]
    assert one["rmse_error"] == 0


def test_compare_shows_failures_and_what_was_finished(palate, folder, monkeypatch):
    from palate.errors import DataError
    from palate.solvers import Means

    def fail(*args, **options):
        raise DataError("this table is cursed")

    monkeypatch.setattr("palate.solvers.SGD.fit", fail)
    code, out, _ = palate("compare", folder / "ratings.csv", "--solvers", "sgd")
    assert code == 2
    assert "sgd has no result: on split 1: this table is cursed" in out
    assert "bias only" in out

    def cut(self, ratings, **options):
        return dataclasses.replace(Means().fit(ratings), training={"interrupted": True})

    monkeypatch.setattr("palate.solvers.SGD.fit", lambda self, ratings, **options: Means().fit(ratings))
    monkeypatch.setattr("palate.solvers.BayesianMF.fit", cut)
    code, out, err = palate("compare", folder / "ratings.csv", "--solvers", "sgd,bayes")
    assert code == 130
    assert "bayes has no result: interrupted before it was done" in out
    assert "only what was finished" in err


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Training and test files of a split of the rows, and files of new users."""
    folder = tmp_path_factory.mktemp("parts")
    train, test = holdout(random_table(users=80), 0.2)
    new = new_users(random_table(users=80), 0.2)
    named = {"train": train, "test": test, "old": new.train, "given": new.given, "new": new.test}
    for name, part in named.items():
        write_ratings(part, folder / f"{name}.csv")
    return folder


def test_evaluate_reports_three_things_beside_the_baselines(palate, answer, parts):
    options = ("--solver", "sgd", "--epochs", 5, "--scale", 1, 5)
    assert palate("fit", parts / "train.csv", "-o", parts / "m.palate", *options)[0] == 0
    printed = answer("evaluate", parts / "m.palate", parts / "test.csv", "--liked", 4)
    assert {"rmse", "ndcg@10", "recall@20", "rated_ndcg@10"} <= set(printed)
    assert (printed["seen"], printed["unseen"], printed["liked"]) == (0, {}, 4)
    assert printed["baselines"]["item-kNN"]["recall@20"] > 0
    assert printed["baselines"]["bias only"]["rmse"] > 0
    code, out, err = palate("evaluate", parts / "m.palate", parts / "test.csv")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert "Errors on" in text
    assert "from the whole catalogue" in text
    assert "or more: guessed" in text
    code, out, err = palate("evaluate", parts / "m.palate", parts / "train.csv")
    assert (code, "that the model was fitted on" in " ".join(err.split())) == (0, True)


def test_evaluate_folds_new_users_in(palate, answer, parts):
    options = ("--solver", "sgd", "--factors", 3, "--scale", 1, 5)
    assert palate("fit", parts / "old.csv", "-o", parts / "old.palate", *options)[0] == 0
    blind = answer("evaluate", parts / "old.palate", parts / "new.csv")
    known = answer("evaluate", parts / "old.palate", parts / "new.csv", "--given", parts / "given.csv")
    assert (blind["unknown"], known["unknown"]) == (blind["ratings"], 0)
    assert known["rmse"] < blind["rmse"]
    assert ("ndcg@10" in blind, known["users"]) == (False, 16)


@pytest.mark.parametrize("solver", ["implicit", "ease"])
def test_a_model_of_choices_is_judged_by_its_lists(palate, answer, parts, solver):
    printed = answer("fit", parts / "train.csv", "-o", parts / "c.palate", "--solver", solver, "--holdout", 0.2)
    assert "rmse" not in printed["holdout"]
    assert printed["holdout"]["ndcg@10"] > 0
    assert "ndcg@10" in answer("evaluate", parts / "c.palate", parts / "test.csv")
    code, out, _ = palate("info", parts / "c.palate")
    assert (code, "NDCG@10 of" in out) == (0, True)
    code, out, _ = palate("evaluate", parts / "c.palate", parts / "test.csv")
    assert (code, "NDCG@10" in out) == (0, True)


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        (["--split", "random", "--folds", 2], "2 random folds (seed 0)"),
        (["--share", 0.2, "--repeats", 2], "2 random holdouts of 0.2 of the ratings (seeds 0 to 1)"),
        (["--split", "users", "--given", 5], "0.2 of the users as new ones, 5 of their ratings given (seed 0)"),
        (["--split", "items", "--share", 0.3], "0.3 of the items as new ones (seed 0)"),
    ],
)
def test_cross_validation_splits_as_it_is_told(answer, parts, options, protocol):
    printed = answer("cross-validate", parts / "train.csv", "--solver", "sgd", "--epochs", 2, *options)
    assert printed["protocol"] == protocol
    assert printed["rmse"] == pytest.approx(sum(fold["rmse"] for fold in printed["folds"]) / len(printed["folds"]))
    assert printed["seen"] == 0
    assert (printed["ndcg@10"] > 0) == ("items" not in options), "nobody can list items that nobody has rated"


def test_compare_splits_as_it_is_told(palate, answer, parts):
    options = ("--solvers", "sgd,ease", "--choices", "popularity", "--split", "users")
    printed = answer("compare", parts / "train.csv", *options)
    ease = next(one for one in printed["solvers"] if one["name"] == "ease")
    assert "rmse" not in ease
    assert ease["ndcg@10"] > 0
    assert printed["list_reference"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "users", "--date", "2001-01-01"], "--date does not go with --split users"),
        (["--folds", 3, "--share", 0.1], "--share does not go with --folds"),
        (["--split", "time"], "needs times"),
    ],
)
def test_splits_that_cannot_be_made(palate, parts, options, message):
    code, _, err = palate("cross-validate", parts / "train.csv", "--solver", "sgd", *options)
    assert (code, message in " ".join(err.split())) == (2, True)
