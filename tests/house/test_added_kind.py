"""A kind of text is added as CONTRIBUTING says, by one file and one line: terminal, API of Python and page offer it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.house.copies import ROOT, addition, copy_with, run_in

WRITE = """
import json, sys
from pathlib import Path
from genair_engine import verbs
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.errors import ModelError
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace

workspace = Workspace.open(Settings(workspace=Path("workspace"), database_url=None, models_dir=Path("models_cache")))
Path("shop").mkdir()
write_lcrec(synthetic_dataset(30, 12, 300), Path("shop"))
verbs.import_dataset(workspace, verbs.ImportRequest(path=Path("shop"), name="shop", format="lcrec"))
items = [item.item for item in verbs.search(workspace, verbs.SearchRequest(dataset="shop")).items]
request = {"dataset": "shop", "kind": "scenario", "model": "demo-qwen", "device": "cpu"}
kept = verbs.embed(workspace, verbs.EmbedRequest(**request, text={item: f"At home, with {item}." for item in items}))
cut = verbs.Sampling(max_new_tokens=80, greedy=True)
try:
    failures = verbs.generate(workspace, verbs.GenerateRequest(**request, sampling=cut, limit=2)).failures
    reasons = [failure.reason for failure in failures]
except ModelError as error:
    reasons = [str(error)]
detail = verbs.item_detail(workspace, "shop", items[0], "scenario")
archetypes = verbs.item_detail(workspace, "shop", items[0]).archetypes
print(json.dumps({
    "kind": kept.kind, "prompt": kept.prompt_version, "reasons": reasons,
    "texts": [text.text for text in detail.archetypes], "archetypes": len(archetypes),
}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with(addition("A kind of text"), tmp_path_factory.mktemp("copy"))


def test_the_terminal_offers_it(copy: Path) -> None:
    command = ("-m", "genair_engine", "generate", "--help")
    assert "scenario (item: where and when an item is used)" in " ".join(run_in(copy, *command).split())
    assert "scenario" not in run_in(ROOT, *command)


def test_its_texts_are_kept_apart_and_checked(copy: Path) -> None:
    answer = json.loads(run_in(copy, "-c", WRITE).splitlines()[-1])
    assert answer["kind"] == "scenario" and answer["prompt"].startswith("scenario-")
    assert any(text.startswith("At home, with") for text in answer["texts"]) and answer["archetypes"] == 0
    assert any("has more than 40 words" in reason for reason in answer["reasons"])


def test_the_page_offers_it(copy: Path) -> None:
    listed = run_in(copy, "-c", "from genair_engine import verbs; print(*verbs.TEXT_KINDS)")
    assert listed.split() == ["archetype", "scenario"]
