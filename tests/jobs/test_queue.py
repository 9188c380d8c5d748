"""The queue: what is refused, one job for equal requests, each claimed once, late attempts that change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.exc import OperationalError

from genair_engine import jobs, verbs
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import jobs as rows
from genair_engine.store.tables import JobRow, RunRow, WorkerRow, utc_now
from genair_engine.workspace import Workspace
from tests.jobs.conftest import LONG, row, state, submit

LEASE = timedelta(seconds=30)
CPU = rows.Offer({}, has_gpus=False)


def queued(workspace, number):
    with workspace.session() as session:
        session.add_all(
            JobRow(
                id=f"evaluate-{index}",
                kind="evaluate",
                title="Evaluate",
                config={},
                key=str(index),
                gpus=0,
                max_attempts=3,
                log=f"jobs/{index}.log",
            )
            for index in range(number)
        )


def alive(workspace, name="here-1", lease=LEASE, **values):
    with workspace.session() as session:
        now = rows.clock(session)
        given = {"host": "here", "pid": 1, "executor": "local", "slots": 1, "devices": []} | values
        rows.say_alive(session, WorkerRow(id=name, started_at=now, heartbeat_at=now, lease_until=now + lease, **given))


def claimed(workspace, worker="here-1", lease=LEASE):
    with workspace.session() as session:
        return rows.claim(session, worker, lease, CPU)


def many(workspace, number):
    """Workspaces of the same place, each with connections of its own, as processes have."""
    return [Workspace.open(workspace.settings) for _ in range(number)]


def test_equal_requests_are_one_job_even_at_the_same_moment(any_shop):
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        others = [stack.enter_context(closing(opened)) for opened in many(any_shop, 4)]
        names = set(threads.map(submit, others * 2))
    assert len(names) == 1 and len(jobs.jobs(any_shop, jobs.JobsRequest()).jobs) == 1
    assert submit(any_shop, seed=7) not in names
    assert submit(any_shop) in names
    jobs.cancel(any_shop, *names)
    assert submit(any_shop) not in names  # what is over does not stand in the way


def refused(workspace, kind, request, reason):
    with pytest.raises(InputError, match=reason):
        jobs.submit(workspace, kind, request)
    assert jobs.jobs(workspace, jobs.JobsRequest()).jobs == []


def test_what_cannot_run_is_refused_with_the_reason_and_leaves_no_row(shop, tmp_path):
    train = verbs.TrainRequest(**LONG)
    refused(shop, "train", train.model_copy(update={"dataset": "shoq"}), "Did you mean shop")
    refused(shop, "train", verbs.TrainRequest(dataset="shop", device="cpu"), "needs --representation")
    refused(shop, "train", train.model_copy(update={"device": "cuda"}), "No worker has 1 GPU: choose the device auto or cpu")
    refused(shop, "train", train.model_copy(update={"device": "cuda:3"}), "No worker has GPU 3")
    refused(shop, "evaluate", verbs.EvaluateRequest(run="gone"), "no run 'gone'")
    refused(shop, "import", verbs.ImportRequest(path=tmp_path / "nothing", name="new"), "no file or folder")
    refused(shop, "import", verbs.ImportRequest(path=tmp_path, name="shop"), "shop")
    refused(shop, "sweep", verbs.SweepRequest(dataset="shoq"), "Did you mean shop")
    refused(shop, "trian", train, "no kind of job 'trian'")
    refused(shop, "evaluate", train, "takes a EvaluateRequest, not a TrainRequest")


def test_a_relative_path_is_stored_as_the_worker_needs_it(shop, source, monkeypatch):
    monkeypatch.chdir(source.parent)
    imported = jobs.submit(shop, "import", verbs.ImportRequest(path=source.name, name="again"))
    assert imported.config == {"path": str(source), "name": "again"}
    folder = source.parent / "folder"
    folder.mkdir()
    (source.parent / "texts.csv").write_text("item_id,text\nb01,Tinkerers.\n")
    embedded = jobs.submit(shop, "embed", verbs.EmbedRequest(dataset="shop", model="folder", texts="texts.csv"))
    assert (embedded.config["texts"], embedded.config["model"]) == (str(source.parent / "texts.csv"), str(folder))
    read = jobs.submit(shop, "generate", verbs.GenerateRequest(dataset="shop", model="openai:model", reader="folder"))
    assert (read.config["model"], read.config["reader"]) == ("openai:model", str(folder))
    named = jobs.submit(shop, "generate", verbs.GenerateRequest(dataset="shop", model="tiny-llama"))
    assert named.config["model"] == "tiny-llama"


def test_a_name_stays_a_name_where_a_folder_is_called_the_same(shop, source, monkeypatch):
    monkeypatch.chdir(source.parent)
    (source.parent / "shop").mkdir()
    scored = jobs.submit(shop, "score", verbs.ScoreRequest(dataset="shop"))
    assert scored.config == {"dataset": "shop"}


@pytest.mark.parametrize("together", [4, 20])
def test_each_job_is_claimed_once(request, together):
    database = "postgresql" if together == 20 else "sqlite"
    workspace = request.getfixturevalue("postgres_shop" if database == "postgresql" else "shop")
    number = 300 if together == 20 else 100
    queued(workspace, number)

    def work(place):
        own, mine = workspaces[place % len(workspaces)], []
        while (job := claimed(own, f"worker-{place}")) is not None:
            with own.session() as session:
                assert rows.report(session, job.id, job.attempts, 1, 2, "half") is False
            with own.session() as session:
                assert rows.finish(session, job.id, job.attempts, "done", result={"by": place})
            mine.append(job.id)
        return mine

    with ExitStack() as stack, ThreadPoolExecutor(together) as threads:
        workspaces = [stack.enter_context(closing(opened)) for opened in many(workspace, 4)]
        ids = [job for part in threads.map(work, range(together)) for job in part]
    assert sorted(ids) == sorted(f"evaluate-{index}" for index in range(number))
    with workspace.reading() as session:
        assert set(session.execute(select(JobRow.state, JobRow.attempts))) == {("done", 1)}


def test_two_workers_after_one_job(any_workspace):
    queued(any_workspace, 1)
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        both = [stack.enter_context(closing(opened)) for opened in many(any_workspace, 2)]
        claims = list(threads.map(claimed, both, ["a", "b"]))
    assert sorted(job is None for job in claims) == [False, True]


def test_the_oldest_job_comes_first(any_workspace):
    queued(any_workspace, 3)
    with any_workspace.session() as session:
        session.execute(update(JobRow).where(JobRow.id == "evaluate-2").values(created_at=utc_now() - timedelta(hours=1)))
    assert [claimed(any_workspace).id for _ in range(3)] == ["evaluate-2", "evaluate-0", "evaluate-1"]


def test_a_late_attempt_changes_nothing(any_workspace):
    queued(any_workspace, 1)
    late = claimed(any_workspace)
    with any_workspace.session() as session:
        assert rows.give_back(session, late.id, 1, "died") == "queued"
    now = claimed(any_workspace, "here-2")
    before = jobs.job(any_workspace, now.id)
    with any_workspace.session() as session:
        assert rows.report(session, late.id, 1, 5, 10, "late") is None
        assert rows.finish(session, late.id, 1, "failed", error="late") is False
        assert rows.give_back(session, late.id, 1, "late") is None
        assert rows.extend(session, "here-1", LEASE, {late.id: (1, {})}) == set()
        assert rows.extend(session, "here-1", LEASE, {late.id: (2, {})}) == set()
        assert rows.lease_left(session, late.id, 1) == 0 < rows.lease_left(session, late.id, 2) <= 30
    assert jobs.job(any_workspace, now.id) == before
    with any_workspace.session() as session:
        assert rows.finish(session, now.id, 2, "done", result={})
        assert rows.finish(session, now.id, 2, "failed", error="again") is False
    assert state(any_workspace, now.id) == "done"


def test_a_silent_worker_s_job_is_given_back_until_its_attempts_are_used_up(any_workspace):
    queued(any_workspace, 1)
    past = -timedelta(seconds=1)
    for attempt in (1, 2, 3):
        alive(any_workspace, lease=past)
        assert claimed(any_workspace, lease=past).attempts == attempt
        assert jobs.job(any_workspace, "evaluate-0").status.startswith("interrupted: its worker is gone")
        with any_workspace.session() as session:
            assert rows.give_back_expired(session) == ["evaluate-0"]
            assert rows.live_workers(session) == [] and session.get(WorkerRow, "here-1") is None
    job = jobs.job(any_workspace, "evaluate-0")
    assert (job.state, job.error) == ("failed", "Worker here-1 died or lost the database in attempt 3.")
    with any_workspace.session() as session:
        assert rows.queue_again(session, "evaluate-0", attempts=3)
    assert jobs.job(any_workspace, "evaluate-0").max_attempts == 6
    assert claimed(any_workspace).attempts == 4


def test_a_job_that_was_to_be_cancelled_is_cancelled_when_its_worker_dies(any_workspace):
    queued(any_workspace, 1)
    claimed(any_workspace)
    assert jobs.cancel(any_workspace, "evaluate-0").state == "running"
    with any_workspace.session() as session:
        session.execute(update(JobRow).values(lease_until=rows.clock(session) - LEASE))
        rows.give_back_expired(session)
    assert state(any_workspace, "evaluate-0") == "cancelled"


def test_a_run_does_not_stay_in_training_with_nobody_training(any_shop):
    job = submit(any_shop)
    claimed(any_shop, lease=-timedelta(seconds=1))
    with any_shop.session() as session:
        owner = any_shop.dataset_row("shop").id
        names = ("backbone", "method", "loss", "config_key", "device", "code_version", "folder")
        values = dict.fromkeys(names, "") | {"seed": 1, "config": {}, "protocol": {}}
        session.add(RunRow(id="run", dataset_id=owner, job_id=job, state="training", **values))
    with any_shop.session() as session:
        rows.give_back_expired(session)
    with any_shop.reading() as session:
        assert session.get(RunRow, "run").state == "stopped"
    assert state(any_shop, job) == "queued"


def test_what_died_within_a_transaction_keeps_no_locks(postgres_shop):
    """A process that is cut off or frozen there: the server still has its session, and the session its rows."""
    job = submit(postgres_shop)
    alive(postgres_shop, lease=-LEASE)
    claimed(postgres_shop, lease=-LEASE)
    names = rows.session_name("here-1"), rows.session_name(job, 1), rows.session_name(job, 2)
    worker, process, other = (
        create_engine(postgres_shop.engine.url, connect_args={"application_name": name}) for name in names
    )
    with worker.connect() as cut_off, process.connect() as frozen, other.connect() as living:
        cut_off.execute(update(WorkerRow).values(pid=2))
        frozen.execute(update(JobRow).values(done=1))
        living.execute(select(JobRow.id))
        with postgres_shop.session() as session:
            assert rows.give_back_expired(session) == [job]
        living.execute(select(JobRow.id))
        for dead in (cut_off, frozen):
            with pytest.raises(OperationalError):
                dead.execute(select(JobRow.id))
    assert state(postgres_shop, job) == "queued"


def test_workers_that_were_all_silent_come_back_at_the_same_moment(any_workspace):
    """Each writes its row and wants to take the others' away: none may fail, and none waits for another in a circle."""
    queued(any_workspace, 8)
    past, names = -timedelta(seconds=1), [f"w{index}" for index in range(8)]
    for _ in range(5):
        for name in names:
            alive(any_workspace, name, past)
            claimed(any_workspace, name, past)

        def beat(name):
            with any_workspace.session() as session:
                now = rows.clock(session)
                given = {"host": "h", "pid": 1, "executor": "local", "slots": 1, "devices": []}
                worker = WorkerRow(id=name, started_at=now, heartbeat_at=now, lease_until=now + LEASE, **given)
                rows.say_alive(session, worker)
            with any_workspace.session() as session:
                return rows.give_back_expired(session)

        with ThreadPoolExecutor(8) as threads:
            given_back = [job for jobs_of_beat in threads.map(beat, names) for job in jobs_of_beat]
        assert len(set(given_back)) == len(given_back)
        with any_workspace.session() as session:
            assert {worker.id for worker in rows.live_workers(session)} == set(names)
            session.execute(update(JobRow).values(state="queued", attempts=0))


