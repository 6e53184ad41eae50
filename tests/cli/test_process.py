"""The command as a process: completion, pipes, how it ends, and what a terminal shows."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_table_that_is_too_wide_goes_on_below(capfd, monkeypatch):
    from palate.cli.output import table

    monkeypatch.setenv("COLUMNS", "40")
    table("", ["", *(f"column {n}" for n in range(6))], [["name", *map(float, range(6))]])
    out = capfd.readouterr().out
    assert max(map(len, out.splitlines())) <= 40
    assert out.count("name") == 2
    assert [f"{n}.0000" in out for n in range(6)] == [True] * 6


def test_completion_scripts_are_printed(palate):
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = palate("completion", shell)
        assert code == 0
        assert "_PALATE_COMPLETE" in out
    environment = {
        **os.environ,
        "_PALATE_COMPLETE": "bash_complete",
        "COMP_WORDS": "palate fit --fact",
        "COMP_CWORD": "2",
    }
    program = os.path.join(os.path.dirname(sys.executable), "palate")
    if os.path.exists(program):
        run = subprocess.run([program], capture_output=True, text=True, env=environment, check=False)
        assert "--factors" in run.stdout


def test_a_closed_pipe_is_no_traceback(model):
    run = subprocess.run(
        f"{sys.executable} -m palate info {model} --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in run.stderr


def test_without_a_command_the_help_is_shown(palate):
    code, out, err = palate()
    assert (code, err) == (2, "")
    assert out.startswith("Usage: palate")
    assert "\n  fit " in out


def test_the_command_leaves_at_once_with_all_that_it_said(tmp_path):
    command = [sys.executable, "-m", "palate"]
    done = subprocess.run([*command, "datasets", "--json"], capture_output=True, check=True)
    assert json.loads(done.stdout)
    refused = subprocess.run([*command, "info", "nothing"], capture_output=True, check=False)
    assert refused.returncode == 2
    assert b"cannot be read" in refused.stderr
    if Path("/dev/full").exists():
        with open("/dev/full", "wb") as full:
            assert subprocess.run([*command, "datasets"], stdout=full, stderr=subprocess.PIPE, check=False).returncode
