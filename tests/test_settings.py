"""Settings come from the environment, do not depend on the current folder, and name the variable that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from genair_engine.errors import InputError
from genair_engine.settings import REPOSITORY, Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GENAIR_{name.upper()}", raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    monkeypatch.chdir(tmp_path)


def test_defaults_lie_in_the_repository() -> None:
    settings = load_settings()
    assert settings.workspace == REPOSITORY / "workspace"
    assert settings.models_dir == REPOSITORY / "models_cache"
    assert settings.database == f"sqlite+pysqlite:///{REPOSITORY}/workspace/genair.db"
    assert settings.threads is None


def test_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GENAIR_THREADS=3\nGENAIR_WORKSPACE=elsewhere\nGENAIR_UNKNOWN=1\n")
    monkeypatch.setenv("GENAIR_WORKSPACE", str(tmp_path / "mine"))
    monkeypatch.setenv("GENAIR_DATABASE_URL", "")
    settings = load_settings()
    assert (settings.threads, settings.workspace) == (3, tmp_path / "mine")
    assert settings.database == f"sqlite+pysqlite:///{tmp_path}/mine/genair.db"
    monkeypatch.delenv("GENAIR_WORKSPACE")
    assert load_settings().workspace == REPOSITORY / "elsewhere"


def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENAIR_THREADS", "many")
    with pytest.raises(InputError, match="GENAIR_THREADS: Input should be a valid integer"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "folder"),
    [("elsewhere", REPOSITORY / "elsewhere"), ("file:///some/folder%20here", Path("/some/folder here"))],
)
def test_a_folder_by_path_and_by_url(monkeypatch: pytest.MonkeyPatch, given: str, folder: Path) -> None:
    monkeypatch.setenv("GENAIR_WORKSPACE", given)
    settings = load_settings()
    assert (settings.workspace, settings.folder, settings.url) == (folder, folder, None)


def test_a_url_has_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folders = set()
    for given in ("s3://bucket/studio", "s3://bucket/studio/", "s3://bucket-studio", "gs://bucket/studio"):
        monkeypatch.setenv("GENAIR_WORKSPACE", given)
        settings = load_settings()
        assert settings.url == given.rstrip("/")
        assert settings.folder.parent == REPOSITORY / "workspace-cache"
        folders.add(settings.folder)
    assert len(folders) == 3
    with pytest.raises(InputError, match="GENAIR_DATABASE_URL"):
        _ = settings.database
    monkeypatch.setenv("GENAIR_CACHE_DIR", str(tmp_path / "cache"))
    assert load_settings().folder.parent == tmp_path / "cache"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("s3://", "not a folder and not a URL such as s3://bucket/prefix"),
        ("simplecache::s3://bucket", "not a folder and not a URL"),
        ("file://host/folder", "three slashes"),
        ("sftp://user:hunter2@host/folder", "no secrets"),
        ("s3://bucket/studio?secret=hunter2", "no secrets"),
    ],
)
def test_urls_that_cannot_be_a_workspace(monkeypatch: pytest.MonkeyPatch, given: str, message: str) -> None:
    monkeypatch.setenv("GENAIR_WORKSPACE", given)
    with pytest.raises(InputError, match=f"GENAIR_WORKSPACE: .*{message}") as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)
