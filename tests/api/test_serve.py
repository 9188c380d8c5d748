"""`serve` as a process: it answers, and leaves when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from genair_engine import verbs
from genair_engine.api.server import ServeRequest, serve
from genair_engine.errors import InputError, NotFoundError
from genair_engine.settings import REPOSITORY
from tests.verbs_workspaces import SMALL


@pytest.fixture
def run(imported):
    return verbs.train(imported, verbs.TrainRequest(dataset="shop", **SMALL | {"method": "id", "epochs": 1})).run


def test_a_server_of_its_own(imported, run):
    command = [sys.executable, "-m", "genair_engine", "serve", "--port", "0", "--runs", run, "--json"]
    server = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        line = next(line for line in server.stderr if "answers" in line)  # ends with the process, too
        address = line.split()[1]
        body = json.dumps({"run": run, "items": ["b01"], "k": 3}).encode()
        with urllib.request.urlopen(f"{address}/api/recommend", data=body, timeout=60) as answer:
            assert len(json.load(answer)["items"]) == 3
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, errors
    assert json.loads(output) == {"address": address, "requests": 1}
    assert "Traceback" not in errors


def test_what_cannot_be_served_is_said_before_it_starts(imported, run):
    with pytest.raises(NotFoundError, match="no run 'nothing'"):
        serve(imported, ServeRequest(runs=["nothing"]))
    with pytest.raises(InputError, match="Cannot listen on"):
        serve(imported, ServeRequest(host="203.0.113.1", port=0))
