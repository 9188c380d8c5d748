"""Sweeps: which configurations they have, what is trained again and what is not, and the table; searches by trials."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from genair_engine import verbs
from genair_engine.errors import InputError, NonFiniteError, WorkspaceError
from genair_engine.methods.registry import METHODS
from genair_engine.store import artifacts, studies
from genair_engine.verbs.training import fitting, hyperparameters
from genair_engine.verbs.training.grid import configurations
from genair_engine.verbs.training.hyperparameters import Dimension, dimension
from genair_engine.verbs.training.sweep import SweepRow
from genair_engine.workspace import Workspace
from tests.verbs_workspaces import SMALL

FLOORS = {name for name, method in METHODS.items() if method.tags.floor}
ROOT = Path(__file__).resolve().parents[2]
QUICK = SMALL | {"epochs": 2}


def request(representation=None, **options):
    return verbs.SweepRequest(dataset="shop", representation=representation, **(QUICK | options))


def runs_of(workspace, dataset="shop"):
    return {run.run: run for run in verbs.runs_of(workspace, dataset)}


def grid(**options):
    """Configuration, representation and variant of every cell."""
    cells = configurations(request("some", **options))
    return [(cell.config, cell.request.representation, cell.variant) for cell in cells]


def test_a_grid_has_every_combination_that_differs():
    cells = grid(methods=["id", "genair"], losses=["ce", "bce"], alphas=[0.0, 0.1], gammas=[1.0, 2.0])
    assert len(cells) == 2 * (1 + 1 + 2)  # id: neither; alpha 0: no gamma
    assert {variant for config, _, variant in cells if config.method == "id"} == {""}
    assert {representation for config, representation, _ in cells if config.method == "id"} == {None}
    assert {representation for config, representation, _ in cells if config.method == "genair"} == {"some"}
    assert [variant for config, _, variant in cells if (config.method, config.loss) == ("genair", "ce")] == [
        "alpha 0",
        "alpha 0.1, gamma 1",
        "alpha 0.1, gamma 2",
    ]


def test_a_backbone_brings_its_own_defaults():
    layers = {config.backbone: config.model.layers for config, *_ in grid(backbones=["sasrec", "gru4rec"])}
    assert layers == {"sasrec": 1, "gru4rec": 1}  # given
    base = {name: value for name, value in QUICK.items() if name != "layers"}
    cells = configurations(verbs.SweepRequest(dataset="shop", method="id", backbones=["gru4rec", "sasrec"], **base))
    assert {cell.config.backbone: cell.config.model.layers for cell in cells} == {"sasrec": 2, "gru4rec": 1}
    public = configurations(verbs.SweepRequest(dataset="shop", preset="public-code", backbones=["gru4rec", "sasrec"], **base))
    flat = [cell.config.flat() for cell in public]
    assert [(values["targets"], values.get("public_code_attention"), values["loss"]) for values in flat] == [
        ("last", None, "bce"),
        ("all", True, "bce"),
    ]


def test_what_a_combination_does_not_have_is_left_out_of_it():
    cells = grid(backbones=["sasrec", "bert4rec", "gru4rec"], method="id", targets="last", heads=2)
    assert [(config.flat().get("targets"), config.flat().get("heads")) for config, *_ in cells] == [
        ("last", 2),
        (None, 2),
        ("last", None),
    ]


def ablations(**options):
    return [
        (values.get("without"), values["alpha"], values.get("gamma"), variant)
        for values, variant in (
            (config.flat(), variant) for config, _, variant in grid(**options) if config.method == "genair"
        )
    ]


def test_ablations_are_variants_of_genair():
    assert ablations(methods=["id", "genair"], ablations=["prefill", "decoding", "calibration"])[1:] == [
        ("prefill", 0.1, 3.0, "w/o prefill"),
        ("decoding", 0.1, 3.0, "w/o decoding"),
        (None, 0.0, None, "w/o calibration"),
    ]


def test_ablations_have_the_one_value_of_a_grid():
    assert ablations(alphas=[0.01], gammas=[2.0], ablations=["prefill", "calibration"]) == [
        (None, 0.01, 2.0, "alpha 0.01, gamma 2"),
        ("prefill", 0.01, 2.0, "alpha 0.01, gamma 2, w/o prefill"),
        (None, 0.0, None, "w/o calibration"),
    ]
    assert ablations(alphas=[0.0], gammas=[2.0], ablations=["prefill"]) == [
        (None, 0.0, None, "alpha 0"),
        ("prefill", 0.0, None, "alpha 0, w/o prefill"),
    ]


def test_one_table_over_seeds_that_is_not_trained_again(represented):
    workspace, representation = represented
    asked = request(representation, methods=["id", "genair"], ablations=["prefill"], seeds=[1, 2], floors=True)
    result = verbs.sweep(workspace, asked)
    runs = runs_of(workspace)
    assert len(runs) == 3 * 2 + len(FLOORS)
    trained = [row for row in result.rows if row.backbone]
    for row in trained:
        of_row = [runs[name] for name in row.runs]
        assert row.seeds == [1, 2] == [run.config["seed"] for run in of_row]
        for part, protocols in row.metrics.items():
            for protocol, metrics in protocols.items():
                for metric, summary in metrics.items():
                    values = [run.metrics[part][protocol][metric] for run in of_row]
                    assert (summary.mean, summary.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert row.metrics.keys() == {"valid", "test"} and row.metrics["test"].keys() == {"full", "sampled100"}
        assert row.best_epochs == [run.best_epoch for run in of_row]
        assert row.protocol.startswith("leave-two-out") and row.setting == "Loss ce, seeds 1, 2"
    floors = {row.method: row for row in result.rows if not row.backbone}
    assert floors.keys() == FLOORS and floors["popularity"].metrics["test"]["full"]["HR@10"].sd is None
    scores = [row.metrics["valid"]["full"]["NDCG@10"].mean for row in result.rows]
    assert scores == sorted(scores, reverse=True) and [row.best for row in result.rows] == [True] + [False] * (len(scores) - 1)

    assert verbs.sweep(workspace, asked) == result and runs_of(workspace).keys() == runs.keys()
    more = verbs.sweep(workspace, asked.model_copy(update={"seeds": [1, 2, 3], "floors": False}))
    assert len(runs_of(workspace)) == 9 + len(FLOORS) and len(more.rows) == 3

    lines = result.lines()
    table = lines[1 : 3 + len(result.rows)]
    assert table[2].startswith("*") and "genair" in "".join(table) and "w/o prefill" in "".join(table)
    starts = {line.index(" ± ") for line in table if " ± " in line}
    assert len(starts) == 1  # aligned


def test_an_interrupted_sweep_goes_on_with_the_run_that_it_was_at(imported, monkeypatch):
    class Interrupted(Exception):
        pass

    def interrupt(done, total, what):
        if "seed 2: epoch 1" in what:
            raise Interrupted

    asked = request(method="id", seeds=[1, 2, 3])
    with pytest.raises(Interrupted):
        verbs.sweep(imported, asked, interrupt)
    before = runs_of(imported)
    assert sorted(run.state for run in before.values()) == ["done", "stopped"]
    result = verbs.sweep(imported, asked)
    after = runs_of(imported)
    assert before.keys() <= after.keys() and len(after) == 3 and result.rows[0].seeds == [1, 2, 3]
    assert {run.state for run in after.values()} == {"done"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["id", "genair"]}, "genair ce: Method 'genair' needs --representation"),
        ({"method": "id", "ablations": ["prefill"]}, "Ablations leave out parts of a method, and id has none"),
        (
            {"method": "id", "backbones": ["bert4rec"], "targets": "last"},
            "No configuration of this sweep has the option targets, which is of sasrec, gru4rec",
        ),
        ({"methods": ["id", "llminit"], "alpha": 0.2}, "has the option alpha, which is of genair, genair-id"),
        ({"method": "id", "backbones": ["sasrec", "gru4rec"], "heads": 3}, r"backbone sasrec.*heads \(3\) must divide dim"),
        ({"method": "id", "losses": ["ce", "hinge"]}, "loss hinge.*there is no loss 'hinge': give ce"),
        ({"method": "id", "seeds": [1, -1]}, "seeds: Input should be greater than or equal to 0"),
        ({"alphas": [0.01, 0.1], "ablations": ["prefill"]}, "--alphas has 0.01 and 0.1: an ablation .* give one value"),
        ({"gammas": [1.0, 2.0], "ablations": ["prefill"]}, "--gammas has 1 and 2"),
        ({"method": "id", "trials": 3}, "needs both"),
        (
            {"method": "id", "trials": 3, "search": {"alpha": "0:1"}, "losses": ["ce"]},
            "takes no grid: give losses as --search 'loss=A",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_trained(imported, options, message):
    with pytest.raises(InputError, match=message):
        verbs.sweep(imported, request(**options))
    assert runs_of(imported) == {}


def test_a_representation_without_the_part_is_refused(represented):
    workspace, _ = represented
    only = verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="tiny-llama", parts="prefill"))
    for part in ("prefill", "projector"):
        with pytest.raises(InputError, match=rf"w/o {part}: .*holds prefill: leaving out {part} needs"):
            verbs.sweep(workspace, request(only.representation, ablations=[part]))
    assert runs_of(workspace) == {}


def test_the_same_configuration_twice_is_one_row(represented):
    workspace, representation = represented
    result = verbs.sweep(workspace, request(representation, alphas=[0.0], ablations=["calibration"], epochs=1))
    assert [row.variant for row in result.rows] == ["alpha 0 = w/o calibration"] and len(runs_of(workspace)) == 1


def test_divergence_is_reported_in_its_row(imported, monkeypatch):
    train = fitting.train

    def diverge(workspace, request, progress):
        if request.seed == 2:
            raise NonFiniteError("Training diverged in epoch 1")
        return train(workspace, request, progress)

    monkeypatch.setattr(fitting, "train", diverge)
    table = verbs.sweep(imported, request(method="id", seeds=[1, 2], losses=["ce", "bce"])).rows
    assert [row.seeds for row in table] == [[1], [1]] and not any(row.best for row in table)  # neither has all seeds
    row = verbs.sweep(imported, request(method="id", seeds=[1, 2])).rows[0]
    assert row.seeds == [1] and row.failed == ["seed 2: Training diverged in epoch 1"]
    nothing = verbs.sweep(imported, request(method="id", seeds=[2]))
    assert nothing.rows[0].metrics == {} and not nothing.rows[0].best
    assert "Training diverged" in "\n".join(nothing.lines())


def test_the_best_row_has_all_seeds(imported, monkeypatch):
    """A row that lost a seed may stand first, but is not called the best of the table."""
    train = fitting.train

    def diverge(workspace, request, progress):
        if request.loss == "ce" and request.seed == 2:
            raise NonFiniteError("Training diverged in epoch 1")
        return train(workspace, request, progress)

    monkeypatch.setattr(fitting, "train", diverge)
    monkeypatch.setattr(SweepRow, "score", lambda row, part: float(row.loss == "ce"))
    first, second = verbs.sweep(imported, request(method="id", seeds=[1, 2], losses=["bce", "ce"])).rows
    assert (first.loss, first.seeds, first.best) == ("ce", [1], False)
    assert (second.loss, second.seeds, second.best) == ("bce", [1, 2], True)


def test_a_diverged_run_is_not_trained_again(imported, monkeypatch):
    from genair_engine.losses.ranking import softmax

    with monkeypatch.context() as patched:
        patched.setattr(softmax, "softmax", lambda states, *_: states.sum() * float("nan"))
        once = verbs.sweep(imported, request(method="id"))
    (run,) = runs_of(imported).values()
    assert run.state == "failed" and len(once.rows[0].failed) == 1
    assert verbs.sweep(imported, request(method="id")) == once  # training would succeed now
    assert runs_of(imported).keys() == {run.run}


def test_the_table_says_how_every_row_was_obtained(represented):
    workspace, representation = represented
    result = verbs.sweep(workspace, request(representation, methods=["id", "genair"], alphas=[0.01], ablations=["prefill"]))
    assert (result.representation, result.device) == (representation, "cpu")
    runs = runs_of(workspace)
    for row in result.rows:
        (run,) = row.runs
        assert row.config == {name: value for name, value in runs[run].config.items() if name != "seed"}
    shown = result.lines()
    (shared,) = (line for line in shown if line.startswith("All trained rows: "))
    assert shared == (
        f"All trained rows: device cpu, representation {representation} where the method takes one, dim 8, layers 1, "
        "max_len 10, batch_size 4, epochs 2; all else that is not said as `train` has it by default."
    )
    assert not any(line.startswith("  sasrec id ce:") for line in shown)  # nothing but what is shared
    assert "  sasrec genair ce, alpha 0.01: without None, alpha 0.01." in shown
    assert "  sasrec genair ce, alpha 0.01, w/o prefill: without prefill, alpha 0.01." in shown

    with_floors = verbs.sweep(workspace, request(method="id", floors=True))
    assert with_floors.representation is None and all(row.config["method"] == row.method for row in with_floors.rows)
    (alone,) = (line for line in with_floors.lines() if line.startswith("All trained rows: "))
    assert alone.startswith("All trained rows: device cpu, dim 8, layers 1")


def test_floors_that_beat_a_run_are_named(imported):
    result = verbs.sweep(imported, request(method="id", epochs=1, learning_rate=1e-6, floors=True))
    assert {row.method for row in result.rows} == {"id", "popularity", "item-knn", "transition-knn"}
    assert "floors of content similarity are left out" in result.notes[0]
    row = next(row for row in result.rows if row.backbone)
    for part in ("valid", "test"):
        best = max(floor.score(part) for floor in result.rows if not floor.backbone)
        assert any(f"({part} NDCG@10" in note and row.name in note for note in result.notes) == (row.score(part) <= best)


def test_a_sweep_under_torchrun_is_refused(imported, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    with pytest.raises(InputError, match="without torchrun"):
        verbs.sweep(imported, request(method="id"))


SPACE = {"dropout": "0.1:0.6", "learning_rate": "0.0001:0.1:log", "heads": "1|2"}


def search(workspace, trials, progress=lambda *_: None, **options):
    return verbs.sweep(workspace, request(method="id", trials=trials, search=SPACE, **options), progress)


def outcome(result):
    return [(row.variant, row.score("valid"), row.score("test")) for row in result.rows]


def test_a_search_goes_on_where_it_stopped_and_ends_the_same(any_workspace, source, tmp_path):
    workspace = any_workspace
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="twin"))

    class Killed(BaseException):
        pass

    def kill(done, total, what):
        if "trial 3 of 4" in what and "epoch 1" in what:
            raise Killed

    with pytest.raises(Killed):
        search(workspace, 4, kill)
    stopped = {run.run for run in runs_of(workspace).values() if run.state == "stopped"}
    result = search(workspace, 4)
    assert len(result.rows) == 4 and len(runs_of(workspace)) == 4
    assert stopped < {name for row in result.rows for name in row.runs}
    assert [row.best for row in result.rows] == [True, False, False, False] and "best of 4 trials" in result.notes[0]
    for row in result.rows:
        config = runs_of(workspace)[row.runs[0]].config if row.runs else {}
        assert 0.1 <= config["dropout"] <= 0.6 and 1e-4 <= config["learning_rate"] <= 0.1 and config["heads"] in (1, 2)

    whole = verbs.sweep(workspace, request(method="id", trials=4, search=SPACE).model_copy(update={"dataset": "twin"}))
    assert outcome(whole) == outcome(result)

    again = search(workspace, 3)
    assert len(again.rows) == 3 and len(runs_of(workspace)) == 4
    best = search(workspace, 4, seeds=[7, 8])
    assert len(runs_of(workspace)) == 6
    again = next(row for row in best.rows if row.variant.startswith("best of 4 trials"))
    assert again.seeds == [7, 8] and [row for row in best.rows if row.best] == [again]  # trials have the search's seed only


def test_a_trial_that_cannot_run_is_bad_and_does_not_stop_the_search(imported):
    asked = request(method="id", trials=6, search={"heads": "1|3"}, epochs=1)
    result = verbs.sweep(imported, asked)
    assert [row.variant for row in result.rows] == ["heads 1"]
    assert any("heads (3) must divide dim (8)" in note for note in result.notes)


def test_a_search_that_another_process_does_is_left_alone(imported, monkeypatch):
    asked = request(method="id", trials=1, search={"alpha": "0:1"})
    verbs.sweep(imported, asked)
    (folder,) = imported.folder.glob("datasets/*/search-*")
    with artifacts.locked(folder), pytest.raises(InputError, match="Another process"):
        verbs.sweep(imported, asked)


def _open_study(settings, name, barrier):
    workspace = Workspace.open(settings)
    barrier.wait()
    with hyperparameters._study(workspace, name) as study:
        study.ask()
    workspace.close()


def test_searches_may_be_the_first_at_once(any_workspace):
    """Optuna makes its tables without a lock of its own."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    arguments = [(any_workspace.settings, f"shop (1) {number}", barrier) for number in range(2)]
    processes = [context.Process(target=_open_study, args=given) for given in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert studies.names(any_workspace.engine) == ["shop (1) 0", "shop (1) 1"]


def test_tables_that_are_never_ready_are_said(imported, monkeypatch):
    workspace = imported
    monkeypatch.setattr(studies, "PATIENCE", 0.2)
    with artifacts.locked(workspace.path(studies.LOCK)), pytest.raises(WorkspaceError, match=r"Another process.*Try again"):
        search(workspace, 1)


def test_a_data_set_takes_its_searches_with_it(any_workspace, source):
    workspace = any_workspace
    for name in ("shop", "shop2"):
        verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name=name))
        asked = request(method="id", epochs=1, trials=1, search={"dropout": "0.1:0.6"})
        verbs.sweep(workspace, asked.model_copy(update={"dataset": name}))
    kept = [name for name in studies.names(workspace.engine) if name.startswith("shop2 (")]
    assert len(studies.names(workspace.engine)) == 2 and len(kept) == 1
    workspace.delete_dataset("shop")
    assert studies.names(workspace.engine) == kept
    again = verbs.sweep(workspace, asked.model_copy(update={"dataset": "shop2"}))
    assert len(again.rows) == 1 and len(runs_of(workspace, "shop2")) == 1


