"""Contributions against the truth: what a prediction loses when a rating is left out and the user is folded in again."""

import dataclasses

import numpy as np
import pytest

from palate.datasets import make_ratings
from palate.errors import SettingsError
from palate.model import row_solve
from palate.reading import read_ratings
from palate.solvers import SOLVERS
from tables import random_table

MATCH = 0.85
# The default solver, without the sweeps that only its accuracy needs.
QUICK = {**SOLVERS, "bayes": dataclasses.replace(SOLVERS["bayes"], sweeps=30, times=False)}
pytestmark = pytest.mark.usefixtures("short_pilots")
TABLES = {"ml-100k": "ml-100k/u.data", "jester": "jester/jester5k_ratings.dat"}


def rated(model, user):
    items, values = model.seen[user]
    return dict(zip(model.items.ids[items].tolist(), values.tolist(), strict=True))


def score(model, profile, item):
    index = model.items.require(item)
    if model.choice is not None and model.predicts == "choice":
        return float(model.choice_scores(profile)[index])
    product = model.item_factors[index].astype(float) @ profile.factors
    return model.intercept + model.item_bias[index] + profile.bias + product


def agreement(model, users, seed=0):
    """The correlation of contributions with the effects of leaving ratings out: one number for each user."""
    rng, found = np.random.default_rng(seed), []
    for user in rng.choice(len(model.users), users, replace=False).tolist():
        given = rated(model, user)
        item = model.recommend(model.users[user], 1, seen=len(given) == len(model.items))[0].id
        parts = {part.item: part.contribution for part in model.explain(model.users[user], item).contributions}
        some = rng.permutation(list(given))[:60].tolist()  # of the heaviest users; all of most
        whole = score(model, model.fold_in(given), item)
        effects = [
            whole - score(model, model.fold_in({other: given[other] for other in given if other != one}), item)
            for one in some
        ]
        contributions = [parts[one] for one in some]
        if np.std(effects) > 0 and np.std(contributions) > 0:
            found.append(np.corrcoef(effects, contributions)[0, 1])
    return np.array(found)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_contributions_are_what_leaving_ratings_out_changes(name):
    # Nothing is to be learnt from choices that were drawn: the search would take so large a penalty that leaving a
    # choice out mostly lowers the penalty. So its settings are given.
    given = {"regularization": 0.01, "unobserved": 0.3} if name == "implicit" else {}
    model = dataclasses.replace(QUICK[name], **given).fit(make_ratings(users=150, items=60, ratings=3000, seed=3))
    found = agreement(model, 30)
    assert len(found) >= 25
    assert np.median(found) >= MATCH


@pytest.mark.parametrize("name", list(SOLVERS))
@pytest.mark.parametrize("table", TABLES)
def test_contributions_are_faithful_on_published_ratings(data, table, name):
    model = QUICK[name].fit(read_ratings(data / TABLES[table]))
    found = agreement(model, 100)
    assert len(found) >= 90
    assert np.median(found) >= MATCH


@pytest.mark.parametrize("name", ["bayes", "sgd", "als"])
def test_fitted_users_have_the_contributions_of_those_who_are_folded_in(name):
    model = QUICK[name].fit(random_table())
    folded = model.explain(model.fold_in(rated(model, 4)), 105)
    fitted = model.explain(5, 105)
    assert fitted.contributions == folded.contributions
    assert fitted.intercept == folded.intercept
    assert folded.remainder == pytest.approx(0, abs=1e-5)
    assert fitted.remainder == pytest.approx(fitted.prediction - folded.prediction, abs=1e-5)


def test_shares_sum_to_the_solution_also_where_factors_are_not_negative():
    rng = np.random.default_rng(2)
    for nonnegative in (False, True):
        factors, residuals = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=9)
        penalty = row_solve.RidgePenalty(0.3, 0.5, by_count=True, nonnegative=nonnegative)
        prior = penalty.row_prior(np.zeros(9, np.float32), 4, None)
        bias, solution, _ = row_solve.solve_row(factors, residuals, prior)
        before, shares = row_solve.split_row(factors, residuals, prior)
        np.testing.assert_allclose(before + shares.sum(axis=0), np.append(solution, bias), atol=1e-6)


def test_many_items_are_explained_as_one_is_and_with_one_solve(monkeypatch):
    model, solves = QUICK["bayes"].fit(random_table()), []
    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda *given: solves.append(1) or solve(*given))
    items = [one.id for one in model.recommend(5, 10, by="prediction")]
    together = model.explain(5, items)
    assert len(solves) == 1
    for item, explanation in zip(items, together, strict=True):
        alone = model.explain(5, item)
        assert explanation.item == item
        assert explanation.prediction == pytest.approx(alone.prediction)
        assert [part.item for part in explanation.contributions] == [part.item for part in alone.contributions]
    solves.clear()
    reasons = model.reasons(5, items, 2)
    assert len(solves) == 1
    for explanation, best in zip(together, reasons, strict=True):
        speaking = sorted((part for part in explanation.contributions if part.contribution > 0), key=lambda p: -p[2])
        assert best == speaking[:2]
    assert model.explain(5, []) == model.reasons(5, []) == []
    with pytest.raises(SettingsError, match="n must be an integer"):
        model.reasons(5, items, 0)
