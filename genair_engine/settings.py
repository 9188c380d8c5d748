"""Where things are and what they may use, from the environment (prefix GENAIR_) and a `.env` in the repository root.

Nothing here depends on the folder that a command is started in: defaults lie in the repository, and a relative path is
taken from the repository root, so that app, CLI and jobs open the same workspace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from genair_engine.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent


def _from_repository(path: Path) -> Path:
    return (REPOSITORY / path.expanduser()).resolve()


RepositoryPath = Annotated[Path, AfterValidator(_from_repository)]


class Settings(BaseSettings):
    """Typed settings; every field is the environment variable GENAIR_<FIELD> in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="GENAIR_", env_file=REPOSITORY / ".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    workspace: RepositoryPath = Field(REPOSITORY / "workspace", description="Folder of the artifacts and of genair.db.")
    database_url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="SQLAlchemy URL, e.g. postgresql+psycopg://user@host/genair; unset: SQLite in the workspace.",
    )
    models_dir: RepositoryPath = Field(REPOSITORY / "models_cache", description="Folder of language-model weights.")
    threads: int | None = Field(None, ge=1, description="CPU threads that torch may use; unset: torch decides.")
    worker: Literal["auto", "none"] = Field(
        "auto",
        description="auto: the app starts a worker on this machine when jobs wait and none is alive; none: it never does.",
    )
    lease_seconds: float = Field(
        30, ge=1, le=3600, description="a worker that is silent for so long is taken for dead, its jobs are started again [s]"
    )
    cancel_seconds: float = Field(
        60, ge=0, le=86_400, description="time that a cancelled job has to reach its next checkpoint before it is killed [s]"
    )

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL, password included: never show it."""
        return self.database_url or f"sqlite+pysqlite:///{self.workspace / 'genair.db'}"


def load_settings() -> Settings:
    """The settings of this process. Raises InputError that names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"GENAIR_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}" for detail in error.errors()
        )
        raise InputError(f"A setting is wrong ({problems}). Correct it in the environment or in .env.") from None
