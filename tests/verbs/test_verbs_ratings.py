"""Votes, pins and prompt templates through their verbs, on both databases."""

import numpy as np
import pytest
from pydantic import ValidationError

from genair_engine import verbs
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.cli import main
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.runs import find_representation
from genair_engine.store.tables import TextRow, TextSetRow
from genair_engine.store.texts import texts_of_set
from genair_engine.verbs.texts.prompts import find_prompt
from genair_engine.verbs.texts.text_set import states_of
from tests.verbs_workspaces import SHORT


def generate(workspace, model="tiny-llama", **options):
    options = {"sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", model=model, **options)).archetypes


def planted(workspace, source, models=("llama", "qwen", "mistral")):
    """Data set `shop` with a text of the first two items by each model, and the ids of the sets."""
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    owner = workspace.dataset_row("shop")
    with workspace.session() as session:
        for model in models:
            session.add(
                TextSetRow(
                    id=f"set-{model}",
                    dataset_id=owner.id,
                    key=model,
                    model=model,
                    revision="r",
                    backend="test",
                    prompt_version=PAPER.version,
                    prompt={},
                    sampling={},
                    seed=1,
                    dim=2,
                    code_version="0",
                    folder=f"archetypes/{model}",
                )
            )
            session.flush()
            numbers = {"prompt_tokens": 1, "generated_tokens": 1, "finish": "eos", "seconds": 0.1}
            session.add_all(
                TextRow(set_id=f"set-{model}", position=position, text=f"{model} {position}", **numbers) for position in (1, 2)
            )
    return [f"set-{model}" for model in models]


def rate(workspace, item="b01", **ballot):
    return verbs.rate(workspace, verbs.RateRequest(dataset="shop", item=item, **ballot))


def ratings(workspace, **options):
    return verbs.ratings(workspace, verbs.RatingsRequest(dataset="shop", **options))


def test_votes_become_win_rates(any_workspace, source):
    llama, qwen, mistral = planted(any_workspace, source)
    for _ in range(3):
        rate(any_workspace, sets=[llama, qwen], winner=qwen, blind=True)
    rate(any_workspace, sets=[llama, qwen, mistral], winner=llama, reason="names **people**\0", who=" ada ")
    last = rate(any_workspace, item="b02", sets=[llama, mistral], up=[llama], down=[mistral])
    assert (last.votes, last.item) == (1, "b02")
    result = ratings(any_workspace)
    assert (result.votes, result.counted) == (5, 5)
    rows = {(win_rate.model, win_rate.against, win_rate.blind): win_rate for win_rate in result.rates}
    assert (rows["qwen", "llama", True].wins, rows["qwen", "llama", True].rate) == (3, 1.0)
    assert rows["qwen", "llama", True].low == pytest.approx(0.4385, abs=1e-4)  # Wilson, 3 of 3
    assert (rows["qwen", "llama", False].wins, rows["qwen", "llama", False].losses) == (0, 1)
    assert rows["llama", None, False].wins == 2  # votes, of which one was won against two
    assert [(tally.model, tally.up, tally.down, tally.blind) for tally in result.thumbs] == [
        ("llama", 1, 0, False),
        ("mistral", 0, 1, False),
    ]
    assert [ballot.item for ballot in result.recent] == ["b02", *["b01"] * 4]
    assert (result.recent[1].reason, result.recent[1].who) == ("names **people**", "ada")
    assert ratings(any_workspace, item="b02").votes == 1
    lines = "\n".join(result.lines())
    assert "qwen against llama: 100% (95 % interval 44% … 100%) (3 won, 0 lost, 0 tied)" in lines
    verbs.delete_dataset(any_workspace, verbs.DeleteRequest(dataset="shop"))


def test_models_with_several_sets_are_told_apart(workspace, source):
    planted(workspace, source, ("one", "two"))
    with workspace.session() as session:
        for name in ("one", "two"):
            session.get(TextSetRow, f"set-{name}").model = "same"
    rate(workspace, sets=["set-one", "set-two"], winner="set-two")
    assert [win_rate.model for win_rate in ratings(workspace).rates][:2] == ["same (set-one)", "same (set-two)"]


@pytest.mark.parametrize(
    ("ballot", "message"),
    [
        ({"sets": ["set-llama", "set-qwen"], "winner": "set-mistral"}, "'set-mistral', which is not among"),
        ({"sets": ["set-llama"], "up": ["set-llama"], "down": ["set-llama"]}, "up and a thumb down"),
        ({"sets": ["set-llama", "set-llama"]}, "twice"),
        ({"sets": ["set-llama"]}, "only get a thumb"),
        ({"sets": ["set-llama", "set-gone"]}, "'set-gone' has no text of item 'b01'"),
        ({"sets": ["set-llama", "set-qwen"], "item": "b99"}, "no item 'b99'"),
        ({"sets": ["set-llama", "set-qwen"], "item": "b05"}, "no text of item 'b05'"),
    ],
)
def test_ballots_that_make_no_sense(workspace, source, ballot, message):
    planted(workspace, source)
    with pytest.raises(InputError, match=message):
        rate(workspace, **ballot)
    assert ratings(workspace).votes == 0


