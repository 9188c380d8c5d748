"""Neural modules only: sequence backbones that read item vectors, and the modules that make item vectors."""

from genair_engine.models.items import IdItems, ItemTable, ProjectedItems
from genair_engine.models.sasrec import SASRec

__all__ = ["IdItems", "ItemTable", "ProjectedItems", "SASRec"]
