"""The command that fits: what it prints, saves and refuses."""

import os
import subprocess
import sys

import pytest


def test_fit_reports_and_saves(answer, folder, tmp_path):
    output = tmp_path / "m.palate"
    printed = answer(
        "fit", folder / "ratings.csv", "--items", folder / "items.csv", "-o", output, "--factors", 4, "--seed", 3,
        "--threads", 2, "--holdout", 0.1, "--solver", "sgd", "--epochs", 8, "--no-biases",
    )  # fmt: skip
    assert output.stat().st_size == printed["bytes"]
    assert printed["solver"]["factors"] == 4
    assert printed["solver"]["seed"] == 3
    assert printed["solver"]["biases"] is False
    assert printed["users"] == 60
    assert printed["items"] == 40
    assert printed["rows_per_epoch"] == printed["ratings"]
    assert 0 < printed["holdout"]["rmse"] < 2
    assert set(printed["holdout"]["baselines"]) >= {"global mean", "bias only", "popularity (liked)", "item-kNN"}
    assert printed["holdout"]["ndcg@10"] > 0
    assert answer("info", output)["training"]["holdout"] == printed["holdout"]
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


def test_several_tables_are_fitted_as_one_and_new_ones_are_added(answer, palate, folder, tmp_path):
    lines = (folder / "ratings.csv").read_text().splitlines()
    parts = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "new.csv"]
    for path, some in zip(parts, (lines[1:300], lines[300:600], lines[600:]), strict=True):
        path.write_text("\n".join([lines[0], *some]) + "\n")
    output = tmp_path / "m.palate"
    printed = answer("fit", *parts[:2], "-o", output, "--solver", "sgd", "--epochs", 2)
    assert printed["ratings"] == 599
    printed = answer("retrain", output, parts[2])
    assert (printed["ratings"], printed["new"]) == (len(lines) - 1, len(lines) - 600)
    assert answer("info", output)["ratings"] == len(lines) - 1
    code, _, err = palate("fit", parts[0], parts[0], "-o", output)
    assert (code, "--duplicates last|mean" in err) == (2, True)
    code, out, _ = palate("retrain", output, parts[2], "--quiet")
    assert (code, out) == (0, "")


def test_new_ratings_are_added_without_the_service(folder, tmp_path):
    """The packages of the extra cannot be imported in this process."""
    program = (
        "import sys; sys.modules.update({'fastapi': None, 'sqlalchemy': None, 'uvicorn': None})\n"
        "from palate.cli.app import main; sys.argv = ['palate', *sys.argv[1:]]; main()"
    )
    output = tmp_path / "m.palate"
    for command in (["fit", folder / "ratings.csv", "-o", output, "--solver", "sgd"], ["retrain", output, "new.csv"]):
        (tmp_path / "new.csv").write_text("user,item,rating\n7000,100,3\n")
        subprocess.run([sys.executable, "-c", program, *map(str, command)], check=True, cwd=tmp_path)


def test_the_article_is_a_solver(answer, folder, tmp_path):
    printed = answer("fit", folder / "ratings.csv", "-o", tmp_path / "m", "--solver", "article", "--epochs", 2)
    assert (printed["solver"]["batch_size"], printed["solver"]["epochs"]) == (64, 2)


def test_a_model_of_choices_recommends_and_has_no_errors(palate, answer, folder, tmp_path):
    printed = answer("fit", folder / "ratings.csv", "-o", tmp_path / "m", "--solver", "implicit", "--factors", 3)
    assert (printed["solver"]["name"], printed["scale"], printed["training"]["sweeps"]) == ("implicit", [0, 1], 8)
    assert answer("recommend", tmp_path / "m", "--rated", "101=5")
    code, _, err = palate("evaluate", tmp_path / "m", folder / "ratings.csv")
    assert (code, "judged by lists alone" in err) == (2, True)


@pytest.mark.parametrize("content", [b"1,1,3\n2,2,3\n", b"1,1,3\n1,2,4\n2,2,5\n"])
def test_tiny_tables_fit(palate, tmp_path, content):
    (tmp_path / "r.csv").write_bytes(content)
    code, _, err = palate("fit", tmp_path / "r.csv", "-o", tmp_path / "m.palate")
    assert code == 0, err
    assert palate("recommend", tmp_path / "m.palate", "--user", 1)[0] == 0


def test_an_output_never_replaces_an_input(palate, folder, tmp_path):
    table, items = tmp_path / "r.csv", tmp_path / "i.csv"
    table.write_bytes((folder / "ratings.csv").read_bytes())
    items.write_bytes((folder / "items.csv").read_bytes())
    foreign = tmp_path / "m.palate.checkpoint"
    foreign.write_text("dear diary")
    for output, expected in ((table, "read by this very command"), (items, "read by this very command")):
        code, _, err = palate("fit", table, "--items", items, "-o", output)
        assert (code, expected in err) == (2, True)
    assert palate("demo", "--dataset", table, "-o", table)[0] == 2
    assert palate("fit", table, "-o", tmp_path / "m.palate")[0] == 2
    assert foreign.read_text() == "dear diary"
    assert table.read_bytes() == (folder / "ratings.csv").read_bytes()
    assert items.read_bytes() == (folder / "items.csv").read_bytes()


