"""The public surface: one function a verb, (workspace, typed request) → typed result.

Pages, CLI and jobs call these and nothing below them. A request's fields, with their descriptions, ranges and units, are
the only source of CLI options, form fields and their help.
"""

from genair_engine.methods.config import METHOD_FACTS, MethodFacts
from genair_engine.verbs.archetypes import GenerateRequest, GenerateResult, generate
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
from genair_engine.verbs.export import ExportRequest, ExportResult, export
from genair_engine.verbs.index import IndexRequest, IndexResult, index
from genair_engine.verbs.recommendation import (
    BatchRequest,
    BatchResult,
    RecommendedItem,
    Recommenders,
    RecommendRequest,
    RecommendResult,
    load_recommender,
    recommend,
)
from genair_engine.verbs.representations import RepresentRequest, RepresentResult, represent
from genair_engine.verbs.runs import EvaluateRequest, RunResult, TrainRequest, evaluate, protocol_in_words, train
from genair_engine.verbs.sweep import SweepRequest, SweepResult, SweepRow, runs_of_grid, sweep

__all__ = [
    "DEMO",
    "METHOD_FACTS",
    "SUN_HAT",
    "ArchetypeText",
    "BatchRequest",
    "BatchResult",
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
    "ExportRequest",
    "ExportResult",
    "GenerateRequest",
    "GenerateResult",
    "ImportRequest",
    "ImportResult",
    "IndexRequest",
    "IndexResult",
    "Item",
    "ItemDetail",
    "ItemList",
    "MethodFacts",
    "Progress",
    "RecommendRequest",
    "RecommendResult",
    "RecommendedItem",
    "Recommenders",
    "ReportRequest",
    "ReportResult",
    "RepresentRequest",
    "RepresentResult",
    "Request",
    "Result",
    "RunResult",
    "SearchRequest",
    "SweepRequest",
    "SweepResult",
    "SweepRow",
    "TrainRequest",
    "WatchedRun",
    "WorkspaceState",
    "archetype_snippets",
    "check",
    "compare",
    "datasets",
    "delete_dataset",
    "demo",
    "doctor",
    "estimate",
    "evaluate",
    "export",
    "generate",
    "import_dataset",
    "index",
    "item_detail",
    "items_of",
    "known_items",
    "load_recommender",
    "protocol_in_words",
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
]
