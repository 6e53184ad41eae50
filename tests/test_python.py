"""How palate feels in Python: what may be handed over, what is shown, and what is warned of."""

import copy
import dataclasses
import io
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import palate
from palate import ALS, SGD, SOLVERS
from palate.errors import DataError, PalateWarning, ReadError, SettingsError
from palate.evaluation import compare, cross_validate, evaluate
from palate.splits import holdout, k_fold
from palate.workflow import fit_and_save
from tables import random_table

pytestmark = pytest.mark.usefixtures("short_pilots")

SMALL = SGD(factors=2, epochs=2)
# The default solver, without the sweeps that only its accuracy needs.
QUICK = {**SOLVERS, "bayes": dataclasses.replace(SOLVERS["bayes"], sweeps=60)}


@pytest.fixture(scope="module")
def ratings():
    return random_table()


@pytest.fixture(scope="module")
def model(ratings):
    return SGD(factors=4).fit(ratings)


def columns(ratings):
    return {name: np.asarray(values) for name, values in ratings.columns().items()}


@pytest.fixture(params=["pandas", "polars", "path", "rows", "arrays"])
def source(request, ratings, tmp_path):
    frame = pl.DataFrame(columns(ratings))
    path = tmp_path / "ratings.csv"
    frame.write_csv(path)
    return {
        "pandas": pd.DataFrame(columns(ratings)),
        "polars": frame,
        "path": str(path),
        "rows": frame.rows(),
        "arrays": tuple(columns(ratings).values()),
    }[request.param]


def test_whatever_is_read_is_fitted_judged_and_split(source, ratings, tmp_path):
    fitted = SMALL.fit(source)
    assert fitted.ratings().rating.tolist() == SMALL.fit(ratings).ratings().rating.tolist()
    assert evaluate(fitted, source).ratings == len(ratings)
    assert len(fitted.predict_table(source)) == len(ratings)
    assert len(holdout(source).train) + len(holdout(source).test) == len(ratings)
    assert len(list(k_fold(source, 2))) == 2
    assert cross_validate(SMALL, [(source, source)]).folds[0].ratings == len(ratings)
    assert compare({"sgd": SMALL}, [(source, source)])["sgd"].failure is None
    assert fit_and_save(SMALL, source, tmp_path / "m.palate").ratings == len(ratings)


def test_what_is_no_table_is_an_error_that_says_what_to_do(ratings):
    with pytest.raises(DataError, match=r"hand over its \.train or its \.test"):
        SMALL.fit(holdout(ratings))
    with pytest.raises(ReadError, match="an object of type int is no table: hand over a path"):
        SMALL.fit(3)
    with pytest.raises(ReadError, match="does not exist"):
        SMALL.fit("nothing.csv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([(1, 1, 3), (2, 1, 3), (2, 2, 3)], "all ratings are 3"),
        (
            pl.DataFrame(
                [(u, i, 881250949 + 86400 * (9 * u + i)) for u in range(9) for i in range(9)],
                ["user", "item", "rating"],
                orient="row",
            ),
            "look like times",
        ),
        (pl.DataFrame({"a": [1, 2, 2], "b": [1, 1, 2], "c": [3, 4, 5]}), "columns 'a', 'b' and 'c' are user, item"),
    ],
)
def test_fits_warn_of_what_looks_like_a_mistake(table, message):
    with pytest.warns(PalateWarning, match=message):
        SMALL.fit(table)


