"""GenAIR Studio's engine: from an item catalogue to archetypes, trained recommenders and top-K recommendations.

The public surface is `genair_engine.verbs`; see CONTRIBUTING.md for the layout.
"""

__version__ = "0.2.0"
