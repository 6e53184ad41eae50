"""The solver that CONTRIBUTING.md shows works, as it is written there, in a copy of palate."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python in a copy of palate to which the files of the page were added; returns what it prints."""
    folder = tmp_path_factory.mktemp("palate")
    shutil.copytree(ROOT / "src", folder / "src")  # with the compiled kernels
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "tables.py", folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_page_shows_a_whole_solver() -> None:
    folder = "src/palate/solvers/item_median"
    shown = [f"{folder}/__init__.py", f"{folder}/settings.py", f"{folder}/fit.py", "tests/test_item_median.py"]
    assert [name for name, _ in FILES] == shown


def test_its_test_passes(run: Run) -> None:
    assert "1 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_item_median.py")


def test_the_command_line_knows_it(run: Run) -> None:
    run("-m", "palate", "fit", "sample", "--solver", "item-median", "--least", "5", "-o", "median.palate", "--quiet")
    assert '"solver"' in run("-m", "palate", "info", "median.palate", "--json")
    assert "user 5 on item 77" in run("-m", "palate", "predict", "median.palate", "--user", "5", "--item", "77")


def test_the_hosted_matrix_has_what_the_classifiers_claim() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    matrix = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    versions = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)
    systems = re.findall(r'"Operating System :: .*?(\w+)"', text)
    runners = {"Linux": "ubuntu-latest", "MacOS": "macos-latest", "Windows": "windows-latest"}
    assert versions
    assert systems
    assert set(versions) <= set(re.findall(r'"(3\.\d+)"', matrix.partition("python: [")[2].partition("]")[0]))
    assert {runners[system] for system in systems} <= set(re.findall(r"\w+-latest", matrix.partition("os: [")[2]))
