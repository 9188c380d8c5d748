"""What `serve` is asked and answers: the HTTP API as a server of its own."""

from __future__ import annotations

from pydantic import Field

from genair_engine.verbs.base import Request, Result, Verb


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


SERVE = Verb("serve", ServeRequest, ServeResult, run="genair_engine.api.server:serve", role="admin")
