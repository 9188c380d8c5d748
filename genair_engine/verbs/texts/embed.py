"""The verb `embed`: texts that people wrote or edited, read by a language model and kept as a set of their own.

The set's model is called "edited"; its states are those of the model that read prompt and text in one pass. So it can be
scored, pinned, tried (`what-if`) and represented beside the sets of that model. Nothing is overwritten: other texts, another
prompt or another reader make another set, and the same ones go on with the set that they began.
"""

from __future__ import annotations

import json

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.embedder import Embedder, GivenTexts
from genair_engine.archetypes.loading import loader
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.archetypes.subjects import Subjects, subjects
from genair_engine.catalog.readers.delimited import header, read_delimited
from genair_engine.catalog.readers.files import Rejection, SourceFile
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.datasets import find_dataset
from genair_engine.store.keys import content_key
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.prompts import prompt_of
from genair_engine.verbs.texts.requests import EmbedRequest, EmbedResult
from genair_engine.verbs.texts.text_set import find_or_new_set, writing_to
from genair_engine.verbs.texts.writing import Task, outcome_of, write
from genair_engine.workspace import Workspace

Records = list[tuple[int | None, str, str]]
"""Line, item id, text."""


def embed(workspace: Workspace, request: EmbedRequest, progress: Progress = silent) -> EmbedResult:
    """Read what is not read yet. Raises NotFoundError; InputError that names file and line; ModelError.

    A text that cannot be read (too long for the model) does not stop the others.
    """
    kind = find_kind(request.kind)
    about = subjects(workspace.load_dataset(request.dataset), kind.unit)
    texts = _texts(request, kind, about)
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        prompt = prompt_of(session, kind, request.prompt)
    embedder = Embedder(loader(workspace.settings, request.device, progress)(request.model))
    model = GivenTexts(embedder, [], content_key(sorted(texts.items())))
    text_set = find_or_new_set(workspace, owner, kind, model, prompt, None, 0)
    with writing_to(workspace, text_set) as there:
        missing = [position for position in sorted(texts) if position not in there]
        model = GivenTexts(embedder, [texts[position] for position in missing], model.revision)
        task = Task(kind, about, missing, prompt, Sampling(), 0, request.batch_size)  # sampling and seed have no effect
        tally = write(workspace, model, text_set, task, progress, f"{embedder.model_id} reads texts")
    return EmbedResult(**outcome_of(owner.name, text_set, about, embedder.model_id, tally, len(there), "read"))


def check_embed(workspace: Workspace, request: EmbedRequest) -> None:
    """Raises NotFoundError where there is no such data set, InputError where the file of the texts is not there."""
    workspace.dataset_row(request.dataset)
    if request.texts is not None and not request.texts.is_file():
        raise InputError(f"There is no file {request.texts}.")


def _texts(request: EmbedRequest, kind: TextKind, about: Subjects) -> dict[int, str]:
    """Position to text. Raises InputError for the first record that cannot be used, with file and line."""
    if (request.texts is None) == (not request.text):
        raise InputError("Give either the file of --texts, or every --text as ITEM=TEXT.")
    file = SourceFile(request.texts) if request.texts is not None else None
    records: Records
    if file is None:
        records = [(None, item, text) for item, text in request.text.items()]
    elif file.name.lower().endswith((".jsonl", ".ndjson")):
        records = _json_lines(file)
    else:
        records = _delimited(file)
    positions = {source_id: position for position, source_id in enumerate(about.ids, start=1)}
    texts: dict[int, str] = {}
    for line, item, text in records:
        where = "" if file is None else f"{file.name}, line {line}: "
        if item not in positions:
            raise InputError(f"{where}{NotFoundError(f'{kind.unit} in {request.dataset!r}', item, positions)}")
        if positions[item] in texts:
            raise InputError(f"{where}{kind.unit} {item!r} has a text already: give it one.")
        if wrong := kind.check(text):
            raise InputError(f"{where}the text of {kind.unit} {item!r} {wrong}.")
        texts[positions[item]] = text.strip()
    if not texts:
        raise InputError(f"{file.name if file else '--text'}: holds no text.")
    return texts


def _delimited(file: SourceFile) -> Records:
    rejected: list[Rejection] = []
    records: Records = []
    for table in read_delimited(file, header(file, ",", quoting=True), ",", True, rejected):
        if rejected:
            raise file.error(rejected[0].reason, rejected[0].line)
        table.require("item_id", "text")
        records += zip(table.rows.index.tolist(), table.column("item_id"), table.column("text"), strict=True)
    return records


def _json_lines(file: SourceFile) -> Records:
    records: Records = []
    for number, line in enumerate(file.text().split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise file.error(f"not JSON ({error}).", number) from None
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("item_id", "text")):
            raise file.error('expected an object such as {"item_id": "b01", "text": "…"}, both strings.', number)
        records.append((number, record["item_id"], record["text"]))
    return records
