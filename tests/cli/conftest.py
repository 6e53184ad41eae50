"""The command in this process, a table, and models of it."""

import json
import subprocess
import sys

import pytest

from palate import BayesianMF, read_ratings, save
from palate.cli.app import main
from palate.datasets import write_ratings
from tables import random_table

ITEMS = "id,title,text\n" + "".join(f"{i},Joke {i},Why {i}?\n" for i in range(100, 140)) + "999,Never told,\n"


@pytest.fixture
def palate(capfd, monkeypatch):
    """Run the command in this process; return exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["palate", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as finished:
            code = finished.code or 0
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def answer(palate):
    """Run the command with --json and return the values that it prints."""

    def run(*arguments, code=0):
        actual, out, err = palate(*arguments, "--json")
        assert actual == code, err
        return json.loads(out)

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with ratings.csv and items.csv."""
    folder = tmp_path_factory.mktemp("cli")
    write_ratings(random_table(), folder / "ratings.csv")
    (folder / "items.csv").write_text(ITEMS)
    return folder


@pytest.fixture(scope="session")
def model(folder):
    """A model file, made by the command in a process of its own."""
    command = ["fit", folder / "ratings.csv", "--items", folder / "items.csv", "-o", folder / "m.palate"]
    options = ["--solver", "sgd", "--epochs", "5", "--scale", "1", "5"]
    subprocess.run([sys.executable, "-m", "palate", *command, *options], check=True, capture_output=True)
    return folder / "m.palate"


@pytest.fixture(scope="session")
def sure(folder):
    """A file of a model that knows how sure it is."""
    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    save(BayesianMF(factors=3, sweeps=30, **plain).fit(read_ratings(folder / "ratings.csv")), folder / "sure.palate")
    return folder / "sure.palate"
