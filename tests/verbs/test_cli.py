"""The command line: one JSON object on stdout, readable errors without a traceback, documented keys and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genair_engine.cli import commands, main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(settings, capsys):
    def run(*arguments, code=0):
        assert main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()

    return run


def test_the_whole_way_with_json(run, source):
    def answer(*arguments):
        captured = run(*arguments, "--json", "--quiet")
        assert captured.err == ""
        return json.loads(captured.out)

    imported = answer("import", source, "--name", "shop")
    assert {"dataset", "users", "items", "interactions", "rejected"} <= imported.keys()
    assert answer("datasets")["datasets"][0]["dataset"] == "shop"
    generated = answer("generate", "shop", "--model", "tiny-llama", "--max-new-tokens", "5", "--greedy")
    assert generated["written"] == 12
    represented = answer("represent", "shop", "--model", "tiny-llama", "--parts", "both", "--variance", "0.9")
    options = (
        "--backbone",
        "sasrec",
        "--method",
        "genair",
        "--loss",
        "bce",
        "--alpha",
        "0.1",
        "--gamma",
        "2",
        "--max-len",
        "9",
    )
    small = ("--dim", "8", "--layers", "1", "--epochs", "2", "--seed", "3", "--device", "cpu")
    trained = answer("train", "shop", "--representation", represented["representation"], *options, *small)
    assert {"run", "seconds_per_epoch", "peak_memory_mb", "metrics"} <= trained.keys()
    assert trained["config"] | {"alpha": 0.1, "gamma": 2.0, "loss": "bce", "max_len": 9, "seed": 3} == trained["config"]
    evaluated = answer("evaluate", trained["run"])
    for part in ("valid", "test"):
        for protocol in ("full", "sampled100"):
            assert 0 <= evaluated["metrics"][part][protocol]["NDCG@10"] <= evaluated["metrics"][part][protocol]["HR@10"] <= 1
    best = answer("recommend", trained["run"], "--items", "b01,b08", "-k", "3")
    assert len(best["items"]) == 3 and {"item", "score"} <= best["items"][0].keys()


def test_text_for_people_and_progress_on_stderr(run, source):
    captured = run("import", source, "--name", "shop")
    assert "10 users, 12 items" in captured.out and "[2/2] imported" in captured.err
    assert "shop: 10 users" in run("datasets").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "shop"), "no dataset 'shop'"),
        (("import", "nowhere", "--name", "x"), "nowhere"),
        (("import", ".", "--name", "x", "--columns", "user"), "KEY=VALUE"),
        (("train", "shop", "--epochs", "0"), "--epochs"),
        (("train", "shop", "--heads", "3"), "heads (3) must divide dim (128)"),
        (("train", "shop", "--alpha", "much"), "--alpha"),
        (("recommend", "nothing", "--items", "a"), "no run 'nothing'"),
        (("recommend", "nothing", "--items", " , "), "--items"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(run, arguments, message):
    captured = run(*arguments, "--quiet", code=1)
    assert captured.out == "" and captured.err.startswith("error: ") and message in captured.err
    assert captured.err.count("\n") == 1


def test_a_command_that_makes_no_sense_exits_with_2(settings):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "shop", "--loss", "hinge"])
    assert stopped.value.code == 2


def test_a_rejected_record_names_file_and_line(run, tmp_path):
    (tmp_path / "interactions.csv").write_text("user,item,timestamp\na,x,1\na,y,2\na,z\na,z,3\n")
    captured = run("import", tmp_path, "--name", "csv", "--json", "--quiet")
    answer = json.loads(captured.out)
    assert (answer["interactions"], answer["rejected"]) == (3, 1)
    assert (answer["rejections"][0]["file"], answer["rejections"][0]["line"]) == ("interactions.csv", 4)


def test_a_failed_import_leaves_the_workspace_as_it_was(run, settings, tmp_path):
    run("datasets")
    before = sorted(path.name for path in settings.workspace.rglob("*") if not path.name.startswith("genair.db"))
    (tmp_path / "ratings.csv").write_text("")
    assert "ratings.csv" in run("import", tmp_path / "ratings.csv", "--name", "empty", code=1).err
    after = sorted(path.name for path in settings.workspace.rglob("*") if not path.name.startswith("genair.db"))
    assert after == before and "no data set" in run("datasets").out


def test_doctor_works_without_a_database(settings, monkeypatch, capsys):
    monkeypatch.setenv("GENAIR_DATABASE_URL", "postgresql+psycopg://nobody:secret@127.0.0.1:9/none?connect_timeout=1")
    assert main(["doctor", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    problems = {check["name"]: check for check in answer["checks"] if check["state"] == "problem"}
    assert not answer["healthy"] and "Database" in problems and "secret" not in captured.out + captured.err
    assert "Model demo-llama" in problems  # this test's models folder has only the tiny ones
    assert any(check["name"] == "Model tiny-llama" for check in answer["checks"])


def test_every_option_explains_itself(capsys):
    for name, verb in commands().items():
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        lines = capsys.readouterr().out
        assert verb.request.__doc__.split(".")[0].split()[0] in lines
        assert all(field.description for field in verb.request.model_fields.values())


def test_the_real_command_from_another_folder(settings, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GENAIR_WORKSPACE": str(tmp_path / "w")}
    done = subprocess.run(
        [sys.executable, "-m", "genair_engine", "datasets", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"datasets": []} and done.stderr == ""


def test_showing_help_waits_for_no_heavy_library():
    heavy = "{'torch', 'transformers', 'optuna', 'pandas', 'scipy', 'sqlalchemy'}"
    code = f"import sys; from genair_engine import cli; cli.parser(cli.commands()); assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
