"""The service on systems that lack what only some have."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import palate
from palate.service import portable
from palate.service.portable import exclusive_lock, open_shared, read_at, write_at
from serving import environment

# What Windows lacks. The modules are those that palate itself might import.
WINDOWS = """
import os, sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("pread", "pwrite", "geteuid", "getuid", "nice", "O_NONBLOCK", "O_CLOEXEC", "mkfifo", "killpg"):
    delattr(os, name)
"""


def run_without_posix(code):
    done = subprocess.run([sys.executable, "-c", WINDOWS + code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["palate.retraining", "palate.service.app", "palate.service.server", "palate.client"]
)
def test_a_module_is_imported_without_what_only_some_systems_have(module):
    assert run_without_posix(f"import {module}; print('imported')") == "imported"


def test_rows_are_cached_without_pread(tmp_path):
    code = f"""
from pathlib import Path
from palate.service.read_cache import ReadCache
folder = Path({str(tmp_path)!r})
(folder / "store").touch()
one, two = (ReadCache(folder / "tokens", folder / "store") for _ in range(2))
print([one.read("a", lambda owner: {{"a": value}})["a"] for value in (1, 2)], end=" ")
two.invalidate("a")
print(one.read("a", lambda owner: {{"a": 3}})["a"])
"""
    assert run_without_posix(code) == "[1, 1] 3"


@pytest.mark.parametrize("missing", [(), ("pread", "pwrite")])
def test_a_file_is_read_and_written_at_a_position(tmp_path, monkeypatch, missing):
    for name in missing:
        monkeypatch.delattr(os, name)
    handle = open_shared(str(tmp_path / "file"))
    try:
        write_at(handle, b"abcdef", 2)
        write_at(handle, b"X", 4)
        assert [read_at(handle, 3, position) for position in (0, 2, 6, 100)] == [b"\0\0a", b"abX", b"ef", b""]
    finally:
        os.close(handle)


def test_only_one_holder_of_a_lock_at_a_time(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"model")
    code = f"""
from pathlib import Path
from palate.service.portable import exclusive_lock
try:
    with exclusive_lock(Path({str(path)!r})):
        print("locked")
except BlockingIOError:
    print("refused")
"""

    def elsewhere():
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
        ).stdout.strip()

    with exclusive_lock(path):
        assert elsewhere() == "refused"
        with pytest.raises(BlockingIOError), exclusive_lock(path):
            pass
    assert elsewhere() == "locked"
    assert path.read_bytes() == b"model"
    with pytest.raises(FileNotFoundError), exclusive_lock(tmp_path / "folder" / "model"):
        pass


def test_one_module_alone_uses_what_only_some_systems_have():
    special = re.compile(r"\b(fcntl|msvcrt|pread|pwrite|O_NONBLOCK|geteuid|nice|preexec_fn|killpg|fork)\b")
    root = Path(palate.__file__).parent
    files = [*(root / "service").rglob("*.py"), root / "retraining.py", root / "client.py"]
    users = {path.relative_to(root).as_posix() for path in files if special.search(path.read_text("utf-8"))}
    assert users == {Path(portable.__file__).relative_to(root).as_posix()}