def test_a_model_does_not_replace_a_file_that_is_none(palate, folder, model, tmp_path):
    table, notes = folder / "ratings.csv", tmp_path / "results.csv"
    notes.write_text("dear diary")
    for arguments in (
        ("fit", table, "-o", notes),
        ("update", model, table, "--duplicates", "last", "-o", notes),
        ("tune", table, "-o", notes),
        ("demo", "--dataset", table, "-o", notes),
    ):
        code, out, err = palate(*arguments)
        assert (code, out) == (2, "")
        assert "exists and is no palate model: name another file with -o, or remove it" in err
    assert notes.read_text() == "dear diary"
    for replaced, content in (("cut.model", model.read_bytes()[:100]), ("empty.csv", b""), ("m.palate", b"junk")):
        (tmp_path / replaced).write_bytes(content)
        assert palate("fit", table, "-o", tmp_path / replaced, "--solver", "sgd", "--epochs", 1)[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="devices are files of another system")
def test_a_device_is_no_output_before_anything_is_read(palate, folder):
    code, out, err = palate("fit", folder / "ratings.csv", "-o", "/dev/null")
    assert (code, out) == (2, "")
    assert "is not an ordinary file and is not replaced" in err


def test_a_link_stays_a_link(palate, folder, tmp_path):
    target, link = tmp_path / "target.palate", tmp_path / "link.palate"
    link.symlink_to(target)
    assert palate("fit", folder / "ratings.csv", "-o", link, "--solver", "sgd", "--epochs", 1)[0] == 0
    assert link.is_symlink()
    assert palate("info", target)[0] == 0


def test_a_fit_of_plain_numbers_does_without_polars(tmp_path):
    ratings, model = tmp_path / "ratings.csv", tmp_path / "m.palate"
    ratings.write_text("".join(f"{row % 50},{row // 50},{row % 5}\n" for row in range(1000)))
    code = f"""
import sys, palate.reading.text
palate.reading.text.PLAIN_FROM = 1
from palate.cli.app import main
sys.argv = ["palate", "fit", {str(ratings)!r}, "-o", {str(model)!r}, "--solver", "sgd", "--epochs", "2"]
main()
sys.exit("polars" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert model.exists()


@pytest.mark.parametrize("solver", ["ease", "implicit"])
def test_liked_says_which_pairs_are_choices(solver, answer, folder, tmp_path):
    every, liked = (
        answer("fit", folder / "ratings.csv", "-o", tmp_path / "m.palate", "--solver", solver, *more)
        for more in ((), ("--liked", 4))
    )
    assert every["rows_per_epoch"] == every["ratings"] == liked["ratings"]
    assert 0 < liked["rows_per_epoch"] < liked["ratings"]
    assert liked["solver"]["liked"] == 4


@pytest.mark.parametrize("command", ["fit", "cross-validate", "compare"])
def test_liked_that_is_no_number_is_refused_before_a_fit(command, palate, folder, tmp_path):
    more = ("-o", tmp_path / "m.palate") if command == "fit" else ()
    solver = ("--solvers", "als") if command == "compare" else ("--solver", "als")
    code, _, err = palate(command, folder / "ratings.csv", *more, *solver, "--liked", "nan")
    assert code == 2
    assert "is a number such as 4, not nan" in err


def test_fit_learns_from_attributes(answer, palate, folder, tmp_path):
    films = tmp_path / "films.csv"
    ids = sorted({line.split(",")[1] for line in (folder / "ratings.csv").read_text().splitlines()[1:]})
    lines = [f"{id},{'Comedy|War' if place % 2 else 'War'}" for place, id in enumerate([*ids, "new"])]
    films.write_text("\n".join(["item,genres", *lines]))
    told = answer("check", folder / "ratings.csv", "--item-features", films)["attributes"]["items"]
    assert told[0] == "genres: a list of categories, 2 values (Comedy, War)"
    output = tmp_path / "m.palate"
    printed = answer(
        "fit", folder / "ratings.csv", "-o", output, "--solver", "als", "--factors", 2, "--item-features", films
    )
    assert any("genres: a list of categories" in note for note in printed["notes"])
    code, _, err = palate("fit", folder / "ratings.csv", "-o", output, "--solver", "sgd", "--item-features", films)
    assert code == 2  # a solver that does not learn from attributes says so before it fits
    code, _, err = palate("fit", folder / "ratings.csv", "-o", output, "--item-column", "film")
    assert code == 2
    assert "--item-column goes with --item-features" in err
