"""Every command that makes a model says what is to be known of its fit, and in the same words."""

import dataclasses

import pytest

from palate import SGD, load, save
from palate.cli.fit_report import explain_parts, fit_warnings

BAYES = ("--sweeps", 12, "--factors", 3, "--no-user-noise", "--no-item-noise", "--no-user-sets", "--no-item-sets")


@pytest.fixture
def warned(tmp_path):
    """A file of a model whose fit warns of two things."""
    model = SGD(factors=3, epochs=2).fit([(user, item, float(user % 5 + 1)) for user in range(20) for item in range(9)])
    trace = {"name": "noise (plain)", "effective_size": 4.0, "split_rhat": 1.63}
    training = {**model.training, "warnings": ["the chain is short"], "traces": [trace]}
    save(dataclasses.replace(model, training=training), tmp_path / "warned.palate")
    return tmp_path / "warned.palate"


def is_told(out, path):
    """Whether what was printed has each of the warnings of the model in a file; there must be some."""
    warnings = fit_warnings(load(path).training)
    assert warnings
    text = " ".join(out.split())
    return [f"Warning: {' '.join(line.split())}." in text for line in warnings] == [True] * len(warnings)


def test_a_fit_and_one_that_goes_on_from_it_print_what_info_warns_of(palate, answer, folder, tmp_path):
    output = tmp_path / "m.palate"
    for command in (
        ("fit", folder / "ratings.csv", "-o", output, "--choices", "none", *BAYES),
        ("retrain", output, folder / "ratings.csv", "--fresh"),
        ("info", output),
    ):
        code, out, err = palate(*command)
        assert code == 0, err
        assert is_told(out, output), command[0]
    assert answer("info", output)["warnings"] == fit_warnings(load(output).training)
    assert answer("retrain", output, folder / "ratings.csv")["warnings"] == fit_warnings(load(output).training)


def test_so_does_every_other_command_that_makes_a_model(palate, answer, folder, warned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("user,item,rating\n99,3,4\n99,4,1\n")
    assert is_told(palate("update", warned, "new.csv", "-o", "updated.palate")[1], "updated.palate")
    assert answer("update", warned, "new.csv", "-o", "updated.palate")["warnings"][0] == "the chain is short"
    monkeypatch.setattr("palate.workflow.fit", lambda *_, **__: load(warned))
    tune = ("tune", folder / "ratings.csv", "--solver", "sgd", "--epochs", 2, "--trials", 1, "--folds", 2)
    assert is_told(palate(*tune, "-o", "tuned.palate")[1], "tuned.palate")


def test_numbers_that_still_move_are_named_once_whatever_the_member_of_the_average():
    traces = [{"name": f"noise ({parts})", "split_rhat": 1.3} for parts in ("plain", "user sets")]
    (text,) = fit_warnings({"traces": [*traces, {"name": "item sets", "split_rhat": 1.01}], "error_left_percent": 0.2})
    assert text.startswith("still moving when the fit ended: noise. ")
    assert text.endswith("More sweeps would lower their error by about 0.2%")


def test_only_words_that_are_shown_are_explained():
    (text,) = explain_parts(["the model is an average: 70% user noise + 30% plain: RMSE 0.9 on 10 validation ratings"])
    assert "User noise: some users" in text
    assert "plain: none" in text
    assert "sets" not in text
    assert explain_parts(["nothing of the kind"]) == []
