"""Fixtures of workspaces that are a URL: a server that speaks S3 on 127.0.0.1, in this process, and a bucket for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import uuid4

import fsspec
import pytest


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """fsspec's `s3://` is a server of our own, with credentials that count for nothing."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request hides a failing test's own output
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fsspec.config.conf, "s3", {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"})
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "none"))
        yield
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: None) -> Iterator[str]:
    """`s3://bucket` of an empty bucket."""
    name = f"bucket-{uuid4().hex[:12]}"
    files = fsspec.filesystem("s3")
    files.mkdir(name)
    yield f"s3://{name}"
    if files.exists(name):
        files.rm(name, recursive=True)
