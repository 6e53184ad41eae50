"""The endpoints, one module for each subject."""

from __future__ import annotations

from palate.service.routes import anonymous, batches, items, me, model, ratings, state, users

__all__ = ["ROUTERS"]

# Routes are tried in order: the ones that are requested most come first.
ROUTERS = [
    users.router,
    me.router,
    items.router,
    ratings.router,
    anonymous.router,
    batches.router,
    model.router,
    state.router,
]
