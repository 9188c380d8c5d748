"""A real Ray cluster of two nodes on this machine, all of it on 127.0.0.1, for one module of tests at a time."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

OBJECT_STORE = 100 * 2**20
CPUS_A_NODE = 1


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """host:port of a cluster without GPUs, one CPU a node; this process is not connected to it."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("NO RAY: pip install -r requirements-ray.txt runs these tests")
    before = {process.pid for process in psutil.process_iter()}
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Unix sockets lie in it, whose paths may have 107 characters
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # or it takes 127.0.0.1 for this machine's other address
        import ray
        from ray._private import ray_constants
        from ray.cluster_utils import Cluster

        environment.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # the same, where ray was imported before
        node = {"num_cpus": CPUS_A_NODE, "num_gpus": 0, "object_store_memory": OBJECT_STORE, "node_ip_address": "127.0.0.1"}
        head = node | {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": 0, "temp_dir": str(folder)}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(**node)
            cluster.wait_for_nodes()
            yield cluster.address
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
    _, left = psutil.wait_procs([one for one in psutil.process_iter() if one.pid not in before and _of_ray(one)], timeout=20)
    assert not left, left


def _of_ray(process: psutil.Process) -> bool:
    try:
        said = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return process.status() != psutil.STATUS_ZOMBIE and ("ray::" in said or "/ray/" in said or "ray-dashboard" in said)
