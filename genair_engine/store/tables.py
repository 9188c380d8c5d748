"""The database's tables, the same on SQLite and PostgreSQL; the migrations in sql/migrations build exactly these.

Rows hold what is searched, sorted and reported; arrays (sequences, states, representations, checkpoints) are artifacts
in the `folder` that a row names, relative to the workspace. JSON columns are plain JSON, not JSONB, because the order
of an item's attributes is the order of the prompt; assign a new value to change one (changes inside are not tracked).
The full-text index is not a mapped table: see `genair_engine.store.search`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

MAX_KEY = 500
"""Longest indexed string in characters: four UTF-8 bytes each still fit a PostgreSQL index row (2,704 bytes)."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on both back-ends; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


SortableText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by code point on both back-ends."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON,
        dict[str, int]: JSON,
        dict[str, float]: JSON,
        list[int]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
        str: Text,
        float: Float,
        int: Integer,
    }


class DatasetRow(Base):
    """An imported dataset; `folder` holds its sequences, negatives and side tables. job_id (here and below): the job that made
    it, if it was one."""

    __tablename__ = "datasets"
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id is never given twice: caches and jobs may still hold it

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    job_id: Mapped[str | None] = mapped_column(String(32))
    format: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    content_hash: Mapped[str] = mapped_column(String(64))
    n_users: Mapped[int]
    n_items: Mapped[int]
    n_interactions: Mapped[int]
    n_rejected: Mapped[int]
    provenance: Mapped[dict[str, Any]]
    folder: Mapped[str]


class ItemRow(Base):
    """One item. popularity: training interactions; popularity_group: quintile 1 (least) … 5 (most popular).

    `title_words` and `other_words` are the normalised text that full-text search indexes (`store.words`).
    """

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("dataset_id", "item_id"),
        Index(None, "dataset_id", "brand"),
        Index(None, "dataset_id", "popularity_group"),
        Index(None, "dataset_id", "popularity"),
        Index("ix_items_facets", "dataset_id", "position", "brand", "popularity_group", "popularity"),  # covers facets
        CheckConstraint("popularity_group BETWEEN 1 AND 5", name="popularity_group"),
    )

    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item_id: Mapped[str] = mapped_column(String(MAX_KEY))
    popularity: Mapped[int]
    popularity_group: Mapped[int]
    title: Mapped[str]
    brand: Mapped[str] = mapped_column(String(MAX_KEY))
    categories: Mapped[str]
    description: Mapped[str]
    attributes: Mapped[dict[str, str]]
    title_words: Mapped[str] = mapped_column(SortableText, deferred=True)
    other_words: Mapped[str] = mapped_column(deferred=True)


class ItemCategoryRow(Base):
    """The single categories of an item, for facets and filters."""

    __tablename__ = "item_categories"
    __table_args__ = (
        ForeignKeyConstraint(["dataset_id", "position"], ["items.dataset_id", "items.position"], ondelete="CASCADE"),
        Index(None, "dataset_id", "category", "position"),
    )

    dataset_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    category: Mapped[str] = mapped_column(String(MAX_KEY), primary_key=True)


class RejectionRow(Base):
    """A record that an import left out, and why."""

    __tablename__ = "rejections"

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    file: Mapped[str]
    line: Mapped[int | None]
    reason: Mapped[str]
    record: Mapped[str]


