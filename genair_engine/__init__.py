"""GenAIR Studio's engine: from an item catalogue to archetypes, trained recommenders and top-K recommendations.

`from genair_engine import Recommender, Workspace` is the way in for Python programs, `genair_engine.verbs` that of the
app, the command line and the API. Both classes are loaded when they are first asked for: importing this package loads nothing.
"""

from importlib import import_module

__version__ = "0.2.0"
__all__ = ["Recommender", "Workspace"]

_MODULES = {"Recommender": "genair_engine.verbs.recommending.recommender", "Workspace": "genair_engine.workspace"}


def __getattr__(name: str) -> type:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded: type = getattr(import_module(_MODULES[name]), name)
    return loaded
