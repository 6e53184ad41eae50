"""The endpoints, by what they are about."""

from __future__ import annotations

from palate.service.routes import anonymous, batches, items, me, model, ratings, state, users

__all__ = ["ROUTERS"]

# Routes are tried in order: the ones asked for most come first.
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