class TextSetRow(Base):
    """Texts of one kind that one model wrote under one prompt, sampling and seed; `folder` holds their states.

    kind: a name of `archetypes.prompts.registry`. unit: what each text is about, "item", "user" or "session".
    """

    __tablename__ = "text_sets"
    __table_args__ = (  # constraints keep the name of the table that was called archetype_sets: SQLite renames none
        UniqueConstraint("dataset_id", "key", name="uq_archetype_sets_dataset_id_key"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(64))  # store.keys.text_set_key: what must be equal to be the same set
    kind: Mapped[str] = mapped_column(String(60), default="archetype", server_default="archetype")
    unit: Mapped[str] = mapped_column(String(16), default="item", server_default="item")
    model: Mapped[str]
    revision: Mapped[str]
    backend: Mapped[str]
    prompt_version: Mapped[str]
    prompt: Mapped[dict[str, Any]]
    sampling: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    dim: Mapped[int]
    code_version: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    folder: Mapped[str]


class TextRow(Base):
    """The text about one item, user or session. position: of it in the data set, from 1. finish: "eos" or "length" (cut at
    the most new tokens allowed). device: what wrote it, "" for texts that were written before this was kept."""

    __tablename__ = "texts"
    __table_args__ = (
        UniqueConstraint("set_id", "position", name="uq_archetypes_set_id_position"),
        CheckConstraint("finish IN ('eos', 'length')", name="finish"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    set_id: Mapped[str] = mapped_column(ForeignKey("text_sets.id", ondelete="CASCADE"))
    position: Mapped[int]
    text: Mapped[str]
    prompt_tokens: Mapped[int]
    generated_tokens: Mapped[int]
    finish: Mapped[str]
    seconds: Mapped[float]
    device: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class TextFailureRow(Base):
    """An item, user or session that the last attempt could not write a text of, and why; it goes when one is written."""

    __tablename__ = "text_failures"

    set_id: Mapped[str] = mapped_column(String(32), ForeignKey("text_sets.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ScorecardRow(Base):
    """The scorecard of a text set: what was measured when it held `texts` texts, the newest of them `last_text`.

    version: of the measures' definitions. behaviour: {"auc", "low", "high", "pairs"}. file: the items' scores, one array a
    measure, row k for item k + 1.
    """

    __tablename__ = "scorecards"

    set_id: Mapped[str] = mapped_column(String(32), ForeignKey("text_sets.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int]
    texts: Mapped[int]
    last_text: Mapped[int]
    behaviour: Mapped[dict[str, Any]]
    file: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class VoteRow(Base):
    """One person's ballot on the archetypes of one item.

    sets: those that were shown beside each other. winner: the best of them, or None; up, down: thumbs. A ballot with
    neither is a tie of all. blind: whether the models' names were hidden. who: a name, if one was given.
    """

    __tablename__ = "votes"
    __table_args__ = (
        ForeignKeyConstraint(["dataset_id", "position"], ["items.dataset_id", "items.position"], ondelete="CASCADE"),
        Index(None, "dataset_id", "position"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int]
    position: Mapped[int]
    sets: Mapped[list[str]]
    winner: Mapped[str | None] = mapped_column(String(32))
    up: Mapped[list[str]]
    down: Mapped[list[str]]
    blind: Mapped[bool]
    reason: Mapped[str]
    who: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PinRow(Base):
    """The archetype that representations use for an item, whatever set they are made from."""

    __tablename__ = "pins"
    __table_args__ = (
        ForeignKeyConstraint(["dataset_id", "position"], ["items.dataset_id", "items.position"], ondelete="CASCADE"),
    )

    dataset_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    set_id: Mapped[str] = mapped_column(String(32), ForeignKey("text_sets.id", ondelete="CASCADE"), index=True)
    who: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PromptTemplateRow(Base):
    """A saved version of a prompt template, for all data sets (`archetypes.prompts.template`); never changed."""

    __tablename__ = "prompt_templates"

    version: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), index=True)
    instruction: Mapped[str]
    attribute: Mapped[str]
    question: Mapped[str]
    noun: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RepresentationRow(Base):
    """Frozen vectors: parts of items, which stand side by side in E, and parts of users and sessions.

    parts: a record each, in the order of their columns (`archetypes.parts.Part`). text_set_id: the set that its items' texts
    are of, where there is one.
    """

    __tablename__ = "representations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(String(32), index=True)
    text_set_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("text_sets.id", ondelete="CASCADE"), index=True)
    model: Mapped[str]
    revision: Mapped[str]
    parts: Mapped[list[dict[str, Any]]] = mapped_column(default=list, server_default="[]")
    variance: Mapped[float | None]
    provenance: Mapped[dict[str, Any]]
    folder: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def dims(self) -> dict[str, int]:
        """Columns of E a part of the items, in their order, e.g. {"prefill": 180}."""
        return {part["name"]: part["columns"] for part in self.parts if part["unit"] == "item"}

    @property
    def explained(self) -> dict[str, float]:
        """Share of the variance that the columns hold, a part of the items."""
        return {part["name"]: part["explained"] for part in self.parts if part["unit"] == "item"}


class RunRow(Base):
    """One run: a recommender that was trained, or that needs no training. state: training, done, failed or stopped.

    backbone, loss: "" where the recommender has none. config: what was read of its configuration, and nothing else. job_id:
    the job that trained it last. efficiency: the fields of `training.efficiency.InferenceFlops`; {} for runs made before it
    was measured. inputs: what it reads, loaded with it. Its metrics are rows of their own (`store.metrics`).
    """

    __tablename__ = "runs"
    __table_args__ = (CheckConstraint("state IN ('training', 'done', 'failed', 'stopped')", name="state"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(String(32), index=True)
    backbone: Mapped[str]
    method: Mapped[str]
    loss: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    config: Mapped[dict[str, Any]]
    config_key: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None]
    trainable_parameters: Mapped[int | None]
    epochs_done: Mapped[int] = mapped_column(default=0)
    best_epoch: Mapped[int | None]
    seconds_per_epoch: Mapped[float | None]
    peak_memory_mb: Mapped[float | None]
    device: Mapped[str]
    protocol: Mapped[dict[str, Any]] = mapped_column(default=dict)
    efficiency: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    code_version: Mapped[str]
    folder: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    inputs: Mapped[list[RunInputRow]] = relationship(
        foreign_keys="RunInputRow.run_id", order_by="RunInputRow.role", lazy="selectin", passive_deletes=True
    )

    def input(self, role: str) -> str | None:
        """The id of what the run reads in that role (`methods.base.Need`), None where it reads nothing in it."""
        return next((row.input_id for row in self.inputs if row.role == role), None)

    @property
    def representation_id(self) -> str | None:
        """The item vectors that it reads, if it reads any."""
        return self.input(ITEM_VECTORS)


ITEM_VECTORS = "representation"
"""The role in which a run reads the representation of its items."""


class RunInputRow(Base):
    """What a run reads in one role: a representation, a set of texts, or another run; only one of the three is there.

    A run goes with what it reads, as its recommender cannot be built without: the row follows the foreign key, and a trigger
    takes the run after it (migration 0006). A further kind of input is a further foreign key here.
    """

    __tablename__ = "run_inputs"
    __table_args__ = (
        CheckConstraint(
            "(CASE WHEN representation_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN text_set_id IS NULL THEN 0 ELSE 1 END) "
            "+ (CASE WHEN source_run_id IS NULL THEN 0 ELSE 1 END) = 1",
            name="one_input",
        ),
    )

    run_id: Mapped[str] = mapped_column(String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    representation_id: Mapped[str | None] = mapped_column(
        String(32), ForeignKey("representations.id", ondelete="CASCADE"), index=True
    )
    text_set_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("text_sets.id", ondelete="CASCADE"), index=True)
    source_run_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("runs.id", ondelete="CASCADE"), index=True)

    @classmethod
    def of(cls, role: str, kind: InputKind, input_id: str) -> RunInputRow:
        """The row of an input that is to be added to a run's."""
        return cls(role=role, **{_INPUT_COLUMNS[kind]: input_id})

    @property
    def kind(self) -> InputKind:
        return next(kind for kind, column in _INPUT_COLUMNS.items() if getattr(self, column) is not None)

    @property
    def input_id(self) -> str:
        return str(getattr(self, _INPUT_COLUMNS[self.kind]))


InputKind = Literal["representation", "texts", "run"]
_INPUT_COLUMNS: dict[InputKind, str] = {"representation": "representation_id", "texts": "text_set_id", "run": "source_run_id"}


class RunMetricRow(Base):
    """One measured number of a run. part: valid or test. place: where it stands among the run's numbers, from 0.

    protocol: full, sampled100, …; "" for what is measured on top-10 lists rather than on ranks (coverage and the like).
    grouping, members: which of the part's users it is about, e.g. popularity and Q1; both "" for all of them.
    """

    __tablename__ = "run_metrics"

    run_id: Mapped[str] = mapped_column(String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[str] = mapped_column(String(16), primary_key=True)
    protocol: Mapped[str] = mapped_column(String(32), primary_key=True)
    grouping: Mapped[str] = mapped_column(String(40), primary_key=True)
    members: Mapped[str] = mapped_column(String(100), primary_key=True)
    metric: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[float]
    place: Mapped[int]


class RunEpochRow(Base):
    """One epoch of a run, counted over its stages. losses: means by name, "total" among them; valid: validation metrics, {}
    where not measured. stage: name of the stage that it belongs to."""

    __tablename__ = "run_epochs"

    run_id: Mapped[str] = mapped_column(String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stage: Mapped[str] = mapped_column(String(40), default="main", server_default="main")
    losses: Mapped[dict[str, float]]
    valid: Mapped[dict[str, float]]
    seconds: Mapped[float]


class WorkerRow(Base):
    """A process that runs jobs. It is alive as long as its lease; its row goes when it leaves.

    slots: jobs it runs at a time. executor: "local" (processes of its own) or "ray" (the cluster's). devices: its GPUs, each
    {"index", "name", "total_mb", "free_mb", "utilization"}.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    executor: Mapped[str] = mapped_column(String(16))
    slots: Mapped[int]
    devices: Mapped[list[dict[str, Any]]]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    heartbeat_at: Mapped[datetime] = mapped_column(default=utc_now)
    lease_until: Mapped[datetime]


class JobRow(Base):
    """A long verb that was asked for: the one truth about it, whoever runs it.

    key: what two requests share that ask for the same; only one of them is queued or running at a time. config: the typed
    request. gpus: how many it wants (0: none, None: one where the worker has any); gpu: a certain one; devices: those it was
    given. attempts: how often it was started; it is started again until max_attempts when its worker or process dies.
    worker_id, lease_until: who runs it, and until when he may be silent. usage: {"cpu_percent",
    "memory_mb"} of its processes. estimate: what was expected before it was launched. log: a file in the workspace.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
        Index("ix_jobs_state", "state", "created_at"),
        Index(
            "uq_jobs_live_key",
            "key",
            unique=True,
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str]
    dataset: Mapped[str | None]
    config: Mapped[dict[str, Any]]
    key: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="queued")
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    gpus: Mapped[int | None]
    gpu: Mapped[int | None]
    min_free_mb: Mapped[int] = mapped_column(default=0)
    devices: Mapped[list[int]] = mapped_column(default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    worker_id: Mapped[str | None] = mapped_column(String(100), index=True)
    lease_until: Mapped[datetime | None]
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    what: Mapped[str] = mapped_column(default="")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    usage: Mapped[dict[str, float]] = mapped_column(default=dict)
    estimate: Mapped[dict[str, Any] | None]
    log: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
