"""A server's texts with a local model's states: what is asked, every fault of a server, and that the key stays a secret."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from email.utils import parsedate_to_datetime
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from genair_engine.archetypes import loading, openai_answers, openai_backend, openai_client
from genair_engine.archetypes.backends import Completion, Failure, Sampling, Streaming
from genair_engine.archetypes.loading import load_language_model, loader, open_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.archetypes.openai_client import ChatClient, Pace
from genair_engine.errors import InputError, ModelError
from genair_engine.settings import Settings, load_settings
from tests.openai_server import KEY, OpenAIServer, answer, drips, half, half_a_stream, hangs, says, status
from tests.tiny_language_models import PROMPTS, save_model

SHORT = Sampling(max_new_tokens=8, repetition_penalty=1)
NAMES = ["item b01", "item b02", "item b03", "item b04", "item b05"]
GLOVES = 1  # PROMPTS[1] alone speaks of Nitrile Gloves


@pytest.fixture(scope="module")
def tiny_llama(models_dir):
    return load_language_model(find_model("tiny-llama", models_dir), "cpu")


@pytest.fixture
def server(tiny_llama, monkeypatch):
    monkeypatch.setattr(openai_client, "FIRST_PAUSE", 0.01)
    with OpenAIServer(tiny_llama, "tiny") as server:
        yield server


@pytest.fixture
def settings(server, models_dir):
    return Settings(
        models_dir=models_dir,
        openai_base_url=server.url + "/",
        openai_api_key=KEY,
        openai_retries=2,
        openai_timeout=60,
        openai_concurrency=4,
    )


def opened(settings, name="openai:tiny", reader="tiny-llama"):
    return open_language_model(settings, name, reader, loader(settings, "cpu"))


@pytest.fixture
def model(settings):
    return opened(settings)


def changed(settings, **values):
    return opened(settings.model_copy(update=values))


def written(model, sampling=SHORT, **options):
    batches = model.generate_batches(PROMPTS, range(5), sampling, names=NAMES, **options)
    pairs = [pair for batch in batches for pair in batch]
    assert sorted(index for index, _ in pairs) == list(range(5))
    return dict(pairs)


def test_texts_are_the_servers_and_states_the_readers(model, server, tiny_llama):
    completions = model.generate(PROMPTS, range(5), SHORT, names=NAMES)
    own = tiny_llama.generate(PROMPTS, range(5), SHORT)
    assert [completion.text for completion in completions] == [completion.text for completion in own]
    assert [(completion.prompt_tokens, completion.generated_tokens, completion.finish) for completion in completions] == [
        (completion.prompt_tokens, completion.generated_tokens, completion.finish) for completion in own
    ]
    prefill, decoding = tiny_llama.embed(PROMPTS, [completion.text for completion in own])
    np.testing.assert_allclose([completion.prefill for completion in completions], prefill, atol=1e-5)
    np.testing.assert_allclose(
        [completion.prefill for completion in completions], [completion.prefill for completion in own], atol=1e-5
    )
    np.testing.assert_allclose([completion.decoding for completion in completions], decoding, atol=1e-5)
    assert all(completion.seconds > 0 for completion in completions)
    source = tiny_llama.revision
    assert (model.model_id, model.revision, model.backend) == ("openai:tiny", server.host, "openai")
    assert model.provenance == {"server": server.host, "reader": "tiny-llama", "reader_revision": source}
    assert (model.dim, model.precision) == (32, "float32") and model.device == f"{server.host}, read on cpu"


def test_what_is_asked(model, server):
    model.generate([PROMPTS[0] + "\ud800"], [17], Sampling(temperature=0.7, top_p=0.8, max_new_tokens=5))
    model.generate(PROMPTS[:1], [17], Sampling(greedy=True, max_new_tokens=5, repetition_penalty=1))
    drawn, greedy = server.requests
    assert drawn == {
        "model": "tiny",
        "messages": [{"role": "user", "content": PROMPTS[0] + "?"}],
        "max_tokens": 5,
        "temperature": 0.7,
        "top_p": 0.8,
        "seed": 17,
        "repetition_penalty": 1.2,
        "repeat_penalty": 1.2,
    }
    assert (greedy["temperature"], greedy["top_p"]) == (0, 1) and "repetition_penalty" not in greedy


PASSING = {
    "429": status(429, Retry_After="0"),
    "500": status(500),
    "503": status(503),
    "half an answer": half,
    "not JSON": says(raw=b"<html>busy</html>"),
    "another form": says({"id": 3}),
    "no end": says(answer("Those who", None)),
    "an error in its place": says({"error": {"message": "worker died"}}),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_nothing_but_time(model, server, fault):
    server.faults["Nitrile"] = [PASSING[fault], PASSING[fault]]
    assert all(isinstance(completion, Completion) for completion in written(model).values())
    assert server.prompts("Nitrile") == 3 and len(server.requests) == 7


NESTED = b"[" * 100_000


def says_no_end(code):
    return lambda handler: handler.send(code, None, raw=NESTED)


STAYING = {
    "429": (status(429, "slow down"), 3, r"answered 429: slow down \(3 attempts\)"),
    "500": (status(500, "<b>boom</b>\nand more"), 3, r"answered 500: <b>boom</b> and more \(3 attempts\)"),
    "half an answer": (half, 3, r"half an answer and hung up \(3 attempts\)"),
    "not JSON": (says(raw=b"\xff\x00"), 3, r"not of OpenAI's form"),
    "nothing": (says(raw=b""), 3, r"not of OpenAI's form"),
    "a list": (says([1]), 3, r"not of OpenAI's form"),
    "odd choices": (says({"choices": ["x"]}), 3, r"not of OpenAI's form"),
    "a reason to finish that is a list": (says(answer("Those", ["stop"])), 3, r"finish_reason that is no text"),
    "infinitely many tokens": (
        says(raw=b'{"choices":[{"message":{"content":"A"},"finish_reason":"stop"}],"usage":{"completion_tokens":1e999}}'),
        3,
        r"not of OpenAI's form",
    ),
    "a refusal without end": (says_no_end(400), 1, r"answered 400: \[\["),
    "lists within lists": (says(raw=NESTED), 3, r"not of OpenAI's form"),
    "an empty answer": (says(answer(" \n")), 1, r"gave an empty answer\."),
    "no content": (says(answer(None, "length")), 1, r"empty answer; raise --max-new-tokens"),
    "withheld": (says(answer("Those", "content_filter")), 1, r"withheld the answer"),
    "too long a prompt": (status(400, "maximum context length is 8"), 1, r"answered 400: maximum context length is 8\."),
    "too large": (status(413, "large"), 1, "answered 413"),
}


@pytest.mark.parametrize("fault", STAYING)
def test_a_fault_that_stays_fails_its_item_alone(model, server, fault):
    server.always["Nitrile"], attempts, reason = STAYING[fault]
    results = written(model)
    failure = results.pop(GLOVES)
    assert isinstance(failure, Failure) and failure.reason.startswith("No archetype of item b02: ")
    assert re.search(reason, failure.reason) and failure.reason.endswith(".")
    assert server.prompts("Nitrile") == attempts
    assert all(isinstance(result, Completion) for result in results.values())


@pytest.mark.parametrize("fault", [hangs, drips])
def test_a_server_that_hangs_is_waited_for_so_long(settings, server, fault):
    server.always["Nitrile"] = fault
    model = changed(settings, openai_timeout=0.5, openai_retries=1)
    failure = dict(pair for batch in model.generate_batches(PROMPTS[1:2], [1], SHORT) for pair in batch)[0]
    assert isinstance(failure, Failure) and "gave no answer" in failure.reason and "(2 attempts)" in failure.reason


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            status(401, f"Incorrect API key provided: {KEY}"),
            r"refused the key \(401\): is GENAIR_OPENAI_API_KEY right, and may",
        ),
        (status(404, "no such model"), r"knows no model 'tiny'.*It said: no such model\."),
        (status(400, "unknown field: repetition_penalty"), "knows no repetition penalty: give --repetition-penalty 1"),
        (status(301, "elsewhere", Location="http://127.0.0.1:1/v1"), "answered 301"),
        (status(429, "quota", Retry_After="86400"), "wants to be left alone for 86,400 s"),
    ],
)
def test_what_would_fail_every_item_ends_the_work(settings, server, fault, reason):
    """What was written before is kept."""
    server.always["Nitrile"] = fault
    batches = changed(settings, openai_concurrency=1).generate_batches(PROMPTS, range(5), SHORT)
    results = []
    with pytest.raises(ModelError, match=reason) as error:
        for batch in batches:
            results += batch
    assert [index for index, result in results if isinstance(result, Completion)] == [0] and len(results) == 1
    assert KEY not in str(error.value)


def test_a_server_that_fails_all_is_given_up(settings, server, monkeypatch):
    monkeypatch.setattr(openai_backend, "IN_A_ROW", 3)
    server.always["Beaker"] = status(400, "not this one")  # its own fault, not the server's: ends no row
    for word in ("Multimeter", "Goggles", "Nitrile", "unknown"):
        server.always[word] = status(503, "overloaded")
    results = []
    with pytest.raises(ModelError, match=r"failed 3 prompts one after another\. The last: .*503: overloaded \(2 attempts\)\."):
        for batch in changed(settings, openai_retries=1, openai_concurrency=1).generate_batches(PROMPTS, range(5), SHORT):
            results += batch
    assert [index for index, _ in results] == [0, 1, 2]


def test_newer_models_are_asked_in_their_words(model, server):
    server.faults["item"] = [status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")]
    (completion,) = model.generate(PROMPTS[:1], [0], SHORT)
    assert completion.generated_tokens == 8
    assert "max_tokens" in server.requests[0] and server.requests[1]["max_completion_tokens"] == 8


def test_the_key_is_in_no_message(settings, server, caplog):
    assert KEY not in repr(settings) and KEY not in str(settings)
    server.always["Nitrile"] = status(500, f"upstream refused Bearer {KEY}")
    failure = written(changed(settings))[GLOVES]
    assert KEY not in failure.reason and "Bearer …" in failure.reason
    with pytest.raises(ModelError, match="refused the key") as refused:
        changed(settings, openai_api_key="sk-wrong")
    assert "sk-wrong" not in str(refused.value)
    with pytest.raises(ModelError, match="It is not set"):
        changed(settings, openai_api_key=None)
    with pytest.raises(ModelError, match="characters that are in no key") as odd:
        changed(settings, openai_api_key="sk-a\nb")
    assert "sk-a" not in str(odd.value) and KEY not in caplog.text


def test_a_password_in_the_url_is_not_shown(settings, server):
    with_password = server.url.replace("http://", "http://ann:s3cret@")
    model = ChatClient(settings.model_copy(update={"openai_base_url": with_password}), "tiny")
    assert model.host == server.host
    with pytest.raises(ModelError) as error:
        model.served()
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["host:1234", "ftp://host/v1", "http://ann:s3/cret@host", "http://host:port/v1", "http://host/v1?key=x"]
)
def test_a_url_that_is_none(url, monkeypatch):
    monkeypatch.setenv("GENAIR_OPENAI_BASE_URL", url)
    with pytest.raises(InputError, match="GENAIR_OPENAI_BASE_URL") as error:
        load_settings()
    assert url not in str(error.value)


def test_what_is_missing_is_said(settings, models_dir):
    with pytest.raises(ModelError, match="set GENAIR_OPENAI_BASE_URL"):
        opened(Settings(models_dir=models_dir, openai_base_url=None), "openai:tiny", "tiny-llama")
    with pytest.raises(ModelError, match=r"gives no states: name a model on this machine.*--reader"):
        opened(settings, reader=None)
    with pytest.raises(ModelError, match="No model is named"):
        opened(settings, "openai:", "tiny-llama")
    with pytest.raises(ModelError, match=r"no model 'tiny-lama'.*Did you mean tiny-llama"):
        opened(settings, "openai:tiny", "tiny-lama")
    with pytest.raises(InputError, match="'tiny-llama' reads its own texts"):
        opened(settings, "tiny-llama", "tiny-qwen")
    with pytest.raises(ModelError, match="'openai:tiny' is a server's model"):
        find_model("openai:tiny", models_dir)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:1 does not answer as a server of language models"):
        changed(settings, openai_base_url="http://127.0.0.1:1/v1")


def test_what_the_server_serves(settings, server):
    assert ChatClient(settings, "tiny").served() == ["tiny"]
    assert ChatClient(settings.model_copy(update={"openai_base_url": f"http://{server.host}/other"}), "tiny").served() == []


def test_so_many_answers_are_asked_for_at_a_time(settings, server):
    together = threading.Barrier(3, timeout=60)

    def meets(handler):
        together.wait()
        handler.send(200, answer("Those who meet."))

    server.faults["item"] = [meets] * 3
    assert all(isinstance(result, Completion) for result in written(changed(settings, openai_concurrency=3)).values())
    assert server.most_at_once == 3
    server.most_at_once = 0
    written(changed(settings, openai_concurrency=3), batch_size=1)
    assert server.most_at_once == 1


class Clock:
    """Time that only passes where somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now, self.slept = 1000.0, []
        monkeypatch.setattr(openai_client, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))
        monkeypatch.setattr(openai_client, "asyncio", SimpleNamespace(sleep=self.sleep, timeout=asyncio.timeout))

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_no_more_requests_a_minute_than_allowed(monkeypatch):
    clock, pace = Clock(monkeypatch), Pace(120)
    starts = []
    for _ in range(4):
        asyncio.run(pace.turn())
        starts.append(clock.now - 1000)
    assert starts == [0, 0.5, 1, 1.5]
    pace.pause(10)
    asyncio.run(pace.turn())
    assert clock.now == 1011.5
    asyncio.run(Pace(None).turn())
    assert clock.now == 1011.5


