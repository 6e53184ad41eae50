"""The search for settings: finds what is better, says when nothing is, and goes on from its file."""

import json
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from click.testing import CliRunner

from palate import ALS, SGD, BayesianMF, ImplicitALS, load, workflow
from palate.cli.app import app
from palate.datasets import make_ratings
from palate.errors import DataError, MissingExtraError, SettingsError, StorageError
from palate.evaluation.lists import evaluate_lists
from palate.evaluation.tune import tune
from palate.solvers import Means, Solver, setting, settings
from palate.splits import holdout


@dataclass(frozen=True)
class Shrunk(Solver):
    """Means with a penalty: quick to fit, and with a known best setting."""

    name = "shrunk"

    penalty: float = setting(1000.0, "of the biases", least=0, search=(0.1, 1000, "log"))
    passes: int = setting(3, "turns", least=1, search=(1, 6))
    is_odd: bool = setting(False, "changes nothing", search=True)
    fails: bool = setting(False, "whether it cannot be fitted")

    def fit(self, ratings, *, threads=None, **others):
        if self.fails:
            raise DataError("it cannot be fitted")
        return replace(Means(self.penalty, self.penalty, self.passes).fit(ratings), solver=self.record())


@pytest.fixture(scope="module")
def ratings():
    return make_ratings(users=150, items=60, ratings=4000, seed=1)


def test_what_is_clearly_better_is_found_and_confirmed(ratings):
    told = []
    result = tune(ratings, Shrunk(), trials=15, folds=3, done=told.append)
    assert result.has_improved
    assert result.test < result.start_test
    assert result.high < 0
    assert result.changes["penalty"] < 300
    assert result.trials == len(told) == 15
    assert told[0].settings["penalty"] == 1000  # the settings before come first
    assert result.pruned == sum(trial.pruned for trial in told) > 0
    assert result.score == pytest.approx(min(trial.value for trial in told if not trial.pruned) ** 0.5)
    assert "better than the settings before" in str(result)


def test_the_figure_at_the_end_is_that_of_the_model_on_what_was_kept(ratings):

    result = tune(ratings, Shrunk(), trials=4, folds=2, share=0.2, seed=3)
    train, test = holdout(ratings, 0.2, seed=3)
    assert result.test == pytest.approx(np.sqrt(np.mean((test.rating - result.model.predict_table(test)) ** 2)))
    known = result.model.ratings()
    assert len(known) == len(train)


def test_it_says_when_the_defaults_were_not_beaten(ratings):
    good = Shrunk(penalty=tune(ratings, Shrunk(), trials=20, folds=3).solver.penalty)
    result = tune(ratings, good, trials=6, folds=3, seed=5)
    assert not result.has_improved
    text = str(result)
    assert "none was better" in text or "NOT shown to be better" in text
    assert not result.as_dict()["improved"]


def test_the_same_seed_finds_the_same(ratings):
    first, second = (tune(ratings, Shrunk(), trials=6, folds=2, seed=2) for _ in range(2))
    assert first.solver == second.solver
    assert first.test == second.test


def test_lists_can_be_tuned(ratings):

    weak = ImplicitALS(factors=2, sweeps=3, unobserved=1.0)
    result = tune(ratings, weak, metric="ndcg@5", trials=4, folds=2, fixed=["factors"], liked=4)
    assert result.solver.factors == 2
    train, test = holdout(ratings, 0.1)
    judged = evaluate_lists(result.model, train, test, liked=4, metrics=["ndcg@5"], baselines=False)
    assert result.test == pytest.approx(judged.scores["ndcg@5"])
    assert result.score >= result.start_score


def test_lists_of_both_heads_are_tuned_as_they_are_fitted(ratings):
    from palate.splits import holdout
    from palate.workflow import BothHeads

    def heads(solver):
        return BothHeads(solver, liked=4)

    result = tune(ratings, SGD(epochs=3), metric="ndcg@5", trials=1, folds=2, liked=4, heads=heads)
    train, test = holdout(ratings, 0.1)
    fitted = heads(result.solver).fit(train)
    assert fitted.interest is not None
    judged = evaluate_lists(fitted, train, test, liked=4, metrics=["ndcg@5"], baselines=False)
    assert result.test == pytest.approx(judged.scores["ndcg@5"])


def test_a_search_goes_on_from_its_file(ratings, tmp_path):
    path = tmp_path / "study.db"
    first = tune(ratings, Shrunk(), trials=3, folds=2, study=path)
    again = tune(ratings, Shrunk(), trials=7, folds=2, study=path)
    assert (first.trials, again.trials) == (3, 7)
    assert again.score <= first.score
    assert tune(ratings, Shrunk(), trials=7, folds=2, study=path).solver == again.solver


def test_a_search_that_was_ended_goes_on(ratings, tmp_path):
    path = tmp_path / "study.db"

    def end(trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(ratings, Shrunk(), trials=9, folds=2, study=path, done=end)
    result = tune(ratings, Shrunk(), trials=5, folds=2, study=path)
    assert result.trials == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "ndcg@10"}, "metric was rmse, and is now ndcg@10"),
        ({"seed": 4}, "seed was 0, and is now 4"),
        ({"folds": 3}, "folds was 2, and is now 3"),
        ({"solver": Shrunk(penalty=5)}, "solver was"),
        ({"ratings": make_ratings(users=20, items=10, ratings=100, seed=1)}, "the table is another one"),
    ],
)
def test_a_file_of_another_search_is_refused(ratings, tmp_path, change, message):
    path = tmp_path / "study.db"
    tune(ratings, Shrunk(), trials=1, folds=2, study=path, liked=4)
    given = {"ratings": ratings, "solver": Shrunk(), "liked": 4} | change
    with pytest.raises(SettingsError, match=message):
        tune(given.pop("ratings"), given.pop("solver"), trials=1, **{"folds": 2} | given, study=path)


