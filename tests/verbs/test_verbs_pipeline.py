"""The verbs from import to recommendation, on a tiny catalogue with tiny random language models."""

import numpy as np
import pytest
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.errors import InputError, ModelError, NonFiniteError, NotFoundError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.runs import find_run
from genair_engine.store.tables import RunEpochRow
from genair_engine.verbs.texts import writing
from genair_engine.verbs.texts.text_set import states_of
from genair_engine.verbs.texts.writing import seed_of
from genair_engine.verbs.training import fitting
from genair_engine.verbs.training.runs import run_result
from tests.verbs_workspaces import SHORT, SMALL


def generate(workspace, model="tiny-llama", **options):
    options = {"sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", model=model, **options))


def represent(workspace, model="tiny-llama", **options):
    return verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model=model, **options))


def train(workspace, representation, **options):
    request = verbs.TrainRequest(dataset="shop", representation=representation, **(SMALL | options))
    return verbs.train(workspace, request)


def texts(workspace, item="b01"):
    return {archetype.model: archetype.text for archetype in verbs.item_detail(workspace, "shop", item).archetypes}


def test_import_reports_what_it_read(workspace, source, tiny):
    result = verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    assert (result.users, result.items, result.interactions) == (tiny.n_users, 12, tiny.n_interactions)
    assert (result.rejected, result.format) == (0, "lcrec")
    assert [dataset.dataset for dataset in verbs.list_datasets(workspace, verbs.DatasetsRequest()).datasets] == ["shop"]


def test_importing_a_taken_name_changes_nothing(imported, source):
    with pytest.raises(InputError, match="exists already"):
        verbs.import_dataset(imported, verbs.ImportRequest(path=source, name="shop"))
    assert len(imported.dataset_rows()) == 1


def test_an_option_that_the_reader_does_not_have_is_refused(workspace, source):
    with pytest.raises(InputError, match=r"reader 'lcrec' .* has no option 'columns'"):
        verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop", columns={"user": "u"}))
    assert workspace.dataset_rows() == []


def test_an_unknown_column_field_is_refused(workspace, source):
    (source / "ratings.csv").write_text("user,item\nann,b1\n")
    request = verbs.ImportRequest(path=source / "ratings.csv", name="shop", columns={"usr": "u"})
    with pytest.raises(InputError, match=r"no field 'usr'.*known: user, item"):
        verbs.import_dataset(workspace, request)


def test_generation_goes_on_where_it_stopped(imported, monkeypatch):
    monkeypatch.setattr(writing, "SAVE_EVERY", 3)

    class Interrupted(Exception):
        pass

    def interrupt(done, total, what):
        if done >= 6:
            raise Interrupted

    request = verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, batch_size=3, device="cpu")
    with pytest.raises(Interrupted):
        verbs.generate(imported, request, interrupt)
    result = generate(imported, batch_size=5)
    assert 6 <= result.items - result.written < 12 and result.items == result.of == 12

    again = generate(imported)
    assert (again.written, again.items, again.archetypes) == (0, 12, result.archetypes)
    # A text does not depend on interruption, order or company: an uninterrupted set of the same seed is the same.
    folder = imported.path(artifact_folder(imported, result.archetypes))
    prefill, decoding, there = states_of(folder, 12)
    assert there.all() and np.isfinite(prefill).all() and np.isfinite(decoding).all()


def artifact_folder(workspace, set_id):
    from genair_engine.store.texts import find_set

    with workspace.reading() as session:
        return find_set(session, workspace.dataset_row("shop").id, set_id).folder


def test_a_limit_writes_the_first_items_only(imported):
    result = generate(imported, limit=4)
    assert (result.written, result.items, result.of) == (4, 4, 12)
    assert texts(imported, "b04").keys() == {"tiny-llama"} and texts(imported, "b05") == {}