def test_deleting_waits_for_optuna_only_where_it_was_used(imported):
    code = (
        "import sys; from genair_engine.workspace import Workspace; workspace = Workspace.open(); "
        "workspace.delete_dataset('shop'); assert 'optuna' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    assert imported.dataset_rows() == []


def test_dimensions():
    assert dimension("alpha", "0.0001:1:log") == Dimension("alpha", low=1e-4, high=1.0, log=True)
    assert dimension("layers", "1:3") == Dimension("layers", low=1, high=3, whole=True)
    assert dimension("max-len", "20|50") == Dimension("max_len", choices=(20, 50))
    assert dimension("loss", "ce|bce") == Dimension("loss", choices=("ce", "bce"))
    assert dimension("count_once", "true|false") == Dimension("count_once", choices=(True, False))
    study = hyperparameters.optuna.create_study()
    trial = study.ask()
    assert 1e-4 <= dimension("alpha", "0.0001:1:log").suggest(trial) <= 1
    assert trial.distributions["alpha"] == FloatDistribution(1e-4, 1.0, log=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seed", "1:5", "cannot be searched"),
        ("device", "cpu|cuda", "cannot be searched"),
        ("alpha", "0.1", "write alpha=LOW:HIGH"),
        ("alpha", "0.1:1:lg", "write alpha=LOW:HIGH"),
        ("alpha", "0:1:log", "above 0"),
        ("alpha", "1:0.5", "first number must be below"),
        ("dropout", "0.1:2", "less than 1"),
        ("layers", "1:2.5", "valid integer"),
        ("loss", "ce:bce", r"write the values to choose from as 'loss=A\|B\|C' \(quoted"),
        ("loss", "ce|hinge", "Input should be"),
    ],
)
def test_a_search_space_that_makes_no_sense(name, text, message):
    with pytest.raises(InputError, match=message):
        dimension(name, text)