def test_cancelling_and_trying_again(any_shop):
    job = submit(any_shop)
    assert jobs.cancel(any_shop, job).state == "cancelled"
    with pytest.raises(InputError, match=r"is cancelled: there is nothing to cancel"):
        jobs.cancel(any_shop, job)
    other = submit(any_shop)
    with pytest.raises(InputError, match="cancel that one first"):
        jobs.retry(any_shop, job)
    jobs.cancel(any_shop, other)
    assert jobs.retry(any_shop, job).state == "queued"
    with pytest.raises(InputError, match="is queued already"):
        jobs.retry(any_shop, job)
    row = claimed(any_shop)
    cancelled = jobs.cancel(any_shop, row.id)
    assert (cancelled.state, cancelled.cancel_requested) == ("running", True)
    with any_shop.session() as session:
        assert rows.report(session, row.id, row.attempts, 1, 2, "half") is True
        rows.finish(session, row.id, row.attempts, "done", result={})
    with pytest.raises(InputError, match=r"is done\. To do the same again"):
        jobs.retry(any_shop, job)
    for ask in (jobs.job, jobs.cancel, jobs.retry, jobs.log_tail):
        with pytest.raises(NotFoundError, match="Did you mean train-"):
            ask(any_shop, job[:-1])


def test_the_list_says_why_a_job_waits(shop):
    queued(shop, 1)
    assert jobs.job(shop, "evaluate-0").status == "queued: no worker is alive"
    alive(shop)
    assert jobs.job(shop, "evaluate-0").status == "queued: other jobs come first"
    with shop.session() as session:
        session.execute(update(JobRow).values(gpus=1, min_free_mb=2000))
    assert "no worker has a GPU" in jobs.job(shop, "evaluate-0").status
    gpu = {"index": 0, "name": "H", "total_mb": 4000, "free_mb": 500, "utilization": 90}
    alive(shop, devices=[gpu])
    assert "needs 1 GPU with 2,000 MB free (here GPU 0 has 500 MB)" in jobs.job(shop, "evaluate-0").status
    claimed_by_nobody = jobs.jobs(shop, jobs.JobsRequest(states=["running"])).jobs
    assert claimed_by_nobody == [] and row(shop, "evaluate-0").attempts == 0


