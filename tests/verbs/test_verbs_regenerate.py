"""One item written anew: a version beside the others, with its states; prompts in generation; estimates of a generation."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from genair_engine import jobs, verbs
from genair_engine.archetypes import model_folders
from genair_engine.archetypes.backends import Failure
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.transformers_backend import TransformersModel
from genair_engine.cli import main
from genair_engine.errors import InputError, ModelError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store.tables import TextSetRow
from genair_engine.store.texts import find_set, list_sets, settle_failures
from genair_engine.verbs.texts.text_set import states_of
from tests.verbs_workspaces import SHORT


def generate(workspace, **options):
    options = {"dataset": "shop", "model": "tiny-llama", "sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(**options))


def request(**options):
    options = {"dataset": "shop", "item": "b03", "model": "tiny-llama", "sampling": SHORT, "device": "cpu"} | options
    return verbs.RegenerateRequest(**options)


def texts(workspace, item="b03"):
    return verbs.item_detail(workspace, "shop", item).archetypes


def folder(workspace, name):
    with workspace.reading() as session:
        return workspace.path(find_set(session, workspace.dataset_row("shop").id, name).folder)


def test_a_new_version_stands_beside_the_old_one(imported):
    generate(imported)
    (old,) = texts(imported)
    new = verbs.regenerate(imported, request())
    assert [text.text for text in texts(imported)] == [old.text, new.text]
    assert (new.seed, new.model, new.prompt_version, new.finish) == (
        43,
        "tiny-llama",
        PAPER.version,
        texts(imported)[1].finish,
    )
    assert verbs.regenerate(imported, request()).seed == 44
    assert verbs.regenerate(imported, request(item="b04")).archetypes == new.archetypes  # the seed's set
    prefill, decoding, there = states_of(folder(imported, new.archetypes), 12)
    assert np.flatnonzero(there).tolist() == [2, 3] and np.abs(decoding[2]).sum() > 0 and np.isfinite(prefill).all()
    assert any("seed 43" in line for line in new.lines())


def test_it_is_what_generate_writes_with_that_seed(imported):
    single = verbs.regenerate(imported, request(seed=7))
    states = states_of(folder(imported, single.archetypes), 12)
    whole = generate(imported, seed=7)
    assert whole.archetypes == single.archetypes and (whole.written, whole.items) == (11, 12)
    assert texts(imported)[0].text == single.text
    other = generate(imported, model="tiny-qwen", seed=7)
    verbs.regenerate(imported, request(model="tiny-qwen", seed=8))
    alone = generate(imported, model="tiny-qwen", seed=8, limit=3)
    assert (other.written, alone.written) == (12, 2)
    again = states_of(folder(imported, single.archetypes), 12)
    assert np.array_equal(states[1][2], again[1][2])


def test_it_streams_and_keeps_nothing_before_the_end(imported):
    model = verbs.Models(imported.settings, "cpu").writer("tiny-llama")
    with closing(verbs.regenerating(imported, request(), model)) as parts:
        first, second = next(parts), next(parts)
        assert isinstance(first, str) and isinstance(second, str)
        assert texts(imported) == []
    assert texts(imported) == []
    *growing, last = verbs.regenerating(imported, request(), model)
    assert len(growing) >= 5 and last.text.startswith(growing[-1].strip()[:4]) and texts(imported)[0].text == last.text
    with imported.reading() as session:
        assert len(list_sets(session, imported.dataset_row("shop").id)) == 1


def test_nothing_is_downloaded_while_a_page_waits(imported, monkeypatch):
    monkeypatch.setattr(model_folders, "download", lambda *_: pytest.fail("downloads"))
    for options in ({"model": "qwen2.5-0.5b-instruct"}, {"model": "openai:org/any", "reader": "qwen2.5-0.5b-instruct"}):
        with pytest.raises(ModelError, match=r"is not on this machine.*generate with it once as a job"):
            verbs.Models(imported.settings, "cpu").writer(options["model"], options.get("reader"))
    with pytest.raises(ModelError, match=r"is not on this machine.*generate with it once as a job"):
        verbs.Models(imported.settings).language_model("qwen2.5-0.5b-instruct")


def test_a_model_that_cannot_stream_writes_all_the_same(imported):
    class Whole:
        def __init__(self, model):
            self._model = model

        def __getattr__(self, name):
            if name == "stream":
                raise AttributeError(name)
            return getattr(self._model, name)

    model = verbs.Models(imported.settings, "cpu").writer("tiny-llama")
    (text,) = verbs.regenerating(imported, request(seed=5), Whole(model))
    assert text.text == next(stored.text for stored in texts(imported))
    with pytest.raises(InputError, match="Seed 5 writes the same text again"):
        list(verbs.regenerating(imported, request(seed=5), model))


def test_the_same_text_is_not_written_twice(imported):
    greedy = SHORT.model_copy(update={"greedy": True})
    verbs.regenerate(imported, request(sampling=greedy))
    with pytest.raises(InputError, match=r"Greedy decoding writes the same text again: item 'b03' has it in set"):
        verbs.regenerate(imported, request(sampling=greedy))
    for options, message in [
        ({"item": "b99"}, "no item"),
        ({"dataset": "gone"}, "no dataset"),
        ({"prompt": "gone"}, "no prompt"),
    ]:
        with pytest.raises(NotFoundError, match=message):
            verbs.regenerate(imported, request(**options))


def test_a_set_that_a_job_writes_is_passed_over(imported):
    generate(imported, limit=1)
    with artifacts.locked(folder(imported, texts(imported, "b01")[0].archetypes)) as ours:
        assert ours
        assert verbs.regenerate(imported, request()).seed == 43
        with pytest.raises(InputError, match="Another process is writing set"):
            verbs.regenerate(imported, request(seed=42))
    assert verbs.regenerate(imported, request()).seed == 42


def test_a_failure_is_told_and_leaves_nothing(imported, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(ModelError, match="NaN in item 'b03'"):
        patched.setattr(TransformersModel, "_written", lambda self, answer, tokens, label: Failure(f"NaN in {label}"))
        verbs.regenerate(imported, request())
    assert texts(imported) == [] and not list(imported.path("archetypes").glob("*"))


def test_writing_an_item_settles_its_failure(imported):
    name = generate(imported, limit=1).archetypes
    with imported.session() as session:
        settle_failures(session, name, {3: "too long"}, [])
    (failed,) = verbs.item_detail(imported, "shop", "b03").failures
    assert (failed.reason, failed.item, failed.model, failed.archetypes) == ("too long", "b03", "tiny-llama", name)
    assert verbs.failed_archetypes(imported, "shop") == [failed]
    assert verbs.regenerate(imported, request()).archetypes == name
    assert verbs.failed_archetypes(imported, "shop") == [] == verbs.item_detail(imported, "shop", "b03").failures


def test_another_prompt_is_another_set(imported):
    paper = generate(imported, limit=2)
    saved = verbs.save_prompt(imported, verbs.PromptSaveRequest(name="short", question="Who?", noun="thing")).prompt
    short = generate(imported, limit=2, prompt="short")
    assert (short.written, short.prompt_version) == (2, saved.version) and short.archetypes != paper.archetypes
    assert generate(imported, limit=2, prompt=saved.version).archetypes == short.archetypes
    assert generate(imported, limit=2, prompt=PAPER.version).archetypes == paper.archetypes
    first, second = texts(imported, "b01")
    assert first.prompt["question"] == PAPER.question
    assert second.prompt == {
        "instruction": PAPER.instruction,
        "attribute": PAPER.attribute,
        "question": "Who?",
        "noun": "thing",
    }
    assert second.prompt_tokens < first.prompt_tokens
    with pytest.raises(NotFoundError, match="no prompt 'gone'"):
        generate(imported, prompt="gone")
    with pytest.raises(NotFoundError, match="no prompt 'gone'"):
        jobs.submit(imported, "generate", verbs.GenerateRequest(dataset="shop", model="tiny-llama", prompt="gone"))
    job = jobs.submit(imported, "generate", verbs.GenerateRequest(dataset="shop", model="tiny-llama", prompt="short"))
    assert job.title == "Write archetypes of shop with tiny-llama, prompt short"


def test_the_terminal_regenerates(imported, capsys):
    options = ["--max-new-tokens", "4", "--device", "cpu", "--seed", "3"]
    assert main(["regenerate", "shop", "b03", "--model", "tiny-llama", *options]) == 0
    assert "tiny-llama wrote this for item b03 of shop (4 tokens" in capsys.readouterr().out
    assert main(["regenerate", "shop", "b03", "--model", "tiny-llama", *options]) == 1
    assert "Seed 3 writes the same text again" in capsys.readouterr().err


def test_an_estimate_is_made_from_what_was_written(imported):
    ask = verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT)
    nothing = verbs.generation_estimate(imported, ask)
    assert (nothing.missing, nothing.seconds, nothing.tokens) == (12, None, None) and "no pace is known" in nothing.how
    generate(imported, limit=8)
    some = verbs.generation_estimate(imported, ask)
    seconds = [
        text.seconds for item in ("b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08") for text in texts(imported, item)
    ]
    assert some.missing == 4 and some.seconds == pytest.approx(4 * np.mean(seconds)) and some.tokens == pytest.approx(24)
    assert "From 8 texts that it has written on cpu" in some.how
    assert verbs.generation_estimate(imported, ask.model_copy(update={"limit": 8})).missing == 0
    assert verbs.generation_estimate(imported, ask.model_copy(update={"limit": 10})).missing == 2
    other = verbs.generation_estimate(imported, ask.model_copy(update={"seed": 1}))  # another set, the same pace
    assert other.missing == 12 and other.seconds == pytest.approx(12 * np.mean(seconds))
    longer = ask.model_copy(update={"sampling": SHORT.model_copy(update={"max_new_tokens": 99})})
    assert verbs.generation_estimate(imported, longer).seconds is None


def test_models_that_can_write(imported):
    assert {"tiny-llama", "tiny-qwen"} <= set(verbs.writers(imported)) and "minilm" not in verbs.writers(imported)


def test_sets_that_are_measured_as_they_are_now(imported):
    name = generate(imported).archetypes
    assert verbs.measured_sets(imported, "shop") == set()
    verbs.score(imported, verbs.ScoreRequest(dataset="shop"))
    assert verbs.measured_sets(imported, "shop") == {name}
    verbs.regenerate(imported, request())
    assert verbs.measured_sets(imported, "shop") == {name}
    generate(imported, seed=43)
    verbs.score(imported, verbs.ScoreRequest(dataset="shop"))
    assert len(verbs.measured_sets(imported, "shop")) == 2


@pytest.mark.parametrize(
    ("model", "reader", "written_by", "read_by"),
    [
        ("qwen2.5-0.5b-instruct", None, "Qwen/Qwen2.5-0.5B-Instruct", None),
        ("openai:org/any", "tiny-qwen", "openai:org/any", "tiny-qwen"),
        ("openai:org/any", "qwen2.5-0.5b-instruct", "openai:org/any", "Qwen/Qwen2.5-0.5B-Instruct"),
    ],
)
def test_the_estimate_knows_presets_and_readers_by_their_names(imported, model, reader, written_by, read_by):
    generated = generate(imported)
    ask = verbs.GenerateRequest(dataset="shop", model=model, reader=reader, sampling=SHORT)
    assert verbs.generation_estimate(imported, ask).seconds is None
    with imported.session() as session:
        row = session.get(TextSetRow, generated.archetypes)
        row.model, row.sampling = written_by, row.sampling | ({"reader": read_by} if read_by else {})
    assert verbs.generation_estimate(imported, ask).missing == 0
    if reader:  # another reader is another set, written at the same pace
        estimate = verbs.generation_estimate(imported, ask.model_copy(update={"reader": "demo-llama"}))
        assert estimate.missing == 12 and estimate.seconds is not None
        folder_of_that_name = ask.model_copy(update={"model": "any", "reader": None})
        assert verbs.generation_estimate(imported, folder_of_that_name).seconds is None


def test_what_can_write(imported):
    choices = verbs.writer_choices(imported)
    assert choices.here == verbs.writers(imported) and set(choices.here) <= set(choices.readers) and choices.server is None
    assert choices.readers[: len(choices.here)] == choices.here
    sizes = {preset.model: (preset.gated, preset.size) for preset in choices.presets}
    assert sizes["qwen2.5-0.5b-instruct"] == (False, 988_065_536) and sizes["llama2-7b-chat"][0]
