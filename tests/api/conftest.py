"""The workspace of the verbs' tests."""

from tests.verbs.conftest import settings, source, workspace

__all__ = ["settings", "source", "workspace"]