def test_nothing_voted_yet(workspace, source):
    planted(workspace, source)
    assert ratings(workspace).lines() == ["0 votes on archetypes of shop."]
    with pytest.raises(ValidationError):
        verbs.RateRequest(dataset="shop", item="b01", sets=[])


def pin(workspace, item=None, **options):
    return verbs.pin(workspace, verbs.PinRequest(dataset="shop", item=item, **options)).pins


def test_pins_are_replaced_and_taken_off(any_workspace, source):
    llama, qwen, _ = planted(any_workspace, source)
    pin(any_workspace, "b02", archetypes=llama)
    assert [(pinned.item, pinned.model) for pinned in pin(any_workspace, "b01", archetypes="qwen", who="ada")] == [
        ("b01", "qwen"),
        ("b02", "llama"),
    ]
    (changed, _) = pin(any_workspace, "b01", archetypes=llama)
    assert (changed.archetypes, changed.who) == (llama, None)
    assert [pinned.item for pinned in pin(any_workspace, "b01", off=True)] == ["b02"]
    assert [pinned.item for pinned in pin(any_workspace, "b01", off=True)] == ["b02"]
    assert [pinned.item for pinned in pin(any_workspace)] == ["b02"]
    for options, message in [
        ({"item": "b05", "archetypes": qwen}, "has no text of item 'b05'"),
        ({"item": "b01", "archetypes": "gpt"}, "gpt"),
        ({"item": "b01"}, "either"),
        ({"item": "b01", "archetypes": qwen, "off": True}, "either"),
        ({"archetypes": qwen}, "Name the item"),
    ]:
        with pytest.raises(InputError, match=message):
            pin(any_workspace, **options)
    verbs.delete_dataset(any_workspace, verbs.DeleteRequest(dataset="shop"))


def represent(workspace, **options):
    return verbs.represent(workspace, verbs.RepresentRequest(**({"dataset": "shop", "model": "tiny-llama"} | options)))


def given_states(monkeypatch):
    """What `represent` fits from now on."""
    from genair_engine.archetypes import representation

    real, seen = representation.represent, []

    def spy(states, **options):
        seen.append({part: values.copy() for part, values in states.items()})
        return real(states, **options)

    monkeypatch.setattr(representation, "represent", spy)
    return seen


def provenance(workspace, name):
    with workspace.reading() as session:
        return find_representation(session, workspace.dataset_row("shop"), name).provenance


def test_a_pinned_archetype_replaces_the_items_states(imported, monkeypatch):
    base, other = generate(imported, limit=11), generate(imported, seed=7)
    with pytest.raises(InputError, match="11 of the 12"):
        represent(imported, archetypes=base)
    for item in ("b03", "b12"):  # the second has no text in the set at all
        pin(imported, item, archetypes=other)
    pin(imported, "b04", archetypes=base)  # its own: nothing to replace
    seen = given_states(monkeypatch)
    result = represent(imported, archetypes=base)
    assert result.pinned == 2 and "2 items have pinned archetypes" in result.lines()[0]
    assert provenance(imported, result.representation)["pinned"] == {"b03": other, "b12": other}
    with imported.reading() as session:
        folders = {name: session.get(TextSetRow, name).folder for name in (base, other)}
    own, others = (states_of(imported.path(folders[name]), 12) for name in (base, other))
    replaced = np.isin(np.arange(12), [2, 11])
    for part, index in (("prefill", 0), ("decoding", 1)):
        assert (seen[0][part] == np.where(replaced[:, None], others[index], own[index])).all()
    assert (own[1][2] != others[1][2]).any()
    assert represent(imported, archetypes=other, ignore_pins=True).pinned == 0


def test_states_of_another_model_are_refused(imported):
    generate(imported)
    qwen = generate(imported, "tiny-qwen")
    pin(imported, "b02", archetypes=qwen)
    with pytest.raises(
        InputError, match=r"from which item 'b02' \(Soldering Iron\).*'tiny-qwen'.*than those of.*--ignore-pins"
    ):
        represent(imported)
    assert represent(imported, ignore_pins=True).pinned == 0
    assert represent(imported, model="tiny-qwen").pinned == 0


