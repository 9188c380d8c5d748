"""Long verbs as jobs: one table says what was asked for and what became of it, workers run it in processes of its own.

Pages and the CLI use what is here. `worker` holds the worker's loop, `executors` where a process runs, `run` what it does.
"""

from genair_engine.jobs.first_run import first_run
from genair_engine.jobs.gpus import Gpu, probe
from genair_engine.jobs.kinds import KINDS, command_line
from genair_engine.jobs.laptop import ensure_worker
from genair_engine.jobs.queue import cancel, job, jobs, log_tail, retry, submit
from genair_engine.jobs.records import JobRecord, JobsRequest, JobsResult, WorkerRecord

__all__ = [
    "KINDS",
    "Gpu",
    "JobRecord",
    "JobsRequest",
    "JobsResult",
    "WorkerRecord",
    "cancel",
    "command_line",
    "ensure_worker",
    "first_run",
    "job",
    "jobs",
    "log_tail",
    "probe",
    "retry",
    "submit",
]
