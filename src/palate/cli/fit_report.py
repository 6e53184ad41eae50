"""How a fit went, in words: what was done and chosen, and what it warns of. Every command that fits prints it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from palate.cli.output import paragraph

__all__ = ["describe_lists", "explain_parts", "fit_warnings", "outcome", "print_chosen", "print_warnings"]

# Chains whose halves differ by more than this have not settled (Gelman, Rubin 1992).
_SETTLED = 1.1

# What the words mean that name the parts of the default solver's model.
_PARTS = {
    ("user noise", "item noise"): "some users, or items, have ratings that scatter more than those of others",
    ("user sets", "item sets"): "who rated which item says something, whatever the rating",
    ("plain",): "none of these parts",
    ("biases only",): "no factors at all: how far each user and item lies above or below the mean",
    ("validation ratings",): "training ratings that pilots leave out, to judge what they try",
}


def outcome(training: Mapping[str, Any]) -> str:
    """Return in a line how a fit went.

    Parameters
    ----------
    training
        Of a model.

    Examples
    --------
    >>> outcome({"regularization": 0.055, "epochs": 37, "interrupted": False, "notes": []})
    'regularization 0.055, epochs 37'
    >>> outcome({"pilot_sweeps": 120, "sweeps": 300, "rank": 58, "error_left_percent": None})
    '300 sweeps (passes over all ratings) after 120 in pilots (short trial fits), averaged into factors of rank 58'
    """
    if "pilot_sweeps" in training:
        sweeps, pilots, rank = (training[name] for name in ("sweeps", "pilot_sweeps", "rank"))
        before = f" after {pilots:,} in pilots (short trial fits)" if pilots else ""
        gain = training["error_left_percent"]
        more = "" if gain is None else f"; more sweeps would lower the error by about {gain:.2g}%"
        parts = [f"{sweeps:,} sweeps (passes over all ratings){before}, averaged into factors of rank {rank}{more}"]
    else:
        parts = [f"{name} {value:g}" for name, value in training.items() if type(value) in (int, float)]
    if training.get("stage") == "pilot":
        parts.append("cut short in a pilot (a trial fit), which leaves the validation part of the ratings out")
    return ", ".join(parts)


def print_chosen(training: Mapping[str, Any]) -> None:
    """Print what the fit chose by itself, in words that are explained, and how lists are ranked."""
    choices = training.get("choices", [])
    for line in [*choices, *explain_parts(choices)]:
        paragraph(line, "")
    if "lists" in training:
        paragraph(describe_lists(training["lists"]), "")


def explain_parts(lines: Iterable[str]) -> list[str]:
    """Return what the names of parts mean that lines have: a sentence, or none.

    >>> explain_parts(["item sets: off", "times: on, RMSE 0.9 -> 0.8 on 300 validation ratings"])[0].partition("; ")[0]
    'Item sets: who rated which item says something, whatever the rating'
    """
    text = "\n".join(lines)
    shown = {tuple(name for name in names if name in text): meaning for names, meaning in _PARTS.items()}
    meanings = "; ".join(f"{', '.join(names)}: {meaning}" for names, meaning in shown.items() if names)
    return [f"{meanings[0].upper()}{meanings[1:]}."] if meanings else []


def fit_warnings(training: Mapping[str, Any]) -> list[str]:
    """Return what the fit of a model warns of, a sentence each."""
    warnings = list(training.get("warnings", []))
    names = (trace["name"].partition(" (")[0] for trace in training.get("traces", []) if trace["split_rhat"] > _SETTLED)
    moving = ", ".join(dict.fromkeys(names))
    if not moving:
        return warnings
    gain = training.get("error_left_percent")
    seen = "Fit with more --sweeps and the same --holdout to see whether they still change"
    if gain is not None:
        seen = f"More sweeps would lower their error by about {gain:.2g}%"
    text = (
        f"still moving when the fit ended: {moving}. Such a number is shared by all users and items and is no "
        f"prediction: predictions are means over many draws, and can have settled long before. {seen}"
    )
    return [*warnings, text]


def print_warnings(training: Mapping[str, Any]) -> None:
    """Print what the fit of a model warns of."""
    for line in fit_warnings(training):
        paragraph(f"Warning: {line}.", "")


def describe_lists(record: Mapping[str, Any]) -> str:
    """Return a sentence on how lists are ranked, and why.

    >>> describe_lists({"head": None, "ndcg@10": {"prediction": 0.2, "ease": 0.1}})
    'Lists are ranked by predicted ratings. NDCG@10 on held-out lists (1 is perfect): prediction .2000, ease .1000.'
    >>> describe_lists({"head": None, "ndcg@10": {"prediction": 0.2, "popularity": 0.201}}).partition("2000. ")[2]
    'The simplest way was taken: no other is better by a standard error of the difference.'
    >>> text = describe_lists({"head": "ease", "power": 0, "ndcg@10": {"ease": 0.3, "implicit": 0.302}})
    >>> text.partition("3000. ")[2]
    'The simplest way was taken: no other is better by a standard error of the difference.'
    >>> describe_lists({"head": "ease", "power": 0, "trend": 1.0}).partition(". ")[2]
    'What was chosen lately counts more for users who are still active.'
    """
    if record["head"] is None:
        way = "predicted ratings"
    elif record["power"]:
        way = f"interest: the chance that a user chooses an item ({record['head']}), times the chance of liking it"
        way += "" if record["power"] == 1 else f" to the power of {record['power']:g}"
    else:
        way = f"the chance that a user chooses an item ({record['head']})"
    tried = sorted(record.get("ndcg@10", {}).items(), key=lambda entry: -entry[1])
    figures = ", ".join(f"{name} {value:.4f}".replace(" 0.", " .") for name, value in tried)
    text = f"Lists are ranked by {way}."
    if figures:
        text += f" NDCG@10 on held-out lists (1 is perfect): {figures}."
    if tried and tried[0][0] != (record["head"] or "prediction"):
        text += " The simplest way was taken: no other is better by a standard error of the difference."
    if record.get("trend"):
        text += " What was chosen lately counts more for users who are still active."
    return text
