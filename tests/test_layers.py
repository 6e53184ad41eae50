"""Imports flow one way, and importing palate does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import palate

ROOT = Path(palate.__file__).parent

# From the bottom up: a module imports only from lines above its own. Modules of one line do not import each other.
LAYERS = [
    ["errors", "ids", "kernels", "lazy", "memory", "parallel"],
    ["files", "catalogue", "ranking"],
    ["ratings", "parquet"],
    ["reading"],
    ["model", "splits", "datasets", "check"],
    ["solvers", "storage"],
    ["evaluation"],
    ["workflow"],
    ["service", "client"],
    ["retraining"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def top(module):
    return module.split(".")[1] if "." in module else "palate"


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "palate":
            if node.module == "palate":
                yield from (f"palate.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "palate")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_layers_below(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own.startswith("__"):
        return
    for module in imports(path):
        if module in ("palate", "palate.__version__") and own in ("cli", "service"):
            continue
        other = top(module)
        assert other in LEVEL, f"{path.name} imports {module}, which is in no layer"
        assert other == own or LEVEL[other] < LEVEL[own], f"{path.name} imports {module}, which is not below it"


def test_every_module_has_a_layer():
    modules = {path.name.removesuffix(".py") for path in ROOT.iterdir() if not path.name.startswith("_")}
    assert modules - {"py.typed"} == set(LEVEL)


def test_every_public_name_can_be_had():
    for name in palate.__all__:
        assert getattr(palate, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        palate.nonsense  # noqa: B018


@pytest.mark.parametrize("module", ["palate", "palate.cli"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in ('numpy', 'numba', 'polars', 'rich', 'sqlalchemy', 'fastapi', 'httpx') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_no_file_is_too_long():
    for path in ROOT.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 600, path
