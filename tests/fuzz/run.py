"""Runs cases of a target in a process of its own, with a limit of memory, watched from outside.

``python tests/fuzz/run.py TARGET NUMBER`` runs one case again, with its traceback; ``python tests/fuzz/run.py`` lists the
targets; ``python tests/fuzz/run.py all SECONDS`` runs all of them for so long together.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import models, tables

__all__ = ["TARGETS", "Outcome", "fuzz"]

TARGETS: dict[str, Callable[[Random, Path], None]] = {
    "files": tables.read_any_file,
    "csv": tables.read_as_csv_does,
    "catalogues": tables.read_any_catalogue,
    "objects": tables.read_any_objects,
    "damaged-models": models.load_a_damaged_model,
    "forged-models": models.load_a_forged_model,
}
_MEMORY = 1 << 30
# A case may take this many seconds of the processor, and a longer time on a machine that does other things, too.
_PROCESSOR_SECONDS, _SECONDS = 10.0, 120.0
# The first case imports and compiles.
_START_SECONDS = 300.0
_MOST_FINDINGS = 20
# Another program has stopped the process, which then begins again.
_STOPPED = "stopped"


class Outcome(NamedTuple):
    """How many cases ran, and what was found: number of the case → what happened."""

    cases: int
    findings: dict[int, str]


def fuzz(target: str, seconds: float, first: int = 0) -> Outcome:
    """Run the cases of a target from `first` on, for some time; a process that died or hung is replaced."""
    findings: dict[int, str] = {}
    number, deadline = first, time.monotonic() + seconds
    while len(findings) < _MOST_FINDINGS:
        done, finding = _watch(target, number, max(0.1, deadline - time.monotonic()))
        number = done + 1
        if finding is None:
            break
        if finding == _STOPPED:
            number = done
        else:
            findings[done] = finding
    return Outcome(number - first, findings)


def _watch(target: str, first: int, seconds: float) -> tuple[int, str | None]:
    """Run cases in one process, until one fails or the time is over; return the last case and what happened in it."""
    command = [sys.executable, __file__, "--cases", target, str(first), str(seconds)]
    number, began = first, False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)
        lines, said = b"", b""
        used, since = 0.0, time.monotonic()
        while True:
            ready, _, _ = select.select([process.stdout, process.stderr], [], [], 1.0)
            said = (said + (process.stderr.read() or b"" if process.stderr in ready else b""))[-4000:]
            if process.stdout in ready:
                block = os.read(process.stdout.fileno(), 1 << 16)
                if not block:
                    process.wait()
                    said += process.stderr.read() or b""
                    if process.returncode == 0:
                        return number, None
                    if process.returncode == -signal.SIGTERM:
                        return number, _STOPPED
                    return number, f"ended with {process.returncode}: {said.decode(errors='replace')}"
                *whole, lines = (lines + block).split(b"\n")
                if whole:
                    number, began = int(whole[-1]), True
                    used, since = _processor_seconds(process.pid), time.monotonic()
            elif not began and time.monotonic() - since > _START_SECONDS:
                process.kill()
                return number, "did not begin"
            elif began and (
                _processor_seconds(process.pid) - used > _PROCESSOR_SECONDS or time.monotonic() - since > _SECONDS
            ):
                process.kill()
                return number, "hangs"


def _processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, or this is not Linux
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _limit_memory() -> None:
    """Let this process take no more than a gibibyte beyond what it has now."""
    try:
        import resource

        lines = Path("/proc/self/status").read_text().splitlines()
        now = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (now + _MEMORY, now + _MEMORY))
    except (ImportError, OSError):  # not Linux
        return


def _run_cases(target: str, first: int, seconds: float) -> None:
    """Run cases, and say the number of each before it; the first that fails ends the process."""
    warnings.simplefilter("ignore")
    run = TARGETS[target]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        folder, number = Path(name), first
        for warm_up in range(5):  # imports and kernels do not count as memory or time of a case
            run(Random(f"warm up {target} {warm_up}"), folder)
        _limit_memory()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            os.write(1, f"{number}\n".encode())
            try:
                run(Random(f"{target} {number}"), folder)
            except BaseException:
                os.write(2, traceback.format_exc(limit=-6).encode())
                os._exit(1)
            number += 1


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--cases"]:
        _run_cases(arguments[1], int(arguments[2]), float(arguments[3]))
        return 0
    if len(arguments) == 2 and arguments[0] in TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            TARGETS[arguments[0]](Random(f"{arguments[0]} {arguments[1]}"), Path(folder))
        return 0
    if len(arguments) == 2 and arguments[0] == "all":
        first = int(os.environ.get("PALATE_FUZZ_FIRST") or time.time())
        found = 0
        for target in TARGETS:
            outcome = fuzz(target, float(arguments[1]) / len(TARGETS), first)
            found += len(outcome.findings)
            print(f"{target}: {outcome.cases:,} cases from {first}, {len(outcome.findings)} findings", flush=True)
            for number, finding in outcome.findings.items():
                print(f"python tests/fuzz/run.py {target} {number}\n{finding}", flush=True)
        return int(found > 0)
    print(__doc__, *TARGETS, sep="\n")
    return 2


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
