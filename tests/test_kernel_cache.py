"""A damaged, full or forbidden folder of compiled kernels costs time, and nothing else."""

import os
import shutil
import subprocess
import sys

import pytest

# A kernel of its own folder, as small as can be.
KERNEL = """
from palate.kernels.jit import jit

@jit
def double(number):
    return 2 * number
"""


def call(folder, *, before=""):
    """Call the kernel in a new process; return what came and what was said."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); {before}\nfrom kernel import double; print(double(21))"
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    return run.stdout.strip(), run.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with the kernel, and a copy of its machine code."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.py").write_text(KERNEL)
    assert call(folder) == ("42", "")
    assert call(folder) == ("42", "")  # from the disk
    shutil.copytree(folder / "cache", folder / "whole")
    return folder


@pytest.fixture
def folder(compiled):
    shutil.rmtree(compiled / "cache")
    shutil.copytree(compiled / "whole", compiled / "cache")
    return compiled


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "flipped": content[:-9] + b"\x00" * 9}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "flipped"])
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_file_is_told_once_and_healed(folder, suffix, how):
    (path,) = (folder / "cache").rglob(f"*.{suffix}")
    damage(path, how)
    result, said = call(folder)
    assert result == "42"
    assert said.count("RuntimeWarning") == 1
    assert str(folder / "cache") in said
    assert call(folder) == ("42", "")


def test_a_full_disk_does_not_stop_a_kernel(folder):
    for path in (folder / "cache").rglob("*.nb?"):
        path.unlink()
    full = (
        "import numba.core.caching as c, errno, os\n"
        "def full(*a): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "c.IndexDataCacheFile._open_for_write = full"
    )
    result, said = call(folder, before=f"exec({full!r})")
    assert result == "42"
    assert "No space left on device" in said
    assert "NUMBA_CACHE_DIR" in said


def test_a_folder_in_the_place_of_a_file_does_not_stop_a_kernel(folder):
    (path,) = (folder / "cache").rglob("*.nbi")
    path.unlink()
    path.mkdir()
    result, said = call(folder)
    assert result == "42"
    assert said.count("RuntimeWarning") == 1
