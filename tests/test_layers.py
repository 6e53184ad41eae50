"""Imports flow one way and in no circle; names and sizes stay within bounds; importing palate does nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import palate
from import_graph import LEVEL, Source, circles, long_files, misplaced, part, route, shared_class_names

ROOT = Path(palate.__file__).parent
GRAPH = Source(ROOT).graph


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    return Path(shutil.copytree(ROOT, tmp_path / "palate", ignore=shutil.ignore_patterns("__pycache__", "static")))


def add(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text('utf-8')}\n{text}\n", "utf-8")


# ------------------------------------------------------------------------------------------------------- import circles


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(GRAPH) == []


@pytest.mark.parametrize(
    "imported",
    [
        "from palate.model.recommend import recommend",
        "def later():\n    from palate.model import recommend",
        "if TYPE_CHECKING:\n    import palate.model.recommend",
        "from . import recommend",
        "from .recommend import recommend",
    ],
)
def test_an_import_circle_within_a_package_is_seen(copied: Path, imported: str) -> None:
    add(copied / "model" / "batch.py", imported)
    add(copied / "model" / "recommend.py", "from palate.model.batch import recommend_batch")
    joined = [circle for circle in circles(Source(copied).graph) if "palate.model.batch" in circle]
    assert [name in joined[0] for name in ("palate.model.batch", "palate.model.recommend")] == [True, True]


def test_circles_are_the_strongly_connected_components() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a", "e"}}
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]


def test_a_package_stands_for_its_init_alone(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    for name, text in {
        "__init__": "from p.a import A",
        "a": "A = 1",
        "b": "from p.a import A",
        "c": "import p",
    }.items():
        (package / f"{name}.py").write_text(text)
    assert Source(package).graph == {"p": {"p.a"}, "p.a": set(), "p.b": {"p.a"}, "p.c": {"p"}}


# --------------------------------------------------------------------------------------------------------------- layers


def test_every_module_imports_only_from_layers_below_its_own() -> None:
    assert misplaced(GRAPH) == []


def test_every_part_has_a_layer_and_every_layer_its_parts() -> None:
    assert {part(name) for name in GRAPH} - {"", "__main__"} == set(LEVEL)


@pytest.mark.parametrize("imported", ["from palate.model import Model", "from palate import Model"])
def test_an_import_from_a_layer_above_is_seen(copied: Path, imported: str) -> None:
    add(copied / "reading" / "text.py", imported)
    assert "palate.reading.text imports palate.model, which is not in a layer below" in misplaced(Source(copied).graph)


def test_the_service_reaches_no_solver() -> None:
    assert route(GRAPH, "service", "solvers") == []


@pytest.mark.parametrize(
    "imported",
    [
        "from palate.solvers import SGD",
        "from palate.solvers.session import Epoch",
        "from palate import SGD",
        "import palate\nfit = palate.SGD().fit",
        "def later():\n    import palate.solvers",
        "if TYPE_CHECKING:\n    from palate.solvers import Solver",
        "from palate.evaluation import compare",  # which imports solvers
    ],
)
def test_a_solver_in_the_service_is_seen(copied: Path, imported: str) -> None:
    add(copied / "service" / "schedule.py", imported)
    assert route(Source(copied).graph, "service", "solvers") != []


# ------------------------------------------------------------------------------------------------------ names and sizes


def test_no_two_classes_share_a_name() -> None:
    assert shared_class_names(Source(ROOT)) == []


def test_a_class_name_used_twice_is_seen(copied: Path) -> None:
    add(copied / "client.py", "class Ratings: ...")
    assert "Ratings: palate.client, palate.ratings" in shared_class_names(Source(copied))


def test_no_file_is_too_long() -> None:
    assert long_files(ROOT, 450) == []
    assert long_files(Path(__file__).parent, 499) == []


def test_a_long_file_is_seen(copied: Path) -> None:
    add(copied / "ids.py", "\n" * 450)
    assert [line.split(":")[0] for line in long_files(copied, 450) if line.startswith("ids")] == ["ids.py"]


# ------------------------------------------------------------------------------------------------------ importing palate


def test_every_public_name_can_be_had_and_is_listed() -> None:
    for name in palate.__all__:
        assert getattr(palate, name) is not None
    assert set(palate.__all__) <= set(dir(palate))
    assert {"BayesianMF", "datasets", "read_ratings", "solvers"} <= set(palate.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        palate.nonsense  # type: ignore[attr-defined]  # noqa: B018


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("module", ["palate", "palate.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    heavy = ("numpy", "numba", "polars", "pooch", "rich", "scipy", "sqlalchemy", "fastapi", "httpx")
    assert run(f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_names_are_listed_before_any_is_loaded() -> None:
    names = run("import sys, palate; print('SGD' in dir(palate), len(sys.modules), 'palate.solvers' in sys.modules)")
    assert names.split()[::2] == ["True", "False"]


def test_tab_completion_offers_the_public_names() -> None:
    code = "import palate, rlcompleter; print(rlcompleter.Completer({'palate': palate}).complete('palate.Ba', 0))"
    assert run(code).startswith("palate.BayesianMF")


def test_polars_can_be_asked_for_by_many_threads_at_once() -> None:
    code = """if True:
        import threading
        from palate.lazy import pl

        barrier, heights = threading.Barrier(8), []

        def ask():
            barrier.wait()
            heights.append(pl.DataFrame({"a": [1, 2]}).height)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(heights)
    """
    assert run(code) == str([2] * 8)
