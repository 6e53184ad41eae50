"""Without the extras, what needs none works, and what needs one names the command that installs it."""

import json
import subprocess
import sys

# Hides the packages of the extras, and runs several commands in one process.
RUN = """
import json, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

HIDDEN = {"fastapi", "pydantic", "pydantic_settings", "sqlalchemy", "orjson", "optuna", "pyspark", "faiss", "torch"}
sys.meta_path.insert(0, Hidden())
from palate.cli.app import main

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["palate", *arguments]
    try:
        main()
        code = 0
    except SystemExit as finished:
        code = finished.code
    print(f"exit {code}", file=sys.stderr)
"""


def test_what_needs_an_extra_names_it_and_a_fit_on_a_file_needs_none(folder, model, tmp_path):
    copy, key = tmp_path / "m.palate", ("x", "--model", "m.palate")
    copy.write_bytes(model.read_bytes())
    cases = {
        ("retrain", copy, folder / "ratings.csv", "-q"): None,
        ("retrain", copy): "serve",
        ("serve", copy): "serve",
        ("keys", "add", *key): "serve",
        ("keys", "revoke", *key): "serve",
        ("keys", "list"): "serve",
        ("tune", folder / "ratings.csv", "--budget", "1"): "tune",
        ("check", "sqlite:///x.db", "--query", "select 1"): "sql",
        ("check", folder / "ratings.csv", "--engine", "spark"): "spark",
        ("fit", folder / "ratings.csv", "-o", tmp_path / "n.palate", "--device", "cuda", "--solver", "als"): "gpu",
    }
    commands = [[str(part) for part in command] for command in cases]
    process = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(commands)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    *results, rest = process.stderr.split("exit ")
    lines = [text.splitlines()[-1] if text.splitlines() else "" for text in results]
    for command, text, (code, *_) in zip(cases, lines, [*results[1:], rest], strict=True):
        extra = cases[command]
        if extra is None:
            assert code == "0", text
        else:
            assert code == "2", text
            assert f"needs the extra '{extra}': run pip install '.[{extra}]'" in text, command
