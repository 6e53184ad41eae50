"""A new solver is a class and a call of `register`; the whole package then knows it by its own name."""

import json
from dataclasses import dataclass, replace

import httpx
import pytest
from click.testing import CliRunner

import palate
from palate.cli.app import app
from palate.datasets import write_ratings
from palate.errors import SettingsError
from palate.solvers import SGD, SOLVERS, Solver, register, setting
from serving import Served
from tables import random_table


@dataclass(frozen=True)
class BriefSGD(Solver):
    name = "brief-sgd"
    summary = "a few passes of sgd"
    width: int = setting(4, "factors of each user and item", least=1)
    seed: int = setting(0, "of the first factors", least=0)

    def runner(self, session):
        return SGD(factors=self.width, epochs=3, regularization=0.1, validation=0, seed=self.seed).runner(session)


@pytest.fixture
def registered(monkeypatch):
    SOLVERS.compared()  # all others are there
    for name in ("_solvers", "_summaries", "_compared"):
        monkeypatch.setattr(SOLVERS, name, dict(getattr(SOLVERS, name)))
    register(BriefSGD())


@pytest.fixture
def command(tmp_path):
    write_ratings(random_table(), tmp_path / "ratings.csv")

    def run(*arguments):
        result = CliRunner().invoke(app, [str(part) for part in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.mark.usefixtures("registered")
def test_it_is_known_by_its_name_in_python():
    assert SOLVERS["brief-sgd"] == BriefSGD()
    assert SOLVERS.summary("brief-sgd") == "a few passes of sgd"
    assert "brief-sgd" in SOLVERS.compared()
    model = SOLVERS["brief-sgd"].fit(random_table())
    assert model.solver == {"name": "brief-sgd", "width": 4, "seed": 0}
    assert "brief-sgd" in repr(model)
    with pytest.raises(SettingsError, match="width must be at least 1, not 0"):
        replace(BriefSGD(), width=0).fit(random_table())


@pytest.mark.usefixtures("registered")
def test_it_fits_saves_loads_compares_and_serves_on_the_command_line(command, tmp_path):
    ratings, file = tmp_path / "ratings.csv", tmp_path / "model.palate"
    assert "brief-sgd: a few passes of sgd" in " ".join(command("fit", "--help").split())
    fit = command("fit", ratings, "-o", file, "--solver", "brief-sgd", "--width", 6, "--holdout", 0.1, "--json")
    assert json.loads(fit)["solver"] == {"name": "brief-sgd", "width": 6, "seed": 0}
    assert "brief-sgd" in command("info", file)
    model = palate.load(file)
    assert (model.solver["name"], model.predicts, model.factors) == ("brief-sgd", "rating", 6)
    assert len(json.loads(command("recommend", file, "--user", 5, "--json"))["recommendations"]) == 10
    assert "brief-sgd" in command("compare", ratings, "--solvers", "brief-sgd,als", "--quiet")
    with Served(tmp_path) as service:  # by `palate serve`, in a process that has not registered the solver
        assert httpx.get(f"{service.url}/v1/model").json()["solver"]["name"] == "brief-sgd"
        assert len(httpx.get(f"{service.url}/v1/users/5/recommendations").json()["recommendations"]) == 10


@pytest.mark.usefixtures("registered")
def test_a_name_is_given_once():
    register(BriefSGD())  # the same again is no trouble
    with pytest.raises(SettingsError, match="a solver named 'brief-sgd' exists already"):
        register(BriefSGD(width=9))
    register(BriefSGD(width=9), "brief-sgd-9", compared=False)
    assert "brief-sgd-9" in SOLVERS
    assert "brief-sgd-9" not in SOLVERS.compared()