def test_texts_depend_on_the_seed_and_not_on_the_batch(imported):
    generate(imported, limit=5, batch_size=1)
    own = texts(imported, "b03")["tiny-llama"]
    other_seed = generate(imported, limit=5, seed=1)
    both = [text.text for text in verbs.item_detail(imported, "shop", "b03").archetypes]
    assert len(both) == 2 and own in both and other_seed.written == 5
    assert seed_of(42, "b03") != seed_of(42, "b04") != seed_of(1, "b04")


def test_a_missing_model_is_said_before_anything_is_written(imported):
    with pytest.raises(ModelError, match="tiny-llama"):
        generate(imported, model="tiny-lama")
    assert verbs.workspace_state(imported).datasets[0].archetype_sets == []


def test_a_representation_needs_every_item(imported):
    generate(imported, limit=4)
    with pytest.raises(InputError, match=r"4 of the 12 items .*'b05'.*without --limit"):
        represent(imported)


def test_a_language_model_is_represented_by_its_own_states(imported):
    generated = generate(imported)
    both = represent(imported, variance=1.0)
    assert set(both.dims) == {"prefill", "decoding"} and both.items == 12
    only = represent(imported, parts="decoding", components=3)
    assert only.dims == {"decoding": 3}
    assert represent(imported, archetypes=generated.archetypes, variance=1.0).dims == both.dims
    generate(imported, model="tiny-qwen", limit=1)
    with pytest.raises(InputError, match="own states"):
        represent(imported, archetypes="tiny-qwen")


def test_nothing_is_left_of_a_generation_that_wrote_nothing(imported, monkeypatch):
    def fail(*_, **__):
        raise NonFiniteError("states of item 'b01'")

    monkeypatch.setattr("genair_engine.archetypes.transformers_backend.TransformersModel.generate_batches", fail)
    with pytest.raises(NonFiniteError):
        generate(imported)
    assert verbs.workspace_state(imported).datasets[0].archetype_sets == []
    assert not list((imported.folder / "archetypes").iterdir())


def test_a_set_that_another_process_writes_is_left_alone(imported):
    generated = generate(imported, limit=2)
    with artifacts.locked(imported.path(artifact_folder(imported, generated.archetypes))) as ours:
        assert ours
        with pytest.raises(InputError, match="Another process"):
            generate(imported)


def test_report_and_delete(workspace, tmp_path):
    (tmp_path / "interactions.csv").write_text("user,item,timestamp\n" + "a,x,1\na,y,2\na,z,3\n" + "a,z\n" * 7)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=tmp_path / "interactions.csv", name="shop"))
    report = verbs.report(workspace, verbs.ReportRequest(dataset="shop"))
    assert report.rejected == 7 and [rejection.line for rejection in report.rejections] == list(range(5, 12))
    verbs.delete_dataset(workspace, verbs.DeleteRequest(dataset="shop"))
    assert verbs.list_datasets(workspace, verbs.DatasetsRequest()).datasets == []
    with pytest.raises(NotFoundError):
        verbs.report(workspace, verbs.ReportRequest(dataset="shop"))


def test_a_busy_database_stops_a_run_that_can_be_resumed(represented, monkeypatch):
    workspace, representation = represented
    save, calls = artifacts.save_arrays, []

    def full_disk(path, *arguments, **options):
        if path.name == "checkpoint.safetensors" and len(calls) == 1:
            calls.append(path)
            raise WorkspaceError("Cannot write: no space left on device")
        calls.append(path)
        save(path, *arguments, **options)

    monkeypatch.setattr(artifacts, "save_arrays", full_disk)
    with pytest.raises(WorkspaceError):
        train(workspace, representation)
    stopped = verbs.runs_of(workspace, "shop")[0]
    assert (stopped.state, stopped.epochs) == ("stopped", 1)
    assert train(workspace, representation).run == stopped.run


