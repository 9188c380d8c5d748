"""GPUs: seen through the driver's tool (here a script that says what a test wants), given to one job each, checked for room;
several of them through torch's launcher, whose processes never outlive their job."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from genair_engine import jobs, verbs
from genair_engine.errors import InputError
from genair_engine.jobs import gpus
from genair_engine.jobs import worker as workers
from genair_engine.store import jobs as rows
from tests.jobs.conftest import (
    ENDLESS,
    LEASE,
    LONG,
    after,
    children,
    instead,
    kill,
    of_the_engine,
    process_of,
    running,
    state,
    submit,
    the_run,
    trained,
    until,
)

SHOWING = instead("bash", "-c", 'echo "gpus [$CUDA_VISIBLE_DEVICES] $CUDA_DEVICE_ORDER"; exec sleep 1000')
"""Runs jobs that say what they see, and go on."""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sets the free memory of this machine's two GPUs, in MB: `driver(200, 80_000)`."""
    folder, table = tmp_path / "driver", tmp_path / "gpus.csv"
    folder.mkdir()
    tool = folder / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\ncase "$*" in *memory.free*noheader*) cat {table};; *) exit 2;; esac\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def say(*free: int | str) -> None:
        lines = [
            f"{index}, GPU-{index}a{index}b, NVIDIA H200, 143771, {mb}, {'[N/A]' if index else 35}"
            for index, mb in enumerate(free)
        ]
        table.write_text("\n".join(lines) + "\n")

    say.fails = table.unlink
    say(140_000, 140_000)
    return say


def automatic(workspace, seed, **options):
    request = verbs.TrainRequest(**(LONG | {"seed": seed, "device": "auto"}))
    return jobs.submit(workspace, "train", request, **options).job


def sees(workspace, job):
    return jobs.log_tail(workspace, job).splitlines()[-1:]


