"""Several processes that train one model: the same as one process, and all of them know when it goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genair_engine.errors import InputError
from genair_engine.training.processes import Processes, joined
from tests.training.two_processes import CASES, divergence, outcome

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict]:
    """What two processes report that torchrun really starts, on this machine's loopback interface."""
    folder = tmp_path_factory.mktemp("processes")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    endpoint = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*torchrun, *endpoint, "-m", "tests.training.two_processes", str(folder)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_the_model_that_one_would(two, case):
    alone = outcome(case, Processes())
    for together in (two[0][case], two[1][case]):
        assert together["best_epoch"] == alone["best_epoch"]
        for (losses, valid), (expected_losses, expected_valid) in zip(together["history"], alone["history"], strict=True):
            assert losses == pytest.approx(expected_losses, rel=1e-4)
            assert valid == pytest.approx(expected_valid, abs=1e-9)
        for name, value in alone["weights"].items():
            if name.endswith("key_value.bias"):  # of its first half, the keys', softmax gradients are 0 but for rounding
                value, together["weights"][name] = value[8:], together["weights"][name][8:]
            weight = together["weights"][name]
            torch.testing.assert_close(weight, value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", CASES)
def test_the_processes_agree_bit_by_bit(two, case):
    first, second = two[0][case], two[1][case]
    assert first["history"] == second["history"]
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())


def test_all_stop_where_one_diverges(two):
    assert two[0]["divergence"] == two[1]["divergence"] == divergence(Processes())
    assert "epoch 1, step 3 of 3: the rank loss is not finite" in two[0]["divergence"]


def test_places_and_messages(two):
    assert [process["place"] for process in two] == [(0, 2, 0, True), (1, 2, 1, False)]
    assert [process["told"] for process in two] == ["from 0", "from 0"]
    assert all(process["mean"].tolist() == [1.0, 0.5] for process in two)


def test_alone_nothing_is_joined(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with joined() as here:
        assert (here.first, here.world) == (True, 1)
        assert here.tell("x") == "x" and here.mean(torch.tensor([2.0])).tolist() == [2.0]
        assert not torch.distributed.is_initialized()
        assert here.device(torch.device("cuda:3")) == torch.device("cuda:3")


def test_every_process_takes_its_own_gpu(monkeypatch):
    here, chosen = Processes(rank=5, world=8, local=1), []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert here.device(torch.device("cuda")) == torch.device("cuda:1")
    assert here.device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(InputError, match="ask for the device cuda, not cuda:0"):
        here.device(torch.device("cuda:0"))
    assert chosen == [1]
    with pytest.raises(InputError, match="There are 2 GPUs here"):
        Processes(rank=2, world=4, local=2).device(torch.device("cuda"))