def test_pauses_double_and_are_drawn_at_random(settings, server, monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(openai_client, "FIRST_PAUSE", 1.0)
    server.always["Nitrile"] = status(503)
    changed(settings, openai_retries=8).generate_batches(PROMPTS[1:2], [0], SHORT).__next__()
    assert len(clock.slept) == 8
    for pause, full in zip(clock.slept, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert full / 2 <= pause <= full
    assert len({pause / full for pause, full in zip(clock.slept, [1, 2, 4, 8], strict=False)}) > 1


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("Wed, 21 Oct 2099 07:28:00 GMT", 700), ("soon", 1), ("-3", 1)])
def test_retry_after_is_honoured(settings, server, monkeypatch, value, seconds):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(openai_client, "FIRST_PAUSE", 1.0)
    date = parsedate_to_datetime("Wed, 21 Oct 2099 07:28:00 GMT").timestamp()
    monkeypatch.setattr(openai_client.time, "time", lambda: date - 700)
    monkeypatch.setattr(openai_client, "LONGEST_RETRY_AFTER", 1000)
    server.faults["Nitrile"] = [status(429, Retry_After=value)]
    ((pair,),) = changed(settings).generate_batches(PROMPTS[1:2], [0], SHORT)
    assert isinstance(pair[1], Completion)
    slept = sum(clock.slept)
    assert slept == pytest.approx(seconds, abs=1) if seconds > 1 else 0.5 <= slept <= 1