def test_what_the_driver_says(driver, monkeypatch):
    driver(200, 80_000)
    first, second = gpus.probe()
    assert first == gpus.Gpu(index=0, name="NVIDIA H200", total_mb=143_771, free_mb=200, utilization=35)
    assert (second.index, second.free_mb, second.utilization) == (1, 80_000, 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpus.probe() == [second]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1a, GPU-9")
    assert gpus.probe() == [second]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.probe() == []


def test_what_is_wrong_with_one_gpu_is_no_reason_to_lose_the_others(driver):
    driver("[N/A]", 80_000, "[GPU is lost]")
    first, second = gpus.probe()
    assert (first.index, second.index, second.free_mb) == (0, 1, 80_000)
    assert 0 < first.free_mb < psutil.virtual_memory().total / 2**20  # the memory of the machine, which it shares


def test_a_driver_that_says_nothing_once_takes_no_gpu_away(shop, driver, drive, monkeypatch):
    monkeypatch.setattr(workers, "GPU_SECONDS", 0)
    worker = drive(shop, slots=0)
    assert len(worker.gpus) == worker.slots == 2
    driver.fails()
    worker.beat()
    assert len(worker.gpus) == worker.slots == 2
    late = drive(shop, slots=0)
    assert late.gpus == [] and late.slots == 1
    driver(200, 80_000)
    late.beat()
    assert [gpu.free_mb for gpu in late.gpus] == [200, 80_000] and late.slots == 2


def test_the_driver_is_not_asked_at_every_turn(shop, driver, drive, monkeypatch):
    driver(200, 200)
    asked = []
    ask = gpus.ask
    monkeypatch.setattr(gpus, "ask", lambda: (asked.append(1), ask())[1])
    worker = drive(shop)
    automatic(shop, 1)
    worker._looked = time.monotonic() + 1000
    for _ in range(5):
        worker.tick()
    assert len(asked) == 1 and worker.held == {}


def test_no_driver_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.probe() == []
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert gpus.probe() == []


def test_a_full_gpu_gets_no_job_and_says_so(shop, settings, driver, drive):
    driver(200, 40_000)
    first, second = (automatic(shop, seed, estimate={"memory_mb": 30_000.0, "device": "cuda"}) for seed in (1, 2))
    on_cpu = submit(shop)
    worker = drive(shop, slots=3, executor=SHOWING(settings))
    worker.drive(lambda: all(sees(shop, job) for job in (first, on_cpu)))
    assert sees(shop, first) == ["gpus [1] PCI_BUS_ID"] and jobs.job(shop, first).devices == [1]
    assert sees(shop, on_cpu) == ["gpus [] "]
    waiting = jobs.job(shop, second)
    assert waiting.state == "queued"
    assert f"needs 1 GPU with 30,000 MB free ({worker.id.rsplit('-', 2)[0]} GPU 0 has 200 MB, " in waiting.waits
    driver(35_000, 8_000)  # the first one's memory is now in use
    worker.drive(lambda: sees(shop, second) == ["gpus [0] PCI_BUS_ID"])


def test_a_job_without_an_estimate_waits_for_some_room_too(shop, settings, driver, drive):
    driver(200, 500)
    job = automatic(shop, 1)
    worker = drive(shop, executor=SHOWING(settings))
    for _ in range(3):
        worker.tick()
    assert "needs 1 GPU with 1,000 MB free" in jobs.job(shop, job).waits and worker.held == {}
    driver(200, 1_000)
    worker.drive(lambda: sees(shop, job) == ["gpus [1] PCI_BUS_ID"])


def test_workers_of_one_machine_share_no_gpu(shop, settings, driver, drive):
    driver(9_000, 8_000)
    queued = [automatic(shop, seed) for seed in (1, 2, 3)]
    both = [drive(shop, slots=2, executor=SHOWING(settings)) for _ in range(2)]
    for worker in [*both, *both]:
        worker.tick()
    assert [jobs.job(shop, job).devices for job in queued] == [[0], [1], []]
    assert state(shop, queued[2]) == "queued"


def test_a_certain_gpu_is_the_only_one_that_the_job_sees(shop, settings, driver, drive):
    with pytest.raises(InputError, match="No worker has GPU 2"):
        submit(shop, device="cuda:2")
    with pytest.raises(InputError, match="No worker has 3 GPUs"):
        jobs.submit(shop, "train", verbs.TrainRequest(**(LONG | {"device": "cuda"})), gpus=3)
    job = submit(shop, device="cuda:1")
    telling = after(
        "import os\nfrom genair_engine.verbs.training import fitting\nfrom genair_engine.errors import InputError\n"
        "def told(workspace, request, progress):\n"
        "    raise InputError(f'{request.device} of {os.environ[\"CUDA_VISIBLE_DEVICES\"]}')\n"
        "fitting.train = told"
    )
    worker = drive(shop, executor=telling(settings))
    worker.drive(lambda: state(shop, job) == "failed")
    assert jobs.job(shop, job).error == "cuda of 1"


def test_a_machine_without_a_gpu_takes_automatic_jobs_and_leaves_others(shop, settings, driver, drive, monkeypatch):
    job = jobs.submit(shop, "train", verbs.TrainRequest(**(LONG | {"device": "cuda"}))).job
    either = automatic(shop, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    worker = drive(shop, slots=2, executor=SHOWING(settings))
    worker.drive(lambda: state(shop, either) == "running")
    worker.tick()
    assert jobs.job(shop, job).status == "queued: no worker has a GPU"


def ranks(job):
    """The processes that torch's launcher has started for a job."""
    commands = ((process, process.cmdline()) for process in of_the_engine())
    return [process for process, words in commands if job in words and "torch.distributed.run" not in words]


@pytest.mark.parametrize("lease", [LEASE])
def test_several_gpus_are_several_processes_of_one_run_and_end_together(shop, driver, start_worker, drive):
    """On the CPU of this machine, as it has no GPU: the worker is killed, the launcher is, the job is cancelled."""
    job = jobs.submit(shop, "train", verbs.TrainRequest(**(ENDLESS | {"device": "auto"})), gpus=2).job
    killed = start_worker(shop)
    until(trained(shop, 2))
    first = ranks(job)
    launcher = process_of(job)
    assert len(first) == 2 and the_run(shop).device == "2 × cpu"
    kill(killed)
    until(lambda: not any(running(process) for process in first), LEASE)
    with shop.reading() as session:
        assert rows.lease_left(session, job, 1) > 0
    until(lambda: not running(launcher))

    worker = drive(shop)
    done = the_run(shop).epochs_done
    worker.drive(trained(shop, done + 1))
    second = ranks(job)
    kill(process_of(job))
    until(lambda: not any(running(process) for process in second))
    worker.drive(lambda: jobs.job(shop, job).attempts == 3)
    done = the_run(shop).epochs_done
    worker.drive(trained(shop, done + 1))
    third = children(process_of(job))
    jobs.cancel(shop, job)
    worker.drive(lambda: state(shop, job) == "cancelled")
    assert the_run(shop).state == "stopped" and jobs.job(shop, job).devices == [0, 1]
    until(lambda: not any(running(process) for process in third))


def test_several_processes_tell_the_result_once(shop, driver, drive):
    job = jobs.submit(shop, "train", verbs.TrainRequest(**(LONG | {"device": "auto", "epochs": 2})), gpus=2).job
    worker = drive(shop)
    worker.drive(lambda: state(shop, job) not in ("queued", "running"))
    record = jobs.job(shop, job)
    assert (record.state, record.attempts, record.result["epochs"]) == ("done", 1, 2)
    assert record.runs == [the_run(shop).id] and record.result["device"] == "2 × cpu"
    assert jobs.log_tail(shop, job).count("epoch 2:") == 1
