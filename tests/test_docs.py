"""The manual is true: its commands run, its tables and help texts are those of the code.

PALATE_UPDATE_DOCS=1 rewrites docs/commands.md and the output of console blocks.
"""

import os
import re
import shlex
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import draw_architecture
import palate
from import_graph import Source
from palate.cli.app import app, main
from palate.solvers import SOLVERS, settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UPDATE = bool(os.environ.get("PALATE_UPDATE_DOCS"))
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
# A file that the reader of a page makes.
FILE = re.compile(r"cat > (\S+) <<END\n(.*?)END\n", re.DOTALL)


def run(command, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    try:
        main()
    except SystemExit as finished:
        return finished.code or 0, capfd.readouterr().out
    return 0, capfd.readouterr().out


def shape(text):
    """Return a text without its numbers, which differ between runs and machines, and without lines of jokes.

    Sums of BLAS differ in the last digits between processors. A chain makes large differences of that, and near ties swap.
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
        shown, ran = [], 0
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            if not command.startswith("palate "):
                if written := FILE.match(part):
                    (tmp_path / written[1]).write_text(written[2])
                shown.append(f"$ {part.rstrip()}\n")
                continue  # make, pip: they are run elsewhere
            ran += 1
            code, printed = run(command, capfd, monkeypatch)
            assert code == 0, f"{command} in {page.name} exits {code}: {printed}"
            printed = "\n".join(line.rstrip() for line in printed.replace(str(tmp_path), "/home/you").splitlines())
            shown.append(f"$ {command}\n{printed.strip(chr(10))}\n")
            if not UPDATE:
                assert shape(printed) == shape(expected), f"{command} in {page.name}"
        if UPDATE and ran:
            text = text.replace(block, "\n".join(shown))
    if UPDATE:
        page.write_text(text)


def readme_table():
    """The table of the README, from the figures of docs/accuracy.md."""
    solvers = {
        "BayesianMF": "BayesianMF (the default)",
        "SGD": "SGD, k = 16 (its default)",
        "bias only": "bias only",
        "the article": "the article's configuration",
    }
    figures, data = {}, ""
    for line in (ROOT / "docs" / "accuracy.md").read_text().splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if (
            line.startswith("|")
            and len(cells) == 7
            and cells[1] in solvers.values()
            and re.match(r"\d\.\d{4}", cells[2])
        ):
            data = cells[0] or data
            figures.setdefault(data, {})[cells[1]] = f"{float(cells[2][:6]):.3f}"
    lines = [f"| RMSE, means over splits, defaults | {' | '.join(solvers)} |", "|---|" + "---|" * len(solvers)]
    for data, row in figures.items():
        lines.append(f"| {data} | {' | '.join(row.get(name, '–') for name in solvers.values())} |")
    return "\n".join(lines)


def test_the_readme_shows_the_figures_of_the_accuracy_page():
    path = ROOT / "README.md"
    text = path.read_text()
    if UPDATE:
        text = re.sub(r"\| RMSE, means over splits(.*\n\|)*.*", lambda _: readme_table(), text)
        path.write_text(text)
    assert readme_table() in text, "run PALATE_UPDATE_DOCS=1 pytest tests/test_docs.py"


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


def test_the_page_on_the_architecture_shows_the_imports_of_today():
    assert draw_architecture.is_current(), "run python docs/draw_architecture.py"


def test_a_new_import_makes_the_drawing_another_one(tmp_path):
    source = Path(shutil.copytree(draw_architecture.PACKAGE, tmp_path / "palate"))
    (source / "splits.py").write_text("from palate.frame_files import writing_frame\n")
    before, after = (draw_architecture.drawing(Source(root)) for root in (draw_architecture.PACKAGE, source))
    assert set(after.splitlines()) - set(before.splitlines()) >= {"  splits --> frame_files"}


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_file_and_module_that_a_page_names_exists(name):
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    named = re.findall(r"`([^`\n]+)`", text) + re.findall(r"\]\(([^)#:]+)[^)]*\)", text)
    missing = [path for path in named if _is_path(path) and not _exists(path, (ROOT / name).parent)]
    modules = [module for module in named if re.fullmatch(r"palate(\.[a-z_]+)+", module)]
    missing += [module for module in modules if find_spec(module) is None]
    assert missing == []


def _is_path(text):
    return (
        re.fullmatch(r"[\w./*-]+", text)
        and "NAME" not in text
        and "JOB" not in text
        and ("/" in text or text.endswith((".md", ".py")))
    )


def _exists(path, folder):
    inside = (ROOT, folder, ROOT / "src/palate/datasets", ROOT / "benchmarks/peers")
    return path.endswith("/") or any(
        any(root.glob(path)) if ".." not in path else (root / path).exists() for root in inside
    )
