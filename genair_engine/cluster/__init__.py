"""Work on a Ray cluster, for verbs that need not know it: `spread` runs a function over items, `language_model` writes texts.

Without GENAIR_RAY_ADDRESS both work in this process. With it, an item becomes a task, and texts are written by actors of Ray
Data that each hold the model. Tasks open the workspace themselves: all machines need the same folder (or URL), the same
PostgreSQL database, and this repository with its .venv at the same path. Ray is imported when it is needed, never before.
"""

from genair_engine.cluster.connection import importable, placed, reachable, shared, variables
from genair_engine.cluster.model import ClusterModel, language_model
from genair_engine.cluster.tasks import Tell, spread

__all__ = ["ClusterModel", "Tell", "importable", "language_model", "placed", "reachable", "shared", "spread", "variables"]
