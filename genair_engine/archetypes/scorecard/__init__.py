"""The archetype scorecard: measures of what language models wrote, each a pure function (`measures.MEASURES` says what they
are).

| module | measure |
|---|---|
| `grounding` (`vocabulary`, `numbers`, `words`) | claims that the metadata hold |
| `specificity`, `behaviour` (`vectors`) | distance to other archetypes, agreement with behaviour; from states |
| `wording` | novelty and diversity; from words |
"""

from genair_engine.archetypes.scorecard.behaviour import Agreement, behaviour_agreement
from genair_engine.archetypes.scorecard.grounding import Claim, Grounding, ground
from genair_engine.archetypes.scorecard.measures import MEASURES, Measure, mean_and_interval
from genair_engine.archetypes.scorecard.specificity import specificity
from genair_engine.archetypes.scorecard.vectors import directions
from genair_engine.archetypes.scorecard.vocabulary import Vocabulary, learn_vocabulary
from genair_engine.archetypes.scorecard.wording import wording

__all__ = [
    "MEASURES",
    "Agreement",
    "Claim",
    "Grounding",
    "Measure",
    "Vocabulary",
    "behaviour_agreement",
    "directions",
    "ground",
    "learn_vocabulary",
    "mean_and_interval",
    "specificity",
    "wording",
]
