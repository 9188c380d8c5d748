"""The public surface: one function a verb, (workspace, typed request) → typed result, and what pages read besides.

Pages, CLI and jobs call these and nothing below them. A request's fields, with their descriptions, ranges and units, are
the only source of CLI options, form fields and their help. A verb's function goes through `registry.call`, whoever calls it.

Nothing is imported before it is asked for (`genair_engine.lazy`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from genair_engine.lazy import getter

if TYPE_CHECKING:
    from genair_engine.archetypes.backends import Sampling
    from genair_engine.archetypes.diff import word_diff
    from genair_engine.archetypes.model_folders import SERVER_PREFIX
    from genair_engine.archetypes.prompts.registry import TEXT_KINDS
    from genair_engine.archetypes.scorecard.measures import MEASURES, Measure
    from genair_engine.methods.base import Need
    from genair_engine.methods.registry import METHODS, rank_new_items
    from genair_engine.verbs.analysis.analyse import analyse, stored_spread
    from genair_engine.verbs.analysis.project import Picture, aligned, project, stored_picture
    from genair_engine.verbs.analysis.requests import (
        AnalyseRequest,
        AnalyseResult,
        GroupSpread,
        ProjectRequest,
        ProjectResult,
        Space,
        SpaceSpread,
    )
    from genair_engine.verbs.analysis.spaces import find_space, item_facts, spaces
    from genair_engine.verbs.base import Progress, Request, Result
    from genair_engine.verbs.datasets.details import ArchetypeText, FailedArchetype, ItemDetail
    from genair_engine.verbs.datasets.imports import delete_dataset, import_dataset, list_datasets, report
    from genair_engine.verbs.datasets.items import archetype_snippets, failed_archetypes, item_detail
    from genair_engine.verbs.datasets.metadata import read_metadata
    from genair_engine.verbs.datasets.preview import PreviewRequest, PreviewResult, preview
    from genair_engine.verbs.datasets.requests import (
        DatasetsRequest,
        DatasetsResult,
        DeleteRequest,
        DeleteResult,
        ImportRequest,
        ImportResult,
        ReportRequest,
        ReportResult,
    )
    from genair_engine.verbs.datasets.search import Item, ItemList, SearchRequest
    from genair_engine.verbs.datasets.searching import items_of, known_items, search
    from genair_engine.verbs.evaluation.coldstart import ColdStartRequest, ColdStartResult, ColdStartRow
    from genair_engine.verbs.evaluation.compare import CompareRequest, CompareResult
    from genair_engine.verbs.evaluation.comparing import compare
    from genair_engine.verbs.evaluation.hidden_items import coldstart
    from genair_engine.verbs.recommending.audience import audience, find_audience, load_audience_space
    from genair_engine.verbs.recommending.audience_requests import AudienceItem, AudienceRequest, AudienceResult
    from genair_engine.verbs.recommending.explain_requests import (
        LIST_MEASURES,
        ExplainRequest,
        ExplainResult,
        ListMeasures,
        Reason,
        SharedAudience,
    )
    from genair_engine.verbs.recommending.export import export
    from genair_engine.verbs.recommending.export_requests import ExportRequest, ExportResult, IndexRequest, IndexResult
    from genair_engine.verbs.recommending.index import index
    from genair_engine.verbs.recommending.new_item_requests import (
        NewArchetype,
        NewItemRequest,
        NewItemResult,
        Placement,
        RealSession,
        SkippedRun,
    )
    from genair_engine.verbs.recommending.new_items import load_item_space, new_item, place_item
    from genair_engine.verbs.recommending.reasons import explain, explain_items, measure_list
    from genair_engine.verbs.recommending.recommend import Recommenders, load_recommender, recommend
    from genair_engine.verbs.recommending.requests import (
        BatchRequest,
        BatchResult,
        RecommendedItem,
        RecommendRequest,
        RecommendResult,
    )
    from genair_engine.verbs.recommending.sessions import HeldOutSession, held_out_session, some_user
    from genair_engine.verbs.recommending.what_if import what_if
    from genair_engine.verbs.recommending.what_if_requests import ChangedSession, WhatIfRequest, WhatIfResult
    from genair_engine.verbs.recommending.written_items import WrittenItem, write_item
    from genair_engine.verbs.representations.represent import represent
    from genair_engine.verbs.representations.requests import RepresentRequest, RepresentResult
    from genair_engine.verbs.system.demo import demo
    from genair_engine.verbs.system.doctor import doctor
    from genair_engine.verbs.system.overview import BestRun, DatasetState, WorkspaceState, workspace_state
    from genair_engine.verbs.system.requests import DEMO, SUN_HAT, DemoRequest, DemoResult, DoctorRequest, DoctorResult
    from genair_engine.verbs.texts.embed import embed
    from genair_engine.verbs.texts.estimate import GenerationEstimate, generation_estimate
    from genair_engine.verbs.texts.generate import generate
    from genair_engine.verbs.texts.pins import pin
    from genair_engine.verbs.texts.prompt_requests import (
        PromptRenderRequest,
        PromptRenderResult,
        PromptSaveRequest,
        PromptSaveResult,
        PromptsRequest,
        PromptsResult,
        SavedPrompt,
    )
    from genair_engine.verbs.texts.prompts import list_prompts, render_prompt, save_prompt
    from genair_engine.verbs.texts.rating_requests import (
        Pin,
        PinRequest,
        PinResult,
        Rate,
        RateRequest,
        RateResult,
        RatingsRequest,
        RatingsResult,
        Thumbs,
        Vote,
    )
    from genair_engine.verbs.texts.ratings import item_to_rate, rate, ratings
    from genair_engine.verbs.texts.ready_models import Models
    from genair_engine.verbs.texts.regenerate import regenerate, regenerating, writers
    from genair_engine.verbs.texts.requests import (
        EmbedRequest,
        EmbedResult,
        FailedItem,
        GenerateRequest,
        GenerateResult,
        RegenerateRequest,
        RegenerateResult,
    )
    from genair_engine.verbs.texts.score import score
    from genair_engine.verbs.texts.score_requests import ScoreRequest, ScoreResult, SetScores, Summary
    from genair_engine.verbs.texts.scored_items import (
        ItemScores,
        MarkedClaim,
        TextScores,
        item_scores,
        measured_sets,
        score_text,
    )
    from genair_engine.verbs.texts.writer_choices import WriterChoices, WriterPreset, writer_choices
    from genair_engine.verbs.training.checks import check
    from genair_engine.verbs.training.choices import Choices, training_choices
    from genair_engine.verbs.training.curves import Epoch, WatchedRun, run_epochs, watched_runs
    from genair_engine.verbs.training.estimate import Estimate, estimate
    from genair_engine.verbs.training.fitting import evaluate, train
    from genair_engine.verbs.training.grid import runs_of_grid
    from genair_engine.verbs.training.requests import EvaluateRequest, TrainRequest
    from genair_engine.verbs.training.results import RunResult, protocol_in_words
    from genair_engine.verbs.training.runs import runs_of
    from genair_engine.verbs.training.sweep import SweepRequest, SweepResult, SweepRow
    from genair_engine.verbs.training.sweeping import sweep


def _load(module: str, name: str) -> Any:
    """What stands there; the function of a verb as one that goes through `registry.call`."""
    from genair_engine.verbs import registry

    verb = registry.verb_of(f"{module}:{name}")
    return registry.function(verb) if verb else getattr(import_module(module), name)


__getattr__ = getter(globals(), _load)
