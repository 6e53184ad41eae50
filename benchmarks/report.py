"""Tables, the plot and the page of the manual, from what was measured."""

from __future__ import annotations

import json
import os
import platform
import re
import textwrap
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["machine", "table", "write"]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PLOT, RECORD = PAGE.with_suffix(".svg"), PAGE.with_suffix(".json")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
OURS = "palate"
PACKAGES = ("palate", "numpy", "numba", "implicit", "lenskit", "cmfrec", "pyspark", "myfm", "scikit-surprise", "pandas")


def machine(threads: int) -> dict[str, Any]:
    """Return what was measured on."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": date.today().isoformat(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": versions,
    }


def times(result: dict[str, Any], name: str) -> list[float]:
    """Return the seconds of a contender's turns."""
    return result["contenders"].get(name, {}).get("seconds", [])


def yardstick(result: dict[str, Any], name: str) -> list[float]:
    """Return the seconds of palate that a contender is compared with: those of the same kind, such as whole commands."""
    kind = name.partition(", ")[2]
    return times(result, f"{OURS}, {kind}") or times(result, OURS)


def ratios(result: dict[str, Any], name: str) -> list[float]:
    """Return a contender's seconds over palate's, turn by turn."""
    return [theirs / ours for theirs, ours in zip(times(result, name), yardstick(result, name), strict=False)]


def peers(result: dict[str, Any]) -> dict[str, float]:
    """Return the medians of the ratios of the peers that were measured against palate itself, the limit left out."""
    names = [name for name in result["contenders"] if not name.startswith((OURS, "limit")) and times(result, name)]
    names = [name for name in names if yardstick(result, name) == times(result, OURS)]
    return {name: median(ratios(result, name)) for name in names if ratios(result, name)}


def table(title: str, result: dict[str, Any]) -> str:
    """Return a case as a table."""
    if "skipped" in result:
        return f"Not run: {result['skipped']}."
    scored = any(record.get("score") is not None for record in result["contenders"].values())
    lines = [f"| {title} | median s | least | most | times palate's |" + (" reached | passes |" if scored else "")]
    lines.append("|---|---|---|---|---|" + ("---|---|" if scored else ""))
    for name, record in result["contenders"].items():
        seconds = times(result, name)
        if "skipped" in record or not seconds:
            lines.append(f"| {name} | {record.get('skipped', 'not run')} | | | |" + (" | |" if scored else ""))
            continue
        found = ratios(result, name)
        ratio = f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else ""
        ratio = "" if name.startswith(OURS) and times(result, name) is yardstick(result, name) else ratio
        row = f"| {name} | {median(seconds):.4g} | {min(seconds):.4g} | {max(seconds):.4g} | {ratio} |"
        lines.append(row + (f" {reached(record)} |" if scored else ""))
    return "\n".join(lines)


def reached(record: dict[str, Any]) -> str:
    """Return the score reached and the number of passes, as two cells."""
    score = record.get("score")
    if score is None:
        return "|"
    missed = " (not good enough)" if score > record.get("goal", score) else ""
    return f"{score:.4f}{missed} | {record['passes'][0]}"


def summary(found: dict[str, Any], jobs: dict[str, Any]) -> str:
    """Return the table of all cases: the best peer, and how far away the limit is."""
    lines = [
        "| job | best peer | its time over palate's | goal: must, aim | palate's time over the limit |",
        "|---|---|---|---|---|",
    ]
    for name, result in found.items():
        case, job = result["case"], jobs[result["case"]["job"]]
        theirs = peers(result)
        best = min(theirs, key=theirs.__getitem__, default="")
        spread = ratios(result, best) if best else []
        ratio = (
            f"**{theirs[best]:.2f}** ({min(spread):.2f} to {max(spread):.2f})"
            if best
            else result.get("skipped", "no peer")
        )
        goal = f"{case['must']:.3g}, {case['aim']:.3g}" if case["must"] else ""
        limit = ratios(result, f"limit: {job.limited_by}") if job.limit else []
        lines.append(f"| {name} | {best} | {ratio} | {goal} | {f'{1 / median(limit):.2f}' if limit else ''} |")
    return "\n".join(lines)


def machines(found: dict[str, Any]) -> str:
    """Say on what each case was measured."""
    cases: dict[str, list[str]] = {}
    for name, result in found.items():
        used = result["machine"]
        versions = ", ".join(f"{package} {number}" for package, number in used["versions"].items())
        told = f"{used['processor']}, {used['cores']} cores, {used['threads']} threads, Python {used['python']}; {versions}"
        cases.setdefault(told, []).append(f"{name} ({used['date']})")
    return "\n\n".join(f"{told}: {'; '.join(names)}." for told, names in cases.items())


def write(found: dict[str, Any], jobs: dict[str, Any]) -> None:
    """Put the tables between the markers of the page, and draw the plot beside it."""
    order = [case.name for job in jobs.values() for case in job.cases]
    found = dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
    RECORD.write_text(json.dumps(found, indent=1) + "\n")
    parts = [machines(found), summary(found, jobs)]
    if plot(found):
        parts.insert(1, f"![The time of each peer over palate's, by job]({PLOT.name})")
    for name in dict.fromkeys(result["case"]["job"] for result in found.values()):
        job = jobs[name]
        note = textwrap.fill(" ".join(job.note.split()), 120)
        parts += [f"### {job.title[0].upper()}{job.title[1:]}", f"`python benchmarks/run.py {name}`. {note}"]
        parts[-1] = textwrap.fill(parts[-1], 120, break_long_words=False, break_on_hyphens=False)
        parts += [table(title, result) for title, result in found.items() if result["case"]["job"] == name]
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    body = "\n\n".join(parts)
    PAGE.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{rest.split(END)[1]}")


def plot(found: dict[str, Any]) -> bool:
    """Draw the ratios on a logarithmic axis; without matplotlib nothing is drawn."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "palate"
    from matplotlib import pyplot

    rows = [(name, peer, ratios(result, peer)) for name, result in found.items() for peer in peers(result)]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.28 * len(rows)), layout="constrained")
    for place, (_, _, ratio) in enumerate(rows):
        axes.barh(place, median(ratio) - 1, left=1, color="#4c78a8", height=0.7)
        axes.plot([min(ratio), max(ratio)], [place, place], color="#222222", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{name}: {peer}" for name, peer, _ in rows], fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes.axvline(1, color="#222222", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("time over palate's (median; the line is least to most)")
    figure.savefig(PLOT, metadata={"Date": None})
    return True
