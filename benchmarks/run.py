"""Measure palate beside its peers, in turn.

    python benchmarks/run.py [JOB ...] [--ratings N] [--factors K ...] [--threads 2] [--repeats 5] [--peers NAME ...]

Without names all jobs are run. Each contender of a case has a process of its own, which loads the same table, does the work
once on a small one (so that everything is compiled and all threads run), and stands still while others have their turn. The
turns go round `--repeats` times. What was measured is added to `.bench/results.json`; with `--write` docs/benchmarks.md
and its plot are made from that. `--short` is a smoke test: small tables, one turn, everything in one process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import install
import report
from data import Case, Skip, Task, prepare
from jobs import Job, jobs
from worker import LIMIT, Here, Process

SHORT = 20_000
LEAST_TURNS = 3


def main(arguments: list[str]) -> None:
    # Ended from outside, it must not leave processes behind that stand still for ever.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    every = jobs()
    options = read_options(arguments, list(every))
    options.output.mkdir(parents=True, exist_ok=True)
    results = options.output / "results.json"
    found = json.loads(results.read_text()) if results.exists() else {}
    for name in options.jobs or every:
        for case in cases(every[name], options):
            print(f"\n{case.name}", flush=True)
            found[case.name] = measure(every[name], case, options)
            print(report.table(case.name, found[case.name]), flush=True)
            results.write_text(json.dumps(found, indent=1))
    if options.write:
        report.write(found, every)


def read_options(arguments: list[str], names: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(names))
    parser.add_argument("--ratings", type=int, help="rows of the synthetic table, where a case says nothing else: 10M")
    parser.add_argument("--factors", type=int, nargs="+", help="only the cases with these numbers of factors")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="+", help="only these modules of benchmarks/peers")
    parser.add_argument("--patience", type=float, default=900, help="seconds a turn may take")
    parser.add_argument(
        "--budget", type=float, default=200, help="seconds after which a contender has three turns only"
    )
    parser.add_argument("--short", action="store_true", help="a smoke test")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--output", type=Path, default=install.FOLDER.absolute())
    options = parser.parse_args(arguments)
    if unknown := set(options.jobs) - set(names):
        parser.error(f"no job {', '.join(unknown)}: there are {', '.join(names)}")
    return options


def cases(job: Job, options: argparse.Namespace) -> list[Case]:
    """Return the cases that were asked for."""
    chosen = list(job.cases)
    if options.factors and any(case.factors for case in chosen):
        declared = {case.factors: case for case in reversed(chosen)}
        chosen = [
            declared.get(k) or dataclasses.replace(chosen[0], factors=k, must=None, aim=None) for k in options.factors
        ]
    ratings = SHORT if options.short else options.ratings
    if ratings:
        chosen = [dataclasses.replace(case, ratings=ratings) for case in chosen]
    return list(dict.fromkeys(chosen))[: 1 if options.short else None]


def measure(job: Job, case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Return all that was measured of a case."""
    result: dict[str, Any] = {
        "case": dataclasses.asdict(case),
        "machine": report.machine(options.threads),
        "contenders": {},
    }
    try:
        task = Task(case, options.threads, str(prepare(case, options.output / "data").absolute()))
    except Skip as reason:
        return result | {"skipped": str(reason)}
    wanted = job.contenders | ({f"limit: {job.limited_by}": f"{LIMIT}.{LIMIT}"} if job.limit else {})
    open_: dict[str, Here | Process] = {}
    try:
        for name, contender in wanted.items():
            module = contender.partition(".")[0]
            if options.peers and module not in (*options.peers, "palate", LIMIT):
                continue
            result["contenders"][name] = {"passes": passes_of(job, name, options)}
            try:
                open_[name] = Here(contender, task) if options.short else Process(contender, task, options.patience)
            except Skip as reason:
                result["contenders"][name]["skipped"] = failure(module) or str(reason)
        run(job, open_, result["contenders"], 1 if options.short else options.repeats, options.budget)
    finally:
        for contender_ in open_.values():
            contender_.close()
    return result


def passes_of(job: Job, name: str, options: argparse.Namespace) -> tuple[int, ...]:
    """Return the numbers of passes of a contender: one, or several to choose from."""
    if name.startswith(LIMIT):
        return (1,)
    passes = (job.passes,) if isinstance(job.passes, int) else job.passes[name]
    return passes[:1] if options.short else passes


def failure(module: str) -> str:
    """Return why a peer could not be installed, as far as that is known."""
    return json.loads(install.RECORD.read_text()).get(module, "") if install.RECORD.exists() else ""


def run(job: Job, open_: dict[str, Here | Process], records: dict[str, Any], repeats: int, budget: float) -> None:
    """Let all contenders have their turns; what they did goes into the records."""
    if job.goal:
        for name in [name for name in open_ if not name.startswith(LIMIT)]:
            guarded(open_, records, name, sweep)
        scores = {
            name: {int(k): v for k, v in records[name]["swept"].items()} for name in open_ if "swept" in records[name]
        }
        goal = job.goal(scores) if scores else 0.0
        for name, found in scores.items():
            records[name] |= {
                "goal": goal,
                "passes": [min((k for k, v in found.items() if v <= goal), default=max(found))],
            }
    spent = dict.fromkeys(open_, 0.0)
    for round_ in range(repeats):
        for name in list(open_):
            if round_ >= LEAST_TURNS and spent[name] > budget:
                continue  # a slow one is known well enough
            started = time.perf_counter()
            guarded(open_, records, name, take_turn)
            spent[name] += time.perf_counter() - started
    for name in list(open_):
        guarded(open_, records, name, keep_score)


def guarded(open_: dict[str, Any], records: dict[str, Any], name: str, step: Any) -> None:
    """Take a step of a contender; one that fails is left out from there on."""
    try:
        step(open_[name], records[name])
    except Skip as reason:
        records[name]["skipped"] = str(reason)
        del open_[name]


def sweep(contender: Here | Process, record: dict[str, Any]) -> None:
    """Note the score of each number of passes."""
    record["swept"] = {}
    for passes in record["passes"]:
        contender.turn(passes)
        record["swept"][str(passes)] = contender.score()


def take_turn(contender: Here | Process, record: dict[str, Any]) -> None:
    """Note the seconds of a turn."""
    record.setdefault("seconds", []).append(contender.turn(record["passes"][0]))


def keep_score(contender: Here | Process, record: dict[str, Any]) -> None:
    """Note the score of the last turn."""
    score = contender.score()
    record["score"] = score if score == score else None


if __name__ == "__main__":
    main(sys.argv[1:])