def test_a_file_that_is_no_study_is_refused(ratings, tmp_path):
    path = tmp_path / "study.db"
    path.write_text("this is no database, and long enough to be looked at as if it were one" * 20)
    with pytest.raises(StorageError, match="cannot be used as a study"):
        tune(ratings, Shrunk(), trials=1, study=path)
    with pytest.raises(StorageError, match="cannot be used as a study"):
        tune(ratings, Shrunk(), trials=1, study=tmp_path / "nowhere" / "study.db")


def test_without_time_the_settings_before_are_judged(ratings):
    result = tune(ratings, Shrunk(), budget=1e-9, folds=2)
    assert result.trials == 1
    assert result.solver == Shrunk()
    assert result.test == result.start_test
    assert "none was better" in str(result)


@pytest.mark.parametrize(
    ("solver", "settings", "message"),
    [
        (Shrunk(), {"fixed": ["penalty", "passes", "is_odd"]}, "declares no other settings"),
        (Shrunk(), {"fixed": ["colour"]}, "colour is no setting"),
        (Shrunk(), {"metric": "coverage@10"}, "cannot be tuned by"),
        (Shrunk(), {"metric": "auc"}, "cannot be tuned by"),
        (Shrunk(), {"metric": "mae@10"}, "no measure of lists"),
        (ImplicitALS(), {}, "does not predict ratings: tune it by ndcg@10"),
    ],
)
def test_searches_that_cannot_be_made(ratings, solver, settings, message):
    with pytest.raises(SettingsError, match=message):
        tune(ratings, solver, **settings)


def test_a_table_too_small_to_cut_is_refused(ratings):
    with pytest.raises(
        DataError, match="2 ratings are too few to search settings on: a test part and 5 folds are cut off"
    ):
        tune(ratings.take(np.arange(2)), Shrunk())


def test_settings_that_cannot_be_fitted(ratings):
    with pytest.raises(DataError, match="settings to begin with cannot be fitted: it cannot be fitted"):
        tune(ratings, Shrunk(fails=True), trials=3)


def test_without_optuna_the_extra_is_named(ratings, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[tune\]'"):
        tune(ratings, Shrunk(), trials=1)


@pytest.mark.parametrize("solver", [ALS(), SGD(), ImplicitALS(), BayesianMF()], ids=lambda one: one.name)
def test_what_is_searched_can_be_set(solver):
    space = [one for one in settings(solver) if one.search]
    assert space
    for one in space:
        if isinstance(one.search, tuple):
            for end in one.search[:2]:
                chosen = replace(solver, **{one.name: one.type(end)})
                assert getattr(chosen, one.name) == end
            assert one.default is None or one.search[0] <= one.default <= one.search[1]


def run(*arguments):
    return CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False, standalone_mode=False
    )


def test_the_command(tmp_path, ratings):
    table = tmp_path / "ratings.csv"
    rows = zip(ratings.users.ids[ratings.user], ratings.items.ids[ratings.item], ratings.rating)
    table.write_text("user,item,rating\n" + "\n".join(",".join(map(str, row)) for row in rows))
    common = ("tune", table, "--solver", "sgd", "--epochs", 5, "--folds", 2, "--study", tmp_path / "study.db")
    told = run(*common, "--trials", 2, "--budget", "1h30m")
    assert "trial 1 (factors" in told.stderr
    assert "rmse" in told.stdout
    again = run(*common, "--trials", 3, "--json", "-o", tmp_path / "best.palate")
    answer = json.loads(again.stdout)
    assert answer["trials"] == 3
    assert answer["solver"]["epochs"] == 5
    assert {"test", "test_before", "improved", "interval", "p_value"} <= set(answer)
    _check_both_heads(load(tmp_path / "best.palate"), answer, ratings)


def _check_both_heads(saved, answer, ratings):
    """The saved model has both heads, fitted on all ratings; the test figure is that of a fit without the test part."""
    settings = {name: value for name, value in answer["solver"].items() if name != "name"}
    best = SGD(**settings)
    expected = workflow.fit(ratings, best)
    assert len(saved.ratings()) == len(ratings)
    assert saved.interest == expected.interest
    assert np.array_equal(saved.item_factors, expected.item_factors)
    assert np.array_equal(saved.choice.share, expected.choice.share)
    assert saved.recommend(saved.users[0], 5) == expected.recommend(expected.users[0], 5)
    train, test = holdout(ratings, 0.1)
    errors = test.rating - best.fit(train).predict_table(test)
    assert answer["test"] == pytest.approx(np.sqrt(np.mean(errors.astype(float) ** 2)), rel=1e-5)


@pytest.mark.parametrize("text", ["soon", "5x", "-3", "0", "5m3", "inf", ""])
def test_durations_that_are_none(text):
    result = CliRunner().invoke(app, ["tune", "jester", "--budget", text])
    assert result.exit_code == 2
    assert "is no duration" in result.output


def test_durations():
    from palate.cli.tune import _seconds

    assert [_seconds(None, None, text) for text in ("90", "90s", "1.5m", "1h30m")] == [90, 90, 90, 5400]
