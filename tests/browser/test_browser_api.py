"""The HTTP API of the really started app: beside the pages, under the same address."""

import json
import urllib.request

import pytest

from tests.workspaces import DATASET, FilledWorkspace

pytestmark = pytest.mark.browser


def test_the_app_answers_requests(app_url: str, filled_workspace: FilledWorkspace) -> None:
    body = json.dumps({"run": filled_workspace.run, "items": ["i1", "i2"], "k": 3}).encode()
    with urllib.request.urlopen(f"{app_url}/api/recommend", data=body, timeout=60) as answer:
        recommended = json.load(answer)
    assert len(recommended["items"]) == 3 and recommended["dataset"] == DATASET
    with urllib.request.urlopen(f"{app_url}/api/items/search?dataset={DATASET}&limit=2", timeout=60) as answer:
        assert len(json.load(answer)["items"]) == 2
    with urllib.request.urlopen(f"{app_url}/healthz", timeout=60) as answer:
        assert json.load(answer)["status"] == "ok"
    with urllib.request.urlopen(app_url, timeout=60) as answer:  # the app itself is still there
        assert b"<html" in answer.read()
