"""`python -m genair_engine VERB …`: the engine in a terminal (see genair_engine.cli)."""

import sys

from genair_engine.cli import main

sys.exit(main())
