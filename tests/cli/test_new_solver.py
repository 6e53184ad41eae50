"""A solver of another package works on the command line under its own name, though nothing of palate mentions it."""

import json
import os
import subprocess
import sys

import pytest

SOLVER = '''
from dataclasses import dataclass, replace
from palate.solvers import Means, Solver, register, setting

@dataclass(frozen=True)
class TwoMeans(Solver):
    """The mean of the user plus the mean of the item."""

    name = "two-means"
    summary = "mean of the user plus mean of the item"
    decay: float = setting(10.0, "ratings on the mean that each row gets", least=0)

    def runner(self, session):
        self_, ratings = self, session.ratings
        class Fit:
            def go(self, resume):
                model = Means(users=self_.decay, items=self_.decay).fit(ratings)
                return replace(model, solver=self_.record(), training={"interrupted": False})
        return Fit()

register(TwoMeans())
'''

# Runs several commands in one process, since each start takes a second.
RUN = """
import json, sys
from palate.cli.app import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["palate", *arguments]
    try:
        main()
    except SystemExit as finished:
        assert not finished.code, arguments
    print("=====", flush=True)
"""


@pytest.fixture
def outputs(tmp_path):
    """Run commands where a package with the solver is installed; return what each prints."""
    package = tmp_path / "packages"
    metadata = package / "two_means-1.0.dist-info"
    metadata.mkdir(parents=True)
    (package / "two_means.py").write_text(SOLVER)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: two-means\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[palate.solvers]\ntwo-means = two_means\n")

    def run(*commands):
        paths = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps([[str(part) for part in command] for command in commands])],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.split("=====\n")[:-1]

    return run


def test_it_fits_saves_compares_and_is_fitted_anew(outputs, folder, tmp_path):
    ratings, model = folder / "ratings.csv", tmp_path / "m.palate"
    named = ("--solver", "two-means", "--decay", "3")
    shown, fit, info, recommended, judged, validated, compared, retrained = outputs(
        ["fit", "--help"],
        ["fit", ratings, "-o", model, *named, "--holdout", "0.1", "--json"],
        ["info", model],
        ["recommend", model, "--user", 5, "--json"],
        ["evaluate", model, ratings, "--json"],
        ["cross-validate", ratings, "--folds", 2, *named],
        ["compare", ratings, "--json", "--folds", 2, "--solvers", "two-means,sgd"],
        ["retrain", model, "--json"],
    )
    shown = "".join(shown.split())  # lines may break anywhere
    assert "two-means:meanoftheuserplusmeanoftheitem" in shown
    # Solvers differ in what this setting is: a switch of sgd, a number of the new one.
    assert "sgd:True;two-means:10.0" in shown
    assert json.loads(fit)["solver"] == {"name": "two-means", "decay": 3.0}
    assert json.loads(fit)["holdout"]["rmse"] > 0
    assert "two-means: decay 3.0" in info
    assert len(json.loads(recommended)["recommendations"]) == 10
    assert json.loads(judged)["rmse"] < json.loads(judged)["baselines"]["global mean"]["rmse"]
    assert "two-means" in validated
    assert {"two-means", "sgd"} < {solver["name"] for solver in json.loads(compared)["solvers"]}
    assert json.loads(retrained)["ratings"] > 0
