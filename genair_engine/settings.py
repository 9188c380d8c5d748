"""Where things are and what they may use, from the environment (prefix GENAIR_) and a `.env` in the repository root.

Nothing here depends on the folder that a command is started in: defaults lie in the repository, and a relative path is
taken from the repository root, so that app, CLI and jobs open the same workspace.

A workspace is a folder, or a URL of an object store or file server, which several machines share; its artifacts then pass
through a cache folder on each of them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from genair_engine.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent


def _from_repository(path: Path) -> Path:
    return (REPOSITORY / path.expanduser()).resolve()


def _place(value: object) -> object:
    """A folder as a path, a URL without a last slash as it is. Raises ValueError on a URL that names no place to share."""
    text = str(value)
    if "://" not in text:
        return _from_repository(Path(text))
    parts = urlsplit(text)
    if not re.fullmatch(r"[A-Za-z0-9]+", text.split("://", 1)[0]) or not (parts.netloc or parts.path.strip("/")):
        raise ValueError("not a folder and not a URL such as s3://bucket/prefix")
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ValueError("a file URL has three slashes: file:///folder")
        return _from_repository(Path(unquote(parts.path)))
    if parts.password is not None or parts.query:
        raise ValueError("no secrets and options in the URL, please: they belong in fsspec's configuration (FSSPEC_…)")
    return text.rstrip("/")


def _server(url: str) -> str:
    """A base URL without a last slash. Raises ValueError, which does not quote it: it may hold a password."""
    parts = urlsplit(url.strip())
    try:
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:  # its message would quote a part
        port_is_a_number = False
    known = parts.scheme in ("http", "https") and parts.hostname and port_is_a_number
    if not known or parts.query or parts.fragment:
        raise ValueError("not a URL such as http://localhost:8000/v1")
    return url.strip().rstrip("/")


RepositoryPath = Annotated[Path, AfterValidator(_from_repository)]


class Settings(BaseSettings):
    """Typed settings; every field is the environment variable GENAIR_<FIELD> in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="GENAIR_", env_file=REPOSITORY / ".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    workspace: Annotated[Path | str, BeforeValidator(_place)] = Field(
        REPOSITORY / "workspace",
        description="Folder of the artifacts and of genair.db; or a URL of fsspec, e.g. s3://bucket/prefix, whose options "
        'fsspec takes from the environment, e.g. FSSPEC_S3=\'{"endpoint_url": "https://host"}\'. A URL needs '
        "GENAIR_DATABASE_URL.",
    )
    cache_dir: RepositoryPath = Field(
        REPOSITORY / "workspace-cache", description="Folder of local copies of the artifacts, for a workspace that is a URL."
    )
    database_url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="SQLAlchemy URL, e.g. postgresql+psycopg://user@host/genair; unset: SQLite in the workspace.",
    )
    models_dir: RepositoryPath = Field(REPOSITORY / "models_cache", description="Folder of language-model weights.")
    threads: int | None = Field(None, ge=1, description="CPU threads that torch may use; unset: torch decides.")
    actor: str | None = Field(
        None, max_length=100, description="Who works here: a name that is kept with votes and pins; unset: none."
    )
    worker: Literal["auto", "none"] = Field(
        "auto",
        description="auto: the app starts a worker on this machine when jobs wait and none is alive; none: it never does.",
    )
    api: Literal["on", "off"] = Field("off", description="on: the app answers HTTP requests under /api and /healthz too.")
    demo_items: int = Field(
        1000,
        ge=0,
        description="size of the demo that the app builds by itself in a workspace where nothing is; 0: it does not.",
    )
    lease_seconds: float = Field(
        30, ge=1, le=3600, description="a worker that is silent for so long is taken for dead, its jobs are started again [s]"
    )
    cancel_seconds: float = Field(
        60, ge=0, le=86_400, description="time that a cancelled job has to reach its next checkpoint before it is killed [s]"
    )

    ray_address: str | None = Field(
        None,
        description="Ray cluster for jobs, generation and sweeps: head:6379 on its machines, http://head:8265 from elsewhere.",
    )
    ray_gpus: int | None = Field(
        None, ge=0, description="GPUs that one generation or sweep takes on the cluster, 0: CPUs; unset: all that it has."
    )

    openai_base_url: Annotated[str, AfterValidator(_server)] | None = Field(
        None,
        repr=False,  # it may hold a password
        description="Base URL of a server that speaks OpenAI's protocol, for --model openai:MODEL: http://localhost:8000/v1",
    )
    openai_api_key: str | None = Field(None, repr=False, description="Its key; never stored, never shown.")
    openai_concurrency: int = Field(8, ge=1, le=1000, description="answers asked for at a time (each copy of the reader)")
    openai_rate: float | None = Field(None, gt=0, description="most requests to it [per minute]; unset: no limit")
    openai_timeout: float = Field(300, gt=0, le=86_400, description="time that it may take for one answer [s]")
    openai_retries: int = Field(5, ge=0, le=100, description="further attempts where an answer fails that may come yet")

    @property
    def url(self) -> str | None:
        """The workspace's URL, without a slash at its end; None where it is a folder."""
        return self.workspace if isinstance(self.workspace, str) else None

    @property
    def folder(self) -> Path:
        """The workspace's folder on this machine: itself, or for a URL the cache of it."""
        if isinstance(self.workspace, Path):
            return self.workspace
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", self.workspace)[-60:].strip("-.")
        return self.cache_dir / f"{readable}-{hashlib.sha256(self.workspace.encode()).hexdigest()[:12]}"

    def acting_as(self, actor: str) -> Settings:
        """These settings for somebody else."""
        return self.model_copy(update={"actor": actor})

    def environment(self) -> dict[str, str]:
        """The environment variables that give another process these settings."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {f"GENAIR_{name.upper()}": str(value) for name, value in given.items() if value is not None}

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL, password included: never show it.

        Raises InputError for a workspace that is a URL and names none: machines cannot share a SQLite file there.
        """
        if self.database_url:
            return self.database_url
        if self.url:
            raise InputError(
                f"GENAIR_WORKSPACE is {self.url}, and a SQLite database cannot be shared there. Name a PostgreSQL database in "
                "GENAIR_DATABASE_URL, or a folder in GENAIR_WORKSPACE."
            )
        return f"sqlite+pysqlite:///{self.folder / 'genair.db'}"


def load_settings() -> Settings:
    """The settings of this process. Raises InputError that names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"GENAIR_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}" for detail in error.errors()
        )
        raise InputError(f"A setting is wrong ({problems}). Correct it in the environment or in .env.") from None
