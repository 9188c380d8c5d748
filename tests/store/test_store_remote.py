"""Files reach another machine whole, only when they have changed, and failures are errors to read.

Two folders with one URL are two machines. S3 is spoken with a real server; fsspec's memory stands for the protocols on which
an upload can be seen half done.
"""

from __future__ import annotations

import errno
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.registry import known_implementations

from genair_engine.errors import OutageError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.remote import Remote


@pytest.fixture(params=["s3", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty place on each protocol in turn."""
    if request.param == "memory":
        return f"memory://{uuid4().hex}/prefix"
    return request.getfixturevalue("s3_bucket") + "/prefix"


@pytest.fixture
def machines(url: str, tmp_path: Path) -> tuple[Remote, Remote]:
    return Remote(url, tmp_path / "a"), Remote(url, tmp_path / "b")


@pytest.fixture
def on_s3(s3_bucket: str, tmp_path: Path) -> tuple[Remote, Remote]:
    return Remote(f"{s3_bucket}/prefix", tmp_path / "a"), Remote(f"{s3_bucket}/prefix", tmp_path / "b")


def write(remote: Remote, name: str, text: str) -> Path:
    path = remote.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def contents(folder: Path) -> dict[str, str]:
    """All files of a cache but the notes of what was seen."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".remote"))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_what_is_published_here_is_fetched_there(machines: tuple[Remote, Remote]) -> None:
    a, b = machines
    write(a, "runs/x/model", "weights")
    write(a, "runs/x/deep/ranks", "1 2 3")
    write(a, "runs/xy/model", "of another run")
    write(a, "runs/x/.building-model-1234", "half")
    with artifacts.locked(a.folder / "runs/x"):
        a.publish("runs/x")
    a.publish("runs/xy/model")
    assert b.fetch("runs/x")
    assert contents(b.folder) == {"runs/x/model": "weights", "runs/x/deep/ranks": "1 2 3"}
    assert b.fetch("runs/xy/model")
    assert contents(b.folder)["runs/xy/model"] == "of another run"
    assert not b.fetch("runs/none") and not b.fetch("runs/x/none")
    a.delete("runs/x")
    a.delete("runs/none")
    assert not b.fetch("runs/x") and b.fetch("runs/xy")


def test_only_what_has_changed_travels(machines: tuple[Remote, Remote], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = machines
    uploaded: list[str] = []
    upload = Remote._upload
    monkeypatch.setattr(Remote, "_upload", lambda self, name: (uploaded.append(name), upload(self, name)))
    write(a, "set/first", "1")
    a.publish("set")
    a.publish("set")
    write(a, "set/second", "2")
    a.publish("set")
    assert uploaded == ["set/first", "set/second"]
    b.fetch("set")
    files = {name: (b.folder / name).stat().st_ino for name in contents(b.folder)}
    b.fetch("set")
    b.fetch("set/second")
    b.publish("set")
    assert {name: (b.folder / name).stat().st_ino for name in contents(b.folder)} == files
    assert len(uploaded) == 2

    write(b, "set/first", "new")
    b.publish("set/first")
    write(a, "set/third", "3")
    a.publish("set")  # its own first is old, but it has not touched it
    assert uploaded[2:] == ["set/first", "set/third"]
    a.fetch("set")
    assert contents(a.folder) == {"set/first": "new", "set/second": "2", "set/third": "3"}


def test_what_is_there_is_the_truth(machines: tuple[Remote, Remote]) -> None:
    a, _ = machines
    write(a, "run/checkpoint", "epoch 1")
    a.publish("run")
    write(a, "run/checkpoint", "epoch 2")  # never published: no row knows it
    write(a, "run/other", "mine")
    a.fetch("run")
    assert contents(a.folder) == {"run/checkpoint": "epoch 1", "run/other": "mine"}
    (a.folder / "run/checkpoint").unlink()
    a.fetch("run")
    assert contents(a.folder)["run/checkpoint"] == "epoch 1"
    a.delete("run")
    a.publish("run")  # what is missing there comes back
    assert a.fetch("run/checkpoint") and a.fetch("run/other")


def test_an_upload_that_breaks_off_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"memory://{uuid4().hex}"
    a, b = Remote(url, tmp_path / "a"), Remote(url, tmp_path / "b")
    write(a, "run/checkpoint", "epoch 1")
    a.publish("run")
    put = type(a._files).put_file

    def broken(self: object, path: str, target: str, **options: object) -> None:
        half = tmp_path / "half"
        half.write_text("epo")
        put(self, str(half), target)
        raise ConnectionResetError("gone")

    monkeypatch.setattr(type(a._files), "put_file", broken)
    write(a, "run/checkpoint", "epoch 2, longer")
    with pytest.raises(OutageError, match=r"run/checkpoint cannot be used: ConnectionResetError: gone"):
        a.publish("run")
    b.fetch("run")
    assert contents(b.folder) == {"run/checkpoint": "epoch 1"}
    monkeypatch.undo()
    a.publish("run")
    b.fetch("run")
    assert contents(b.folder) == {"run/checkpoint": "epoch 2, longer"}


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (None, OutageError, "did not arrive whole"),
        (ConnectionResetError("gone"), OutageError, "ConnectionResetError: gone. Is the server running"),
        (PermissionError("Access Denied"), WorkspaceError, "Access Denied. Give this process credentials"),
        (OSError(errno.ENOSPC, "No space left on device"), WorkspaceError, "Cannot write .*No space left.*disk not full"),
    ],
)
def test_a_download_that_breaks_off_leaves_the_old_file(
    on_s3: tuple[Remote, Remote],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    kind: type[WorkspaceError],
    message: str,
) -> None:
    a, b = on_s3
    write(a, "run/checkpoint", "epoch 1")
    a.publish("run")
    b.fetch("run")
    write(a, "run/checkpoint", "epoch 2")
    a.publish("run")

    def broken(path: str, target: str) -> None:
        Path(target).write_text("epo")
        if error:
            raise error

    monkeypatch.setattr(b._files, "get_file", broken)
    with pytest.raises(WorkspaceError, match=message) as raised:
        b.fetch("run")
    assert type(raised.value) is kind
    assert contents(b.folder) == {"run/checkpoint": "epoch 1"}
    monkeypatch.undo()
    b.fetch("run")
    assert contents(b.folder) == {"run/checkpoint": "epoch 2"}


def test_names_that_lead_out_of_the_folder_are_not_fetched(
    on_s3: tuple[Remote, Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = on_s3
    write(a, "run/model", "weights")
    a.publish("run")
    find = b._files.find
    root = b._at("")

    def hostile(path: str, detail: bool) -> dict[str, object]:
        listing = find(path, detail=detail)
        (info,) = listing.values()
        return listing | {
            f"{root}{name}": info for name in ("run/../../evil", "/run/evil", "run//evil", "run/.evil", "run/lock")
        }

    monkeypatch.setattr(b._files, "find", hostile)
    b.fetch("run")
    assert contents(b.folder) == {"run/model": "weights"}
    assert not list(b.folder.parent.rglob("*evil*"))


def test_a_bucket_that_is_not_there(s3_server: None, tmp_path: Path) -> None:
    remote = Remote("s3://no-such-bucket/prefix", tmp_path)
    write(remote, "run/model", "weights")
    for call in (lambda: remote.publish("run"), lambda: remote.fetch("run"), remote.check):
        with pytest.raises(WorkspaceError, match=r"s3://no-such-bucket/prefix/.* does not exist. Is the bucket .* right"):
            call()


def test_without_credentials(s3_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {name: value for name, value in fsspec.config.conf["s3"].items() if name == "endpoint_url"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(WorkspaceError, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        Remote("s3://any/prefix", tmp_path).check()


def test_protocols_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkspaceError, match=r"nix://place, which cannot be opened .*'nix' a protocol of fsspec"):
        Remote("nix://place", tmp_path).check()
    missing = {"class": "no_such_package.Files", "err": "Install no_such_package to reach it"}
    monkeypatch.setitem(known_implementations, "absent", missing)
    with pytest.raises(WorkspaceError, match=r"not installed \(Install no_such_package to reach it\)\. Install it into"):
        Remote("absent://place", tmp_path).check()
