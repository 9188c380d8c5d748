"""The readers' options are options of `import` and `preview`, checked by the reader that is chosen."""

from pathlib import Path

import pytest
from pydantic import Field

from genair_engine import jobs, verbs
from genair_engine.catalog.readers import READERS, Reader, ReaderOptions
from genair_engine.errors import InputError
from genair_engine.verbs.base import Request
from genair_engine.verbs.datasets.reader_options import given_options, with_reader_options


class Asked(Request):
    """What is asked."""

    path: Path
    name: str = "shop"


def reader_with(**options):
    """A reader with these options: name to (type, default)."""
    fields = {name: Field(default, description=f"the {name}") for name, (_, default) in options.items()}
    kinds = {name: kind for name, (kind, _) in options.items()}
    given = type("Given", (ReaderOptions,), {"__annotations__": kinds, **fields})
    return type("Made", (Reader,), {"name": "mine", "reads": "NAME.mine", "Options": given, "detect": None, "open": None})()


def test_options_of_readers_become_fields(monkeypatch):
    monkeypatch.setitem(READERS, "mine", reader_with(depth=(int, 3)))
    request = with_reader_options(Asked)
    assert request.__name__ == "Asked" and request.__doc__ == "What is asked."
    assert request.model_fields["depth"].description == "for mine: the depth"
    assert given_options(request(path="x")) == {}
    assert given_options(request(path="x", depth=3, columns={"user": "u"})) == {"depth": 3, "columns": {"user": "u"}}


def test_an_option_of_two_readers_is_one_field(monkeypatch):
    monkeypatch.setitem(READERS, "mine", reader_with(separator=(str | None, None)))
    description = with_reader_options(Asked).model_fields["separator"].description
    assert description.startswith("for tables: what separates") and description.endswith("; for mine: the separator")


@pytest.mark.parametrize(
    ("options", "message"), [({"name": (str, "")}, "field .name. of its own"), ({"separator": (int, 1)}, "of another type")]
)
def test_options_that_cannot_be_told_apart_are_refused(monkeypatch, options, message):
    monkeypatch.setitem(READERS, "mine", reader_with(**options))
    with pytest.raises(TypeError, match=message):
        with_reader_options(Asked)


def test_a_job_with_another_readers_option_is_refused_before_it_is_queued(workspace, source):
    request = verbs.ImportRequest(path=source, name="shop", separator=";")
    with pytest.raises(InputError, match=r"reader 'lcrec' .* has no option 'separator': it has no options"):
        jobs.submit(workspace, "import", request)
    assert jobs.jobs(workspace, jobs.JobsRequest()).jobs == []


def test_a_preview_in_words(workspace, tmp_path):
    (tmp_path / "log.csv").write_text("who;item\nann;b1\nbob;b1\n")
    result = verbs.preview(workspace.settings, verbs.PreviewRequest(path=tmp_path, columns={"user": "who"}))
    assert result.lines() == [
        "Would be read as tables: log.csv: tables, none of them named as interactions.",
        "log.csv: interactions",
        "  who → user: ann | bob",
        "  item → item: b1",
    ]
    assert workspace.dataset_rows() == []
