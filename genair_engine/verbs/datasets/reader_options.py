"""The readers' options as fields of a request: a reader's new option shows in `import` without a further line."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, create_model

from genair_engine.catalog.readers import READERS
from genair_engine.verbs.base import Request

R = TypeVar("R", bound=Request)

FORMATS = "auto: told from the files; or " + "; ".join(f"{name} ({reader.reads})" for name, reader in READERS.items())
"""What a request's field `format` may be, in words."""


def with_reader_options(request: type[R]) -> type[R]:
    """The request with a field for every option of every reader, whose description names the readers that have it.

    Raises TypeError where an option bears the name of a field of the request, or is of another type with another reader.
    """
    fields: dict[str, Any] = {}
    descriptions: dict[str, list[str]] = {}
    for name, reader in READERS.items():
        for option, field in reader.Options.model_fields.items():
            if option in request.model_fields:
                raise TypeError(f"Reader {name!r}: {request.__name__} has a field {option!r} of its own; rename the option.")
            if option in fields and fields[option][0] != field.annotation:
                raise TypeError(f"Reader {name!r}: another reader has an option {option!r} of another type; rename it.")
            descriptions.setdefault(option, []).append(f"for {name}: {field.description}")
            default = field.get_default(call_default_factory=True)
            # Values are checked by the `Options` of the reader that is chosen.
            fields[option] = (field.annotation, Field(default, description="; ".join(descriptions[option])))
    return create_model(request.__name__, __base__=request, __module__=request.__module__, __doc__=request.__doc__, **fields)


def given_options(request: Request) -> dict[str, object]:
    """The readers' options that a request was given, by name."""
    names = {option for reader in READERS.values() for option in reader.Options.model_fields}
    return {name: getattr(request, name) for name in type(request).model_fields if name in names & request.model_fields_set}
