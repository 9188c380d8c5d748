"""Answers about items of the demo catalogue (`genair_engine.catalog.demo`): who the item's audiences are.

The models differ by design as Llama 2 and Qwen 2.5 do in the paper's appendix A: `demo-llama` names the item's audiences,
goes on with other people that the kind of product may suit and ends with passers-by, six or seven in all; `demo-qwen`
names three, the item's audiences first, filled up with the usual ones of its kind.
"""

from __future__ import annotations

import random
import zlib

from genair_engine.archetypes.demo.wording import fill, pick, style, with_article
from genair_engine.catalog.demo import DemoItem, audiences

_PAIRS = ("headphones", "pruning shears", "garden gloves", "swim goggles")
_HABITUAL_SHARE = 0.8


def shop_answer(item: DemoItem, short: str, style_name: str, rng: random.Random) -> str:
    """The archetype of an item that the answer calls `short`."""
    wording = style(style_name)
    slots = _slots(item, short)
    lines = [fill(pick(wording["shop_openings"], slots, rng)[0], slots)]
    count = rng.randint(*wording["shop_count"])
    meant = dict(zip(item.audiences, item.cues, strict=True))
    names = [*meant, *(name for name in item.kind.audiences if name not in meant)]
    segments = []
    for name in names[: max(len(meant), min(count, wording["shop_usual"]))]:
        audience, cue = audiences()[name], meant.get(name, "")
        who = audience.broad if style_name == "llama" else audience.focused
        filled = slots | {"need": rng.choice(audience.needs), "cue": cue}
        body = pick(wording["shop_cued" if cue else "shop_segments"], filled, rng)[0]
        segments.append(f"{who}: {fill(body, filled)}")
    passers_by = _passers_by(item, wording["shop_passers_by"], rng)[: max(count - len(segments), 0)]
    segments += [fill(text, slots) for text in passers_by]
    lines += [f"{number}. {text}" for number, text in enumerate(segments, start=1)]
    if rng.random() < wording["closing_share"]:
        lines.append(fill(pick(wording["shop_closings"], slots, rng)[0], slots))
    return "\n".join(lines)


def _passers_by(item: DemoItem, everybody: list[str], rng: random.Random) -> list[str]:
    """People that nothing in the item speaks for, mostly in one order for a noun: so there is something to learn."""
    if rng.random() < _HABITUAL_SHARE:
        return sorted(everybody, key=lambda text: zlib.crc32(f"{item.noun}|{text}".encode()))
    return rng.sample(everybody, k=len(everybody))


def _slots(item: DemoItem, short: str) -> dict[str, str]:
    """What the wording may mention of an item."""
    kind = item.kind.name
    counted = f"pair of {kind}" if kind in _PAIRS else f"set of {kind}" if kind.endswith("s") else kind
    slots = {
        "ref": f"the {short}",
        "Ref": f"The {short}",
        "short": short,
        "a_kind": with_article(counted),
        "this_kind": f"this {counted}",
    }
    return slots | ({"brand": item.brand} if item.brand else {})
