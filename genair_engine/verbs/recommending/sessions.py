"""Sessions of real test users, with the item that was held out: what a list is looked at against."""

from __future__ import annotations

import numpy as np

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, NotFoundError
from genair_engine.verbs.base import Record


class HeldOutSession(Record):
    """What a test user took before the test item, oldest first, at most the last so many of `length`; and that item."""

    user: str
    items: list[str]
    length: int
    held_out: str


def held_out_session(dataset: Dataset, user: str, longest: int) -> HeldOutSession:
    """The session of a user by source id, its last `longest` items. Raises NotFoundError, InputError without a test item."""
    try:
        row = dataset.user_ids.index(user)
    except ValueError:
        raise NotFoundError(f"user in {dataset.name!r}", user, hint="Ids are the source's own.") from None
    taken = dataset.sequences[row]
    if len(taken) < 3:
        raise InputError(f"User {user!r} has {len(taken)} interactions: nothing was held out (that takes three).")
    ids = dataset.items["item_id"].iloc[taken[-longest - 1 :] - 1].tolist()
    return HeldOutSession(user=user, items=ids[:-1], length=len(taken) - 1, held_out=ids[-1])


def some_user(dataset: Dataset, draw: int) -> str:
    """A test user's source id, another one for each number. Raises InputError where nobody has a test item."""
    users = dataset.split.users
    if not len(users):
        raise InputError(f"{dataset.name!r} has no test user: that takes three interactions.")
    return dataset.user_ids[int(np.random.default_rng(draw).choice(users))]
