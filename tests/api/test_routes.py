"""The HTTP API: the verbs' answers, errors as JSON with the right status, and its description."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from genair_engine import verbs
from genair_engine.api.batching import MOST_WAITING, Batcher
from genair_engine.api.mounted import mounted
from genair_engine.api.routes import MOST_BYTES, api_routes
from genair_engine.errors import OutageError, WorkspaceError
from tests.verbs_workspaces import SMALL


@pytest.fixture
def served(imported):
    """A client, the workspace, and a run."""
    run = verbs.train(imported, verbs.TrainRequest(dataset="shop", **SMALL | {"method": "id", "epochs": 1})).run
    with client_of(verbs.Recommenders(imported)) as client:
        yield client, imported, run


def client_of(recommenders):
    return TestClient(Starlette(routes=api_routes(lambda: recommenders)), raise_server_exceptions=False)


def test_answers_are_those_of_the_verbs(served):
    client, workspace, run = served
    request = verbs.RecommendRequest(run=run, items=["b01", "b08"], k=4)
    answer = client.post("/api/recommend", json=request.model_dump())
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json() == verbs.recommend(workspace, request).model_dump(mode="json")
    many = client.post("/api/recommend/batch", json={"run": run, "sessions": [["b01", "b08"], ["b02"]], "k": 4}).json()
    assert [item["item"] for item in many["results"][0]["items"]] == [item["item"] for item in answer.json()["items"]]
    answered = client.get("/api/items/search", params={"dataset": "shop", "text": "solder", "limit": 1}).json()
    expected = verbs.search(workspace, verbs.SearchRequest(dataset="shop", text="solder", limit=1))
    assert answered == expected.model_dump(mode="json") and answered["total"] == 2
    assert client.get("/healthz").json()["status"] == "ok" and client.head("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "words"),
    [
        ("POST", "/api/recommend", "{", 400, "not JSON"),
        ("POST", "/api/recommend", "[" * 20_000, 400, "not JSON"),
        ("POST", "/api/recommend", b"\xff", 400, "not JSON"),
        ("POST", "/api/recommend", "[]", 422, "dictionary"),
        ("POST", "/api/recommend", '{"run": "RUN"}', 422, "items: Field required"),
        ("POST", "/api/recommend", '{"run": "RUN", "items": []}', 422, "at least 1 item"),
        ("POST", "/api/recommend", '{"run": "RUN", "items": ["b01"], "k": 0}', 422, "k: "),
        ("POST", "/api/recommend", '{"run": "RUN", "items": ["b01"], "k": 1001}', 422, "less than or equal to 1000"),
        ("POST", "/api/recommend", '{"run": "RUN", "items": ["b01"], "size": 3}', 422, "size: "),
        ("POST", "/api/recommend", '{"run": "RUN", "items": ["b01", "nothing"]}', 404, "no item in 'shop' 'nothing'"),
        ("POST", "/api/recommend", '{"run": "nothing", "items": ["b01"]}', 404, "no run 'nothing'"),
        ("POST", "/api/recommend/batch", '{"run": "RUN", "sessions": [["b01"], ["x"]]}', 422, "Session 2: "),
        ("POST", "/api/recommend", " " * (MOST_BYTES + 1), 413, "larger than"),
        ("GET", "/api/recommend", None, 405, "answers POST"),
        ("GET", "/api/items/search", None, 422, "dataset: Field required"),
        ("GET", "/api/items/search?dataset=none", None, 404, "no dataset 'none'"),
        ("GET", "/api/items/search?dataset=shop&limit=many", None, 422, "limit: "),
        ("GET", "/api/else", None, 404, "POST /api/recommend"),
        ("DELETE", "/api/items/search", None, 405, "answers GET"),
    ],
)
def test_errors_are_json_with_their_status(served, method, path, content, status, words):
    client, _, run = served
    content = content.replace("RUN", run) if isinstance(content, str) else content
    answer = client.request(method, path, content=content)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"kind", "message", "fields"} and words in error["message"]


def test_long_lists_and_sessions_are_answered(served):
    client, _, run = served
    for items, k, length in ((["b01"], 1000, 11), (["b01", "b02"] * 250, 10, 10), (["b01"] * 3, 1, 1)):
        answer = client.post("/api/recommend", json={"run": run, "items": items, "k": k})
        assert answer.status_code == 200 and len(answer.json()["items"]) == length


def test_a_run_whose_data_set_was_deleted_is_gone(served):
    client, workspace, run = served
    request = {"run": run, "items": ["b01"]}
    assert client.post("/api/recommend", json=request).status_code == 200
    verbs.delete_dataset(workspace, verbs.DeleteRequest(dataset="shop"))
    answer = client.post("/api/recommend", json=request)
    assert answer.status_code == 404 and f"no run '{run}'" in answer.json()["error"]["message"]


class Broken:
    """Stands in for `verbs.Recommenders`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def of(self, run):
        raise self.error

    @property
    def workspace(self):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (OutageError("The database is away."), 503, "unavailable"),
        (WorkspaceError("No folder."), 500, "failed"),
        (RuntimeError("secret"), 500, "defect"),
    ],
)
def test_what_is_not_the_clients_fault(error, status, kind):
    with client_of(Broken(error)) as client:
        for answer in (
            client.post("/api/recommend", json={"run": "r", "items": ["a"]}),
            client.post("/api/recommend/batch", json={"run": "r", "sessions": [["a"]]}),
            client.get("/healthz"),
        ):
            assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
            assert "secret" not in answer.text
            assert ("Retry-After" in answer.headers) == (status == 503)


