"""What one worker answers, next to a bare FastAPI endpoint, in turns within one run.

    python benchmarks/serve.py MODEL [--seconds 5] [--rounds 3]

The load comes from wrk (apt-get install wrk) on one thread. Every request asks for a user drawn from those of the
model. "palate" may answer from what it kept of an earlier request for the same user; "anew" asks each time with another
seed (which changes nothing), so that nothing was kept.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BARE = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/v1/users/{user}/recommendations")
async def recommendations(user: str, n: int = 10):
    return {"user": user, "n": n}
"""

LUA = """
math.randomseed(os.time())
local users = {}
for line in io.lines(os.getenv("PALATE_USERS")) do users[#users + 1] = line end
local fresh = os.getenv("PALATE_FRESH") == "1"
request = function()
  local path = "/v1/users/" .. users[math.random(#users)] .. "/recommendations?n=10"
  if fresh then path = path .. "&seed=" .. math.random(1000000000) end
  return wrk.format("GET", path)
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(command: list[str], port: int, path: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            command, stderr=log, stdout=log, cwd=folder, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit((folder / "log").read_text()[-2000:])
        yield process
    finally:
        process.terminate()
        process.wait(20)


def load(
    port: int, seconds: int, connections: int, folder: Path, fresh: bool = False
) -> tuple[float, float, float, int, int]:
    """Return requests a second, p50 and p99 in ms, answers that were none, and timeouts of 2 s."""
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(folder / "users.lua"),
        f"http://127.0.0.1:{port}",
    ]
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PALATE_USERS": str(folder / "users"), "PALATE_FRESH": str(int(fresh))},
    )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", told.stdout)
    assert found, told.stdout + told.stderr
    requests, duration, half, most, refused, lost = map(int, found.groups())
    return requests / duration * 1e6, half / 1000, most / 1000, refused, lost


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def rate_then_ask(port: int, count: int, users: list[str]) -> list[float]:
    """Return how many ms a rating and the recommendation after it take together, each time."""
    import httpx

    took = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for turn in range(count):
            user = users[turn % len(users)]
            item = 1 + turn % 100
            begun = time.perf_counter()
            answer = client.put(f"/v1/users/{user}/ratings/{item}", json={"rating": 1.0})
            client.get(f"/v1/users/{user}/recommendations").raise_for_status()
            took.append((time.perf_counter() - begun) * 1000)
            answer.raise_for_status()
    return took


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("model", type=Path)
    given.add_argument("--seconds", type=int, default=5)
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--connections", type=int, default=16)
    given.add_argument(
        "--requests", type=int, default=0, help="Then this number of further requests, to see whether memory grows."
    )
    arguments = given.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("this needs wrk: apt-get install wrk")
    from palate import load as load_model

    users = [str(id) for id in load_model(arguments.model).users.ids[:5000]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare.py").write_text(BARE)
        (folder / "users").write_text("\n".join(users) + "\n")
        (folder / "users.lua").write_text(LUA)
        bare, ours = free_port(), free_port()
        uvicorn = [
            sys.executable,
            "-m",
            "uvicorn",
            "bare:app",
            "--port",
            str(bare),
            "--no-access-log",
            "--log-level",
            "warning",
        ]
        palate = [sys.executable, "-m", "palate", "serve", str(arguments.model.resolve()), "--port", str(ours)]
        palate += ["--store", f"sqlite:///{folder / 'events.sqlite'}"]
        measured: dict[str, list[tuple[float, float, float, int, int]]] = {"bare": [], "palate": [], "anew": []}
        with (
            server(uvicorn, bare, "/v1/users/1/recommendations", folder),
            server(palate, ours, "/healthz", folder) as process,
        ):
            for port in (bare, ours):
                load(port, 1, arguments.connections, folder)
            for _ in range(arguments.rounds):
                for who, port in (("bare", bare), ("palate", ours), ("anew", ours)):
                    measured[who].append(load(port, arguments.seconds, arguments.connections, folder, who == "anew"))
            before, sent = memory(process), 0
            while sent < arguments.requests:
                sent += int(load(ours, 10, arguments.connections, folder)[0] * 10)
            after = memory(process)
            took = sorted(rate_then_ask(ours, 300, users))
        report(measured, took, (before, after, sent))


def report(
    measured: dict[str, list[tuple[float, float, float, int, int]]], took: list[float], grown: tuple[float, float, int]
) -> None:
    for who, rows in measured.items():
        rate, half, most = (statistics.median(row[at] for row in rows) for at in range(3))
        refused, lost = (sum(row[at] for row in rows) for at in (3, 4))
        print(
            f"{who:8}{rate:8.0f} requests/s   p50 {half:6.2f} ms   p99 {most:6.2f} ms   {refused} refused, {lost} late"
        )
    for who in ("palate", "anew"):
        ratios = [bare[0] / ours[0] for bare, ours in zip(measured["bare"], measured[who], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{who}: a request costs {statistics.median(ratios):.2f} times a bare one, {spread}")
    print(
        f"a rating and the next recommendation: p50 {took[len(took) // 2]:.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms"
    )
    if grown[2]:
        print(f"memory {grown[0]:.0f} MiB, after {grown[2]:,} more requests {grown[1]:.0f} MiB")


if __name__ == "__main__":
    main()
