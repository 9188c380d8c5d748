"""Audience search: `python -m benchmarks.audience REPRESENTATION … --dataset NAME --workspace FOLDER`, Markdown on stdout.

Are the items that a search finds for an audience those whose archetypes name it? Asked for are audiences that 15 or more
archetypes name, at most 80 of them; relevant is an item whose archetype names the audience in equal words. Reported: precision
of the first ten, AUC over all items, and the share of relevant items, which is the precision of a random list. Beside the
verb's own way: the name alone instead of `DESCRIPTION`, and the mean of the catalogue instead of the centre of descriptions.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from genair_engine import verbs
from genair_engine.archetypes.segments import audience_name, audience_words, split_segments
from genair_engine.settings import Settings
from genair_engine.store.texts import texts_of_set
from genair_engine.verbs.recommending import audience_space
from genair_engine.workspace import Workspace

LEAST, MOST = 15, 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("representations", nargs="+", metavar="REPRESENTATION", help="with a decoding part")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    options = parser.parse_args()
    workspace = Workspace.open(Settings(workspace=options.workspace, database_url=None))
    models = verbs.Models(workspace.settings, "cpu")
    print("| space | way | P@10 | AUC | share of relevant items |\n|---|---|---|---|---|")
    whole = audience_space.DESCRIPTION
    for name in options.representations:
        for way, form in (("as the verb does", whole), ("the name alone", "{0}")):
            audience_space.DESCRIPTION = form
            space = verbs.load_audience_space(workspace, options.dataset, name, models)
            measure(workspace, space, way, space.centre)
            measure(workspace, space, f"{way}, centre of the catalogue", space.basis.mean)


def measure(workspace: Workspace, space: audience_space.AudienceSpace, way: str, centre: np.ndarray) -> None:
    with workspace.reading() as session:
        texts = texts_of_set(session, space.archetypes.id)
    named = [[audience_name(entry) for entry in split_segments(texts[row + 1]).audiences] for row in range(len(space.items))]
    words = [{audience_words(name) for name in names} for names in named]
    frequent = [name for name, count in Counter(name for names in named for name in names).most_common(MOST) if count >= LEAST]
    states = audience_space.read_descriptions(space.models, space.row, space.archetypes, frequent)
    similarity = audience_space.unit((states - centre) @ space.basis.components.T) @ space.items.T
    relevant = np.array([[audience_words(name) in words_of_item for words_of_item in words] for name in frequent])
    first = np.take_along_axis(relevant, np.argsort(-similarity, axis=1)[:, :10], axis=1).mean()
    areas = [roc_auc_score(is_relevant, row) for is_relevant, row in zip(relevant, similarity, strict=True)]
    print(f"| {space.in_words} | {way} | {first:.3f} | {np.mean(areas):.3f} | {relevant.mean():.3f} |", flush=True)


if __name__ == "__main__":
    main()
