"""The API's endpoints as Starlette routes, for any ASGI application: requests and answers are the verbs' own.

A GET takes its request from the query, a POST from a JSON body. Nothing here changes the workspace.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from genair_engine import __version__, verbs
from genair_engine.api.batching import Batcher
from genair_engine.api.openapi import description
from genair_engine.api.problems import Problem, problem_of

MOST_BYTES = 4_000_000
"""Of a body: a batch of 1,000 sessions of 200 short ids fits."""


class NoRequest(verbs.Request):
    """Whether the server answers and reaches its database."""


class Health(BaseModel):
    """It does."""

    status: Literal["ok"] = "ok"
    version: str = __version__


@dataclass(frozen=True)
class Endpoint:
    """One path with one method; an ASGI application. answer: from the typed request to the typed result."""

    method: Literal["GET", "POST"]
    path: str
    request: type[BaseModel]
    result: type[BaseModel]
    answer: Callable[[Any], Awaitable[BaseModel]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self.respond(Request(scope, receive)))(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """The answer, or the error, as JSON."""
        try:
            result = await self.answer(self.request.model_validate(await self._given(request)))
        except Exception as error:  # nothing but JSON leaves the API
            return problem_of(error).response()
        return Response(result.model_dump_json(), media_type="application/json")

    async def _given(self, request: Request) -> object:
        allowed = ("GET", "HEAD") if self.method == "GET" else (self.method,)
        if request.method not in allowed:
            message = f"{self.path} answers {self.method}, not {request.method}."
            raise Problem(405, "method_not_allowed", message, headers={"Allow": ", ".join(allowed)})
        if self.method == "GET":
            return dict(request.query_params)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise Problem(413, "too_large", f"The body is larger than {MOST_BYTES:,} bytes: send fewer sessions at once.")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "not_json", f"The body is not JSON ({error}): send one object.") from error


def api_routes(recommenders: Callable[[], verbs.Recommenders]) -> list[BaseRoute]:
    """The routes. recommenders: called in a thread when the first request needs it; it says which workspace is served."""
    batcher = Batcher(recommenders)

    async def search(request: verbs.SearchRequest) -> verbs.ItemList:
        return await asyncio.to_thread(lambda: verbs.search(recommenders().workspace, request))

    async def health(_: NoRequest) -> Health:
        await asyncio.to_thread(lambda: verbs.list_datasets(recommenders().workspace, verbs.DatasetsRequest()))
        return Health()

    endpoints = [
        Endpoint("GET", "/healthz", NoRequest, Health, health),
        Endpoint("POST", "/api/recommend", verbs.RecommendRequest, verbs.RecommendResult, batcher.recommend),
        Endpoint("POST", "/api/recommend/batch", verbs.BatchRequest, verbs.BatchResult, batcher.batch),
        Endpoint("GET", "/api/items/search", verbs.SearchRequest, verbs.ItemList, search),
    ]
    known = ", ".join([*(f"{one.method} {one.path}" for one in endpoints), "GET /api/openapi.json"])
    # Any other path below /api is told what there is: without the last route the app's own page would be the answer.
    return [
        *(Route(one.path, one) for one in endpoints),
        Route("/api/openapi.json", JSONResponse(description(endpoints))),
        Route("/api/{rest:path}", Problem(404, "not_found", f"There is nothing at this path. There is: {known}.").response()),
    ]