def test_a_state_that_is_not_finite_names_its_item(imported):
    result = generate(imported)
    path = next(imported.path(artifact_folder(imported, result.archetypes)).glob("states-*"))
    arrays = artifacts.load_arrays(path)
    arrays["decoding"][list(arrays["positions"]).index(7), 2] = np.nan
    artifacts.save_arrays(path, arrays)
    with pytest.raises(NonFiniteError, match=r"'b07' \(Safety Goggles"):
        represent(imported)
    assert verbs.workspace_state(imported).datasets[0].representations == []


def test_the_whole_way_on_each_database(any_workspace, source):
    workspace = any_workspace
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    generate(workspace, limit=5)
    generate(workspace)
    representation = represent(workspace).representation
    result = train(workspace, representation)
    assert result.state == "done" and result.epochs == 3 and 1 <= result.best_epoch <= 3
    for part in ("valid", "test"):
        for protocol in ("full", "sampled100"):
            assert {"HR@1", "HR@10", "NDCG@10", "MRR@50"} <= result.metrics[part][protocol].keys()
    assert result.trainable_parameters > 0 and result.seconds_per_epoch > 0 and result.peak_memory_mb > 10
    assert result.protocol["negatives"] == 100 and result.config["seed"] == 42

    again = verbs.evaluate(workspace, verbs.EvaluateRequest(run=result.run, device="cpu"))
    assert again.metrics == result.metrics

    best = verbs.recommend(workspace, verbs.RecommendRequest(run=result.run, items=["b01", "b02"], k=4))
    assert len(best.items) == 4 and not {"b01", "b02"} & {item.item for item in best.items}
    assert [item.score for item in best.items] == sorted((item.score for item in best.items), reverse=True)
    assert all(item.title for item in best.items)

    state = verbs.workspace_state(workspace).datasets[0]
    assert [(text_set.model, text_set.items) for text_set in state.archetype_sets] == [("tiny-llama", 12)]
    assert (state.runs, state.ready_runs, state.best.run) == ({"done": 1}, 1, result.run)
    assert state.best.quality == result.metrics["test"]["full"]["NDCG@10"]
    assert verbs.item_detail(workspace, "shop", "b12").archetypes[0].finish in ("eos", "length")
    workspace.delete_dataset("shop")
    assert verbs.workspace_state(workspace).datasets == []
    assert not any(path.is_file() for path in workspace.folder.rglob("*") if "genair.db" not in path.name)


def test_the_id_method_needs_no_representation(imported, represented):
    workspace, representation = represented
    assert train(workspace, None, method="id").config["method"] == "id"
    with pytest.raises(InputError, match="leave --representation out"):
        train(workspace, representation, method="id")
    with pytest.raises(InputError, match="needs --representation"):
        train(workspace, None)
    with pytest.raises(NotFoundError, match="representation"):
        train(workspace, representation[:-1] + "zz")


def test_an_interrupted_run_is_resumed_and_ends_the_same(represented):
    workspace, representation = represented
    whole = train(workspace, representation)

    class Interrupted(Exception):
        pass

    def interrupt(done, total, what):
        if done == 2:
            raise Interrupted

    request = verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)
    with pytest.raises(Interrupted):
        verbs.train(workspace, request, interrupt)
    stopped = verbs.runs_of(workspace, "shop")[0]
    assert (stopped.state, stopped.epochs) == ("stopped", 2) and stopped.run != whole.run
    with pytest.raises(InputError, match="is stopped"):
        verbs.recommend(workspace, verbs.RecommendRequest(run=stopped.run, items=["b01"]))

    resumed = verbs.train(workspace, request)
    assert resumed.run == stopped.run and resumed.state == "done"
    assert resumed.metrics == whole.metrics and resumed.best_epoch == whole.best_epoch
    assert train(workspace, representation).run not in (whole.run, resumed.run)  # a finished run is never trained over


