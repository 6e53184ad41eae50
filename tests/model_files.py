"""Model files of released formats and the answers of their models.

`python tests/model_files.py` writes the files of the present format. Files of released formats are never written again:
see "File format" in docs/model.md.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

import palate
from palate.catalogue import Catalogue, Entry
from palate.storage import FORMAT

FIXTURES = Path(__file__).with_name("fixtures")
# Settings that keep the files small; those of "bayes" make its file hold every array that a posterior can have.
SMALL = {
    "als": {"factors": 2, "sweeps": 3, "regularization": 0.1},
    "article": {"factors": 2, "epochs": 2},
    "bayes": {"factors": 2, "sweeps": 20, "user_noise": True, "item_noise": True, "user_sets": True, "item_sets": True},
    "implicit": {"factors": 2, "sweeps": 3},
    "sgd": {"factors": 2, "epochs": 2, "regularization": 0.1, "validation": 0.0},
}
CATALOGUE = Catalogue({"i00": Entry("Première", "Ligne 1\nLigne 2"), "i99": Entry("never rated", "")})


def ratings():
    """Ratings of text items by numbered users, on a scale from 1 to 5."""
    rng = np.random.default_rng(0)
    rows = [(user, f"i{item:02}", float(rng.integers(2, 11)) / 2) for user in range(1, 13) for item in range(10)]
    return palate.read_ratings([rows[at] for at in rng.permutation(len(rows))[:80]])


def answers(model):
    """What a model answers to one question of each kind, as plain JSON values."""
    user, item = model.users[3], model.items[5]
    rated = {model.items[0]: model.scale.high, model.items[4]: model.scale.low, model.items[7]: model.scale.high}
    profile = model.fold_in(rated)
    explanation = model.explain(user, item)
    plain = {
        "repr": repr(model),
        "predictions": [
            [float(one) for one in row] for row in model.predict(model.users.ids[:, None], model.items.ids)
        ],
        "unknown": float(model.predict("nobody", item, unknown="mean")),
        "recommend": [list(one) for one in model.recommend(user, 4)],
        "batch": model.recommend_batch(n=3)[0].tolist(),
        "similar items": [list(one) for one in model.similar_items(item, 4)],
        "similar users": [list(one) for one in model.similar_users(user, 4)],
        "fold in": [profile.bias, *profile.factors.tolist()],
        "newcomer": [list(one) for one in model.recommend(profile, 4)],
        "explain": [explanation.prediction, explanation.intercept, *map(list, explanation.contributions)],
        "ratings": model.ratings().rating.tolist(),
        "title": model.catalogue.title("i00"),
        "solver": dict(model.solver),
        "training": dict(model.training),
    }
    if model.posterior is not None:
        new_item = model.fold_in_item({user: model.scale.high})
        plain |= {
            "interval": [float(end) for end in model.predict(user, item, interval=0.8)],
            "lower bound": [list(one) for one in model.recommend(user, 4, by="lower bound")],
            "new item": [float(end) for end in model.predict(user, new_item, interval=0.8)],
            "ask": [list(one) for one in model.ask(profile, 4)],
        }
    return json.loads(json.dumps(plain))


def main():
    recorded = {}
    for name, settings in SMALL.items():
        model = dataclasses.replace(palate.SOLVERS[name], **settings).fit(ratings())
        model = dataclasses.replace(model, catalogue=CATALOGUE)
        palate.save(model, FIXTURES / f"model-format-{FORMAT}-{name}.palate")
        recorded[name] = answers(model)
    text = json.dumps(recorded, ensure_ascii=False, separators=(",", ":"))
    (FIXTURES / f"model-format-{FORMAT}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
