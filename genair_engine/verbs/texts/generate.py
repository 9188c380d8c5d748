"""The verb `generate`: a language model writes texts of a kind, and their states are kept with them.

Work is saved as it goes (`writing`), so that the same call again goes on where an interrupted one stopped. Every item
draws from its own seed, so that its text depends on model, prompt and sampling and not on its order or company, up to rounding
(see `archetypes.sampling`).
"""

from __future__ import annotations

from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.archetypes.subjects import subjects
from genair_engine.cluster import language_model
from genair_engine.store.datasets import find_dataset
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.prompts import prompt_of
from genair_engine.verbs.texts.requests import GenerateRequest, GenerateResult
from genair_engine.verbs.texts.text_set import find_or_new_set, writing_to
from genair_engine.verbs.texts.writing import Task, outcome_of, write
from genair_engine.workspace import Workspace


def generate(workspace: Workspace, request: GenerateRequest, progress: Progress = silent) -> GenerateResult:
    """Write what is missing. Raises NotFoundError (data set, kind, prompt), InputError where another process writes the set,
    or ModelError where the model cannot be used or writes no text at all.

    An item that fails does not stop the others: it is in the result, and in the database with the reason.
    """
    kind = find_kind(request.kind)
    about = subjects(workspace.load_dataset(request.dataset), kind.unit)
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        prompt = prompt_of(session, kind, request.prompt)
    model = language_model(workspace.settings, request.model, request.device, request.reader, progress)
    text_set = find_or_new_set(workspace, owner, kind, model, prompt, request.sampling, request.seed)
    wanted = range(1, min(request.limit or len(about), len(about)) + 1)
    with writing_to(workspace, text_set) as there:
        missing = [position for position in wanted if position not in there]
        task = Task(kind, about, missing, prompt, request.sampling, request.seed, request.batch_size)
        tally = write(workspace, model, text_set, task, progress)
    outcome = outcome_of(owner.name, text_set, about, model.model_id, tally, len(there), "wrote")
    return GenerateResult(**outcome, of=len(about), tokens=tally.tokens)


def check_generate(workspace: Workspace, request: GenerateRequest) -> None:
    """Raises NotFoundError where there is no such data set, kind or prompt."""
    workspace.dataset_row(request.dataset)
    with workspace.reading() as session:
        prompt_of(session, find_kind(request.kind), request.prompt)
