"""All verbs, a line each, and the one way to run them: `call`, whoever asks (terminal, HTTP API, jobs, pages).

A verb is named by where it is declared, which imports nothing before it is needed: verbs of the API's and the jobs' packages,
which build on this one, stand here like all others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from genair_engine.errors import InputError
from genair_engine.verbs.base import Progress, Verb, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from genair_engine.settings import Settings
    from genair_engine.workspace import Workspace

PLACES = [
    "genair_engine.verbs.system.requests:DEMO_VERB",
    "genair_engine.verbs.datasets.requests:IMPORT",
    "genair_engine.verbs.datasets.preview:PREVIEW",
    "genair_engine.verbs.datasets.requests:DATASETS",
    "genair_engine.verbs.datasets.requests:REPORT",
    "genair_engine.verbs.datasets.requests:DELETE",
    "genair_engine.verbs.datasets.search:SEARCH",
    "genair_engine.verbs.texts.requests:GENERATE",
    "genair_engine.verbs.texts.requests:REGENERATE",
    "genair_engine.verbs.texts.requests:EMBED",
    "genair_engine.verbs.texts.score_requests:SCORE",
    "genair_engine.verbs.texts.rating_requests:RATE",
    "genair_engine.verbs.texts.rating_requests:RATINGS",
    "genair_engine.verbs.texts.rating_requests:PIN",
    "genair_engine.verbs.texts.prompt_requests:PROMPTS",
    "genair_engine.verbs.texts.prompt_requests:PROMPT_SAVE",
    "genair_engine.verbs.texts.prompt_requests:PROMPT_RENDER",
    "genair_engine.verbs.representations.requests:REPRESENT",
    "genair_engine.verbs.training.requests:TRAIN",
    "genair_engine.verbs.training.requests:EVALUATE",
    "genair_engine.verbs.training.sweep:SWEEP",
    "genair_engine.verbs.evaluation.compare:COMPARE",
    "genair_engine.verbs.analysis.requests:ANALYSE",
    "genair_engine.verbs.analysis.requests:PROJECT",
    "genair_engine.verbs.recommending.requests:RECOMMEND",
    "genair_engine.verbs.recommending.requests:RECOMMEND_BATCH",
    "genair_engine.verbs.recommending.explain_requests:EXPLAIN",
    "genair_engine.verbs.recommending.new_item_requests:NEW_ITEM",
    "genair_engine.verbs.recommending.audience_requests:AUDIENCE",
    "genair_engine.verbs.evaluation.coldstart:COLDSTART",
    "genair_engine.verbs.recommending.export_requests:EXPORT",
    "genair_engine.verbs.recommending.export_requests:INDEX",
    "genair_engine.api.requests:SERVE",
    "genair_engine.verbs.recommending.what_if_requests:WHAT_IF",
    "genair_engine.jobs.requests:JOBS",
    "genair_engine.jobs.requests:WORKER",
    "genair_engine.verbs.system.requests:DOCTOR",
]
"""Where each verb is declared, in the order in which the terminal lists them."""


@dataclass(frozen=True)
class Call:
    """A verb that somebody runs. actor: who, None where nobody said. workspace: the settings for a verb that needs none."""

    verb: Verb
    request: BaseModel
    actor: str | None
    workspace: Workspace | Settings


Hook = Callable[[Call], AbstractContextManager[None]]
"""Entered before a verb runs and left after it: it may refuse the call by raising, and sees the error of one that fails."""
HOOKS: list[Hook] = []
"""Around every call, the first one outermost: where roles are checked and an audit log is kept."""


def all_verbs() -> dict[str, Verb]:
    """{name: verb}, in the order of `PLACES`."""
    verbs = [resolve(place) for place in PLACES]
    return {verb.name: verb for verb in verbs}


def find(name: str) -> Verb:
    """Raises InputError on a name that is no verb's."""
    verbs = all_verbs()
    if name not in verbs:
        raise InputError(f"There is no verb {name!r}: give {', '.join(verbs)}.")
    return verbs[name]


def call(
    workspace: Workspace | Settings,
    name: str,
    request: BaseModel,
    progress: Progress = silent,
    actor: str | None = None,
    **at_hand: Any,
) -> Any:
    """Runs a verb and returns its result.

    actor: who asks, by default whom the settings name (GENAIR_ACTOR). at_hand: what the caller has ready for the verb's
    function, such as loaded models. Raises InputError on a request that is not the verb's, what a hook raises, and what the
    verb raises.
    """
    verb = find(name)
    if actor is not None:
        workspace = workspace.acting_as(actor)
    with entered(workspace, verb, request):
        return resolve(verb.run)(workspace, request, progress, **at_hand)


@contextmanager
def entered(workspace: Workspace | Settings, verb: Verb, request: BaseModel) -> Iterator[None]:
    """What surrounds a verb that runs, for whoever runs it in a way of their own (the API answers requests in batches)."""
    if not isinstance(request, verb.request):
        raise InputError(f"The verb {verb.name!r} takes a {verb.request.__name__}, not a {type(request).__name__}.")
    with ExitStack() as stack:
        for hook in HOOKS:
            stack.enter_context(hook(Call(verb, request, workspace.actor, workspace)))
        yield


def function(verb: Verb) -> Callable[..., Any]:
    """The verb as a function of Python, which goes through `call`."""

    def run(workspace: Workspace | Settings, request: BaseModel, progress: Progress = silent, **at_hand: Any) -> Any:
        return call(workspace, verb.name, request, progress, **at_hand)

    run.__name__ = run.__qualname__ = verb.run.partition(":")[2]
    run.__doc__ = f"The verb `{verb.name}`: {verb.request.__doc__}"
    return run


def verb_of(run: str) -> Verb | None:
    """The verb whose function stands there ("module:function"), if it is a verb's."""
    return next((verb for verb in all_verbs().values() if verb.run == run), None)


def resolve(place: str) -> Any:
    """What "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
