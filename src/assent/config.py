"""Settings: each one once, with its name, default, unit and meaning.

Every field can be set by an environment variable ``ASSENT_<NAME>``; the command line's options win over it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are kept and how much of the machine is used."""

    model_config = SettingsConfigDict(env_prefix="ASSENT_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("assent", appauthor=False)),
        description="Folder of the records, calibrations and, unless set apart, models.",
    )
    key_file: Path | None = Field(
        default=None,
        description="The master key. Default: `keys/master.key` in the user's configuration folder when the "
        "data folder is the default one, else `DATA_DIR.keys/master.key` beside it. Keep it out of the "
        "backups of the data folder.",
    )
    log_key_file: Path | None = Field(
        default=None,
        description="The key that signs the log's checkpoints. Default: `log-signing.key` beside the master key; "
        "its public keys are in a file beside it that ends in `.pub`.",
    )
    checkpoint_file: Path | None = Field(
        default=None,
        description="Signed checkpoints of the log are appended here. Default: `checkpoints.txt` beside the master "
        "key. Best on another machine's disk (docs/log.md).",
    )
    models_dir: Path | None = Field(default=None, description="Model files. Default: `DATA_DIR/models`.")
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the records, e.g. `postgresql+psycopg://user@host/db`. "
        "Default: SQLite in the data folder.",
    )
    detector: str = Field(
        default="centerface", description="The model that finds faces, by its manifest name."
    )
    embedder: str = Field(
        default="dlib-resnet-v1", description="The model that makes templates, by its manifest name."
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="Threads for the networks; 0 takes the machine's cores."
    )
    index: Literal["auto", "exact", "faiss", "milvus"] = Field(
        default="auto",
        description="What searches galleries: `exact` compares with everybody, `faiss` holds tens of millions in one "
        "machine's memory, `milvus` leaves it to a Milvus (docs/scale.md). `auto` takes FAISS where it is installed, "
        "exact search elsewhere.",
    )
    milvus_uri: str | None = Field(
        default=None,
        description="Milvus's address, e.g. `https://milvus.example:19530`, or a file that ends in `.db` for Milvus "
        "Lite; no user or password. Required where `index` is `milvus`.",
    )
    milvus_token: SecretStr | None = Field(
        default=None, description="Milvus's `USER:PASSWORD`, or API key. Default: none is sent."
    )
    milvus_index: Literal["FLAT", "HNSW", "HNSW_SQ", "DISKANN"] = Field(
        default="FLAT",
        description="How Milvus searches: `FLAT` compares with everybody and misses nobody; the others look at part of "
        "the gallery (docs/scale.md says when, and what they may miss).",
    )
    milvus_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long Milvus may take for one answer, seconds."
    )
    save_galleries_from: int = Field(
        default=50_000,
        ge=1,
        description="Galleries of so many people or more are saved in the data folder, encrypted, so that a process "
        "starts fast; smaller ones are read from the records.",
    )
    max_image_bytes: int = Field(
        default=64 * 2**20, ge=1, description="Largest encoded image that is opened, bytes."
    )
    max_image_pixels: int = Field(
        default=100_000_000, ge=1, description="Largest image that is decoded, pixels (width x height)."
    )
    max_video_pixels: int = Field(
        default=36_000_000,
        ge=1,
        description="Largest frame of a video that is decoded, pixels (width x height).",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the server listens on. Any other than a loopback one lets other machines in.",
    )
    port: int = Field(
        default=8731, ge=0, le=65535, description="Port that the server listens on; 0 takes a free one."
    )
    max_concurrent: int = Field(
        default=0, ge=0, le=256, description="Requests worked on at once; 0 takes the machine's cores."
    )
    max_waiting: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="Requests that wait for their turn; more are told to come back (ThrottlingException, 429).",
    )
    max_wait_s: float = Field(
        default=15.0, gt=0, le=3600, description="Longest wait for a turn, seconds; then the same."
    )
    max_upload_bytes: int = Field(
        default=32 * 2**20, ge=1, description="Largest request to REST or the console, bytes."
    )
    checkpoint_every_s: float = Field(
        default=60.0, gt=0, description="How often the server signs the log if it grew, seconds."
    )
    sweep_every_s: float = Field(
        default=300.0,
        gt=0,
        description="How often the server ends expired consents and lapsed reviews for good, seconds. They are ignored "
        "from the moment on at which they expire.",
    )

    jobs_dir: Path | None = Field(
        default=None,
        description="Folder of what jobs are given and make, sealed. Workers on other machines need the same one. "
        "Default: `DATA_DIR/jobs`.",
    )
    max_jobs: int = Field(
        default=20, ge=1, le=10_000, description="Jobs that wait or run at once; more are refused."
    )
    job_workers: int = Field(
        default=1,
        ge=0,
        le=64,
        description="Jobs that the server works on at once; 0 leaves them to `assent worker`.",
    )
    job_lease_s: float = Field(
        default=60.0,
        ge=1,
        description="A job whose worker has not been heard of for so long is taken up by another, seconds.",
    )
    job_attempts: int = Field(
        default=3, ge=1, le=100, description="How often a job is taken up before it fails."
    )
    job_poll_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How often a worker that has nothing to do looks for a job, seconds.",
    )
    job_days: float = Field(
        default=7.0, gt=0, le=90, description="How long a job's result is kept, days; then it is destroyed."
    )
    max_video_bytes: int = Field(default=10 * 2**30, ge=1, description="Largest video of a job, bytes.")
    max_video_s: float = Field(default=6 * 3600.0, gt=0, description="Longest video of a job, seconds.")
    notifications: dict[str, str] = Field(
        default_factory=dict,
        description="Where the ends of jobs are told, as JSON: from the ARN of an SNS topic to the URL of a webhook, "
        "or to `sns` to publish it there.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Webhooks are signed with it (docs/video.md, docs/live.md). Required where there are any.",
    )
    sns_endpoint: str | None = Field(
        default=None, description="URL of what `sns` publishes to. Default: Amazon's."
    )
    sns_region: str = Field(default="us-east-1", description="Region that requests to SNS are signed for.")
    stream_sources: dict[str, str] = Field(
        default_factory=dict,
        description="What Rekognition programs call cameras, as JSON: from the ARN of a Kinesis video stream to "
        "`PLACE/CAMERA`.",
    )
    stream_outputs: dict[str, str] = Field(
        default_factory=dict,
        description="Where the records of stream processors go, as JSON: from the ARN of a Kinesis data stream to the "
        "URL of a webhook, to `file:PATH`, or to `kinesis` to put them there.",
    )
    kinesis_endpoint: str | None = Field(
        default=None, description="URL of what `kinesis` puts records to. Default: Amazon's."
    )
    notice_attempts: int = Field(
        default=8,
        ge=1,
        le=100,
        description="How often it is tried to tell the end of a job; each wait is longer.",
    )

    default_purpose: str | None = Field(
        default=None,
        description="The purpose of a collection that a Rekognition program makes without the tag `assent:purpose`.",
    )
    region: str = Field(
        default="us-east-1",
        description="The AWS region that the server's ARNs name and signatures are made for.",
    )
    account: str = Field(
        default="000000000000",
        pattern=r"^\d{12}$",
        description="The AWS account that the server's ARNs name.",
    )
    review_days: float = Field(
        default=7.0, gt=0, le=90, description="How long a review waits for two people before it lapses, days."
    )
    objects: Literal["folders", "s3"] = Field(
        default="folders", description="Where the pictures of an `S3Object` lie: local folders, or an S3."
    )
    objects_dir: Path | None = Field(
        default=None, description="The folder whose folders are buckets. Default: `DATA_DIR/buckets`."
    )
    s3_endpoint: str | None = Field(default=None, description="URL of the S3. Default: Amazon's.")
    s3_region: str = Field(default="us-east-1", description="Region that requests to the S3 are signed for.")
    s3_access_key_id: str | None = Field(
        default=None, description="Key for the S3. Default: where boto3 looks for one."
    )
    s3_secret_access_key: SecretStr | None = Field(default=None, description="The key's secret.")
    s3_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="How long the S3 may take for one picture, seconds; a video may take 4 s a MiB longer.",
    )

    @cached_property
    def key_path(self) -> Path:
        """The master key's file."""
        if self.key_file is not None:
            return self.key_file
        default = Path(platformdirs.user_data_dir("assent", appauthor=False))
        if self.data_dir == default:
            return Path(platformdirs.user_config_dir("assent", appauthor=False)) / "keys" / "master.key"
        folder = self.data_dir.resolve()  # "." and ".." have no name to put ".keys" after
        return folder.with_name(folder.name + ".keys") / "master.key"

    @cached_property
    def log_key_path(self) -> Path:
        """The file of the key that signs the log."""
        return (
            self.log_key_file if self.log_key_file is not None else self.key_path.with_name("log-signing.key")
        )

    @cached_property
    def checkpoint_path(self) -> Path:
        """The file of the log's checkpoints."""
        return (
            self.checkpoint_file
            if self.checkpoint_file is not None
            else self.key_path.with_name("checkpoints.txt")
        )

    @cached_property
    def models_path(self) -> Path:
        """The folder of model files."""
        return self.models_dir if self.models_dir is not None else self.data_dir / "models"

    @cached_property
    def objects_path(self) -> Path:
        """The folder whose folders are buckets."""
        return self.objects_dir if self.objects_dir is not None else self.data_dir / "buckets"

    @cached_property
    def jobs_path(self) -> Path:
        """The folder of what jobs are given and make."""
        return self.jobs_dir if self.jobs_dir is not None else self.data_dir / "jobs"

    @cached_property
    def records_url(self) -> str:
        """The SQLAlchemy URL of the records."""
        # A folder may be called "50%" or "what?", which mean something else in a URL.
        return (
            self.database_url
            or f"sqlite:///{quote(str(self.data_dir / 'records.sqlite3'), errors='surrogateescape')}"
        )
