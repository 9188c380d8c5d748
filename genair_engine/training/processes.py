"""Several processes that train one model together: `torchrun --nproc-per-node 4 -m genair_engine train …`.

torchrun tells each process its place by environment variables; without them a process is alone and nothing changes. The
processes share each batch (DistributedDataParallel averages their gradients); the first one validates, keeps checkpoints
and writes to the database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

from genair_engine.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process's place. rank: from 0; world: how many there are; local: which of its machine's devices it takes."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def device(self, asked: torch.device) -> torch.device:
        """The device of this process, where all were asked for the same kind. Raises InputError for a numbered one."""
        if self.world == 1 or asked.type == "cpu":
            return asked
        if asked.index is not None:
            raise InputError(f"Under torchrun every process takes its own GPU: ask for the device cuda, not {asked}.")
        if self.local >= torch.cuda.device_count():
            raise InputError(f"There are {torch.cuda.device_count()} GPUs here: start no more processes than that.")
        torch.cuda.set_device(self.local)  # collectives would otherwise all meet on the first GPU
        return torch.device(asked.type, self.local)

    def tell(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over processes, in all of them."""
        if self.world > 1:
            distributed.all_reduce(values)
            values = values / self.world
        return values

    def least(self, values: Tensor) -> Tensor:
        """The smallest of the processes' values, element by element, in all of them."""
        if self.world > 1:
            values = values.clone()
            distributed.all_reduce(values, distributed.ReduceOp.MIN)
        return values


@contextmanager
def joined() -> Iterator[Processes]:
    """Joins the processes that torchrun started, and leaves them at the end; alone where there is no torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Processes()
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield Processes(distributed.get_rank(), distributed.get_world_size(), int(os.environ["LOCAL_RANK"]))
    distributed.destroy_process_group()  # not after an error: it would wait for the others, and torchrun for this process
