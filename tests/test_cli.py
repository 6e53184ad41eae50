"""The command, as a user meets it: what it prints, and how it fails."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palate.cli.app import main
from palate.datasets import write_ratings
from tables import random_table

ITEMS = "id,title,text\n" + "".join(f"{i},Joke {i},Why {i}?\n" for i in range(100, 140)) + "999,Never told,\n"


def exit_code(main):
    try:
        main()
    except SystemExit as finished:
        return finished.code or 0
    return 0


@pytest.fixture
def palate(capfd, monkeypatch):
    """Run the command in this process; return exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["palate", *map(str, arguments)])
        code = exit_code(main)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def answer(palate):
    """Run the command with --json and return what it says."""

    def run(*arguments, code=0):
        found, out, err = palate(*arguments, "--json")
        assert found == code, err
        return json.loads(out)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_ratings(random_table(), folder / "ratings.csv")
    (folder / "items.csv").write_text(ITEMS)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    command = [
        "fit",
        folder / "ratings.csv",
        "--items",
        folder / "items.csv",
        "-o",
        folder / "m.palate",
        "--solver",
        "sgd",
        "--epochs",
        "5",
    ]
    subprocess.run([sys.executable, "-m", "palate", *command, "--scale", "1", "5"], check=True, capture_output=True)
    return folder / "m.palate"


def test_fit_reports_and_saves(answer, folder, tmp_path):
    output = tmp_path / "m.palate"
    found = answer(
        "fit", folder / "ratings.csv", "--items", folder / "items.csv", "-o", output, "--factors", 4, "--seed", 3,
        "--threads", 2, "--holdout", 0.1, "--solver", "sgd", "--epochs", 8, "--no-biases",
    )  # fmt: skip
    assert output.stat().st_size == found["bytes"]
    assert found["solver"]["factors"] == 4
    assert found["solver"]["seed"] == 3
    assert found["solver"]["biases"] is False
    assert found["users"] == 60
    assert found["items"] == 40
    assert found["rows_per_epoch"] == found["ratings"]
    assert 0 < found["holdout"]["rmse"] < 2
    assert set(found["holdout"]["baselines"]) == {"global mean", "item mean", "user mean", "bias only"}
    assert answer("info", output)["training"]["holdout"] == found["holdout"]
    assert not output.with_name("m.palate.checkpoint").exists()


def test_fit_prints_tables_for_people(palate, folder, tmp_path):
    code, out, err = palate(
        "fit", folder / "ratings.csv", "-o", tmp_path / "m", "--holdout", 0.2, "--solver", "sgd", "--epochs", 3
    )
    assert code == 0
    assert "60 users" in out
    assert "bias only" in out
    assert "Saved" in out
    assert "training RMSE" in err


def test_the_article_is_a_solver(answer, folder, tmp_path):
    found = answer("fit", folder / "ratings.csv", "-o", tmp_path / "m", "--solver", "article", "--epochs", 2)
    assert (found["solver"]["batch_size"], found["solver"]["epochs"]) == (64, 2)


def test_a_model_of_choices_recommends_and_has_no_errors(palate, answer, folder, tmp_path):
    found = answer("fit", folder / "ratings.csv", "-o", tmp_path / "m", "--solver", "implicit", "--factors", 3)
    assert (found["solver"]["name"], found["scale"], found["training"]["sweeps"]) == ("implicit", [0, 1], 15)
    assert answer("recommend", tmp_path / "m", "--rated", "101=5")
    code, _, err = palate("evaluate", tmp_path / "m", folder / "ratings.csv")
    assert (code, "not ratings" in err) == (2, True)


