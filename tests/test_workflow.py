"""The policy of a fit, as Python users call it."""

from dataclasses import replace

import pytest

from palate import ALS, SGD, ImplicitALS, evaluate, load, workflow
from palate.catalogue import Catalogue, Entry
from palate.errors import DataError, SettingsError, StorageError
from palate.evaluation import cross_validate
from palate.splits import holdout
from palate.workflow import BothHeads, check_output, checkpoint_path, describe_ratings, fit_and_save, split_seed
from tables import random_table, table

SOLVER = SGD(factors=3, epochs=3, regularization=0.06, validation=0.0, seed=5)


def test_the_model_is_saved_with_its_catalogue_and_its_errors(tmp_path):
    catalogue = Catalogue({100: Entry("First", "")})
    result = fit_and_save(SOLVER, random_table(), tmp_path / "m", catalogue=catalogue, holdout=0.2)
    train, test = holdout(random_table(), 0.2, seed=5)
    assert (result.saved, result.interrupted, result.ratings) == (True, False, len(train))
    assert result.evaluation.scores == evaluate(workflow.fit(train, SOLVER), test).scores
    saved = load(tmp_path / "m")
    assert saved.catalogue.title(100) == "First"
    assert saved.training["holdout"] == result.evaluation.as_dict()
    assert result.as_dict()["bytes"] == (tmp_path / "m").stat().st_size
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"], "the checkpoint of a finished fit is removed"


def test_the_fit_is_saved_before_it_is_judged(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(workflow, "evaluate", fail)
    with pytest.raises(MemoryError):
        fit_and_save(SOLVER, random_table(), tmp_path / "m", holdout=0.2)
    assert load(tmp_path / "m").factors == 3


def test_all_ratings_are_used_where_none_are_held_out(tmp_path):
    result = fit_and_save(SOLVER, random_table(), str(tmp_path / "m"))
    assert (result.evaluation, result.ratings) == (None, len(random_table()))
    assert "holdout" not in load(tmp_path / "m").training


def test_splits_follow_the_seed_of_the_solver_unless_another_is_given(tmp_path):
    assert (split_seed(SOLVER), split_seed(replace(SOLVER, seed=2))) == (5, 2)
    one = fit_and_save(SOLVER, random_table(), tmp_path / "one", holdout=0.2, seed=1)
    two = fit_and_save(SOLVER, random_table(), tmp_path / "two", holdout=0.2)
    assert one.evaluation.scores != two.evaluation.scores


def test_a_checkpoint_that_cannot_lead_anywhere_is_removed(tmp_path):
    diverging = replace(SOLVER, learning_rate=1e30, epochs=500)
    checkpoint_path(tmp_path / "m").unlink(missing_ok=True)
    with pytest.raises(SettingsError, match="diverge"):
        fit_and_save(diverging, random_table(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_what_must_not_be_overwritten_is_refused(tmp_path):
    foreign = tmp_path / "m.checkpoint"
    foreign.write_text("dear diary")
    with pytest.raises(StorageError, match="not a palate checkpoint"):
        fit_and_save(SOLVER, random_table(), tmp_path / "m")
    assert foreign.read_text() == "dear diary"
    with pytest.raises(StorageError, match="nowhere does not exist"):
        fit_and_save(SOLVER, random_table(), tmp_path / "nowhere" / "m")
    with pytest.raises(StorageError, match="is read by this very command"):
        check_output(foreign, None, str(foreign))


def test_solvers_of_choices_are_judged_by_lists(tmp_path):
    result = fit_and_save(ImplicitALS(factors=2), random_table(), tmp_path / "m", holdout=0.2)
    held_out = load(tmp_path / "m").training["holdout"]
    assert "rmse" not in held_out
    assert held_out["ndcg@10"] == result.evaluation.scores["ndcg@10"] > 0


def test_a_solver_with_its_choices_can_be_validated():
    estimator = BothHeads(SOLVER, "popularity", liked=4)
    train, test = holdout(random_table(), 0.2)
    model = estimator.fit(train)
    assert model.choice.kind == "popularity"
    result = cross_validate(estimator, [(train, test)])
    assert result.mean["ndcg@10"] == evaluate(model, test).scores["ndcg@10"]


def test_ratings_are_described_before_the_fit():
    lines = describe_ratings(random_table(), Catalogue({100: Entry("First", ""), 7: Entry("Unrated", "")}))
    assert lines[-1] == "the catalogue has 1 of the 40 rated items"
    assert "60 users" in lines[0]
    with pytest.raises(DataError, match="only one user"):
        describe_ratings(table([(1, 1, 1.0), (1, 2, 2.0)]))


def test_a_solver_without_a_seed_splits_with_zero():
    from palate.solvers import Solver

    class Seedless(Solver):
        name = "seedless"

    assert split_seed(Seedless()) == 0
    assert split_seed(ALS(seed=3)) == 3
