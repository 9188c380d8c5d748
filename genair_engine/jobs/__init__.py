"""Long verbs as jobs: one table says what was asked for and what became of it, workers run it in processes of its own.

Pages and the CLI use what is here. `worker` holds the worker's loop, `executors` where a process runs, `run` what it does.
Nothing is imported before it is asked for (`genair_engine.lazy`).
"""

from typing import TYPE_CHECKING

from genair_engine.lazy import getter

if TYPE_CHECKING:
    from genair_engine.jobs.first_run import queue_demo
    from genair_engine.jobs.gpus import Gpu, probe
    from genair_engine.jobs.kinds import command_line, job_kinds
    from genair_engine.jobs.laptop import ensure_worker
    from genair_engine.jobs.queue import cancel, job, jobs, log_tail, retry, submit
    from genair_engine.jobs.requests import JobRecord, JobsRequest, JobsResult, WorkerRecord


__getattr__ = getter(globals())
