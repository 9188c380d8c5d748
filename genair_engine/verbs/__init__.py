"""The public surface: one function a verb, (workspace, typed request) → typed result.

Pages, CLI and jobs call these and nothing below them. A request's fields, with their descriptions, ranges and units, are
the only source of CLI options, form fields and their help.
"""

from genair_engine.methods.config import METHOD_FACTS, MethodFacts
from genair_engine.verbs.archetypes import GenerateRequest, GenerateResult, generate
from genair_engine.verbs.audience import (
    AudienceItem,
    AudienceRequest,
    AudienceResult,
    audience,
    find_audience,
    load_audience_space,
)
from genair_engine.verbs.base import Progress, Request, Result
from genair_engine.verbs.browse import (
    ArchetypeText,
    DatasetState,
    Item,
    ItemDetail,
    ItemList,
    SearchRequest,
    WorkspaceState,
    archetype_snippets,
    item_detail,
    items_of,
    known_items,
    search,
    workspace_state,
)
from genair_engine.verbs.checks import check
from genair_engine.verbs.coldstart import ColdStartRequest, ColdStartResult, ColdStartRow, coldstart
from genair_engine.verbs.compare import CompareRequest, CompareResult, compare
from genair_engine.verbs.curves import Epoch, WatchedRun, run_epochs, watched_runs
from genair_engine.verbs.datasets import (
    DatasetsRequest,
    DatasetsResult,
    DeleteRequest,
    DeleteResult,
    ImportRequest,
    ImportResult,
    ReportRequest,
    ReportResult,
    datasets,
    delete_dataset,
    import_dataset,
    report,
)
from genair_engine.verbs.demo import DEMO, SUN_HAT, DemoRequest, DemoResult, demo
from genair_engine.verbs.doctor import DoctorRequest, DoctorResult, doctor
from genair_engine.verbs.estimate import Estimate, estimate
from genair_engine.verbs.metadata import read_metadata
from genair_engine.verbs.new_items import NewItemResult, Placement, RealSession, load_item_space, new_item, place_item
from genair_engine.verbs.reading import Models
from genair_engine.verbs.reasons import (
    LIST_MEASURES,
    ExplainRequest,
    ExplainResult,
    Reason,
    SharedAudience,
    explain,
    explain_items,
)
from genair_engine.verbs.recommendation import (
    RecommendedItem,
    RecommendRequest,
    RecommendResult,
    load_recommender,
    rank,
    recommend,
)
from genair_engine.verbs.representations import RepresentRequest, RepresentResult, represent
from genair_engine.verbs.runs import EvaluateRequest, RunResult, TrainRequest, evaluate, protocol_in_words, train
from genair_engine.verbs.sweep import SweepRequest, SweepResult, SweepRow, runs_of_grid, sweep
from genair_engine.verbs.written_items import NewArchetype, NewItemRequest, WrittenItem, write_item

__all__ = [
    "DEMO",
    "LIST_MEASURES",
    "METHOD_FACTS",
    "SUN_HAT",
    "ArchetypeText",
    "AudienceItem",
    "AudienceRequest",
    "AudienceResult",
    "ColdStartRequest",
    "ColdStartResult",
    "ColdStartRow",
    "CompareRequest",
    "CompareResult",
    "DatasetState",
    "DatasetsRequest",
    "DatasetsResult",
    "DeleteRequest",
    "DeleteResult",
    "DemoRequest",
    "DemoResult",
    "DoctorRequest",
    "DoctorResult",
    "Epoch",
    "Estimate",
    "EvaluateRequest",
    "ExplainRequest",
    "ExplainResult",
    "GenerateRequest",
    "GenerateResult",
    "ImportRequest",
    "ImportResult",
    "Item",
    "ItemDetail",
    "ItemList",
    "MethodFacts",
    "Models",
    "NewArchetype",
    "NewItemRequest",
    "NewItemResult",
    "Placement",
    "Progress",
    "RealSession",
    "Reason",
    "RecommendRequest",
    "RecommendResult",
    "RecommendedItem",
    "ReportRequest",
    "ReportResult",
    "RepresentRequest",
    "RepresentResult",
    "Request",
    "Result",
    "RunResult",
    "SearchRequest",
    "SharedAudience",
    "SweepRequest",
    "SweepResult",
    "SweepRow",
    "TrainRequest",
    "WatchedRun",
    "WorkspaceState",
    "WrittenItem",
    "archetype_snippets",
    "audience",
    "check",
    "coldstart",
    "compare",
    "datasets",
    "delete_dataset",
    "demo",
    "doctor",
    "estimate",
    "evaluate",
    "explain",
    "explain_items",
    "find_audience",
    "generate",
    "import_dataset",
    "item_detail",
    "items_of",
    "known_items",
    "load_audience_space",
    "load_item_space",
    "load_recommender",
    "new_item",
    "place_item",
    "protocol_in_words",
    "rank",
    "read_metadata",
    "recommend",
    "report",
    "represent",
    "run_epochs",
    "runs_of_grid",
    "search",
    "sweep",
    "train",
    "watched_runs",
    "workspace_state",
    "write_item",
]