def test_fits_of_sound_ratings_do_not_warn(ratings, source):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PalateWarning)
        SMALL.fit(ratings)
        SMALL.fit(source)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_fit_shows_a_bar_on_a_terminal_and_nothing_elsewhere(ratings, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream, progress, shown in (
        (Terminal(), None, True),
        (Terminal(), False, False),
        (Terminal(), True, True),
        (io.StringIO(), None, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        SMALL.fit(ratings, progress=progress)
        assert ("training RMSE" in stream.getvalue()) is shown
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    evaluate(SMALL.fit(ratings, progress=False), ratings)
    cross_validate(SMALL, k_fold(ratings, 2))
    assert stream.getvalue() == ""
    epochs = []
    SMALL.fit(ratings, progress=epochs.append)
    assert epochs[-1].number == epochs[-1].of == 2


def test_speed_is_never_shown_as_zero():
    from palate.solvers.progress import _speed

    assert _speed(300) == "300 ratings/s"
    assert _speed(999_999) == "1 million ratings/s"
    assert _speed(0.3) == "0.3 ratings/s"


def tables_of(ratings, model):
    yield ratings, len(ratings)
    yield model, len(model.items)
    judged = evaluate(model, ratings)
    yield judged, 1 + len(judged.baselines)
    yield compare({"sgd": SMALL, "means": palate.BASELINES["item mean"]}, k_fold(ratings, 2)), 2
    folds = cross_validate(SMALL, k_fold(ratings, 2))
    yield folds, 2 + 1 + len(folds.baselines)
    yield model.recommend(1, 3), 3
    yield model.similar_items(100, 3), 3
    yield model.recommend_batch([1, 2], 3), 6


def test_results_are_tables_for_people_and_for_programs(ratings, model):
    for result, rows in tables_of(ratings, model):
        frame = result.to_polars()
        assert frame.shape[0] == rows
        assert result.to_pandas().shape == frame.shape
        assert result.as_dict()
        assert len(repr(result)) < 3000
        assert "<table>" in result._repr_html_()
        assert "array(" not in repr(result)


def test_an_evaluation_is_read_at_a_glance(ratings, model):
    text = repr(evaluate(model, ratings))
    lines = text.splitlines()
    assert lines[0] == f"Errors on {len(ratings)} ratings"
    assert lines[1].split()[:3] == ["name", "rmse", "mae"]
    assert lines[2].split()[0] == "model"


def test_html_shows_ids_as_text_and_not_as_markup():
    model = SMALL.fit([("<b>", "<i>x", 3.0), ("a", "<i>x", 1.0), ("a", "y", 2.0)])
    html = model.recommend("<b>", 3, seen=True)._repr_html_()
    assert "&lt;i&gt;x" in html
    assert "<i>" not in html


def test_a_batch_names_the_ids(model):
    batch = model.recommend_batch([1, 2], 40)
    items, scores = batch
    for row, user in enumerate([1, 2]):
        ids = [one.id for one in model.recommend(user, 40)]
        assert batch.ids[row].tolist() == ids + [None] * (40 - len(ids))
        assert batch.as_dict()[user] == ids
    assert items.shape == scores.shape == batch.ids.shape
    assert batch.user_ids.tolist() == [1, 2]


def test_somebody_new_is_asked_without_a_user(ratings):
    model = QUICK["bayes"].fit(ratings)
    assert model.ask(n=2) == model.ask(model.fold_in({}), 2)


def test_solvers_have_the_parameters_of_an_estimator():
    sklearn = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    assert sklearn.clone(SGD(factors=3), safe=False) == SGD(factors=3)


def test_settings_are_read_and_changed_by_name():
    solver = SGD(factors=3)
    assert type(solver)(**solver.get_params()) == solver
    assert solver.set_params(epochs=4) == SGD(factors=3, epochs=4)
    assert solver == SGD(factors=3)
    with pytest.raises(SettingsError, match="sgd has no setting 'depth': choose from factors"):
        solver.set_params(depth=3)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_a_new_item_is_folded_in_whatever_the_solver(name, ratings):
    model = QUICK[name].fit(ratings)
    users, values = ratings.by_item[7]
    profile = model.fold_in_item(dict(zip(model.users.ids[users].tolist(), values.tolist(), strict=True)))
    folded, fitted = model.predict(model.users.ids, profile), model.predict(model.users.ids, model.items.ids[7])
    if model.predicts == "choice":
        assert np.corrcoef(folded, fitted)[0, 1] > 0.8
    else:
        error, fitted_error = (np.sqrt(np.mean((some[users] - values) ** 2)) for some in (folded, fitted))
        assert error < 1.1 * fitted_error + 0.1


def test_odd_values_of_parameters_are_taken_or_refused_in_one_line():
    model = ALS(factors=2, sweeps=2).fit([(u, i, 1.0 + u * i % 5) for u in range(1, 9) for i in range(1, 9) if u != i])
    assert len(model.recommend(1, explore=np.float32(0.5), seed=np.int64(1), exclude=None)) == 1
    for wrong in ({"seed": -1}, {"seed": 1.5}, {"explore": np.nan}, {"explore": True}, {"least": "2"}, {"least": 0.5}):
        with pytest.raises(SettingsError):
            model.recommend(1, **wrong)
        with pytest.raises(SettingsError):
            model.recommend_batch([1], **wrong)
    assert model.predict(1, 2, at=np.datetime64("2001-01-31")) == model.predict(1, 2, at="2001-01-31")
    with pytest.raises(SettingsError, match="no moment"):
        model.predict(1, 2, at=np.datetime64("NaT"))


def test_batches_can_be_pickled_and_copied():
    model = ALS(factors=2, sweeps=2).fit([(u, i, 1.0 + u * i % 5) for u in range(1, 9) for i in range(1, 9) if u != i])
    batch = model.recommend_batch([1, 2], 2)
    for twin in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)):
        assert twin.as_dict() == batch.as_dict()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda rows, _: palate.read_ratings(rows, missing="NA"), "missing is a number, not 'NA'"),
        (lambda rows, _: palate.read_ratings(rows, separator=5), "separator is text"),
        (lambda rows, _: palate.read_ratings(rows, scale="1-5"), r"a rating scale is \(low, high\)"),
        (lambda rows, _: palate.read_ratings(rows, scale=(1, 2, 3)), r"a rating scale is \(low, high\)"),
        (lambda rows, _: palate.read_ratings(rows, user=1.0), "1.0 is no column for the user"),
        (lambda rows, _: palate.read_ratings(rows, user=True), "True is no column for the user"),
        (lambda rows, _: palate.k_fold(rows, "3"), "folds must be between 2 and .* not '3'"),
        (lambda rows, _: palate.load(None), "a model has a path, not an object of type NoneType"),
        (lambda _, model: palate.save("m.palate", model), r"an object of type str is no model: save\(model, path\)"),
        (lambda _, model: palate.save(model, None), "a model has a path, not an object of type NoneType"),
    ],
)
def test_arguments_of_a_wrong_type_are_told_in_one_line(call, match):
    rows = [(user, item, 1 + (user * item) % 5) for user in range(4) for item in range(4)]
    model = palate.solvers.Means().fit(palate.read_ratings(rows))
    with pytest.raises(palate.PalateError, match=match):
        call(rows, model)
