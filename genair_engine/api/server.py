"""The verb `serve`: the HTTP API as a server of its own, without the app."""

from __future__ import annotations

import contextlib
import socket

from pydantic import Field

from genair_engine.errors import InputError
from genair_engine.verbs import Progress, Recommenders, Request, Result
from genair_engine.verbs.base import silent
from genair_engine.workspace import Workspace


class ServeRequest(Request):
    """Answer HTTP requests until Ctrl-C (without the app; with GENAIR_API=on the app does so too)."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 lets other machines in")
    port: int = Field(8600, ge=0, le=65_535, description="port; 0: any that is free")
    runs: list[str] = Field([], description="runs to load before the first request")
    keep: int = Field(4, ge=1, le=1000, description="runs in memory at once")


class ServeResult(Result):
    """requests: how many were answered."""

    address: str
    requests: int

    def lines(self) -> list[str]:
        return [f"{self.address} has stopped; {self.requests:,} requests were answered."]


def serve(workspace: Workspace, request: ServeRequest, progress: Progress = silent) -> ServeResult:
    """Serves until it is told to stop. Raises NotFoundError for an unknown run, InputError for an address that is taken."""
    import uvicorn
    from starlette.applications import Starlette

    from genair_engine.api.routes import api_routes

    ready = Recommenders(workspace, max(request.keep, len(request.runs)))
    for number, run in enumerate(request.runs):
        progress(number, len(request.runs), f"loading {run}")
        ready.of(run)
    with contextlib.closing(_listen(request.host, request.port)) as listening:
        address = f"http://{request.host}:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=api_routes(lambda: ready)), access_log=False, log_level="warning", lifespan="off")
        )
        progress(1, 1, f"{address} answers; Ctrl-C stops it")
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends its work and hands the signal on
            server.run(sockets=[listening])
    return ServeResult(address=address, requests=server.server_state.total_requests)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}. Give another --host or --port."
        ) from error
