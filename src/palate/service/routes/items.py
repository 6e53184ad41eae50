"""The items: a search, one item, similar items, and a map."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from palate.service import search, serializers
from palate.service.app_state import app_state
from palate.service.item_map import item_map
from palate.service.schemas import ItemResponse, ItemsResponse, MapResponse, SimilarResponse
from palate.service.web import Count, ItemId, Offset, cacheable_response, problem_responses

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["items"], responses={304: {"description": "Unchanged."}, **problem_responses()})


@router.get("/items", response_model=ItemsResponse)
def items(
    request: Request,
    q: Annotated[str, Query(max_length=200, description="Words that the title or the text must contain.")] = "",
    n: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
) -> Response:
    """List items, the most rated first."""
    loaded = app_state(request).loaded
    return cacheable_response(request, loaded.tag, lambda: search.page(loaded, q, n, offset))


@router.get("/items/{item:id}", response_model=ItemResponse)
def item(request: Request, item: ItemId) -> Response:
    """Return one item."""
    loaded = app_state(request).loaded
    index = search.position(loaded, item)
    return cacheable_response(request, loaded.tag, lambda: search.describe(loaded, index))


@router.get("/items/{item:id}/similar", response_model=SimilarResponse)
def similar(
    request: Request,
    item: ItemId,
    n: Count = 10,
    by: Annotated[serializers.SimilarityMeasure, Query()] = "cosine",
) -> Response:
    """List the items that are most similar: the same users like them."""
    loaded = app_state(request).loaded
    model = loaded.model
    body = {
        "id": model.items[model.items.require(item)],
        "by": by,
        "similar": serializers.similar(model.similar_items(item, n, by=by)),
    }
    return cacheable_response(request, loaded.tag, lambda: body)


@router.get("/map", response_model=MapResponse)
def places(
    request: Request, n: Annotated[int, Query(ge=1, le=5000, description="The number of items.")] = 2000
) -> Response:
    """Place the most rated items in two dimensions, the principal components of their factors, in groups."""
    loaded = app_state(request).loaded
    return cacheable_response(request, loaded.tag, lambda: item_map(loaded, n))
