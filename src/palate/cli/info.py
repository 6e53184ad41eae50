"""The command that describes a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.cli.fit_report import explain_parts, fit_warnings, outcome, print_warnings
from palate.cli.headings import command
from palate.cli.model_options import load_model, model_argument
from palate.cli.options import json_option
from palate.cli.output import json_text, paragraph, size, table

if TYPE_CHECKING:
    from palate.model import Model

__all__ = ["info", "storage_argument"]


@command()
@model_argument
@json_option
def info(model: str, as_json: bool) -> None:
    """Say what a model is made of, how it was fitted, and what it saves over the full matrix."""
    fitted = load_model(model)
    facts = _facts(model, fitted)
    if as_json:
        json_text({**facts, "history": fitted.training.get("history", [])})
        return
    table("", ["", ""], _rows(facts, fitted), left=2)
    for line in [*explain_parts(fitted.training.get("choices", [])), *_about_draws(fitted)]:
        paragraph(line, "")
    print_warnings(fitted.training)
    paragraph(storage_argument(fitted), "")


def _facts(path: str, model: Model) -> dict[str, Any]:
    from palate.storage import FORMAT

    history, sizes = model.training.get("history", []), model.size
    stored = sizes["factors"] + sizes["biases"]
    return {
        "model": path,
        "format": FORMAT,
        "bytes": Path(path).stat().st_size,
        "users": len(model.users),
        "items": len(model.items),
        "catalogue": len(model.catalogue),
        "never_rated": sum(model.items.find(id) < 0 for id in model.catalogue.entries),
        "ratings": len(model.seen.values) if model.seen else None,
        "factors": model.factors,
        "scale": [model.scale.low, model.scale.high],
        "mean": model.mean,
        "solver": dict(model.solver),
        "training": {name: value for name, value in model.training.items() if name != "history"},
        "warnings": fit_warnings(model.training),
        "training_rmse": history[-1]["training_rmse"] if history else None,
        "numbers": {**sizes, "kept": stored, "share": stored / max(1, sizes["matrix"])},
    }


def _rows(facts: dict[str, Any], model: Model) -> list[list[str]]:
    settings = ", ".join(f"{name} {value}" for name, value in facts["solver"].items() if _is_shown(name, value))
    catalogue = f"{facts['catalogue']:,} items, {facts['never_rated']:,} of them never rated (no factors, no score)"
    rmse, training = facts["training_rmse"], model.training
    rows = [
        ["file", f"{facts['model']}, {size(facts['bytes'])}, format {facts['format']}"],
        ["users × items", f"{facts['users']:,} × {facts['items']:,}, {facts['ratings'] or 0:,} ratings"],
        ["catalogue", catalogue if facts["catalogue"] else "none"],
        ["scale", f"{model.scale}, mean {model.mean:.2f}"],
        ["solver", f"{facts['solver'].get('name')}: {settings}"],
        ["fit", outcome(training)],
        ["training RMSE", "–" if rmse is None else f"{rmse:.4f}"],
    ]
    if "holdout" in training:
        held_out = training["holdout"]
        for name, title in (("rmse", "RMSE"), ("ndcg@10", "NDCG@10")):
            if held_out.get(name) is not None:
                rows.append([f"{title} of {held_out['ratings']:,} held out", f"{held_out[name]:.4f}"])
    rows += [["chosen", text] for text in training.get("choices", [])]
    for trace in training.get("traces", []):
        mixing = f"effective sample size {trace['effective_size']:.0f}, split-R̂ {trace['split_rhat']:.2f}"
        rows.append([f"draws of: {trace['name']}", mixing])
    return rows


def _about_draws(model: Model) -> list[str]:
    """Say what the rows of the draws are."""
    if not model.training.get("traces"):
        return []
    draws = "Draws of: numbers that each sweep draws anew"
    worth = "effective sample size: how many independent draws they are worth"
    return [f"{draws}; {worth}; split-R̂: about 1 where they have settled."]


def _is_shown(name: str, value: Any) -> bool:
    return name != "name" and value is not None


def storage_argument(model: Model) -> str:
    """Return the article's storage argument for this model."""
    m, n, k, sizes = len(model.users), len(model.items), model.factors, model.size
    stored = sizes["factors"] + sizes["biases"]
    if not stored:
        return "This model has no factors: it scores items by what else the user rated."
    biases = f" and {sizes['biases']:,} biases" if sizes["biases"] else ""
    text = (
        f"The full matrix has {m:,} × {n:,} = {sizes['matrix']:,} cells. The factors keep ({m:,} + {n:,}) × {k} = "
        f"{sizes['factors']:,} numbers{biases}: {stored / max(1, sizes['matrix']):.2%} of it. "
    )
    if stored >= sizes["matrix"]:
        text += f"{_size_that_pays(n, stored / max(1, m + n))} "
    return text + "(The file also holds the ids, the training ratings and the texts.)"


def _size_that_pays(items: int, each: float) -> str:
    """Say from which number of users on factors take less room than the matrix, when each row keeps `each` numbers.

    m users and n items pay if m n > (m + n) c, that is if m > n c / (n - c).

    >>> _size_that_pays(40, 20)
    'On so small a table factors save nothing: with 40 items they pay from 41 users on.'
    """
    if items <= each:
        return f"On so small a table factors save nothing: they pay with more than {each:.0f} items."
    users = int(items * each / (items - each)) + 1
    return f"On so small a table factors save nothing: with {items:,} items they pay from {users:,} users on."