def test_the_description_names_every_path_and_resolves(served):
    client, _, _ = served
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {path: set(methods) for path, methods in document["paths"].items()} == {
        "/healthz": {"get"},
        "/api/recommend": {"post"},
        "/api/recommend/batch": {"post"},
        "/api/items/search": {"get"},
    }
    parameters = document["paths"]["/api/items/search"]["get"]["parameters"]
    assert {parameter["name"]: parameter["required"] for parameter in parameters if parameter["required"]} == {"dataset": True}
    assert {parameter["name"] for parameter in parameters} == set(verbs.SearchRequest.model_fields)
    text = json.dumps(document)
    assert "positional" not in text
    for part in text.split('"$ref": "')[1:]:
        place = document
        for name in part.split('"')[0].removeprefix("#/").split("/"):
            place = place[name]
        assert place["type"] == "object"


class Slow:
    """Recommenders that answer when they may, and remember what they were asked together."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.batches: list[list[str]] = []

    def of(self, run):
        return self

    def answer_many(self, requests):
        self.may.wait(30)
        self.batches.append([request.items[0] for request in requests])
        return [request.items[0] for request in requests]


def test_what_arrives_meanwhile_is_answered_together():
    async def ask():
        slow, asked = Slow(), []
        batcher = Batcher(lambda: slow)
        for number in range(6):
            request = verbs.RecommendRequest(run="r", items=[str(number)])
            asked.append(asyncio.create_task(batcher.recommend(request)))
            await asyncio.sleep(0)
        asked[3].cancel()
        slow.may.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return slow.batches, answers

    batches, answers = asyncio.run(ask())
    assert [item for batch in batches for item in batch] == ["0", "1", "2", "3", "4", "5"] and len(batches) <= 2
    assert [answer for answer in answers if isinstance(answer, str)] == ["0", "1", "2", "4", "5"]


def test_too_many_waiting_requests_are_refused():
    async def ask():
        slow = Slow()
        batcher = Batcher(lambda: slow)
        request = verbs.RecommendRequest(run="r", items=["a"])
        first = asyncio.create_task(batcher.recommend(request))
        while not slow_is_asked(batcher):
            await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(batcher.recommend(request)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(OutageError, match="wait for this run"):
            await batcher.recommend(request)
        slow.may.set()
        return await asyncio.gather(first, *waiting)

    def slow_is_asked(batcher):
        return batcher._waiting.get("r") == []  # the first request is being answered

    assert len(asyncio.run(ask())) == MOST_WAITING + 1


def test_the_setting_decides_what_the_app_mounts(monkeypatch):
    for value, there in (("on", True), ("off", False), ("perhaps", False), (None, False)):
        monkeypatch.setenv("GENAIR_API", value) if value else monkeypatch.delenv("GENAIR_API")
        assert bool(mounted(lambda: None)) == there
