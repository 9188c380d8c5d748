"""The API's endpoints as Starlette routes, for any ASGI application: requests and answers are the verbs' own.

A verb says itself that it is asked over HTTP, and where (`Verb.http`). A GET takes its request from the query, a POST from a
JSON body. Nothing here changes the workspace.
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

from genair_engine import __version__
from genair_engine.api.batching import Batcher
from genair_engine.api.openapi import description
from genair_engine.api.problems import Problem, problem_of
from genair_engine.verbs import base, registry
from genair_engine.verbs.base import Verb
from genair_engine.verbs.recommending.recommend import Recommenders
from genair_engine.verbs.recommending.requests import RECOMMEND, RECOMMEND_BATCH

Answer = Callable[[Any], Awaitable[BaseModel]]
"""From a typed request to its typed result."""

MOST_BYTES = 4_000_000
"""Of a body: a batch of 1,000 sessions of 200 short ids fits."""


class NoRequest(base.Request):
    """Whether the server answers and reaches its database."""


class Health(BaseModel):
    """It does."""

    status: Literal["ok"] = "ok"
    version: str = __version__


@dataclass(frozen=True)
class Endpoint:
    """One path with one method; an ASGI application."""

    method: Literal["GET", "POST"]
    path: str
    request: type[BaseModel]
    result: type[BaseModel]
    answer: Answer

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


def api_routes(recommenders: Callable[[], Recommenders]) -> list[BaseRoute]:
    """The routes. recommenders: called in a thread when the first request needs it; it says which workspace is served."""
    batcher = Batcher(recommenders)
    with_others: dict[str, Answer] = {RECOMMEND.name: batcher.recommend, RECOMMEND_BATCH.name: batcher.batch}

    async def health(_: NoRequest) -> Health:
        await asyncio.to_thread(lambda: recommenders().workspace.dataset_rows())
        return Health()

    def answer(verb: Verb) -> Answer:
        """How a verb's request is answered: those that rank together with what others ask, the others in a thread each."""

        async def ranked(request: Any) -> BaseModel:
            workspace = await asyncio.to_thread(lambda: recommenders().workspace)
            with registry.entered(workspace, verb, request):
                return await with_others[verb.name](request)

        async def called(request: Any) -> BaseModel:
            return await asyncio.to_thread(lambda: registry.call(recommenders().workspace, verb.name, request))

        return ranked if verb.name in with_others else called

    endpoints = [Endpoint("GET", "/healthz", NoRequest, Health, health)]
    for verb in registry.all_verbs().values():
        if verb.http:
            endpoints.append(Endpoint(verb.http.method, verb.http.path, verb.request, verb.result, answer(verb)))
    known = ", ".join([*(f"{endpoint.method} {endpoint.path}" for endpoint in endpoints), "GET /api/openapi.json"])
    # Any other path below /api is told what there is: without the last route the app's own page would be the answer.
    return [
        *(Route(endpoint.path, endpoint) for endpoint in endpoints),
        Route("/api/openapi.json", JSONResponse(description(endpoints))),
        Route("/api/{rest:path}", Problem(404, "not_found", f"There is nothing at this path. There is: {known}.").response()),
    ]
