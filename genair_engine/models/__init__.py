"""Neural modules only: sequence backbones that read item vectors, and the modules that make item vectors."""

from genair_engine.models.backbone import Backbone
from genair_engine.models.bert4rec import BERT4Rec
from genair_engine.models.gru4rec import GRU4Rec
from genair_engine.models.items import IdItems, ItemTable, ProjectedItems, ResidualItems
from genair_engine.models.sasrec import SASRec

__all__ = ["BERT4Rec", "Backbone", "GRU4Rec", "IdItems", "ItemTable", "ProjectedItems", "ResidualItems", "SASRec"]
