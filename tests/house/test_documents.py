"""What README and docs say exists: links, files, commands, settings, methods, numbers and examples."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from genair_engine import cli
from genair_engine.methods.registry import METHODS
from genair_engine.settings import REPOSITORY, Settings
from tests.house.documents import (
    DOCUMENTS,
    ROOT,
    anchors_of,
    blocks_of,
    commands_of,
    engine_commands_of,
    inline_code_of,
    links_of,
    text_of,
)
from tests.workspaces import FilledWorkspace

EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
LINKED_HOSTS = {"filesystem-spec.readthedocs.io", "keepachangelog.com"}
EXAMPLE_HOSTS = {"localhost", "head", "host"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|home|root|tmp|mnt|data|Users|opt)/")
FOLDERS = ("app", "pages", "genair_engine", "sql", "tests", "benchmarks", "docs", "models_cache")
ROW = re.compile(r"^\| `(GENAIR_\w+)` \| .+ \| (.+) \|$", re.MULTILINE)
NUMBER = re.compile(r"\b0\.\d{4}(?: ± 0\.\d{4})?")


@EACH_DOCUMENT
def test_links_lead_somewhere(document: Path) -> None:
    for link in links_of(document):
        if link.startswith("http"):
            assert re.match(r"https://([^/]+)", link)[1] in LINKED_HOSTS, link
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: no file {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{document.name}: no heading {link}"


@EACH_DOCUMENT
def test_every_file_that_is_named_exists(document: Path) -> None:
    for code in inline_code_of(document):
        if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w/.-]*", code) and "NAME" not in code and "workspace" not in code:
            assert (ROOT / code).exists(), f"{document.name} names {code}"


@EACH_DOCUMENT
def test_no_registry_and_no_path_of_one_machine(document: Path) -> None:
    for host in re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", text_of(document)):
        assert host in LINKED_HOSTS | EXAMPLE_HOSTS, f"{document.name}: {host}"
    assert not MACHINE_PATH.search(text_of(document))


@EACH_DOCUMENT
def test_commands_are_those_of_the_command_line(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli.parser(cli.commands())
    for arguments in engine_commands_of(document):
        arguments = [argument for argument in arguments if argument != "…"]
        if arguments == ["VERB"]:
            continue
        try:
            options = parser.parse_args(arguments)
        except SystemExit as ended:
            complete = ended.code == 0  # --help
            only_missing = "the following arguments are required" in capsys.readouterr().err  # inline, an excerpt
            assert complete or (only_missing and " ".join(["genair", *arguments]) in inline_code_of(document)), arguments
        else:
            assert options.verb == arguments[0]


@EACH_DOCUMENT
def test_targets_of_make_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands_of(document):
        if asked := re.search(r"\bmake ([a-z]+)", command):
            assert asked[1] in targets, command


def test_options_in_the_text_exist() -> None:
    """Every `--option` that a document names in passing is some verb's, or of a tool that the line names."""
    [verbs] = [action for action in cli.parser(cli.commands())._actions if isinstance(action, argparse._SubParsersAction)]
    known = {option for verb in verbs.choices.values() for option in verb._option_string_actions}
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for code in inline_code_of(document):
            if code.startswith("--"):
                assert code.split()[0] in known, f"{document.name}: {code}"


def test_settings_stand_in_the_table() -> None:
    rows = dict(ROW.findall(text_of(ROOT / "docs/settings.md")))
    fields = {f"GENAIR_{name.upper()}": field for name, field in Settings.model_fields.items()}
    assert rows.keys() == fields.keys()
    for name, field in fields.items():
        default = field.default
        if isinstance(default, Path):
            default = default.relative_to(REPOSITORY)
        assert rows[name] == ("–" if default is None else f"`{default}`"), name


def test_methods_stand_in_the_table_and_have_a_section_each() -> None:
    names = METHODS.keys()
    assert names <= anchors_of(ROOT / "docs/methods.md")
    table = text_of(ROOT / "README.md").split("\n## Methods\n")[1].split("\n## ")[0]
    assert names <= set(re.findall(r"`([a-z-]+)`", table))


def test_numbers_of_the_readme_are_measured() -> None:
    measured = text_of(ROOT / "benchmarks/README.md")
    numbers = NUMBER.findall(text_of(ROOT / "README.md"))
    assert len(numbers) > 15
    assert [number for number in numbers if number not in measured] == []


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 130


@pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
def test_python_examples_run(name: str, filled_workspace: FilledWorkspace) -> None:
    ids = {"id1": "i1", "id2": "i2", "id3": "i3", "sasrec-genair-1a2b3c4d": filled_workspace.run}
    for code in blocks_of(ROOT / name, "python"):
        for example, real in ids.items():
            code = code.replace(f'"{example}"', f'"{real}"')
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"GENAIR_WORKSPACE": str(filled_workspace.folder), "PATH": "", "HOME": str(filled_workspace.folder)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ended.returncode == 0, ended.stderr
        assert len(ended.stdout.splitlines()) >= 10


def test_the_surface_for_python_loads_when_asked_for() -> None:
    """Importing the package costs nothing: no torch, no pydantic, well within a tenth of a second."""
    code = (
        "import sys, time; start = time.process_time(); import genair_engine; took = time.process_time() - start; "
        "heavy = {'torch', 'pydantic', 'numpy', 'pandas', 'sqlalchemy'} & sys.modules.keys(); "
        "assert took < 0.1 and not heavy, (took, heavy); "
        "assert genair_engine.__all__ == ['Recommender', 'Workspace']; assert not hasattr(genair_engine, 'Nothing'); "
        "import genair_engine.workspace; assert genair_engine.Workspace is genair_engine.workspace.Workspace"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