def test_a_data_set_that_is_worked_on_is_not_deleted_and_a_job_without_one_is_not_retried(shop):
    job = submit(shop)
    with pytest.raises(InputError, match=f"being worked on by {job}: cancel that first"):
        verbs.delete_dataset(shop, verbs.DeleteRequest(dataset="shop"))
    jobs.cancel(shop, job)
    verbs.delete_dataset(shop, verbs.DeleteRequest(dataset="shop"))
    with pytest.raises(NotFoundError, match="no dataset 'shop'"):
        jobs.retry(shop, job)
    assert state(shop, job) == "cancelled"


def dead(workspace, job, **values):
    """A worker that nobody looks after has died with the job."""
    with workspace.session() as session:
        past = rows.clock(session) - timedelta(hours=1)
        session.execute(
            update(JobRow)
            .where(JobRow.id == job)
            .values(state="running", attempts=1, worker_id="gone-1-ab", lease_until=past, **values)
        )


def test_a_dead_worker_s_job_is_everybody_s_who_touches_it(any_shop):
    job = submit(any_shop)
    dead(any_shop, job)
    assert jobs.cancel(any_shop, job).state == "cancelled"
    jobs.retry(any_shop, job)
    dead(any_shop, job, cancel_requested=True)
    assert jobs.cancel(any_shop, job).state == "cancelled"  # it was asked to before
    jobs.retry(any_shop, job)
    dead(any_shop, job, max_attempts=1)
    assert jobs.retry(any_shop, job).state == "queued"
    dead(any_shop, job)
    other = submit(any_shop, seed=7)
    assert other != job and state(any_shop, job) == "queued"


