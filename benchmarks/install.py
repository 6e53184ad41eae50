"""Install the peers, each by itself: one that cannot be had here does not keep the others.

    python benchmarks/install.py [PEER ...]

Packages go into the environment of the Python that runs this; what was compiled and what failed, into `.bench` (or PALATE_BENCH).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from shutil import which
from typing import Any

FOLDER = Path(os.environ.get("PALATE_BENCH", Path(__file__).parents[1] / ".bench"))
RECORD = FOLDER / "install.json"
# A peer must not change what palate runs on, nor what another one needs.
HELD = ("numpy", "numba", "llvmlite", "polars")


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


def system(command: str, package: str) -> None:
    """Install a program of the system, where that is allowed."""
    if which(command) is None:
        if os.environ.get("PALATE_NO_INSTALL") or os.getuid() or which("apt-get") is None:
            raise RuntimeError(f"needs {command}, which only root can install, without PALATE_NO_INSTALL, by apt-get")
        print(f"Running: apt-get install --yes {package}", flush=True)
        quiet: dict[str, Any] = {"check": True, "capture_output": True, "text": True}
        subprocess.run(["apt-get", "update"], **quiet)
        subprocess.run(
            ["apt-get", "install", "--yes", package], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, **quiet
        )


def main(names: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    peers = {
        path.stem: import_module(f"peers.{path.stem}") for path in sorted(Path(__file__).parent.glob("peers/[a-z]*.py"))
    }
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    held = [f"{name}=={version(name)}" for name in HELD]
    held += [line for peer in peers.values() for line in peer.REQUIREMENTS if line.startswith("setuptools")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(held))
        constraints.flush()
        for name in names or peers:
            peer = peers[name]
            try:
                if hasattr(peer, "SYSTEM"):
                    system(*peer.SYSTEM)
                if peer.REQUIREMENTS:
                    pip("--constraint", constraints.name, *peer.REQUIREMENTS)
                if hasattr(peer, "install"):
                    peer.install()
                record[name] = ""
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                lines = [line for line in (getattr(error, "stderr", "") or "").splitlines() if "error" in line.lower()]
                record[name] = f"could not be installed: {lines[-1].strip() if lines else error}"
            print(f"{name}: {record[name] or 'ready'}", flush=True)
            RECORD.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
