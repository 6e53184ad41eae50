"""The group of commands, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from contextlib import suppress
from itertools import chain
from typing import Any

import click

import palate
from palate.cli.ask import ask
from palate.cli.compare import compare
from palate.cli.data import check, datasets, fetch
from palate.cli.demo import demo
from palate.cli.encoding import replace_closed_outputs, write_what_the_terminal_can_show
from palate.cli.evaluate import cross_validate, evaluate
from palate.cli.explain import explain
from palate.cli.fit import fit
from palate.cli.headings import Group, command
from palate.cli.info import info
from palate.cli.interruption import is_interruption
from palate.cli.predict import predict
from palate.cli.recommend import recommend
from palate.cli.serve import keys, retrain, serve
from palate.cli.similar import similar
from palate.cli.tune import tune
from palate.cli.update import update
from palate.environment import require_thread_count
from palate.errors import PalateError, PalateWarning

__all__ = ["app", "main", "run"]

_BUG, _USAGE, _INTERRUPTED = 1, 2, 130


class _App(Group):
    """The group of all commands, under headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        room = formatter.width - 6 - max(map(len, self.commands))
        for heading, members in _COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(str(one.name), one.get_short_help_str(room)) for one in members])


@click.group(cls=_App, context_settings={"max_content_width": 110})
@click.version_option(palate.__version__, prog_name="palate")
def app() -> None:
    """Recommend from ratings: fit a model, ask it, judge it.

    RATINGS is a file, a database URL with --query, or the name of a data set (see `palate datasets`). Commands that
    answer take --json. Start with `palate demo`.
    """


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes palate's commands in a shell.

    For bash: palate completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - the choices above are click's own
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(app, {}, "palate", "_PALATE_COMPLETE").source())


_COMMANDS: dict[str, tuple[click.Command, ...]] = {
    "Start": (demo, check, fit),
    "Ask a model": (recommend, predict, similar, explain, ask, info),
    "Judge and improve": (evaluate, cross_validate, compare, tune),
    "Add ratings": (update, retrain),
    "Serve": (serve, keys),
    "Data sets, and the shell": (datasets, fetch, completion),
}
for _command in chain.from_iterable(_COMMANDS.values()):
    app.add_command(_command)


def run() -> None:
    """Run the command as `main` does, and end the process at once when the work is done.

    Python would first take every object of Numba and Polars apart, which takes a tenth of a second and more. Where
    another thread still works, or the output cannot be written, the process ends in the usual way.
    """
    try:
        main()
        if threading.active_count() == 1:
            os._exit(0)
    finally:
        gc.freeze()  # the last collections need not walk through all objects either


def main() -> None:
    """Run the command: exit 0, 2 for anything that the caller can mend, 130 after Ctrl-C."""
    # Importing makes many objects and no garbage: looking for it less often saves a tenth of the start.
    gc.set_threshold(200_000)
    replace_closed_outputs()
    write_what_the_terminal_can_show()
    warnings.showwarning = _show_warning
    warnings.simplefilter("ignore", PalateWarning)  # the commands print what they warn of
    sys.unraisablehook = _ignore_interruption
    try:
        require_thread_count("NUMBA_NUM_THREADS")
        require_thread_count("POLARS_MAX_THREADS")
        app(standalone_mode=False, prog_name="palate")
        sys.stdout.flush()
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(_USAGE)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        help = f" (see {context.command_path} --help)" if context else ""
        _complain(f"palate: {' '.join(error.format_message().split())}{help}")
        sys.exit(_USAGE)
    except (click.Abort, KeyboardInterrupt):
        _complain("palate: interrupted")
        sys.exit(_INTERRUPTED)
    except PalateError as error:
        _complain(f"palate: {' '.join(str(error).split())}")
        sys.exit(_USAGE)
    except MemoryError:
        _complain("palate: not enough memory for this")
        sys.exit(_USAGE)
    except OSError as error:  # a full or closed standard output, a folder that may not be looked into
        where = "" if error.filename else "output cannot be written: "
        _complain(f"palate: {where}{error}")
        sys.exit(_USAGE)
    except Exception as error:
        if is_interruption(error):
            _complain("palate: interrupted")
            sys.exit(_INTERRUPTED)
        if "PALATE_TRACEBACK" in os.environ:
            raise
        message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _complain(
            f"palate: this should not have happened: {message} (PALATE_TRACEBACK=1 shows where; please report it)"
        )
        sys.exit(_BUG)


def _complain(message: str) -> None:
    """Say on standard error why the command ends; if that cannot be written, the exit code says it alone."""
    with suppress(OSError):
        click.echo(message, err=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"palate: {' '.join(str(message).split())}", err=True)


def _ignore_interruption(unraisable: Any) -> None:
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
