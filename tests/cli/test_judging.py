"""Commands that judge and compare."""

import dataclasses

import pytest


def test_evaluate_and_cross_validate(answer, model, folder):
    printed = answer("evaluate", model, folder / "ratings.csv")
    assert printed["unknown"] == 0
    assert printed["rmse"] < printed["baselines"]["global mean"]["rmse"]
    options = ("--epochs", 3, "--solver", "sgd")
    printed = answer("cross-validate", folder / "ratings.csv", "--folds", 3, "--seed", 1, *options)
    assert len(printed["folds"]) == 3
    assert printed["rmse"] == pytest.approx(sum(fold["rmse"] for fold in printed["folds"]) / 3)
    files = ("--fold", folder / "ratings.csv", folder / "ratings.csv")
    assert len(answer("cross-validate", *files, *files, *options)["folds"]) == 2


def test_compare_prints_one_table(palate, answer, folder):
    ratings = folder / "ratings.csv"
    code, out, err = palate("compare", ratings, "--solvers", "sgd,article", "--folds", 2)
    assert code == 0
    heading, _, *lines = out.splitlines()
    assert heading.split() == ["RMSE", "to", "sgd", "MAE", "s", "MB"]
    assert lines[0].split()[0] == "sgd"
    assert out.count("*") == 3  # the best RMSE, the best MAE and what the star means
    assert "Judged by 2 random folds (seed 0)" in out
    assert "split 2 of 2, article: RMSE" in err
    printed = answer("compare", ratings, "--solvers", "sgd", "--repeats", 2, "--reference", "bias only", "--seed", 3)
    assert printed["protocol"] == "2 random holdouts of 0.1 of the ratings (seeds 3 to 4)"
    assert printed["reference"] == "bias only"
    assert {one["name"] for one in printed["solvers"]} == {"sgd", "global mean", "item mean", "user mean", "bias only"}
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