def test_a_run_that_another_process_trains_is_left_alone(represented):
    workspace, representation = represented

    class Interrupted(Exception):
        pass

    def interrupt(done, total, what):
        raise Interrupted

    request = verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)
    with pytest.raises(Interrupted):
        verbs.train(workspace, request, interrupt)
    busy = verbs.runs_of(workspace, "shop")[0].run
    with artifacts.locked(workspace.path(f"runs/{busy}")) as locked:
        assert locked
        assert verbs.train(workspace, request).run != busy


class Killed(BaseException):
    """Ends a run where a process would have been killed."""


def interrupted_run(workspace, representation):
    """A stopped run with a checkpoint, and its request."""

    def kill(done, total, what):
        raise Killed

    request = verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)
    with pytest.raises(Killed):
        verbs.train(workspace, request, kill)
    return verbs.runs_of(workspace, "shop")[0].run, request


def test_a_run_that_was_finished_meanwhile_is_left_alone(represented, monkeypatch):
    """Another process may finish a run after it was found unfinished, and before its lock is ours."""
    workspace, representation = represented
    stopped, request = interrupted_run(workspace, representation)
    real = fitting.rows.runs_of_key

    def overtaken(session, *arguments):
        runs = real(session, *arguments)
        monkeypatch.setattr(fitting.rows, "runs_of_key", real)
        assert verbs.train(workspace, request).run == stopped
        return runs

    monkeypatch.setattr(fitting.rows, "runs_of_key", overtaken)
    ours = verbs.train(workspace, request)
    assert ours.run != stopped and ours.state == "done"
    finished = run_result(workspace, stopped)
    assert finished.state == "done" and finished.metrics == ours.metrics


def test_the_row_of_the_last_epoch_is_not_lost(represented, monkeypatch):
    """Killed between the last epoch's checkpoint and its row: there is no later epoch that would write it."""
    workspace, representation = represented
    merge = fitting._merge_epochs

    def killed(session, run, records):
        if records[-1].epoch == SMALL["epochs"]:
            raise Killed
        merge(session, run, records)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(fitting, "_merge_epochs", killed)
        train(workspace, representation)
    result = train(workspace, representation)
    (run,) = verbs.runs_of(workspace, "shop")
    assert (run.run, run.epochs) == (result.run, 3)
    with workspace.reading() as session:
        rows = session.scalars(select(RunEpochRow).where(RunEpochRow.run_id == run.run).order_by(RunEpochRow.epoch)).all()
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert max(row.valid["NDCG@10"] for row in rows) == pytest.approx(run.metrics["valid"]["full"]["NDCG@10"])


@pytest.mark.parametrize("what", ["weights", "config"])
def test_a_run_of_another_version_that_cannot_be_built_is_said(imported, what):
    run = train(imported, None, method="id", epochs=1).run
    with imported.session() as session:
        row, _ = find_run(session, run)
        row.code_version = "0.1.9"
        if what == "config":
            row.config = row.config | {"projector": "deep"}
    if what == "weights":
        path = imported.path(f"runs/{run}/model.safetensors")
        arrays = artifacts.load_arrays(path)
        name = next(iter(arrays))
        artifacts.save_arrays(path, arrays | {name: arrays[name][..., :-1]})
    with pytest.raises(InputError, match=rf"{run}' was made by version 0\.1\.9.*train it again"):
        verbs.recommend(imported, verbs.RecommendRequest(run=run, items=["b01"]))


def test_divergence_marks_the_run_as_failed(represented, monkeypatch):
    workspace, representation = represented
    from genair_engine.losses.ranking import softmax

    monkeypatch.setattr(softmax, "softmax", lambda states, *_: states.sum() * float("nan"))
    with pytest.raises(NonFiniteError, match="rank loss"):
        train(workspace, representation)
    run = verbs.runs_of(workspace, "shop")[0]
    assert run.state == "failed" and "rank loss" in run_row_error(workspace, run.run)


def run_row_error(workspace, run):
    with workspace.reading() as session:
        return find_run(session, run)[0].error


