"""The demo catalogue: a made-up shop of a thousand items and four thousand users, and what was planted behind it.

`python -m genair_engine.catalog.demo --output FOLDER` writes it; it is imported from there like any other data set.
"""

from genair_engine.catalog.demo.catalogue import SUN_HAT_ID, SUN_HAT_NUMBER, DemoCatalogue, demo_catalogue, write_catalogue
from genair_engine.catalog.demo.items import DemoItem, draw_items, returns_and_rank, sun_hat
from genair_engine.catalog.demo.vocabulary import Audience, Kind, audiences, invented_word, kinds

__all__ = [
    "SUN_HAT_ID",
    "SUN_HAT_NUMBER",
    "Audience",
    "DemoCatalogue",
    "DemoItem",
    "Kind",
    "audiences",
    "demo_catalogue",
    "draw_items",
    "invented_word",
    "kinds",
    "returns_and_rank",
    "sun_hat",
    "write_catalogue",
]
