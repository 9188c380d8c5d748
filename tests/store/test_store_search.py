"""Full-text search and facets give the same items on both back-ends, for every text that a person can type."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers.assemble import ReadResult
from genair_engine.errors import NotFoundError
from genair_engine.settings import Settings
from genair_engine.store.datasets import find_item
from genair_engine.store.keys import new_id
from genair_engine.store.search import ItemFacets, ItemFilter, ItemPage, Sort, item_facets, search_items
from genair_engine.store.tables import TextRow, TextSetRow
from genair_engine.store.words import indexed_words, search_words
from genair_engine.workspace import Workspace


class Catalogue:
    """The tiny dataset saved in a workspace, with archetypes of the first two items by model `demo`."""

    def __init__(self, workspace: Workspace, dataset: Dataset) -> None:
        self.workspace = workspace
        self.dataset_id = workspace.save_dataset(ReadResult(dataset, []), "test").id
        with workspace.session() as session:
            fields = dict.fromkeys(("key", "revision", "backend", "prompt_version", "code_version", "folder"), "")
            written = TextSetRow(
                id=new_id(), dataset_id=self.dataset_id, model="demo", prompt={}, sampling={}, seed=0, dim=4, **fields
            )
            session.add(written)
            session.flush()
            numbers = {"prompt_tokens": 1, "generated_tokens": 1, "seconds": 0.5}
            for position in (1, 2):
                session.add(TextRow(set_id=written.id, position=position, text="t", finish="eos", **numbers))

    def search(self, text: str = "", sort: Sort = "relevance", **options: object) -> ItemPage:
        pages = {name: options.pop(name) for name in ("limit", "offset", "descending") if name in options}
        with self.workspace.reading() as session:
            return search_items(session, self.dataset_id, text, ItemFilter(**options), sort, **pages)  # type: ignore

    def ids(self, text: str = "", sort: Sort = "relevance", **options: object) -> list[str]:
        return [row.item_id for row in self.search(text, sort, **options).rows]

    def facets(self, text: str = "", **filters: object) -> ItemFacets:
        with self.workspace.reading() as session:
            return item_facets(session, self.dataset_id, text, ItemFilter(**filters))  # type: ignore[arg-type]


@pytest.fixture
def catalogue(store_workspace: Workspace, tiny: Dataset) -> Catalogue:
    tiny.items.loc[7, "title"] = "Digital Caliper CAFÉ Straße 3.5mm 1e5/Ω ½"
    return Catalogue(store_workspace, tiny)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digital", {"b01", "b08"}),
        ("DIGITAL multi", {"b01"}),
        ("dig cal", set()),  # only the last word is a prefix
        ("cal digital", set()),
        ("caliper digital", {"b08"}),
        ("volta", {"b01", "b02", "b03"}),
        ("lead-free", {"b03"}),
        ("cafe", {"b08"}),
        ("Café", {"b08"}),
        ("STRASSE", {"b08"}),
        ("3.5mm", {"b08"}),
        ("1e5", {"b08"}),
        ("ω", {"b08"}),
        ("b12", {"b12"}),
        ("glassware beak", {"b04"}),
        ("nowhere", set()),
    ],
)
def test_words_find_the_same_items_on_both_backends(catalogue: Catalogue, text: str, expected: set[str]) -> None:
    assert set(catalogue.ids(text)) == expected
    assert catalogue.search(text).total == len(expected)


HOSTILE = ['"', "'", "*", "-", "AND", "NEAR(", "a OR", "title:x", ":*", "\\", "%", "&|!()", "a''b", '"a" b*', "\0", "", " "]


@pytest.mark.parametrize("text", HOSTILE)
def test_operators_are_only_text(catalogue: Catalogue, text: str) -> None:
    page = catalogue.search(text)
    assert page.total == len(page.rows)
    if not search_words(text):
        assert page.total == 12


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from([*HOSTILE, "digital", "b0", "é"])).map(" ".join)))
def test_no_text_is_an_error(catalogue: Catalogue, text: str) -> None:
    items = {
        row.item_id: f"{row.title} {row.brand} {row.categories} {row.item_id} {row.description}"
        for row in catalogue.search().rows
    }
    *complete, prefix = search_words(text) or [""]
    words = {item_id: indexed_words(content).split() for item_id, content in items.items()}
    expected = {
        item_id
        for item_id, known in words.items()
        if set(complete) <= set(known) and (not prefix or any(word.startswith(prefix) for word in known))
    }
    assert set(catalogue.ids(text)) == expected
    assert sum(catalogue.facets(text).popularity_group.values()) == len(expected)


def test_title_outranks_description_then_popularity(catalogue: Catalogue) -> None:
    assert catalogue.ids("glass")[0] == "b04"
    assert catalogue.ids("safety") == ["b07", "b06"]  # title and category; category only
    popular = catalogue.search(limit=12).rows
    assert [row.popularity for row in popular] == sorted((row.popularity for row in popular), reverse=True)


def test_sorting_and_paging(catalogue: Catalogue) -> None:
    by_title = catalogue.ids(sort="title", descending=False)
    assert by_title[:2] == ["b08", "b01"]
    assert len(by_title) == 12
    assert catalogue.ids(sort="title") == by_title[::-1]
    pages = [catalogue.search(sort="title", descending=False, limit=5, offset=offset) for offset in (0, 5, 10, 15)]
    assert [row.item_id for page in pages for row in page.rows] == by_title
    assert {page.total for page in pages} == {12}
    assert catalogue.ids("digital", sort="brand", descending=False) == ["b08", "b01"]


def test_filters_and_facets(catalogue: Catalogue) -> None:
    assert set(catalogue.ids(brand="Volta", category="Tools")) == {"b01", "b02"}
    assert set(catalogue.ids(has_archetype_from="demo")) == {"b01", "b02"}
    assert catalogue.ids("wire", has_archetype_from="demo") == []
    everything = catalogue.facets()
    assert everything.brand == {"Volta": 3, "Labora": 2, "Metrix": 2, "Printa": 2, "SafeHand": 2}
    assert everything.category["Tools"] == 4
    assert everything.popularity_group == {1: 3, 2: 2, 3: 3, 4: 2, 5: 2} | everything.popularity_group
    assert sum(everything.popularity_group.values()) == 12
    assert everything.has_archetype_from == {"demo": 2}
    narrowed = catalogue.facets("digital", brand="Volta")
    assert narrowed.brand == {"Metrix": 1, "Volta": 1}  # its own filter does not hide the alternatives
    assert narrowed.category == {"Electrical": 1, "Tools": 1}
    assert narrowed.has_archetype_from == {"demo": 1}


def test_search_stays_in_its_dataset(catalogue: Catalogue, tiny: Dataset) -> None:
    other = Dataset("other", tiny.items.copy(), tiny.sequences, tiny.user_ids)
    catalogue.workspace.save_dataset(ReadResult(other, []), "test")
    assert catalogue.search("digital").total == 2
    assert catalogue.facets("digital").brand == {"Metrix": 1, "Volta": 1}


def test_index_follows_changes_and_deletion(catalogue: Catalogue) -> None:
    with catalogue.workspace.session() as session:
        session.execute(sql("UPDATE items SET title_words = 'telescope' WHERE item_id = 'b01'"))
    assert catalogue.ids("telescope") == ["b01"]
    assert catalogue.ids("multimeter") == []
    catalogue.workspace.delete_dataset("tiny")
    assert catalogue.search("digital").total == 0


def test_sqlite_index_survives_vacuum(tmp_path: object, tiny: Dataset) -> None:
    """FTS rowids are computed from the primary key: VACUUM may renumber the hidden rowids of `items`."""
    workspace = Workspace.open(Settings(workspace=tmp_path, database_url=None))
    first = Dataset("first", tiny.items, tiny.sequences, tiny.user_ids)
    workspace.save_dataset(ReadResult(first, []), "test")
    catalogue = Catalogue(workspace, tiny)
    workspace.delete_dataset("first")
    with workspace.engine.connect() as connection:
        connection.connection.cursor().execute("VACUUM")
    assert set(catalogue.ids("digital")) == {"b01", "b08"}
    with workspace.session() as session:
        session.execute(sql("INSERT INTO item_search (item_search, rank) VALUES ('integrity-check', 1)"))
    workspace.close()


def test_find_item(catalogue: Catalogue) -> None:
    with catalogue.workspace.reading() as session:
        dataset = catalogue.workspace.dataset_row("tiny")
        assert find_item(session, dataset, "b04").position == 4
        with pytest.raises(NotFoundError, match="no item 'b99'"):
            find_item(session, dataset, "b99")


def test_words_and_categories() -> None:
    assert search_words("Élan-vital 3D_print ﬁne") == ["elan", "vital", "3d", "print", "fine"]
    assert search_words("x" * 300) == ["x" * 100]
    assert indexed_words("a b", "b a c") == "a b c"
