"""Errors as JSON: `{"error": {"kind", "message", "fields"}}` with the status that belongs to the kind of error."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from pydantic import ValidationError
from starlette.responses import JSONResponse

from genair_engine.errors import GenairError, InputError, NotFoundError, OutageError

log = logging.getLogger(__name__)
RETRY_SECONDS = 2


@dataclass
class Problem(Exception):
    """A request that cannot be answered. fields: what is wrong with which field of it."""

    status: int
    kind: str
    message: str
    fields: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        error = {"kind": self.kind, "message": self.message, "fields": self.fields}
        return JSONResponse({"error": error}, self.status, headers=self.headers)


def problem_of(error: Exception) -> Problem:
    """What a client is told about an error; of a defect no more than that it happened (the log has its traceback)."""
    match error:
        case Problem():
            return error
        case ValidationError():
            wrong = [(".".join(map(str, detail["loc"])) or "request", detail["msg"]) for detail in error.errors()]
            fields = [{"field": name, "message": message} for name, message in wrong]
            return Problem(422, "invalid_request", "; ".join(f"{name}: {message}" for name, message in wrong), fields)
        case NotFoundError():
            return Problem(404, "not_found", str(error))
        case InputError():
            return Problem(422, "invalid_request", str(error))
        case OutageError():
            return Problem(503, "unavailable", str(error), headers={"Retry-After": str(RETRY_SECONDS)})
        case GenairError():
            log.error("%s", error)
            return Problem(500, "failed", str(error))
    log.error("a request failed", exc_info=error)
    return Problem(500, "defect", "The server failed on this request; its log says why.")
