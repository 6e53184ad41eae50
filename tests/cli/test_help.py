"""What `--help` shows can be read: a few options under each heading, and the same options as the command takes."""

import copy

import click
import pytest
from click.testing import CliRunner

from palate.cli import headings
from palate.cli.app import app

MOST = 14


def commands():
    for name, command in app.commands.items():
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())


ALL = dict(commands())


def sections(name):
    """Return heading → rows of what `--help` of a command prints."""
    text = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="palate", terminal_width=110).output
    found, heading = {}, ""
    for line in text.splitlines():
        if line[:1].isalpha() and line.endswith(":"):
            heading = line[:-1]
            assert heading not in found, heading
            found[heading] = []
        elif heading and line.startswith("  ") and line[2] != " ":
            found[heading].append(line.strip())
    return found


@pytest.mark.parametrize("name", ALL)
def test_no_heading_has_more_options_than_one_can_look_through(name):
    shown = sections(name)
    assert {heading: rows for heading, rows in shown.items() if len(rows) > MOST} == {}
    assert next(iter(shown)) == headings.OPTIONS


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_shown_once_and_has_a_help_text(name):
    options = [one for one in ALL[name].get_params(click.Context(ALL[name])) if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []
    rows = [row for heading, rows in sections(name).items() if heading != "Commands" for row in rows]
    flags = [
        next(word for word in row.replace(",", " ").split() if word.startswith("--") or word == "-n") for row in rows
    ]
    assert sorted(flags) == sorted(next((f for f in one.opts if f.startswith("--")), one.opts[0]) for one in options)


@pytest.mark.parametrize("name", ALL)
def test_every_command_answers_to_h_whoever_asks_first(name):
    command = copy.copy(ALL[name])
    command._help_option = None
    alone = command.get_help_option(click.Context(command))
    assert alone.opts == ["-h", "--help"]


def test_the_settings_of_one_solver_stand_apart_from_those_of_several():
    shown = {heading: " ".join(rows) for heading, rows in sections("fit").items()}
    assert list(shown)[:4] == [headings.OPTIONS, headings.MODEL, headings.READING, headings.ATTRIBUTES]
    assert "--factors" in shown[headings.MODEL]
    assert "--time-budget" in shown[headings.RUN]
    assert "--user-noise" in shown["Settings of --solver bayes"]
    assert "bayes:" not in shown["Settings of --solver bayes"]


def test_the_list_of_commands_is_in_groups_that_hold_each_command_once():
    shown = sections("")
    listed = [row.split()[0] for heading, rows in shown.items() if heading != headings.OPTIONS for row in rows]
    assert listed == list(app.commands)
    assert max(map(len, shown.values())) <= 6
