"""The items: searching them, one of them, what is like it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from palate.service import item_map, search, serializers
from palate.service.schemas import Item, ItemPage, Likes, Map
from palate.service.web import Count, ItemId, Offset, parts, problems, steady

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["items"], responses={304: {"description": "As before."}, **problems()})


@router.get("/items", response_model=ItemPage)
def items(
    request: Request,
    q: Annotated[str, Query(max_length=200, description="Words that the title or text holds.")] = "",
    n: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
) -> Response:
    """List items, those rated most first."""
    edition = parts(request).running.edition
    return steady(request, edition.tag, lambda: search.page(edition, q, n, offset))


@router.get("/items/{item:id}", response_model=Item)
def item(request: Request, item: ItemId) -> Response:
    """Return an item."""
    edition = parts(request).running.edition
    told = search.described(edition, search.position(edition, item))
    return steady(request, edition.tag, told)


@router.get("/items/{item:id}/similar", response_model=Likes)
def similar(
    request: Request, item: ItemId, n: Count = 10, by: Annotated[serializers.Likeness, Query()] = "cosine"
) -> Response:
    """Find items that the same people like."""
    edition = parts(request).running.edition
    model = edition.model
    found = model.similar_items(item, n, by=by)
    own = model.items[model.items.require(item)]
    return steady(request, edition.tag, {"id": own, "by": by, "similar": serializers.similar(found)})


@router.get("/map", response_model=Map)
def places(
    request: Request, n: Annotated[int, Query(ge=1, le=5000, description="The most rated ones.")] = 2000
) -> Response:
    """Lay the items out in two dimensions (the principal components of their factors), in groups of a kind."""
    edition = parts(request).running.edition
    return steady(request, edition.tag, lambda: item_map.drawn(edition, n))