def test_an_answer_streams_as_it_comes(model, server, tiny_llama):
    sampling = Sampling(max_new_tokens=40, temperature=2, repetition_penalty=1)
    assert isinstance(model, Streaming)
    *parts, last = model.stream(PROMPTS[1], 5, sampling)
    assert server.requests[0]["stream"] is True
    (own,) = tiny_llama.generate([PROMPTS[1]], [5], sampling)
    assert isinstance(last, Completion) and last.text == own.text and last.generated_tokens == 40
    assert parts and parts[-1].rstrip("\ufffd") in last.text
    assert all(later.startswith(earlier) for earlier, later in pairwise(parts))
    np.testing.assert_allclose(last.prefill, own.prefill, atol=1e-5)


def test_half_a_stream_is_asked_for_again(model, server):
    server.faults["Nitrile"] = [half_a_stream]
    *_, last = model.stream(PROMPTS[1], 5, SHORT)
    assert isinstance(last, Completion) and len(server.requests) == 2
    server.always["Nitrile"] = half_a_stream
    with pytest.raises(ModelError, match=r"No archetype of item b02: .*half an answer"):
        list(model.stream(PROMPTS[1], 5, SHORT, name="item b02"))


def test_a_server_that_does_not_stream_answers_at_once(model, server):
    server.faults["Nitrile"] = [says(answer("Those who wear gloves."))]
    (last,) = model.stream(PROMPTS[1], 5, SHORT)
    assert last.text == "Those who wear gloves."


