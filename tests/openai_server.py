"""A server on 127.0.0.1 that speaks OpenAI's chat protocol over a language model of ours, with every fault on demand.

A fault is a function of the request's handler, which does what is to go wrong and sends it itself. Faults stand under a
word of the prompt; each request that holds the word uses one up, `always` stays.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from genair_engine.archetypes.backends import Completion, Sampling
from genair_engine.archetypes.transformers_backend import TransformersModel

KEY = "sk-test-4f2a9c71e6"
"""The key that the server wants."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are what tests are about; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class OpenAIServer:
    """Started by `with`. requests: what it was sent, bodies in order. url: with /v1, as people set it."""

    def __init__(self, model: TransformersModel, name: str) -> None:
        self.model, self.name, self.key = model, name, KEY
        self.requests: list[dict[str, Any]] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.released = threading.Event()  # ends what hangs
        self.writing = threading.Lock()
        self.at_once, self.most_at_once = 0, 0
        self._counting = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _handler(self))
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.host}/v1"

    def __enter__(self) -> OpenAIServer:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def prompts(self, word: str) -> int:
        """How many requests held the word."""
        return sum(word in body["messages"][0]["content"] for body in self.requests)

    def fault_of(self, prompt: str) -> Fault | None:
        for word, waiting in self.faults.items():
            if word in prompt and waiting:
                return waiting.pop(0)
        return next((fault for word, fault in self.always.items() if word in prompt), None)

    def count(self, change: int) -> None:
        with self._counting:
            self.at_once += change
            self.most_at_once = max(self.most_at_once, self.at_once)


Fault = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: OpenAIServer

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def send(self, status: int, body: object, headers: dict[str, str] | None = None, raw: bytes | None = None) -> None:
        content = raw if raw is not None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.send(status, {"error": {"message": message, "type": "x"}}, headers)

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server_of.key}":
            self.refuse(401, f"Incorrect API key: {self.headers.get('Authorization')}")
        elif self.path == "/v1/models":
            self.send(200, {"object": "list", "data": [{"id": self.server_of.name, "object": "model"}]})
        else:
            self.refuse(404, "not found")

    def do_POST(self) -> None:
        server = self.server_of
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not content:  # the client has left already
            self.close_connection = True
            return
        body = json.loads(content)
        server.requests.append(body)
        server.count(1)
        try:
            if self.headers.get("Authorization") != f"Bearer {server.key}":
                self.refuse(401, f"Incorrect API key: {self.headers.get('Authorization')}")
            elif self.path != "/v1/chat/completions" or body["model"] != server.name:
                self.refuse(404, f"The model `{body['model']}` does not exist.")
            elif fault := server.fault_of(body["messages"][0]["content"]):
                fault(self)
            else:
                self.write(body)
        finally:
            server.count(-1)

    def write(self, body: dict[str, Any]) -> None:
        sampling = Sampling(
            temperature=body["temperature"] or 1,
            top_p=body["top_p"],
            repetition_penalty=body.get("repetition_penalty", 1),
            max_new_tokens=body.get("max_tokens") or body["max_completion_tokens"],
            greedy=body["temperature"] == 0,
        )
        with self.server_of.writing:
            *parts, last = self.server_of.model.stream(body["messages"][0]["content"], body["seed"], sampling)
        assert isinstance(last, Completion)
        finish = {"eos": "stop", "length": "length"}[last.finish]
        usage = {"prompt_tokens": last.prompt_tokens, "completion_tokens": last.generated_tokens}
        if body.get("stream"):
            self.send_events([str(part) for part in parts], last.text, finish, usage)
        else:
            self.send(200, answer(last.text, finish, usage=usage))

    def send_events(self, parts: list[str], text: str, finish: str | None, usage: dict[str, int], done: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        sent = ""
        for part in [*parts, text]:
            if part.startswith(sent) and text.startswith(part) and part != sent:
                self.event({"choices": [{"delta": {"content": part[len(sent) :]}, "finish_reason": None}]})
                sent = part
        self.wfile.write(b": keep-alive\n\n")
        if done:
            self.event({"choices": [{"delta": {}, "finish_reason": finish}]})
            self.event({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, data: object) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()


def _handler(server: OpenAIServer) -> type[_Handler]:
    return type("Handler", (_Handler,), {"server_of": server})


def answer(text: str | None, finish: str | None = "stop", **more: object) -> dict[str, Any]:
    """A response's body."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}], **more}


def status(code: int, message: str = "try again", **headers: str) -> Fault:
    """Refuses; a header's underscores are hyphens."""
    return lambda handler: handler.refuse(code, message, {name.replace("_", "-"): value for name, value in headers.items()})


def says(body: object = None, raw: bytes | None = None) -> Fault:
    """Answers with that body, or those bytes, whatever was asked."""
    return lambda handler: handler.send(200, body, raw=raw)


def hangs(handler: _Handler) -> None:
    """Accepts the request and says nothing."""
    handler.server_of.released.wait(600)
    handler.close_connection = True


def drips(handler: _Handler) -> None:
    """Sends an answer without end, slowly: no single read ever waits long."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.close_connection = True
    try:
        while not handler.server_of.released.is_set():
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        pass  # the client has left


def half(handler: _Handler) -> None:
    """Hangs up in the middle of an answer."""
    content = json.dumps(answer("Those who")).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def half_a_stream(handler: _Handler) -> None:
    """Ends a stream without saying that it ends."""
    handler.send_events(["Those", "Those who"], "Those who care", None, {}, done=False)
