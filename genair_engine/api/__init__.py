"""The HTTP API: verbs that answer at once, for other programs. Mounted beside the app, or a server of its own."""

from genair_engine.api.mounted import mounted
from genair_engine.api.routes import api_routes
from genair_engine.api.server import ServeRequest, ServeResult, serve

__all__ = ["ServeRequest", "ServeResult", "api_routes", "mounted", "serve"]
