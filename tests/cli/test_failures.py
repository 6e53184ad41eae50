"""Every failure is one line that says what is wrong, and exit code 2."""

import pytest

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
    (
        "all by chance",
        ["recommend", "{model}", "--all", "--by", "chance", "-o", "x.parquet"],
        "does not know how sure it is",
    ),
    ("all to a table", ["recommend", "{model}", "--all", "-o", "x.txt"], "must end in .parquet or .csv"),
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
    ("no such command", ["frobnicate"], "frobnicate"),
    ("bad columns", ["fit", "{table}", "-o", "x.palate", "--columns", "a,b"], "columns"),
    ("unknown column", ["fit", "{table}", "-o", "x.palate", "--columns", "user,item,stars"], "stars"),
    ("folds and file", ["cross-validate"], "RATINGS"),
    ("compare nothing", ["compare"], "RATINGS"),
    ("two ways to split", ["compare", "{table}", "--folds", 2, "--holdout", 0.1], "--share does not go with --folds"),
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


def test_what_nobody_foresaw_is_one_line_too(palate, model, monkeypatch):
    monkeypatch.setattr("palate.model.Model.recommend", lambda *args, **options: 1 / 0)
    code, _, err = palate("recommend", model, "--user", 5)
    assert code == 1
    assert err.startswith("palate: this should not have happened: ZeroDivisionError")
    monkeypatch.setenv("PALATE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        palate("recommend", model, "--user", 5)