def test_what_is_being_stopped_is_not_taken_for_the_new_job(any_shop):
    job = submit(any_shop)
    alive(any_shop)
    claimed(any_shop)
    jobs.cancel(any_shop, job)
    with pytest.raises(InputError, match=f"{job}' does the same and is being stopped: resume it when it has"):
        submit(any_shop)
    assert len(jobs.jobs(any_shop, jobs.JobsRequest()).jobs) == 1


def test_an_estimate_of_the_cpu_says_nothing_of_a_gpu(shop):
    for seed, device, least in ((1, "cpu", 1_000), (2, "cuda:0", 90_000)):
        request = verbs.TrainRequest(**(LONG | {"device": "auto", "seed": seed}))
        job = jobs.submit(shop, "train", request, estimate={"device": device, "memory_mb": 90_000.0}).job
        assert row(shop, job).min_free_mb == least


def test_gpus_of_other_machines_are_not_judged_here(shop):
    """Where the app starts no worker, this machine's GPUs are nobody's."""
    settings = shop.settings.model_copy(update={"worker": "none"})
    assert submit(Workspace(settings, shop.engine), device="cuda")
    alive(shop)
    with pytest.raises(InputError, match="No worker has 1 GPU"):
        submit(Workspace(settings, shop.engine), device="cuda", seed=7)


def test_the_log_of_a_job_on_another_machine_is_fetched(shop, monkeypatch):
    job = submit(shop)
    fetched = []
    monkeypatch.setattr(shop, "fetch", lambda name, optional: fetched.append(name) or shop.path(name))
    monkeypatch.setattr(jobs.queue.socket, "gethostname", lambda: "node1")
    for worker, asked in (("node1-17-ab12", 0), ("node1-5-17-ab12", 1)):
        dead(shop, job)
        with shop.session() as session:
            session.execute(update(JobRow).values(worker_id=worker))
        jobs.log_tail(shop, job)
        assert len(fetched) == asked


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:", "cuda:x"])
def test_a_device_of_no_kind_is_refused(shop, device):
    refused(shop, "train", verbs.TrainRequest(**(LONG | {"device": device})), f"no kind of device '{device}'")


def test_the_runs_of_a_grid_have_titles_of_their_own(shop):
    submitted = [submit(shop, seed=seed, dropout=dropout) for seed in (1, 2) for dropout in (0.1, 0.3)]
    titles = [jobs.job(shop, job).title for job in submitted]
    assert len(set(titles)) == 4 and all("dropout 0." in title for title in titles)


def test_a_retried_job_begins_a_new_span_of_time(shop):
    job = submit(shop)
    assert claimed(shop).id == job
    with shop.session() as session:
        assert rows.finish(session, job, 1, "failed", error="x")
    assert jobs.job(shop, job).started_at is not None
    again = jobs.retry(shop, job)
    assert again.state == "queued" and again.started_at is None and again.finished_at is None