@pytest.mark.parametrize("ways", ["batches", "stream"])
def test_closing_does_not_wait_for_a_server_that_hangs(settings, server, ways):
    """The limits on its time are days: only being taken back can end the requests."""
    model = changed(settings, openai_timeout=86_400, openai_concurrency=1)
    server.always["Goggles"] = hangs
    if ways == "batches":
        batches = model.generate_batches([PROMPTS[1], PROMPTS[4]], [0, 1], SHORT)
        assert isinstance(next(batches)[0][1], Completion)
    else:
        server.always["Goggles"] = lambda handler: (
            handler.send_events(["Those who"], "Those who", None, {}, done=False),
            hangs(handler),
        )
        batches = model.stream(PROMPTS[4], 0, SHORT)
        assert next(batches) == "Those who"
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "asking a server"]


def test_a_text_that_the_reader_cannot_read_fails_alone(settings, server, tmp_path):
    """Too long for its positions, or of nothing that its tokenizer knows."""
    folder = save_model(tmp_path / "short", "llama", positions=160)
    server.always["Goggles"] = says(answer("very long " * 200))
    model = opened(settings, "openai:tiny", str(folder))
    results = written(model)
    failed = {index: result.reason for index, result in results.items() if isinstance(result, Failure)}
    assert "The text of item b05 has" in failed[4] and "positions for it behind its prompt" in failed[4]
    assert isinstance(results[GLOVES], Completion)


