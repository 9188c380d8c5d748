"""A function over many items: in this process one after another, or one task each on the cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

from genair_engine.cluster.connection import connect, cpus, placed, portable, readable_errors
from genair_engine.errors import GenairError
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace

REPORT_SECONDS = 10.0
"""How often the caller hears of tasks that are under way, and can end them."""
STOP_SECONDS = 15.0
"""How long cancelled tasks have to note where they stopped."""

Item = TypeVar("Item")
Made = TypeVar("Made")
Tell = Callable[[int, int, str], None]
"""Called with (done, total, what), as the progress of a verb."""


def spread(
    workspace: Workspace,
    function: Callable[[Workspace, Item, Tell], Made],
    items: Sequence[Item],
    tell: Callable[[int, int, int, str], None],
    device: str = "cpu",
) -> Generator[tuple[int, Made]]:
    """(index, function(workspace, item, progress)) for every item: here one after another, on a cluster as they are finished.

    function: of a module, so that other machines find it. tell: gets the index of an item and its progress; on a cluster, how
    many items are done. device: of the items; on a cluster, a GPU for each task, or else GENAIR_THREADS CPUs (one, if unset).
    Close the iterator to cancel what is left. Raises what the function raises, OutageError where the cluster fails.
    """
    if workspace.settings.ray_address is None:
        for index, item in enumerate(items):
            yield index, function(workspace, item, partial(tell, index))
        return
    ray, (_, gpus) = connect(workspace.settings), placed(workspace.settings, device)
    task = ray.remote(_task).options(name=function.__name__, num_gpus=min(gpus, 1), num_cpus=cpus(workspace.settings))
    there = workspace.settings.model_copy(update={"ray_address": None})
    waiting, running = deque(enumerate(items)), dict[Any, int]()
    try:
        while waiting or running:
            while waiting and len(running) < (gpus or len(items)):
                index, item = waiting.popleft()
                running[task.remote(there, workspace.job, function, item)] = index
            ready, _ = ray.wait(list(running), timeout=REPORT_SECONDS)
            for reference in ready:
                index = running.pop(reference)
                with readable_errors(ray):
                    result = ray.get(reference)
                tell(index, len(items) - len(waiting) - len(running), len(items), "finished on the cluster")
                yield index, result
            if not ready:
                tell(next(iter(running.values())), len(items) - len(waiting) - len(running), len(items), "on the cluster")
    finally:
        for reference in running:
            ray.cancel(reference)  # KeyboardInterrupt where it runs
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=STOP_SECONDS)


def _task(settings: Settings, job: str | None, function: Callable[[Workspace, Item, Tell], Made], item: Item) -> Made:
    """One item, on whatever machine this is."""
    with closing(Workspace.open(settings)) as workspace:
        workspace.job = job
        try:
            return function(workspace, item, _unheard)
        except GenairError as error:
            raise portable(error) from None


def _unheard(done: int, total: int, what: str) -> None:
    """Progress within an item: the database has its epochs."""
