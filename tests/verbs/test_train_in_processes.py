"""`train` as processes of its own: killed at any moment it goes on, and under torchrun two processes train one run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.settings import Settings
from genair_engine.store.tables import RunEpochRow
from genair_engine.workspace import Workspace
from tests.verbs_workspaces import SMALL

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = (
    "--method",
    "id",
    "--dim",
    "8",
    "--layers",
    "1",
    "--batch-size",
    "4",
    "--max-len",
    "10",
    "--device",
    "cpu",
    "--json",
)
LONG = ("train", "shop", *OPTIONS, "--epochs", "60", "--patience", "60")


@pytest.fixture
def environment(imported):
    return os.environ | {"PYTHONPATH": str(ROOT), "GENAIR_THREADS": "1", "OMP_NUM_THREADS": "1"}


def killed_after(epoch, environment):
    """Starts the long training and kills it without warning once it has told of that epoch."""
    command = [sys.executable, "-m", "genair_engine", *LONG]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        told = []
        for line in process.stderr:
            told.append(line)
            if f"epoch {epoch}:" in line:
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL, "".join(told)
    return told


def test_a_run_killed_twice_ends_with_the_metrics_of_an_uninterrupted_one(imported, environment, source, tmp_path):
    other = Workspace.open(Settings(workspace=tmp_path / "uninterrupted", database_url=None, threads=1))
    verbs.import_dataset(other, verbs.ImportRequest(path=source, name="shop"))
    whole = verbs.train(other, verbs.TrainRequest(dataset="shop", method="id", **SMALL | {"epochs": 60, "patience": 60}))

    killed_after(3, environment)
    resumed = killed_after(20, environment)
    assert "epoch 1:" not in "".join(resumed)
    command = [sys.executable, "-m", "genair_engine", *LONG]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    last, told = json.loads(done.stdout), done.stderr
    assert "epoch 19:" not in told and "epoch 60:" in told
    assert last["metrics"] == whole.metrics
    assert (last["epochs"], last["best_epoch"]) == (60, whole.best_epoch)
    assert curves(imported) == curves(other) and len(curves(imported)) == 60
    other.close()
    assert [run.state for run in verbs.runs_of(imported, "shop")] == ["done"]


def curves(workspace):
    with workspace.reading() as session:
        rows = session.scalars(select(RunEpochRow).order_by(RunEpochRow.epoch))
        return [(row.epoch, row.losses, row.valid) for row in rows]


FAILING = """
import os, sys
from genair_engine import cli
from genair_engine.errors import WorkspaceError
from genair_engine.verbs.training import fitting

def keep(workspace, run, trainer, record, progress):
    if record.epoch == 3:
        raise WorkspaceError("no space left on device")
    kept(workspace, run, trainer, record, progress)

kept, fitting._keep_epoch = fitting._keep_epoch, keep
sys.exit(cli.main(sys.argv[1:]))
"""


def test_two_processes_train_one_run_and_an_error_in_one_ends_both(imported, environment, tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["train", "shop", *OPTIONS, "--epochs", "5"]
    failed = subprocess.run([*torchrun, str(script), *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert failed.returncode != 0 and "error: no space left on device" in failed.stderr and failed.stdout == ""
    (stopped,) = verbs.runs_of(imported, "shop")
    assert (stopped.state, stopped.epochs) == ("stopped", 2)

    done = subprocess.run(
        [*torchrun, "-m", "genair_engine", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (finished,) = verbs.runs_of(imported, "shop")
    assert json.loads(done.stdout)["run"] == finished.run == stopped.run
    assert (finished.state, finished.epochs, finished.device) == ("done", 5, "2 × cpu")
    assert done.stderr.count("epoch 4:") == 1 and "epoch 2:" not in done.stderr
