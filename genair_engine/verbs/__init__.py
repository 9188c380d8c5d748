"""The public surface: one function a verb, (workspace, typed request) → typed result.

Pages, CLI and jobs call these and nothing below them. A request's fields, with their descriptions, ranges and units, are
the only source of CLI options, form fields and their help.
"""

from genair_engine.methods.config import METHOD_FACTS, MethodFacts
from genair_engine.verbs.analyse import (
    AnalyseRequest,
    AnalyseResult,
    GroupSpread,
    SpaceSpread,
    analyse,
    stored_spread,
)
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
from genair_engine.verbs.doctor import DoctorRequest, DoctorResult, doctor
from genair_engine.verbs.estimate import Estimate, estimate
from genair_engine.verbs.project import Picture, ProjectRequest, ProjectResult, aligned, project, stored_picture
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
from genair_engine.verbs.spaces import Space, find_space, item_facts, spaces
from genair_engine.verbs.sweep import SweepRequest, SweepResult, SweepRow, runs_of_grid, sweep

__all__ = [
    "METHOD_FACTS",
    "AnalyseRequest",
    "AnalyseResult",
    "ArchetypeText",
    "CompareRequest",
    "CompareResult",
    "DatasetState",
    "DatasetsRequest",
    "DatasetsResult",
    "DeleteRequest",
    "DeleteResult",
    "DoctorRequest",
    "DoctorResult",
    "Epoch",
    "Estimate",
    "EvaluateRequest",
    "GenerateRequest",
    "GenerateResult",
    "GroupSpread",
    "ImportRequest",
    "ImportResult",
    "Item",
    "ItemDetail",
    "ItemList",
    "MethodFacts",
    "Picture",
    "Progress",
    "ProjectRequest",
    "ProjectResult",
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
    "Space",
    "SpaceSpread",
    "SweepRequest",
    "SweepResult",
    "SweepRow",
    "TrainRequest",
    "WatchedRun",
    "WorkspaceState",
    "aligned",
    "analyse",
    "archetype_snippets",
    "check",
    "compare",
    "datasets",
    "delete_dataset",
    "doctor",
    "estimate",
    "evaluate",
    "find_space",
    "generate",
    "import_dataset",
    "item_detail",
    "item_facts",
    "items_of",
    "known_items",
    "load_recommender",
    "project",
    "protocol_in_words",
    "rank",
    "recommend",
    "report",
    "represent",
    "run_epochs",
    "runs_of_grid",
    "search",
    "spaces",
    "stored_picture",
    "stored_spread",
    "sweep",
    "train",
    "watched_runs",
    "workspace_state",
]