def test_the_questions_of_the_article(answer, model):
    found = answer("predict", model, "--user", 5, "--item", 107)
    assert 1 <= found["prediction"] <= 5
    assert found["title"] == "Joke 107"
    assert found["text"] == "Why 107?"
    best = answer("recommend", model, "--user", 5, "-n", 3)["recommendations"]
    worst = answer("recommend", model, "--user", 5, "-n", 3, "--lowest")["recommendations"]
    assert best[0]["prediction"] >= best[2]["prediction"] >= worst[2]["prediction"] >= worst[0]["prediction"]
    assert best[0]["title"] == f"Joke {best[0]['item']}"
    similar = answer("similar", model, "--item", 107, "-n", 4)["similar"]
    assert len(similar) == 4
    assert 107 not in {one["item"] for one in similar}
    assert similar[0]["similarity"] >= similar[3]["similarity"]
    assert len(answer("similar", model, "--user", 5, "-n", 2, "--by", "dot")["similar"]) == 2
    info = answer("info", model)
    assert (info["users"], info["items"], info["catalogue"], info["never_rated"]) == (60, 40, 41, 1)
    assert info["numbers"]["matrix"] == 2400


def test_everyone_gets_recommendations_in_a_file(palate, answer, model, tmp_path):
    import polars

    output, users = tmp_path / "all.parquet", tmp_path / "users.txt"
    found = answer("recommend", model, "--all", "-n", 3, "-o", output, "--titles", "--exclude", 107)
    assert found == {"output": str(output), "users": 60, "recommendations": 180}
    table = polars.read_parquet(output)
    one = answer("recommend", model, "--user", 5, "-n", 3, "--exclude", 107)["recommendations"]
    assert table.filter(user=5)["item"].to_list() == [best["item"] for best in one]
    assert table.filter(user=5)["score"].to_list() == [best["prediction"] for best in one]
    assert table.filter(user=5)["title"].to_list() == [best["title"] for best in one]
    users.write_text("7\n\n 3\n")
    code, out, _ = palate("recommend", model, "--users", users, "-n", 2, "-o", output, "--threads", 1)
    assert (code, out.split(": ")[1]) == (0, "4 recommendations for 2 users\n")
    assert polars.read_parquet(output)["user"].to_list() == [7, 7, 3, 3]
    users.write_text("7\nzaphod\n")
    code, _, err = palate("recommend", model, "--users", users, "-o", output)
    assert (code, "user 'zaphod' is unknown" in err) == (2, True)
    assert len(polars.read_parquet(output)) == 4


def test_ctrl_c_leaves_the_former_file(tmp_path):
    output = tmp_path / "all.parquet"
    output.write_text("as it was")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_ranking import make; from palate import save;"
        "save(make(users=20000, items=3000), sys.argv[2])"
    )
    folder = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", code, folder, str(tmp_path / "m")], check=True)
    command = [sys.executable, "-m", "palate", "recommend", tmp_path / "m", "--all", "-n", "1000", "-o", output]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(tmp_path.glob(".*.tmp")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode().strip()) == (130, "palate: interrupted")
    assert output.read_text() == "as it was"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["all.parquet", "m"]


def test_a_new_user_is_folded_in(answer, model):
    rated = ("--rated", "100=5", "--rated", "101=1")
    found = {one["item"] for one in answer("recommend", model, *rated, "-n", 99)["recommendations"]}
    assert found == set(range(102, 140))
    assert 1 <= answer("predict", model, *rated, "--item", 105)["prediction"] <= 5
    reasons = answer("explain", model, *rated, "--item", 105)
    total = reasons["intercept"] + sum(part["contribution"] for part in reasons["contributions"]) + reasons["remainder"]
    assert total == pytest.approx(reasons["prediction"])


@pytest.mark.parametrize("command", ["predict", "recommend", "similar", "explain", "info"])
def test_answers_for_people(palate, model, command):
    options = {
        "predict": ["--user", 5, "--item", 107],
        "recommend": ["--user", 5, "--texts"],
        "similar": ["--item", 107],
        "explain": ["--user", 5, "--item", 107, "-n", 2],
        "info": [],
    }[command]
    code, out, _ = palate(command, model, *options)
    assert code == 0
    assert "107" in out or "Why" in out or "users × items" in out


def test_evaluate_and_cross_validate(answer, model, folder):
    found = answer("evaluate", model, folder / "ratings.csv")
    assert found["ratings"] == found["unknown"] + 0 + found["ratings"]
    assert found["rmse"] < found["baselines"]["global mean"]["rmse"]
    options = ("--epochs", 3, "--solver", "sgd")
    found = answer("cross-validate", folder / "ratings.csv", "--folds", 3, "--seed", 1, *options)
    assert len(found["folds"]) == 3
    assert found["rmse"] == pytest.approx(sum(fold["rmse"] for fold in found["folds"]) / 3)
    files = ("--fold", folder / "ratings.csv", folder / "ratings.csv")
    assert len(answer("cross-validate", *files, *files, *options)["folds"]) == 2


