"""A server on 127.0.0.1 that plays the Hugging Face hub: models of a folder, gated and missing ones."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_right"


class HubServer:
    """Started by `with`. models: repository → folder; gated: those for which TOKEN is wanted. stop_after: bytes of a file
    after which the connection is cut, once. fetched: the files that were asked for, in order."""

    def __init__(self) -> None:
        self.models: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.stop_after: int | None = None
        self.fetched: list[str] = []
        self.held: threading.Event | None = None  # a file's second half waits for it
        handler = type("Handler", (_Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> HubServer:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            return self.about("/".join(parts[2:4]), parts[4:])
        return self.file("/".join(parts[:2]), "/".join(parts[4:]))

    def about(self, repository: str, what: list[str]) -> None:
        folder = self.hub.models.get(repository)
        if folder is None:
            return self.refuse(401, "RepoNotFound", "Repository not found")
        files = sorted(path for path in folder.iterdir() if path.is_file())
        if what[:1] == ["tree"]:
            return self.send([{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _etag(f)} for f in files])
        siblings: list[dict[str, Any]] = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        return self.send({"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "tags": []})

    def file(self, repository: str, name: str) -> None:
        folder = self.hub.models.get(repository)
        if folder is None or not (folder / name).is_file():
            return self.refuse(404, "EntryNotFound", "Entry not found")
        if repository in self.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo", "Access is restricted")
        content = (folder / name).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_etag(folder / name)}"')
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return None
        self.hub.fetched.append(name)
        middle = start + (len(content) - start) // 2
        if name.endswith(".safetensors") and self.hub.stop_after is not None:
            self.wfile.write(content[start : start + self.hub.stop_after])
            self.hub.stop_after, self.close_connection = None, True
            return None
        try:
            self.wfile.write(content[start:middle])
            self.wfile.flush()
            if name.endswith(".safetensors") and self.hub.held is not None:
                self.hub.held.wait(60)
            self.wfile.write(content[middle:])
        except OSError:
            self.close_connection = True  # the client has left
        return None

    def send(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