def test_unknown_names_suggest_known_ones(represented):
    workspace, representation = represented
    run = train(workspace, representation, epochs=1).run
    with pytest.raises(NotFoundError, match=f"Did you mean {run}"):
        verbs.recommend(workspace, verbs.RecommendRequest(run=run[:-1], items=["b01"]))
    with pytest.raises(NotFoundError, match="'b99'"):
        verbs.recommend(workspace, verbs.RecommendRequest(run=run, items=["b01", "b99"]))
    with pytest.raises(NotFoundError, match="Did you mean shop"):
        verbs.search(workspace, verbs.SearchRequest(dataset="shpo"))
    assert run_result(workspace, run).run == run


def test_an_encoder_embeds_metadata_and_texts(imported, monkeypatch):
    generate(imported)

    class Letters:
        """Counts letters: an encoder whose every number can be checked."""

        def count_cut(self, texts):
            return 0

        def encode(self, texts, names=()):
            assert len(texts) == len(names)
            return np.array([[text.lower().count(letter) for letter in "aeiou"] for text in texts], dtype=np.float32)

    from genair_engine.verbs.representations import catalogue_states as states

    monkeypatch.setattr(states, "ENCODE_CHUNK", 5)
    monkeypatch.setattr(states, "load_encoder", lambda folder: Letters())
    metadata = represent(imported, model="minilm", variance=1.0)
    assert set(metadata.dims) == {"prefill"} and metadata.archetypes is None
    both = represent(imported, model="minilm", archetypes="tiny-llama", variance=1.0)
    assert set(both.dims) == {"prefill", "decoding"} and both.archetypes
    titles = represent(imported, model="minilm", archetypes="tiny-llama", title=True, variance=1.0)
    assert list(titles.dims) == ["prefill", "decoding", "title"]
    with pytest.raises(InputError, match="embeds no titles"):
        represent(imported, title=True)
    with pytest.raises(InputError, match="--archetypes"):
        represent(imported, model="minilm", parts="both")
    with pytest.raises(NotFoundError, match="tiny-qwen"):
        represent(imported, model="minilm", archetypes="tiny-qwen")


def test_search_and_detail(represented):
    workspace, _ = represented
    hits = verbs.search(workspace, verbs.SearchRequest(dataset="shop", text="digital"))
    assert {item.item for item in hits.items} == {"b01", "b08"} and hits.total == 2
    detail = verbs.item_detail(workspace, "shop", "b08")
    assert detail.item.title == "Digital Caliper" and detail.attributes["brand"] == "Metrix"
    assert 1 <= detail.rank <= detail.of == 12 and detail.archetypes[0].prompt_version.startswith("paper-")
    assert verbs.item_detail(workspace, "shop").archetypes
    with pytest.raises(NotFoundError):
        verbs.item_detail(workspace, "shop", "nope")


def test_the_columns_that_a_run_uses(represented):
    """`without` leaves out exactly a part's columns, whatever stands beside it; `scaling` levels what is left."""
    from genair_engine.methods.item_parts import PartOptions
    from genair_engine.store.runs import find_representation
    from genair_engine.verbs.training.load import load_item_parts

    workspace, representation = represented
    with workspace.reading() as session:
        row = find_representation(session, workspace.dataset_row("shop"), representation)
    first, second = row.dims.values()
    parts = load_item_parts(workspace, row)
    whole = parts.read(PartOptions())
    assert whole.shape[1] == first + second
    np.testing.assert_array_equal(parts.read(PartOptions(without="prefill")), whole[:, first:])
    np.testing.assert_array_equal(parts.read(PartOptions(without="decoding")), whole[:, :first])
    np.testing.assert_array_equal(parts.read(PartOptions(), whole[2:4]), whole[2:4])
    level = parts.read(PartOptions(without="decoding", scaling="parts"))
    assert np.sqrt(np.square(level).mean()) == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(InputError, match="leaving out title"):
        parts.read(PartOptions(without="title"))
