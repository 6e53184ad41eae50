"""What terminals, their encodings and the environment do to the command."""

import os
import signal
import subprocess
import sys
import time

import pytest

import palate as package
from palate.catalogue import Catalogue


def command(*arguments, **more):
    """Run the command in a process of its own, with more variables in its environment."""
    line = [sys.executable, "-m", "palate", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, env={**os.environ, **more}, timeout=120, check=False)


@pytest.mark.parametrize("value", ["0", "-3", "many", "2.5"])
@pytest.mark.parametrize("variable", ["NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"])
def test_an_impossible_number_of_threads_is_told_in_one_line(folder, variable, value):
    done = command("check", folder / "ratings.csv", **{variable: value})
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert variable in line
    assert repr(value) in line


def test_python_too_is_told_of_an_impossible_number_of_threads():
    code = "import palate; palate.read_ratings([(1, 2, 3)])"
    environment = {**os.environ, "POLARS_MAX_THREADS": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert b"SettingsError: the environment variable POLARS_MAX_THREADS is '0'" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_output_has_the_encoding_of_the_terminal(model, encoding):
    done = command("recommend", model, "--user", 1, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert "?" not in text
    assert "Joke" in text


def test_what_an_encoding_lacks_is_spelled_with_what_it_has(monkeypatch):
    import io

    from palate.cli.encoding import write_what_the_terminal_can_show

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    write_what_the_terminal_can_show()
    print("0.04 … 0.06 → λ × 日", end="", flush=True)
    assert written.getvalue() == b"0.04 ... 0.06 -> lambda x ?"


@pytest.mark.parametrize("columns", [1, 20, 30])
def test_a_narrow_terminal_keeps_ids(capfd, monkeypatch, columns):
    from palate.cli.output import table

    monkeypatch.setenv("COLUMNS", str(columns))
    ids = [f"customer-{number}" for number in range(1000, 1003)]
    table("", ["id", "predicted", "ratings", "title"], [[id, "4.12", "1,234", "A long title"] for id in ids])
    table("", ["id", "predicted", "ratings"], [[id, "4.12", "1,234"] for id in ids])
    out = capfd.readouterr().out
    assert [out.count(id) >= 2 for id in ids] == [True] * 3
    assert out.count("4.12") == 6


@pytest.mark.parametrize("columns", [40, 60])
def test_a_wide_table_with_titles_keeps_to_a_narrow_terminal(capfd, monkeypatch, columns):
    from rich.cells import cell_len

    from palate.cli.output import table

    monkeypatch.setenv("COLUMNS", str(columns))
    names = ["id", "interest", "predicted", "90% from", "to", "chance of choice", "title"]
    rows = [[id, "4.7%", "3.01", "1.00", "5.00", "12.9%", f"{title} and more of it"] for id, title in
            (("7", "Item"), ("日本語の名前", "映画のとても長い題名がここにある"))]  # fmt: skip
    table("Lists for 18 users from the whole catalogue, where 4 or more is liked", names, rows)
    lines = capfd.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert "".join(lines).count("日本語の名前") >= 2
    assert [name for name in names[1:] if not any(name in line for line in lines)] == []


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the files")
def test_closed_outputs_do_not_stop_the_work(model):
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&-"):
        line = f"'{sys.executable}' -m palate recommend '{model}' --user 1 {closed}"
        done = subprocess.run(line, shell=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_output_is_named_and_a_full_standard_error_keeps_the_exit_code(model):
    command = [sys.executable, "-m", "palate", "recommend", str(model), "--user"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*command, "1"], stdout=full, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr.count(b"output cannot be written")) == (2, 1)
        done = subprocess.run([*command, "nobody"], stdout=subprocess.PIPE, stderr=full, check=False)
        assert done.returncode == 2


def test_a_warning_of_python_is_one_line(monkeypatch, palate):
    import warnings

    from palate.cli import app

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def warn():
        warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(app, "require_thread_count", lambda _: warn())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", None)
        code, _, err = palate("datasets")
    assert (code, err) == (0, "palate: two lines\n" * 2)


def test_ctrl_c_that_an_import_turned_into_another_error_prints_no_traceback():
    code = """
import palate.cli, palate.cli.app
def interrupted():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise RuntimeError("Error calling __set_name__") from error
palate.cli.app.run = interrupted
palate.cli.run()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "palate: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches all processes of a console there")
@pytest.mark.parametrize("wait", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
def test_ctrl_c_during_imports_prints_no_traceback(folder, wait):
    # The process says when Python has started and found palate: an earlier Ctrl-C never reaches palate.
    code = "import sys; from palate.cli import run; sys.stdout.write('x'); sys.stdout.flush(); run()"
    line = [sys.executable, "-c", code, "fit", str(folder / "ratings.csv"), "-o", str(folder / "no.palate"), "-q"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    time.sleep(wait + 0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert b"Traceback" not in err
    assert process.returncode in (0, 130)


def test_only_the_titles_that_are_written_are_made(tmp_path, monkeypatch):
    made = []
    title = Catalogue.title
    monkeypatch.setattr(Catalogue, "title", lambda self, id: made.append(id) or title(self, id))
    rows = [(user, item, (user * item) % 5) for user in range(9) for item in range(200) if (user + item) % 3]
    model = package.SGD(epochs=1).fit(package.read_ratings(rows))
    model.recommend_all(tmp_path / "all.parquet", 2, titles=True)
    assert 0 < len(made) <= 2 * 9
    assert len(set(made)) == len(made)
