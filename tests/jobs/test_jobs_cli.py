"""Jobs from a terminal: `--job`, `jobs [list|show|cancel|retry|log]`, `worker`."""

from __future__ import annotations

import json

import psutil
import pytest

from genair_engine import cli
from genair_engine.store.artifacts import locked
from tests.jobs.conftest import PATIENCE, row, until

TRAIN = (
    "train",
    "shop",
    "--method",
    "id",
    "--dim",
    "8",
    "--layers",
    "1",
    "--epochs",
    "1",
    "--max-len",
    "10",
    "--device",
    "cpu",
)


@pytest.fixture
def run(shop, monkeypatch, capsys):
    """Runs the CLI: (exit code, stdout, stderr)."""
    for name, value in shop.settings.environment().items():
        monkeypatch.setenv(name, value)

    def call(*arguments):
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_job_from_the_terminal(run, shop, start_worker):
    assert run("jobs") == (0, "There are no jobs.\nNo worker is alive.\n", "")
    code, out, _ = run(*TRAIN, "--job", "--json")
    given = json.loads(out)
    job = given["job"]
    assert (code, given["state"], given["waits"]) == (0, "queued", "no worker is alive")
    assert run(*TRAIN, "--job")[1].startswith(
        f"{job}  queued: no worker is alive  Train sasrec with id on shop, loss ce, epochs 1, dim 8, layers 1, max len 10, "
        "seed 42"
    )
    assert run("jobs", "log", job) == (0, "The job has written nothing yet.\n", "")
    assert run("jobs", "cancel", job)[1].startswith(f"{job}  cancelled")
    assert [job["state"] for job in json.loads(run("jobs", "list", "--json")[1])["jobs"]] == ["cancelled"]
    assert run("jobs", "--states", "done")[1].startswith("There are no jobs.")
    assert run("jobs", "retry", job)[1].startswith(f"{job}  queued")
    worker = start_worker(shop, "--idle-exit", "1", "--json")
    assert worker.wait(PATIENCE) == 0
    _, out, _ = run("jobs", "show", job, "--json")
    done = json.loads(out)
    assert (done["state"], done["error"], done["done"]) == ("done", None, done["total"])
    assert "epoch 1" in run("jobs", "log", job)[1]
    assert run("jobs", "log", job, "--lines", "1")[1].count("\n") == 1
    assert f"trained {done['runs'][0]}" in run("jobs")[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("jobs", "show", "train-x"), "There is no job 'train-x'."),
        (("jobs", "cancel", "train-x"), "There is no job 'train-x'."),
        (("jobs", "retry", "train-x"), "There is no job 'train-x'."),
        (("jobs", "log", "train-x"), "There is no job 'train-x'."),
        (("jobs", "show"), "name a job"),
        (("jobs", "stop", "train-x"), "'list', 'show', 'cancel', 'retry' or 'log'"),
        (("jobs", "list", "train-x"), "list takes no job"),
        (("jobs", "--states", "lost"), "--states: "),
        (("jobs", "--kinds", "trian"), "no kind of job 'trian'"),
        (("worker", "--slots", "-1"), "--slots: "),
        (("train", "shoq", "--method", "id", "--job"), "no dataset 'shoq'"),
        (("train", "shop", "--job"), "needs --representation"),
        ((*TRAIN[:-1], "cuda", "--job"), "No worker has 1 GPU"),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, reason):
    code, out, err = run(*arguments)
    assert (code, out) == (1, "") and err.startswith("error: ") and reason in err
    assert run("jobs", "--json")[1] == '{\n  "jobs": [],\n  "workers": []\n}\n'


def test_the_laptop_s_worker_leaves_where_another_one_works(run, shop, start_worker):
    run(*TRAIN, "--job")
    first = start_worker(shop, "--only-one")
    until(lambda: json.loads(run("jobs", "--json")[1])["workers"])
    second = start_worker(shop, "--only-one")
    assert second.wait(PATIENCE) == 0 and first.poll() is None
    first.terminate()
    assert first.wait(PATIENCE) == 0


def open_by(process, name):
    """Whether a process has opened a file of that name: then it asks for the lock within a moment."""
    return any(file.path.endswith(name) for file in psutil.Process(process.pid).open_files())


def test_the_laptop_s_worker_waits_for_one_that_is_just_leaving(run, shop, start_worker):
    """It has taken its row away and still holds the lock; the job that came then would otherwise be nobody's."""
    job = json.loads(run(*TRAIN, "--job", "--json")[1])["job"]
    with locked(shop.path("jobs")) as ours:
        assert ours
        worker = start_worker(shop, "--only-one", "--idle-exit", "0.5")
        until(lambda: open_by(worker, "genair.db"))
    assert worker.wait(PATIENCE) == 0
    assert row(shop, job).state == "done"