def test_compare_prints_one_table(palate, answer, folder):
    ratings = folder / "ratings.csv"
    code, out, err = palate("compare", ratings, "--solvers", "sgd,article", "--folds", 2)
    assert code == 0
    heading, _, *lines = out.splitlines()
    assert heading.split() == ["RMSE", "to", "sgd", "MAE", "s", "MB"]
    assert lines[0].split()[0] == "sgd"
    assert out.count("*") == 3  # the best RMSE, the best MAE and what the star means
    assert "Judged by 2 random folds (seed 0)" in out
    assert "split 2 of 2, article: RMSE" in err
    found = answer("compare", ratings, "--solvers", "sgd", "--repeats", 2, "--reference", "bias only", "--seed", 3)
    assert found["protocol"] == "2 random holdouts of 0.1 of the ratings (seeds 3 to 4)"
    assert found["reference"] == "bias only"
    assert {one["name"] for one in found["solvers"]} == {"sgd", "global mean", "item mean", "user mean", "bias only"}
    assert palate("compare", ratings, "--solvers", "sgd", "--quiet")[2] == ""


def test_compare_judges_given_splits_as_cross_validate_does(answer, folder, tmp_path):
    lines = (folder / "ratings.csv").read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(lines[:700]))
    (tmp_path / "test.csv").write_text(lines[0] + "".join(lines[700:]))
    files = ("--fold", tmp_path / "train.csv", tmp_path / "test.csv")
    found = answer("compare", *files, *files, "--solvers", "sgd")
    judged = answer("cross-validate", *files, "--solver", "sgd")
    one = next(one for one in found["solvers"] if one["name"] == "sgd")
    assert [split["rmse"] for split in one["splits"]] == [judged["rmse"]] * 2
    assert one["splits"][0]["unknown"] == judged["folds"][0]["unknown"]
    assert one["rmse_error"] == 0


def test_compare_shows_failures_and_what_was_finished(palate, folder, monkeypatch):
    from palate.errors import DataError
    from palate.solvers import Means

    def fail(*args, **options):
        raise DataError("this table is cursed")

    monkeypatch.setattr("palate.solvers.SGD.fit", fail)
    code, out, _ = palate("compare", folder / "ratings.csv", "--solvers", "sgd")
    assert code == 2
    assert "sgd has no result: on split 1: this table is cursed" in out
    assert "bias only" in out

    def cut(self, ratings, **options):
        return dataclasses.replace(Means().fit(ratings), training={"interrupted": True})

    monkeypatch.setattr("palate.solvers.SGD.fit", lambda self, ratings, **options: Means().fit(ratings))
    monkeypatch.setattr("palate.solvers.BayesianMF.fit", cut)
    code, out, err = palate("compare", folder / "ratings.csv", "--solvers", "sgd,bayes")
    assert code == 130
    assert "bayes has no result: interrupted before it was done" in out
    assert "only what was finished" in err


def test_a_table_that_is_too_wide_goes_on_below(capfd, monkeypatch):
    from palate.cli import show

    monkeypatch.setenv("COLUMNS", "40")
    show.table("", ["", *(f"column {n}" for n in range(6))], [["name", *map(float, range(6))]])
    out = capfd.readouterr().out
    assert max(map(len, out.splitlines())) <= 40
    assert out.count("name") == 2
    assert [f"{n}.0000" in out for n in range(6)] == [True] * 6


def test_check_looks_before_anyone_fits(answer, palate, folder, tmp_path):
    assert answer("check", folder / "ratings.csv")["users"] == 60
    broken = tmp_path / "broken.csv"
    broken.write_text("user,item,rating\n1,1,3\n1,1,4\n2,2,nan\n3,3,x\n")
    found = answer("check", broken, code=1)
    assert found["rows"] == 4
    code, out, _ = palate("check", broken)
    assert code == 1
    assert "nan" in out


