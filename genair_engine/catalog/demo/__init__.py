"""The demo catalogue: a made-up shop of a thousand items and four thousand users, and what was planted behind it.

`python -m genair_engine.catalog.demo --output FOLDER` writes it; it is imported from there like any other data set.
Nothing is imported before it is asked for (`genair_engine.lazy`).
"""

from typing import TYPE_CHECKING

from genair_engine.lazy import getter

if TYPE_CHECKING:
    from genair_engine.catalog.demo.catalogue import DemoCatalogue, demo_catalogue, write_catalogue
    from genair_engine.catalog.demo.items import DemoItem, draw_items, returns_and_rank, sun_hat
    from genair_engine.catalog.demo.size import ITEMS, SUN_HAT_ID, SUN_HAT_NUMBER, USERS
    from genair_engine.catalog.demo.vocabulary import Audience, Kind, audiences, invented_word, kinds


__getattr__ = getter(globals())
