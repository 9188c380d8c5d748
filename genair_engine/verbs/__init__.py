"""The public surface: one function a verb, (workspace, typed request) → typed result, and what pages read besides.

Pages, CLI and jobs call these and nothing below them. A request's fields, with their descriptions, ranges and units, are
the only source of CLI options, form fields and their help. A verb's function goes through `registry.call`, whoever calls it.

Nothing is imported before it is asked for. The names and where they stand are read from the block below, which type checkers
and editors read as it is, so that they stand once.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genair_engine.archetypes.backends import Sampling
    from genair_engine.archetypes.diff import word_diff
    from genair_engine.archetypes.model_folders import SERVER_PREFIX
    from genair_engine.archetypes.scorecard.measures import MEASURES, Measure
    from genair_engine.methods.config import METHOD_FACTS, MethodFacts
    from genair_engine.verbs.analysis.analyse import (
        AnalyseRequest,
        AnalyseResult,
        GroupSpread,
        SpaceSpread,
        analyse,
        stored_spread,
    )
    from genair_engine.verbs.analysis.project import Picture, ProjectRequest, ProjectResult, aligned, project, stored_picture
    from genair_engine.verbs.analysis.spaces import Space, find_space, item_facts, spaces
    from genair_engine.verbs.base import Progress, Request, Result
    from genair_engine.verbs.datasets.browse import (
        ArchetypeText,
        FailedArchetype,
        Item,
        ItemDetail,
        ItemList,
        SearchRequest,
        archetype_snippets,
        failed_archetypes,
        item_detail,
        items_of,
        known_items,
        search,
    )
    from genair_engine.verbs.datasets.imports import (
        DatasetsRequest,
        DatasetsResult,
        DeleteRequest,
        DeleteResult,
        ImportRequest,
        ImportResult,
        ReportRequest,
        ReportResult,
        delete_dataset,
        import_dataset,
        list_datasets,
        report,
    )
    from genair_engine.verbs.datasets.metadata import read_metadata
    from genair_engine.verbs.evaluation.coldstart import ColdStartRequest, ColdStartResult, ColdStartRow
    from genair_engine.verbs.evaluation.compare import CompareRequest, CompareResult
    from genair_engine.verbs.evaluation.comparing import compare
    from genair_engine.verbs.evaluation.hidden_items import coldstart
    from genair_engine.verbs.recommending.audience import (
        AudienceItem,
        AudienceRequest,
        AudienceResult,
        audience,
        find_audience,
        load_audience_space,
    )
    from genair_engine.verbs.recommending.export import ExportRequest, ExportResult, export
    from genair_engine.verbs.recommending.index import IndexRequest, IndexResult, index
    from genair_engine.verbs.recommending.new_items import (
        NewItemResult,
        Placement,
        RealSession,
        load_item_space,
        new_item,
        place_item,
    )
    from genair_engine.verbs.recommending.reasons import (
        LIST_MEASURES,
        ExplainRequest,
        ExplainResult,
        ListMeasures,
        Reason,
        SharedAudience,
        explain,
        explain_items,
        measure_list,
    )
    from genair_engine.verbs.recommending.recommend import (
        BatchRequest,
        BatchResult,
        RecommendedItem,
        Recommenders,
        RecommendRequest,
        RecommendResult,
        load_recommender,
        recommend,
    )
    from genair_engine.verbs.recommending.sessions import HeldOutSession, held_out_session, some_user
    from genair_engine.verbs.recommending.what_if import (
        READS_REPRESENTATION,
        ChangedSession,
        WhatIfRequest,
        WhatIfResult,
        what_if,
    )
    from genair_engine.verbs.recommending.written_items import (
        NewArchetype,
        NewItemRequest,
        SkippedRun,
        WrittenItem,
        write_item,
    )
    from genair_engine.verbs.representations.represent import RepresentRequest, RepresentResult, represent
    from genair_engine.verbs.system.demo import DEMO, SUN_HAT, DemoRequest, DemoResult, demo
    from genair_engine.verbs.system.doctor import DoctorRequest, DoctorResult, doctor
    from genair_engine.verbs.system.overview import BestRun, DatasetState, WorkspaceState, workspace_state
    from genair_engine.verbs.texts.embed import EmbedRequest, EmbedResult, embed
    from genair_engine.verbs.texts.estimate import GenerationEstimate, generation_estimate
    from genair_engine.verbs.texts.generate import GenerateRequest, GenerateResult, generate
    from genair_engine.verbs.texts.pins import Pin, PinRequest, PinResult, pin
    from genair_engine.verbs.texts.prompts import (
        PromptRenderRequest,
        PromptRenderResult,
        PromptSaveRequest,
        PromptSaveResult,
        PromptsRequest,
        PromptsResult,
        SavedPrompt,
        prompt_render,
        prompt_save,
        prompts,
    )
    from genair_engine.verbs.texts.ratings import (
        Rate,
        RateRequest,
        RateResult,
        RatingsRequest,
        RatingsResult,
        Thumbs,
        Vote,
        item_to_rate,
        rate,
        ratings,
    )
    from genair_engine.verbs.texts.ready_models import Models
    from genair_engine.verbs.texts.regenerate import (
        RegenerateRequest,
        RegenerateResult,
        regenerate,
        regenerating,
        writers,
    )
    from genair_engine.verbs.texts.score import ScoreRequest, ScoreResult, SetScores, Summary, score
    from genair_engine.verbs.texts.scored_items import (
        ItemScores,
        MarkedClaim,
        TextScores,
        item_scores,
        measured_sets,
        score_text,
    )
    from genair_engine.verbs.texts.writer_choices import WriterChoices, WriterPreset, writer_choices
    from genair_engine.verbs.texts.writing import FailedItem
    from genair_engine.verbs.training.checks import check
    from genair_engine.verbs.training.curves import Epoch, WatchedRun, run_epochs, watched_runs
    from genair_engine.verbs.training.estimate import Estimate, estimate
    from genair_engine.verbs.training.fitting import evaluate, train
    from genair_engine.verbs.training.grid import runs_of_grid
    from genair_engine.verbs.training.requests import EvaluateRequest, TrainRequest
    from genair_engine.verbs.training.results import RunResult, protocol_in_words
    from genair_engine.verbs.training.runs import runs_of
    from genair_engine.verbs.training.sweep import SweepRequest, SweepResult, SweepRow
    from genair_engine.verbs.training.sweeping import sweep


def _places() -> dict[str, str]:
    """{name: module} of the imports in the block above."""
    source = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    blocks = [node.body for node in source.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


_PLACES = _places()
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from genair_engine.verbs import registry

    verb = registry.verb_of(f"{_PLACES[name]}:{name}")
    value = registry.function(verb) if verb else getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