def test_data_sets_are_listed_and_named(answer, palate, tmp_path):
    names = {one["name"]: one for one in answer("datasets")}
    assert names["sample"]["cached"]
    assert names["sample"]["generated"]
    assert "jester" in names
    assert answer("check", "sample")["items"] == 117
    code, out, _ = palate("datasets")
    assert code == 0
    assert "ml-100k" in out


def test_the_demo_tells_the_whole_story(palate, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _err = palate("demo")
    assert code == 0
    for part in ("generated", "bias only", "also liked", "avoid", "storage", "demo.palate", "117"):
        assert part in out
    found = answer("demo", "--item", 10, "--user", 5)
    assert (found["item"], found["user"]) == (10, 5)
    assert len(found["similar"]) == len(found["best"]) == len(found["worst"]) == 3
    assert found["holdout"]["rmse"] < 0.85 * found["holdout"]["baselines"]["bias only"]["rmse"]


BROKEN = {
    "empty": (b"", "empty"),
    "directory": (None, "directory"),
    "text in the rating column": (b"1,1,3\n1,2,good\n", "line 2"),
    "a fourth column": (b"user,item,rating\n1,1,3\n1,2,3,4\n", "line 3"),
    "utf-16": ("1,1,3\n1,2,4\n".encode("utf-16-le"), "UTF-16"),
    "nan": (b"1,1,3\n1,2,nan\n", "line 2"),
    "infinite": (b"1,1,3\n1,2,inf\n", "line 2"),
    "duplicates": (b"1,1,3\n1,1,4\n", "--duplicates"),
    "binary": (bytes(range(256)) * 9, ""),
    "one column": (b"1\n2\n", "column"),
    "header only": (b"user,item,rating\n", ""),
    "one rating": (b"1,1,3\n", "only one user"),
    "one user": (b"1,1,3\n1,2,4\n1,3,5\n", "only one user, 1"),
    "one item": (b"1,1,3\n2,1,4\n", "only one item, 1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tables_give_one_clear_line(palate, tmp_path, name):
    content, expected = BROKEN[name]
    source = tmp_path / "ratings.csv"
    source.mkdir() if content is None else source.write_bytes(content)
    code, out, err = palate("fit", source, "-o", tmp_path / "m.palate")
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert expected in err
    assert not (tmp_path / "m.palate").exists()


@pytest.mark.parametrize("content", [b"1,1,3\n2,2,3\n", b"1,1,3\n1,2,4\n2,2,5\n"])
def test_tiny_tables_fit(palate, tmp_path, content):
    (tmp_path / "r.csv").write_bytes(content)
    code, _, err = palate("fit", tmp_path / "r.csv", "-o", tmp_path / "m.palate")
    assert code == 0, err
    assert palate("recommend", tmp_path / "m.palate", "--user", 1)[0] == 0


FAILURES = [
    ("missing table", ["fit", "nothing.csv", "-o", "m.palate"], "nothing.csv"),
    ("missing folder", ["fit", "{table}", "-o", "nowhere/m.palate"], "nowhere"),
    ("no model", ["predict", "nothing.palate", "--user", 1, "--item", 1], "nothing.palate"),
    ("table as a model", ["info", "{table}"], "not a palate model"),
    ("unknown user", ["recommend", "{model}", "--user", "zaphod"], "user 'zaphod' is unknown"),
    ("unknown item", ["similar", "{model}", "--item", 12345], "12345"),
    ("never rated", ["predict", "{model}", "--user", 5, "--item", 999], "never rated"),
    ("nobody", ["recommend", "{model}"], "--user"),
    ("everybody", ["recommend", "{model}", "--user", 1, "--rated", "100=3"], "--user"),
    ("bad rated", ["recommend", "{model}", "--rated", "100"], "ITEM=RATING"),
    ("all to nowhere", ["recommend", "{model}", "--all"], "-o FILE.parquet"),
    ("all and one", ["recommend", "{model}", "--all", "--user", 1, "-o", "x.parquet"], "--user is for one user"),
    ("all by chance", ["recommend", "{model}", "--all", "--by", "chance", "-o", "x.parquet"], "--by is for one user"),
    ("all to a table", ["recommend", "{model}", "--all", "-o", "x.csv"], "must end in .parquet"),
    ("one to a file", ["recommend", "{model}", "--user", 1, "-o", "x.parquet"], "go with --all"),
    ("missing users", ["recommend", "{model}", "--users", "nothing.txt", "-o", "x.parquet"], "nothing.txt"),
    ("users of a model", ["recommend", "{model}", "--users", "{model}", "-o", "x.parquet"], "not text"),
    ("all over the model", ["recommend", "{model}", "--all", "-o", "nowhere/x.parquet"], "nowhere"),
    ("unknown solver", ["fit", "{table}", "-o", "{model}", "--solver", "magic"], "magic"),
    ("bad setting", ["fit", "{table}", "-o", "{model}", "--factors", "-3"], "factors"),
    ("bad type", ["fit", "{table}", "-o", "{model}", "--factors", "many"], "many"),
    ("bad holdout", ["fit", "{table}", "-o", "{model}", "--holdout", "2"], "holdout"),
    ("bad items", ["fit", "{table}", "--items", "{model}", "-o", "x.palate"], ""),
    ("missing items", ["fit", "{table}", "--items", "nothing.dat", "-o", "x.palate"], "nothing.dat"),
    ("url without query", ["fit", "sqlite:///x.db", "-o", "x.palate"], "--query"),
    ("errors of scores", ["fit", "{table}", "-o", "x.palate", "--solver", "implicit", "--holdout", 0.1], "not ratings"),
    ("folds of scores", ["cross-validate", "{table}", "--solver", "implicit"], "not ratings"),
    ("no such command", ["frobnicate"], "frobnicate"),
    ("bad columns", ["fit", "{table}", "-o", "x.palate", "--columns", "a,b"], "columns"),
    ("unknown column", ["fit", "{table}", "-o", "x.palate", "--columns", "user,item,stars"], "stars"),
    ("folds and file", ["cross-validate"], "RATINGS"),
    ("compare nothing", ["compare"], "RATINGS"),
    ("two ways to split", ["compare", "{table}", "--folds", 2, "--holdout", 0.1], "--holdout does not go with --folds"),
    ("folds of given files", ["compare", "--fold", "{table}", "{table}", "--repeats", 2], "does not go with --fold"),
    ("compare with magic", ["compare", "{table}", "--solvers", "sgd,magic"], "no solver 'magic'"),
    (
        "compare to nobody",
        ["compare", "{table}", "--solvers", "sgd", "--reference", "bayes"],
        "'bayes' is not compared",
    ),
    ("too many folds", ["cross-validate", "{table}", "--folds", 100000], "folds"),
]


@pytest.mark.parametrize(("arguments", "expected"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_failures_are_one_line_and_exit_2(palate, model, folder, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    before = model.read_bytes()
    filled = [str(part).format(table=folder / "ratings.csv", model=model) for part in arguments]
    code, _, err = palate(*filled)
    assert code == 2
    assert "Traceback" not in err
    assert expected in err
    assert model.read_bytes() == before


def test_ctrl_c_saves_and_resume_goes_on(tmp_path, data):
    source = data / "jester" / "jester5k_ratings.dat"
    options = [
        "--solver",
        "sgd",
        "--epochs",
        "200",
        "--factors",
        "64",
        "--regularization",
        "0.06",
        "--patience",
        "200",
        "--json",
    ]
    command = [sys.executable, "-m", "palate", "fit", str(source), *options]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "m")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checkpoint = tmp_path / "m.checkpoint"
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"--resume" in err
    assert json.loads(out)["training"]["interrupted"]
    assert checkpoint.exists()
    subprocess.run([*command, "-o", str(tmp_path / "m"), "--resume"], check=True, capture_output=True)
    subprocess.run([*command, "-o", str(tmp_path / "straight")], check=True, capture_output=True)
    assert not checkpoint.exists()
    from palate import load

    assert (load(tmp_path / "m").user_factors == load(tmp_path / "straight").user_factors).all()


def test_an_output_never_replaces_an_input(palate, folder, tmp_path):
    table, items = tmp_path / "r.csv", tmp_path / "i.csv"
    table.write_bytes((folder / "ratings.csv").read_bytes())
    items.write_text(ITEMS)
    foreign = tmp_path / "m.palate.checkpoint"
    foreign.write_text("dear diary")
    for output, expected in ((table, "read by this very command"), (items, "read by this very command")):
        code, _, err = palate("fit", table, "--items", items, "-o", output)
        assert (code, expected in err) == (2, True)
    assert palate("demo", "--dataset", table, "-o", table)[0] == 2
    assert palate("fit", table, "-o", tmp_path / "m.palate")[0] == 2
    assert foreign.read_text() == "dear diary"
    assert table.read_bytes() == (folder / "ratings.csv").read_bytes()
    assert items.read_text() == ITEMS


def test_a_link_stays_a_link(palate, folder, tmp_path):
    target, link = tmp_path / "target.palate", tmp_path / "link.palate"
    link.symlink_to(target)
    assert palate("fit", folder / "ratings.csv", "-o", link, "--solver", "sgd", "--epochs", 1)[0] == 0
    assert link.is_symlink()
    assert palate("info", target)[0] == 0


def test_data_sets_refuse_options_that_would_be_ignored(palate, tmp_path):
    for option in (["--scale", "0", "5"], ["--columns", "a,b,c"], ["--duplicates", "last"]):
        code, _, err = palate("check", "sample", *option)
        assert (code, "does not go with the data set" in err) == (2, True)


def test_what_nobody_foresaw_is_one_line_too(palate, model, monkeypatch):
    monkeypatch.setattr("palate.model.Model.recommend", lambda *args, **options: 1 / 0)
    code, _, err = palate("recommend", model, "--user", 5)
    assert code == 1
    assert err.startswith("palate: this should not have happened: ZeroDivisionError")
    monkeypatch.setenv("PALATE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        palate("recommend", model, "--user", 5)


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


@pytest.fixture(scope="module")
def sure(folder):
    """A model that knows how sure it is."""
    from palate import BayesianMF, read_ratings, save

    plain = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), False)
    save(BayesianMF(factors=3, sweeps=30, **plain).fit(read_ratings(folder / "ratings.csv")), folder / "sure.palate")
    return folder / "sure.palate"


def test_answers_say_how_sure_they_are(palate, answer, sure):
    found = answer("predict", sure, "--user", 5, "--item", 110, "--level", 0.8)
    assert found["low"] < found["prediction"] < found["high"]
    assert found["level"] == 0.8
    _, out, _ = palate("predict", sure, "--user", "nobody", "--item", 110, "--unknown", "mean")
    assert "with 90%" in out
    assert "does not know user nobody" in out
    for by, key in (("lower-bound", "at_least"), ("chance", "drawn"), ("prediction", "prediction")):
        best = answer("recommend", sure, "--user", 5, "-n", 2, "--by", by, "--seed", 1)["recommendations"]
        assert {key, "prediction", "low", "high"} <= set(best[0])
    assert "at most" in palate("recommend", sure, "--user", 5, "--by", "lower-bound", "--lowest")[1]


def test_ask_names_what_would_tell_most(palate, answer, sure):
    someone = answer("ask", sure, "-n", 3)["questions"]
    known = answer("ask", sure, "-n", 3, "--user", 5)["questions"]
    assert len(someone) == 3
    assert 1 > someone[0]["tells"] > known[0]["tells"] > 0
    assert "%" in palate("ask", sure, "--rated", "110=4")[1]


def test_what_a_model_cannot_tell_is_refused(palate, folder, model):
    for command in (["ask", model], ["predict", model, "--user", "5", "--item", "110", "--level", "0.8"]):
        code, _, err = palate(*command)
        assert code == 2
        assert "does not know how sure it is" in err


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


def test_a_fit_of_plain_numbers_does_without_polars(tmp_path):
    ratings, model = tmp_path / "ratings.csv", tmp_path / "m.palate"
    ratings.write_text("".join(f"{row % 50},{row // 50},{row % 5}\n" for row in range(1000)))
    code = f"""
import sys, palate.reading.text
palate.reading.text.PLAIN_FROM = 1
from palate.cli import main
sys.argv = ["palate", "fit", {str(ratings)!r}, "-o", {str(model)!r}, "--solver", "sgd", "--epochs", "2"]
main()
sys.exit("polars" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert model.exists()
