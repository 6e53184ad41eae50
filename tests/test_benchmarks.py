"""The benchmarks run, without peers and on small tables. How fast anything is says nothing here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """Modules of benchmarks/ can be imported."""
    monkeypatch.syspath_prepend(str(FOLDER))


def run(*arguments):
    command = [sys.executable, FOLDER / "run.py", *arguments]
    # Java need not compile to fast code what runs once.
    environment = os.environ | {"PALATE_BENCH": str(arguments[-1]), "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)


def test_every_job_runs_short(tmp_path):
    done = run("--short", "--peers", "pandas", "--output", tmp_path)
    assert not done.returncode, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert {result["case"]["job"] for result in results.values()} == {
        path.stem for path in FOLDER.glob("jobs/[a-z]*.py")
    }
    for name, result in results.items():
        if "skipped" not in result:
            ours, *peers = result["contenders"].values()
            if ours.get("skipped") == "benchmarks/ranking.py is missing":
                continue
            assert [seconds > 0 for seconds in ours["seconds"]] == [True], name
            assert all("seconds" in peer or peer["skipped"] for peer in peers), name


def test_contenders_take_turns_in_processes_of_their_own(tmp_path):
    done = run("sgd", "--factors", 5, "--ratings", 20_000, "--repeats", 2, "--peers", "libmf", "--output", tmp_path)
    assert not done.returncode, done.stderr
    result = json.loads((tmp_path / "results.json").read_text())["sgd, k = 5, 0.02M"]
    assert [len(result["contenders"][name].get("seconds", [])) for name in ("palate", "LIBMF")] == [2, 0]
    assert result["contenders"]["LIBMF"]["skipped"] == "it is not compiled"
    assert 0.7 < result["contenders"]["palate"]["score"] < 1


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_run_that_is_ended_leaves_no_process_behind(tmp_path):
    command = [
        FOLDER / "run.py",
        "sgd",
        "--ratings",
        "20000",
        "--repeats",
        "100000",
        "--peers",
        "none",
        "--output",
        tmp_path,
    ]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while len(started := children.read_text().split()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    process.wait(30)
    assert len(started) == 2
    while any(Path("/proc", child).exists() for child in started) and time.monotonic() < deadline:
        time.sleep(0.05)  # they are ended, and gone a moment later
    assert not [child for child in started if Path("/proc", child).exists()]


def test_the_same_objective_whoever_computes_it(benchmarks):
    from data import Table
    from jobs.ials import CONFIDENCE, REGULARIZATION, objective

    rng = np.random.default_rng(0)
    chosen = rng.random((7, 5)) < 0.4
    users, items = rng.normal(size=(7, 3)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    scores = users @ items.T
    expected = (CONFIDENCE * (1 - scores[chosen]) ** 2).sum() + (scores[~chosen] ** 2).sum()
    expected += REGULARIZATION * ((users**2).sum() + (items**2).sum())
    table = Table(*np.nonzero(chosen), np.ones(chosen.sum()), 7, 5)
    assert objective(table, users, items) == pytest.approx(expected / chosen.sum())


def test_palates_implicit_objective_is_that_of_implicit(benchmarks):
    """Rendle's objective at the scaled settings, and the other one, differ by a factor and a constant."""
    from data import Table
    from jobs.ials import REGULARIZATION, SHARE, UNOBSERVED, objective

    rng = np.random.default_rng(0)
    chosen = rng.random((7, 5)) < 0.4
    table = Table(*np.nonzero(chosen), np.ones(chosen.sum()), 7, 5)
    values = []
    for _ in range(3):
        users, items = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
        scores = users @ items.T
        ours = ((1 - scores[chosen]) ** 2).sum() + UNOBSERVED * (scores**2).sum()
        ours += REGULARIZATION * SHARE * UNOBSERVED * ((users**2).sum() + (items**2).sum())
        values.append((ours, objective(table, users / SHARE**0.5, items / SHARE**0.5) * chosen.sum()))
    ours, theirs = np.diff(values, axis=0).T
    assert theirs == pytest.approx(ours / (UNOBSERVED * SHARE**2))


def test_results_are_written_between_the_markers_only(benchmarks, tmp_path, monkeypatch):
    import report
    from jobs import jobs

    page = tmp_path / "page.md"
    page.write_text(f"by hand\n{report.BEGIN}\nold\n{report.END}\nmore\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PLOT", tmp_path / "page.svg")
    monkeypatch.setattr(report, "RECORD", tmp_path / "page.json")
    case = {"job": "sgd", "factors": 16, "ratings": 100, "data": "synthetic", "must": 1.3, "aim": 2.0}
    contenders = {
        "palate": {"passes": [20], "seconds": [1.0, 2.0, 1.0], "score": 0.7},
        "LIBMF": {"passes": [20], "seconds": [3.0, 2.0, 4.0], "score": 0.8},
        "Surprise": {"passes": [20], "skipped": "not installed"},
        "limit: matrix product": {"passes": [1], "seconds": [0.5, 0.5, 0.5]},
    }
    result = {"case": case, "machine": report.machine(2), "contenders": contenders}
    report.write({"sgd, k = 16, 10M": result}, jobs())
    text = page.read_text()
    assert text.startswith("by hand\n")
    assert text.endswith("\nmore\n")
    assert "old" not in text
    assert "| sgd, k = 16, 10M | LIBMF | **3.00** (1.00 to 4.00) | 1.3, 2 | 2.00 |" in text
    assert "| LIBMF | 3 | 2 | 4 | 3.00 (1.00 to 4.00) | 0.8000 | 20 |" in text
    assert "| Surprise | not installed |" in text
