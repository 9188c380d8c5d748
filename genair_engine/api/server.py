"""The verb `serve`: the HTTP API as a server of its own, without the app."""

from __future__ import annotations

import contextlib
import socket

from genair_engine.api.requests import ServeRequest, ServeResult
from genair_engine.errors import InputError
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.recommend import Recommenders
from genair_engine.workspace import Workspace


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
