"""A real Ray cluster of two nodes on this machine, all of it on 127.0.0.1, for one module of tests at a time.

A process of its own keeps it (`python -m tests.ray_cluster`) and ends it when its stdin is closed, also when the test process
is killed, after which Ray's agents would stay.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from genair_engine.cluster import Tell
from genair_engine.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[1]
OBJECT_STORE = 100 * 2**20
CPUS_A_NODE = 1
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # or Ray takes 127.0.0.1 for this machine's other address
}


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """host:port of a cluster with one CPU a node, and one GPU that is none: Ray gives it away all the same.

    This process is not connected to it.
    """
    if importlib.util.find_spec("ray") is None:
        pytest.skip("NO RAY: pip install -r requirements-ray.txt runs these tests")
    folder = tempfile.mkdtemp(prefix="ray-")  # short: Unix sockets lie in it, whose paths may have 107 characters
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryFile("w+") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster", folder],
            cwd=REPOSITORY,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        assert keeper.stdin and keeper.stdout
        for name, value in ENVIRONMENT.items():
            patched.setenv(name, value)
        import ray
        from ray._private import ray_constants

        patched.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # the same, where Ray was imported before
        try:
            address = next((line.split()[1] for line in keeper.stdout if line.startswith("address ")), None)
            if address is None:
                output.seek(0)
                pytest.fail(f"The cluster did not start:\n{output.read()[-4000:]}")
            yield address
        finally:
            ray.shutdown()
            processes = psutil.Process(keeper.pid).children(recursive=True)
            keeper.stdin.close()
            ended = keeper.wait(60)
            _, left = psutil.wait_procs(processes, timeout=30)
            for process in left:
                process.kill()
            assert not left, left
            assert ended == 0 or address is None


def gpus_of_task(workspace: Workspace, item: int, tell: Tell) -> tuple[int, str | None, str]:
    """What a task sees: its item, its GPUs, its node. Here because the cluster's processes can import it."""
    import ray

    return item, os.environ.get("CUDA_VISIBLE_DEVICES"), ray.get_runtime_context().get_node_id()


def _keep(folder: str) -> None:
    os.environ["RAY_TMPDIR"] = folder  # or it tells its address in a folder that all clusters of the machine share
    from ray.cluster_utils import Cluster

    Path(folder, "ray").mkdir()  # Ray makes it only where it is also the head's folder
    node = {"num_cpus": CPUS_A_NODE, "num_gpus": 1, "object_store_memory": OBJECT_STORE, "node_ip_address": "127.0.0.1"}
    head = node | {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": 0, "temp_dir": folder}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(**node)
            cluster.wait_for_nodes()
            print("address", cluster.address, flush=True)  # noqa: T201
            sys.stdin.read()
        finally:
            cluster.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep(sys.argv[1])
