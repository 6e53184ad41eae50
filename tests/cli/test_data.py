"""Commands about data, and the demo."""

import dataclasses
import inspect

from palate import read_ratings
from palate.cli.reading_options import ReadingOptions


def test_check_looks_before_anyone_fits(answer, palate, folder, tmp_path):
    assert answer("check", folder / "ratings.csv")["users"] == 60
    broken = tmp_path / "broken.csv"
    broken.write_text("user,item,rating\n1,1,3\n1,1,4\n2,2,nan\n3,3,x\n")
    printed = answer("check", broken, code=1)
    assert printed["rows"] == 4
    code, out, _ = palate("check", broken)
    assert code == 1
    assert "nan" in out


def test_reading_options_are_parameters_of_the_reader_with_its_defaults():
    parameters = inspect.signature(read_ratings).parameters
    options = {option.name: option for option in dataclasses.fields(ReadingOptions)}
    assert set(options) - set(parameters) == {"columns", "no_time", "folder"}  # three parameters, and one of data sets
    for name in set(options) & set(parameters):
        default = parameters[name].default
        if default is not None:
            assert options[name].metadata["help"].endswith(f"[{default}]"), name


def test_data_sets_are_listed_and_named(answer, palate, tmp_path):
    names = {one["name"]: one for one in answer("datasets")}
    assert names["sample"]["cached"]
    assert names["sample"]["generated"]
    assert "jester" in names
    assert answer("check", "sample")["items"] == 117
    code, out, _ = palate("datasets")
    assert code == 0
    assert "ml-100k" in out


def test_the_demo_tells_the_whole_story(short_pilots, palate, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for bound in ("_LEAST_SWEEPS", "_MOST_SWEEPS"):  # the README runs the demo as it is
        monkeypatch.setattr(f"palate.solvers.bayes.fit.{bound}", 40)
    code, out, _err = palate("demo")
    assert code == 0
    for part in ("generated", "bias only", "also liked", "avoid", "storage", "demo.palate", "117"):
        assert part in out
    printed = answer("demo", "--item", 10, "--user", 5)
    assert (printed["item"], printed["user"]) == (10, 5)
    assert len(printed["similar"]) == len(printed["best"]) == len(printed["worst"]) == 3
    assert printed["holdout"]["rmse"] < 0.85 * printed["holdout"]["baselines"]["bias only"]["rmse"]


def test_data_sets_refuse_options_that_would_be_ignored(palate, tmp_path):
    for option in (["--scale", "0", "5"], ["--columns", "a,b,c"], ["--duplicates", "last"]):
        code, _, err = palate("check", "sample", *option)
        assert (code, "does not go with the data set" in err) == (2, True)