def test_an_encoder_reads_pinned_texts_of_any_model(imported, monkeypatch):
    base, qwen = generate(imported), generate(imported, "tiny-qwen")
    pin(imported, "b02", archetypes=qwen)
    with imported.reading() as session:
        texts, pinned = (texts_of_set(session, name) for name in (base, qwen))
    read = []

    class Encoder:
        def count_cut(self, texts):
            return 0

        def encode(self, texts, names=()):
            read.extend(texts)
            return np.random.default_rng(len(texts)).normal(size=(len(texts), 3)).astype(np.float32)

    from genair_engine.archetypes.model_folders import ModelFolder
    from genair_engine.verbs.representations import catalogue_states as states
    from genair_engine.verbs.representations import represent as representations

    class Source(ModelFolder):
        is_encoder = True
        revision = "r"

    monkeypatch.setattr(representations, "find_model", lambda name, folder: Source("words", imported.folder))
    monkeypatch.setattr(states, "load_encoder", lambda folder: Encoder())
    result = represent(imported, model="words", archetypes="tiny-llama", parts="decoding")
    assert read == [texts[1], pinned[2], *(texts[k] for k in range(3, 13))]
    assert provenance(imported, result.representation)["pinned"] == {"b02": qwen}


def save(workspace, name="mine", **parts):
    return verbs.save_prompt(workspace, verbs.PromptSaveRequest(name=name, **parts))


def test_prompts_are_versions_that_stay(any_workspace):
    first = save(any_workspace, question="Who would want this {noun}?")
    assert first.new and not save(any_workspace, question="Who would want this {noun}?").new
    second = save(any_workspace, question="For whom is this {noun}?", noun="film")
    listed = verbs.list_prompts(any_workspace, verbs.PromptsRequest()).prompts
    assert [prompt.version for prompt in listed] == [PAPER.version, second.prompt.version, first.prompt.version]
    assert listed[0].created_at is None and listed[0].instruction == PAPER.instruction
    with any_workspace.reading() as session:
        assert find_prompt(session, "paper") == find_prompt(session, PAPER.version) == PAPER
        assert find_prompt(session, "mine").noun == "film"
        assert find_prompt(session, first.prompt.version).question == "Who would want this {noun}?"
        assert find_prompt(session, "mine").version == second.prompt.version
        with pytest.raises(NotFoundError, match="Did you mean mine"):
            find_prompt(session, "mime")
    assert not save(any_workspace, "paper").new


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("paper", {"question": "Who?"}, "stays as it is"),
        ("mine-0a1b2c3d", {}, "cannot name"),
        ("a b", {}, "cannot name"),
        ("x" * 61, {}, "cannot name"),
        ("mine", {"attribute": "nothing"}, "{value}"),
    ],
)
def test_prompts_that_cannot_be_saved(workspace, name, parts, message):
    with pytest.raises(InputError, match=message):
        save(workspace, name, **parts)
    assert len(verbs.list_prompts(workspace, verbs.PromptsRequest()).prompts) == 1


def render(workspace, item="b01", **options):
    return verbs.render_prompt(workspace, verbs.PromptRenderRequest(dataset="shop", item=item, **options))


def test_the_preview_is_what_the_model_gets(imported):
    attributes = imported.load_dataset("shop").items["attributes"].iloc[0]
    assert render(imported).text == PAPER.render(attributes)
    save(imported, attribute="{key}: {value}.", noun="tool")
    shown = render(imported, prompt="mine", question="Who?")
    assert shown.text.endswith("resistance. Who?") and "brand: Volta. " in shown.text and "this tool would" in shown.text
    assert shown.characters == len(shown.text) and shown.version.startswith("mine-")
    for options, message in [
        ({"prompt": "gone"}, "no prompt 'gone'"),
        ({"question": "{who}"}, "{who}"),
        ({"item": "b99"}, "no item 'b99'"),
    ]:
        with pytest.raises(InputError, match=message):
            render(imported, **options)


def test_the_terminal_knows_them(imported, capsys):
    llama = generate(imported, limit=2)
    assert main(["rate", "shop", "b01", "--sets", llama, "--up", llama, "--blind"]) == 0
    assert main(["pin", "shop", "b01", "--archetypes", "tiny-llama"]) == 0
    assert main(["prompt-save", "mine", "--question", "Who?"]) == 0
    capsys.readouterr()
    assert main(["ratings", "shop"]) == main(["pin", "shop"]) == main(["prompts"]) == 0
    assert main(["prompt-render", "shop", "b01", "--prompt", "mine"]) == 0
    out = capsys.readouterr().out
    assert "tiny-llama: thumbs up 100%" in out and f"b01: {llama} by tiny-llama" in out and "mine-" in out
    assert out.endswith("Who?\n")


def test_votes_and_pins_bear_the_actors_name_unless_another_one_is_given(workspace, source):
    first, *_ = planted(workspace, source)
    ada = workspace.acting_as("ada")
    rate(ada, sets=[first], up=[first])
    rate(ada, sets=[first], up=[first], who="eve")
    rate(workspace, sets=[first], up=[first])
    assert [vote.who for vote in reversed(ratings(workspace).recent)] == ["ada", "eve", None]
    pinned = verbs.pin(ada, verbs.PinRequest(dataset="shop", item="b01", archetypes=first)).pins
    again = verbs.pin(ada, verbs.PinRequest(dataset="shop", item="b02", archetypes=first, who="eve")).pins
    assert [pin.who for pin in pinned] == ["ada"] and [pin.who for pin in again] == ["ada", "eve"]