def test_an_answer_can_be_stored_whatever_it_holds(model, server):
    server.faults["Nitrile"] = [
        says(raw=b'{"choices":[{"message":{"content":" A\\u0000\\ud800 <b>\\u202e"},"finish_reason":"stop"}]}')
    ]
    (completion,) = model.generate(PROMPTS[1:2], [1], SHORT)
    assert completion.text == "A? <b>\u202e" and (completion.prompt_tokens, completion.generated_tokens) == (0, 0)


@pytest.mark.parametrize(("counted", "kept"), [(10**30, 2**31 - 1), (-5, 0), (7.0, 7), (None, 0)])
def test_a_count_of_tokens_can_be_stored_whatever_it_is(model, server, counted, kept):
    server.faults["Nitrile"] = [says(answer("Those.", usage={"prompt_tokens": counted, "completion_tokens": counted}))]
    (completion,) = model.generate(PROMPTS[1:2], [1], SHORT)
    assert (completion.prompt_tokens, completion.generated_tokens) == (kept, kept)


def test_events_of_another_form_fail_their_item(model, server):
    def sends(handler):
        handler.send(200, None, {"Content-Type": "text/event-stream"}, raw=b"data: " + NESTED + b"\n\n")

    server.always["Nitrile"] = sends
    with pytest.raises(ModelError, match="not of OpenAI's form"):
        list(model.stream(PROMPTS[1], 1, SHORT))


def test_an_endless_answer_is_cut_off(model, server, monkeypatch):
    monkeypatch.setattr(openai_answers, "LARGEST_ANSWER", 1000)
    server.faults["Nitrile"] = [says(answer("long " * 1000))]
    assert "larger than" in written(model)[GLOVES].reason


def test_an_encoder_may_read(settings, monkeypatch):
    class Encoder:
        model_id, dim, revision, device = "minilm", 3, "r", "cpu"

        def encode(self, texts, *, names=()):
            return np.array([[len(text), text.count("e"), 1] for text in texts], dtype=np.float32)

    monkeypatch.setattr(loading, "load_encoder", lambda folder, device: Encoder())
    model = opened(settings, "openai:tiny", "minilm")
    (completion,) = model.generate(PROMPTS[:1], [1], SHORT)
    assert completion.prefill[0] == len(PROMPTS[0]) and completion.decoding[0] == len(completion.text)
    assert model.provenance == {"server": model.revision, "encoder": "minilm", "encoder_revision": "r"}


def test_prompts_that_do_not_fit_their_seeds(model):
    with pytest.raises(InputError, match="5 prompts need as many seeds"):
        model.generate_batches(PROMPTS, [1], SHORT)
    assert model.generate([], [], SHORT) == []
