"""The API inside another server: the app's. GENAIR_API decides."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import BaseRoute

from genair_engine import verbs
from genair_engine.api.routes import api_routes
from genair_engine.errors import InputError
from genair_engine.settings import load_settings


def mounted(recommenders: Callable[[], verbs.Recommenders]) -> list[BaseRoute]:
    """The API's routes where GENAIR_API is "on", else none; none also where a setting is wrong, which the pages show."""
    try:
        wanted = load_settings().api == "on"
    except InputError:
        wanted = False
    return api_routes(recommenders) if wanted else []
