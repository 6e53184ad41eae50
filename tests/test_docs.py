"""The manual is true: its commands run, its tables and help texts are those of the code.

PALATE_UPDATE_DOCS=1 rewrites docs/commands.md and the output of console blocks.
"""

import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import palate
from palate.cli.app import app, main
from palate.solvers import SOLVERS, settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UPDATE = bool(os.environ.get("PALATE_UPDATE_DOCS"))
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run(command, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    try:
        main()
    except SystemExit as finished:
        return finished.code or 0, capfd.readouterr().out
    return 0, capfd.readouterr().out


def shape(text):
    """A text without its numbers, which differ in time, and between machines, and without lines of jokes.

    Sums of BLAS differ in the last digits between processors; a chain makes whole numbers of that, and near ties swap.
    """
    lines = [line for line in text.splitlines() if not any(joke in line for joke in jokes())]
    return re.sub(r"[ ─━]+", " ", re.sub(r"[-+]?\d[\d,.]*(e-?\d+)?", "#", "\n".join(lines))).strip()


@cache
def jokes():
    _, catalogue = palate.datasets.load("sample")
    entries = catalogue.entries.values()
    return {entry.title for entry in entries} | {line for entry in entries for line in entry.text.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_blocks_show_what_the_commands_print(page, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    text = page.read_text()
    for block in BLOCK.findall(text):
        shown = []
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            if not command.startswith("palate "):
                continue  # make, pip: they are run elsewhere
            code, found = run(command, capfd, monkeypatch)
            assert code == 0, f"{command} in {page.name} exits {code}: {found}"
            found = "\n".join(line.rstrip() for line in found.replace(str(tmp_path), "/home/you").splitlines())
            shown.append(f"$ {command}\n{found.strip(chr(10))}\n")
            if not UPDATE:
                assert shape(found) == shape(expected), f"{command} in {page.name}"
        if UPDATE and shown:
            text = text.replace(block, "\n".join(shown))
    if UPDATE:
        page.write_text(text)


def helps():
    for name in app.list_commands(click.Context(app)):
        yield name, CliRunner().invoke(app, [name, "--help"], prog_name="palate", terminal_width=100).output


def test_the_reference_holds_the_help_of_every_command():
    top = CliRunner().invoke(app, ["--help"], prog_name="palate", terminal_width=100).output
    parts = [
        "# Commands\n\nWhat `--help` prints; tests keep this page and the program together.\n",
        f"```text\n{top}```\n",
    ]
    parts += [f"## palate {name}\n\n```text\n{text}```\n" for name, text in helps()]
    reference = ROOT / "docs" / "commands.md"
    if UPDATE:
        reference.write_text("\n".join(parts))
    assert reference.read_text() == "\n".join(parts), "run PALATE_UPDATE_DOCS=1 pytest tests/test_docs.py"


def test_every_command_and_option_has_help():
    for name, command in app.commands.items():
        assert command.help, name
        for parameter in command.get_params(click.Context(command)):
            assert isinstance(parameter, click.Argument) or parameter.help, f"{name} {parameter.name}"


def test_the_manual_lists_every_setting():
    text = (ROOT / "docs" / "solvers.md").read_text()
    for solver in SOLVERS.values():
        for setting in settings(type(solver)):
            row = f"| `{setting.name}` | {setting.default} | {setting.help} |"
            assert row in text, row


def test_every_public_name_is_in_the_manual():
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in palate.__all__ if not re.search(rf"\b{name}\b", text)] == []
