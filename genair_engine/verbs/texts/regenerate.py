"""The verb `regenerate`: one item's archetype, or its text of another kind, written anew, beside those that there are.

It is written token by token, and nothing is overwritten. An archetype belongs to a set (one model, prompt, sampling and
seed), so a new version is the item's text in another set, with its states: it can be compared, pinned and tried (`what-if`)
like any other. Where no seed is given it is the first one, counted from that of `generate`, under which the item has no text
yet; `generate` with that seed would write the same text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager

from genair_engine.archetypes.backends import Completion, Failure, LanguageModel, Sampling, Streaming, Written
from genair_engine.archetypes.model_folders import list_models
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.archetypes.prompts.template import PromptTemplate
from genair_engine.cluster import language_model
from genair_engine.errors import InputError, ModelError
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.tables import DatasetRow, ItemRow, TextSetRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.prompts import prompt_of
from genair_engine.verbs.texts.requests import GenerateRequest, RegenerateRequest, RegenerateResult
from genair_engine.verbs.texts.text_set import find_or_new_set, free_to_write
from genair_engine.verbs.texts.writing import checked, save, seed_of
from genair_engine.workspace import Workspace

MOST_VERSIONS = 1000
"""Seeds that are tried for one that is free."""
FIRST_SEED: int = GenerateRequest.model_fields["seed"].default


def writers(workspace: Workspace) -> list[str]:
    """The language models that are on this machine."""
    return [folder.model_id for folder in list_models(workspace.settings.models_dir) if not folder.is_encoder]


def regenerate(workspace: Workspace, request: RegenerateRequest, progress: Progress = silent) -> RegenerateResult:
    """Write and keep the new version. Raises as `regenerating`, and ModelError where the model cannot be used."""
    model = language_model(workspace.settings, request.model, request.device, request.reader, progress)
    progress(0, 1, f"{model.model_id} writes")
    with closing(regenerating(workspace, request, model)) as parts:
        for part in parts:
            if isinstance(part, RegenerateResult):
                progress(1, 1, f"{model.model_id} has written")
                return part
    raise ModelError(f"{model.model_id} ended without an answer.")


def regenerating(
    workspace: Workspace, request: RegenerateRequest, model: LanguageModel
) -> Generator[str | RegenerateResult, None, None]:
    """The answer so far after every token, where the model can stream, and at last the result, which is kept then.

    Closed before that, nothing is kept. Raises NotFoundError, InputError where that version is there already or another
    process writes it, and ModelError where the item fails.
    """
    kind = find_kind(request.kind)
    if kind.unit != "item":
        raise InputError(f"A {kind.name} is about a {kind.unit}, and `regenerate` writes about an item: use `generate`.")
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        item = find_item(session, owner, request.item)
        prompt = prompt_of(session, kind, request.prompt)
    with _free_set(workspace, owner, item, kind, model, prompt, request) as text_set:
        for part in _write(model, kind, prompt.render(item.attributes), item, request.sampling, text_set.seed):
            if not isinstance(part, Completion):
                yield part
                continue
            save(workspace, text_set, {item.position: part}, {}, model.device)
            yield RegenerateResult(
                dataset=owner.name,
                item=item.item_id,
                archetypes=text_set.id,
                model=model.model_id,
                prompt_version=text_set.prompt_version,
                seed=text_set.seed,
                text=part.text,
                finish=part.finish,
                tokens=part.generated_tokens,
                seconds=part.seconds,
            )


def _write(
    model: LanguageModel, kind: TextKind, prompt: str, item: ItemRow, sampling: Sampling, seed: int
) -> Iterator[str | Completion]:
    name = f"item {item.item_id!r} ({item.title[:60] or 'no title'})"
    own_seed = seed_of(seed, item.item_id)
    pieces: Iterable[str | Written]
    if isinstance(model, Streaming):
        pieces = model.stream(prompt, own_seed, sampling, name=name)
    else:
        batches = model.generate_batches([prompt], [own_seed], sampling, 1, names=[name])
        pieces = (written for batch in batches for _, written in batch)
    for piece in pieces:
        written = piece if isinstance(piece, str) else checked(piece, kind, name)
        if isinstance(written, Failure):
            raise ModelError(written.reason)
        yield written


@contextmanager
def _free_set(
    workspace: Workspace,
    owner: DatasetRow,
    item: ItemRow,
    kind: TextKind,
    model: LanguageModel,
    prompt: PromptTemplate,
    request: RegenerateRequest,
) -> Iterator[TextSetRow]:
    """The set that the new version goes to, locked while it is written; one that a job writes to just now is passed over."""
    given, greedy = request.seed, request.sampling.greedy
    first = FIRST_SEED if given is None else given
    for seed in range(first, first + (MOST_VERSIONS if given is None and not greedy else 1)):
        text_set = find_or_new_set(workspace, owner, kind, model, prompt, request.sampling, seed)
        with free_to_write(workspace, text_set) as there:
            if there is not None and item.position not in there:
                yield text_set
                return
    if there is None:
        raise InputError(f"Another process is writing set {text_set.id}: wait for it, or choose another seed.")
    what = "Greedy decoding writes the same text again" if greedy else f"Seed {first} writes the same text again"
    raise InputError(
        f"{what}: item {item.item_id!r} has it in set {text_set.id}. Choose another seed, sampling, prompt or model."
    )
