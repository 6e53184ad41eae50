"""Ctrl-C, at a moment that the test chooses: whatever was finished is kept, and nothing else is touched."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from palate import load

# The tests of a process wait for a condition; this only ends a test that would hang.
HANGING = 600

SOLVER = ("--solver", "sgd", "--factors", 4, "--epochs", 12, "--seed", 3)


@pytest.fixture
def press_ctrl_c(monkeypatch):
    """Make the progress display of a command send SIGINT to this process when `moment` says so of what it is shown."""
    # A shell that starts the tests in the background lets them ignore SIGINT.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)

    def at(display, moment):
        @contextmanager
        def progress(*_):
            yield lambda *shown: signal.raise_signal(signal.SIGINT) if moment(*shown) else None

        monkeypatch.setattr(display, progress)

    yield at
    signal.signal(signal.SIGINT, handler)


def test_recommending_to_all_leaves_the_former_file(palate, model, tmp_path, press_ctrl_c):
    output = tmp_path / "all.parquet"
    output.write_text("as it was")
    press_ctrl_c("palate.cli.recommend_all.counter", lambda done, of: list(tmp_path.glob(".*.tmp")))
    code, out, err = palate("recommend", model, "--all", "-n", 3, "-o", output)
    assert (code, out, err.strip()) == (130, "", "palate: interrupted")
    assert output.read_text() == "as it was"
    assert [entry.name for entry in tmp_path.iterdir()] == ["all.parquet"]


def test_a_fit_saves_what_was_reached_and_resume_goes_on(palate, answer, folder, tmp_path, press_ctrl_c):
    command = ("fit", folder / "ratings.csv", *SOLVER)
    press_ctrl_c("palate.cli.fit.epochs", lambda epoch: epoch.stage == "fit" and epoch.number == 2)
    code, out, err = palate(*command, "-o", tmp_path / "m", "--json")
    assert (code, json.loads(out)["training"]["interrupted"]) == (130, True)
    assert "--resume goes on" in err
    assert (tmp_path / "m.checkpoint").exists()
    assert len(load(tmp_path / "m").training["history"]) > 2
    press_ctrl_c("palate.cli.fit.epochs", lambda epoch: False)
    assert not answer(*command, "-o", tmp_path / "m", "--resume")["training"]["interrupted"]
    answer(*command, "-o", tmp_path / "straight")
    assert not (tmp_path / "m.checkpoint").exists()
    resumed, straight = load(tmp_path / "m"), load(tmp_path / "straight")
    assert (resumed.user_factors == straight.user_factors).all()


def test_a_pilot_does_not_replace_a_finished_model(palate, folder, tmp_path, press_ctrl_c):
    command = ("fit", folder / "ratings.csv", *SOLVER, "-o", tmp_path / "m")
    assert palate(*command)[0] == 0
    before = (tmp_path / "m").read_bytes()
    press_ctrl_c("palate.cli.fit.epochs", lambda epoch: epoch.stage == "pilot")
    code, _, err = palate(*command)
    assert (code, "is left as it was; --resume goes on" in err) == (130, True)
    assert (tmp_path / "m").read_bytes() == before
    assert (tmp_path / "m.checkpoint").exists()


def test_a_signal_from_outside_ends_the_fit_after_its_epoch(folder, tmp_path):
    endless = ["--regularization", "0.06", "--validation", "0", "--epochs", "1000000000", "--json"]
    command = [sys.executable, "-m", "palate", "fit", folder / "ratings.csv", "--solver", "sgd", *endless]
    command += ["-o", tmp_path / "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "m.checkpoint").exists():  # it appears while the fit runs
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANGING)
    assert (process.returncode, b"--resume goes on" in err) == (130, True)
    assert json.loads(out)["training"]["interrupted"]
    assert load(tmp_path / "m").training["interrupted"]
