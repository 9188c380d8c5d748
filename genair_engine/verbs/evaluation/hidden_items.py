"""How `coldstart` is done: fit the bases and train on the known items, add the hidden ones, rank (needs torch)."""

from __future__ import annotations

import time

import numpy as np
import torch

from genair_engine import __version__
from genair_engine.archetypes.representation import represent
from genair_engine.archetypes.subjects import item_labels
from genair_engine.devices import enough_memory, pick_device
from genair_engine.errors import InputError
from genair_engine.evaluation.coldstart import Cases, ColdStart, by_chance, hide
from genair_engine.evaluation.metrics import CUTOFFS, metrics
from genair_engine.evaluation.protocol import Protocol, evaluate, rank_targets
from genair_engine.interfaces import Recommender
from genair_engine.methods.base import ITEM_PARTS
from genair_engine.methods.floors.content import ContentOptions
from genair_engine.methods.floors.scores import Content, Counts
from genair_engine.methods.item_parts import ItemParts, part_options
from genair_engine.methods.recommender import TableRecommender
from genair_engine.store.tables import DatasetRow, RepresentationRow
from genair_engine.training.trainer import STOPPING_METRIC, EpochRecord, Trainer
from genair_engine.types import Float32Array
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.evaluation.checks import check_coldstart
from genair_engine.verbs.evaluation.coldstart import ColdStartRequest, ColdStartResult, ColdStartRow
from genair_engine.verbs.representations.catalogue_states import catalogue_states
from genair_engine.verbs.training.load import initial_model
from genair_engine.workspace import Workspace


def coldstart(workspace: Workspace, request: ColdStartRequest, progress: Progress = silent) -> ColdStartResult:
    """Hide, train, measure. Raises as `train`, and InputError where nothing is left to train on or to ask for."""
    asked = check_coldstart(workspace, request)
    config, representation = asked.config, asked.representation
    options = part_options(config.options)
    if representation is None:
        raise InputError(f"Method {config.method!r} needs --representation to give hidden items their vectors.")
    if workspace.settings.threads:
        torch.set_num_threads(workspace.settings.threads)
    dataset = workspace.load_dataset(request.dataset)
    split = hide(dataset, request.share, request.hide_seed)
    epochs = config.training.epochs
    progress(0, epochs, "states of the items")
    parts, hidden = _parts(workspace, asked.owner, split, representation, progress)
    known, added = parts.read(options), parts.read(options, hidden)
    inputs = {ITEM_PARTS.role: parts}
    model = initial_model(config, split.known.n_items, inputs)
    device = pick_device(request.device)
    started = time.perf_counter()
    with enough_memory(f"Lower the batch size (now {config.training.batch_size:,}), or use the CPU."):
        trainer = Trainer(model, split.known, config, inputs, device=device)

        def tell(record: EpochRecord) -> None:
            what = f"epoch {record.epoch}: validation {STOPPING_METRIC} {record.valid[STOPPING_METRIC]:.4f} (known items)"
            progress(record.epoch, epochs, what)

        trainer.fit(tell)
        seconds = time.perf_counter() - started
        progress(epochs, epochs, "ranking hidden items")
        content = Content(np.concatenate([known, added]), ContentOptions().decay)
        trained = TableRecommender(model)
        recommender = trained.with_items(trained.new_vectors(added))
        rows = [
            _row(f"{config.backbone} with {config.method}", "trained on the known items only", recommender, split),
            _row("content", "similarity to the history's content; no training", content, split),
            _row(
                "popularity",
                "useless by construction: nobody has taken a hidden item, so that all of them tie at the end",
                Counts(split.everything.popularity),
                split,
            ),
            _by_chance(split),
        ]
    return ColdStartResult(
        dataset=asked.owner.name,
        content_hash=asked.owner.content_hash,
        representation=representation.id,
        model=representation.model,
        config=config.flat(),
        deviations=config.departures(list(representation.dims)),
        share=request.share,
        hide_seed=request.hide_seed,
        items=dataset.n_items,
        hidden=len(split.hidden),
        cases={part: len(cases) for part, cases in split.cases.items()},
        dropped=split.dropped,
        dims=dict(parts.dims),
        epochs=trainer.progress.epochs_done,
        best_epoch=trainer.progress.best_epoch,
        seconds=seconds,
        device=str(device),
        protocol="leave-two-out; targets that are hidden, after the history without hidden items; ranked among all items, "
        "known and hidden, without seen ones; bases and model fitted on known items and their interactions only; ties count "
        "half",
        code_version=__version__,
        rows=rows,
    )


def _parts(
    workspace: Workspace, owner: DatasetRow, split: ColdStart, row: RepresentationRow, progress: Progress
) -> tuple[ItemParts, Float32Array]:
    """The parts of the known items, with bases fitted on them as the representation was, and the rows of the hidden ones."""
    states = catalogue_states(workspace, owner, row, progress)
    of_known, of_hidden = (
        {part: rows[split.order[chosen] - 1] for part, rows in states.items()}
        for chosen in (slice(None, split.known.n_items), slice(split.known.n_items, None))
    )
    fixed = row.provenance.get("components")
    fitted = represent(
        of_known,
        variance=None if fixed else row.variance,
        components=fixed,
        names=item_labels(split.known.items),
    )
    dims = {part: len(basis.components) for part, basis in fitted.bases.items()}
    return ItemParts(fitted.vectors, dims, row.id), fitted.project(of_hidden)


def _row(method: str, purpose: str, recommender: Recommender, split: ColdStart) -> ColdStartRow:
    cold, among = {}, {}
    for part, cases in split.cases.items():
        if len(cases):
            cold[part], among[part] = _cold(recommender, split, cases)
    warm = metrics(evaluate(recommender, split.everything, None, "test", Protocol()).full)
    return ColdStartRow(method=method, purpose=purpose, cold=cold, among_hidden=among, warm=warm)


def _cold(recommender: Recommender, split: ColdStart, cases: Cases) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics among all items, and among hidden items only."""
    hidden = np.broadcast_to(split.hidden, (len(cases), len(split.hidden)))
    ranks = rank_targets(recommender, split.everything, cases.sessions, cases.targets, hidden, Protocol())
    assert ranks.sampled is not None  # hidden items were given to compete
    return metrics(ranks.full), metrics(ranks.sampled - 0.5)  # the target is among them, level with itself


def _by_chance(split: ColdStart) -> ColdStartRow:
    """What a random order is expected to give: not drawn, computed."""
    cold: dict[str, dict[str, float]] = {}
    among: dict[str, dict[str, float]] = {}
    for part, cases in split.cases.items():
        if len(cases):
            cold[part] = by_chance(cases.sessions.histories, split.everything.n_items, CUTOFFS)
            among[part] = _among_hidden_by_chance(len(split.hidden))
    return ColdStartRow(
        method="random", purpose="what a random order is expected to give", cold=cold, among_hidden=among, warm={}
    )


def _among_hidden_by_chance(hidden: int) -> dict[str, float]:
    return {f"HR@{k}": min(k, hidden) / hidden for k in CUTOFFS}
