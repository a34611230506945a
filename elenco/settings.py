"""All settings: defaults here, then a TOML file, then `ELENCO_<SECTION>__<KEY>`.

The variables may stand in a file `elenco.env`, as Docker Compose reads it; the environment wins.
A secret that none of them gives is read from `data/state/ops/secrets`, as Compose does too.

`config/default.toml` documents each key with its unit and range; a test keeps it equal to this.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from elenco.errors import ConfigError
from elenco.ops.places import Places
from elenco.ops.secret_files import read_secret

Fraction = Annotated[float, Field(ge=0, le=1)]
People = Annotated[int, Field(ge=2)]  # with fewer there is nobody to tell apart
CONFIG_VARIABLE = "ELENCO_CONFIG"


FILE = "_FILE"  # ELENCO_TMDB__TOKEN_FILE names a file that holds the token
ENVIRONMENT_FILE = Path("elenco.env")  # under the working directory
KEPT_SECRETS = {  # their names in the folder of secrets
    ("tmdb", "token"): "tmdb_token",
    ("alarms", "webhook_url"): "webhook_url",
    ("alarms", "slack_url"): "slack_url",
    ("alarms", "email_url"): "email_url",
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone: give one such as Europe/Lisbon") from None
    return name


def _address(pattern: str, wanted: str) -> AfterValidator:
    """Of a secret address: empty, or of this form. What is wrong is said without it."""

    def check(address: SecretStr) -> SecretStr:
        text = address.get_secret_value()
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"not of the form {wanted}")
        return address

    return AfterValidator(check)


WebhookUrl = Annotated[SecretStr, _address(r"https?://[^\s/]\S*", "https://…")]
SlackUrl = Annotated[
    SecretStr,
    _address(
        r"https://hooks\.slack(-gov)?\.com/services(/[A-Za-z0-9]+){3}",
        "https://hooks.slack.com/services/T…/B…/…",
    ),
]
EmailUrl = Annotated[SecretStr, _address(r"mailtos?://[^\s/]\S*", "mailtos://… or mailto://…")]
Cron = Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]
Zone = Annotated[str, AfterValidator(_known_zone)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )


class Paths(Section):
    data: Path = Path("data")
    models: Path = Path("models")


class Tmdb(Section):
    api_url: str = "https://api.themoviedb.org/3"
    token: SecretStr = SecretStr("")
    terms_accepted: bool = False
    rate_per_second: float = Field(default=40.0, gt=0, le=1000)
    retries: int = Field(default=5, ge=0, le=20)
    timeout_seconds: float = Field(default=30.0, gt=0)
    outage_seconds: float = Field(default=180.0, ge=0, le=3600)
    export_url: str = ""
    image_hosts: tuple[str, ...] = ("image.tmdb.org",)


class Collect(Section):
    source: Literal["tmdb", "folder"] = "tmdb"
    folder: Path | None = None
    cast: Path | None = None
    people: People = 10_000
    photos_per_person: int = Field(default=30, ge=1)
    image_size: str = Field(default="h632", pattern=r"^(original|[wh]\d+)$")
    connections: int = Field(default=32, ge=1, le=256)
    megabytes_in_flight: float = Field(default=64.0, gt=0)
    max_megabytes: float = Field(default=20.0, gt=0)
    max_megapixels: float = Field(default=40.0, gt=0)
    test_fraction: Fraction = 0.2
    shards: int = Field(default=64, ge=1, le=1024)
    retry_skipped_days: int = Field(default=7, ge=0)


class Retention(Section):
    refresh_days: int = Field(default=150, ge=1)
    max_days: int = Field(default=180, ge=1, le=183)
    retired_days: int = Field(default=30, ge=0)


class Faces(Section):
    batch: int = Field(default=32, ge=1, le=1024)
    min_score: Fraction = 0.9
    min_face_pixels: int = Field(default=20, ge=20)
    first_look_pixels: int = Field(default=40, ge=20)


class Embedding(Section):
    embedder: str = "facenet"
    batch: int = Field(default=0, ge=0, le=4096)
    mirror: bool = False


class Compute(Section):
    runtime: Literal["auto", "keras", "openvino"] = "auto"
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    threads: int = Field(default=0, ge=0, le=256)


class Scale(Section):
    runner: Literal["threads", "dask"] = "threads"
    dask_address: str = Field(default="", pattern=r"^((tcp|tls)://[^/\s]+:\d+)?$")
    dask_workers: int = Field(default=2, ge=1, le=256)
    store: str = ""
    worker_data: Path = Path("data/state/ops/worker")

    @model_validator(mode="after")
    def _store_is_of_other_machines(self) -> "Scale":
        if self.store and not (self.runner == "dask" and self.dask_address):
            raise ValueError("store is for the workers at dask_address, and runner is to be dask")
        if self.store and "://" not in self.store and not Path(self.store).is_absolute():
            raise ValueError("store is an address, or a whole path that every machine has")
        return self


class Curation(Section):
    enabled: bool = True
    min_quality: Fraction = 0.2
    duplicate_bits: int = Field(default=16, ge=0, le=32)
    certainty: float = Field(default=0.5, ge=0.5, lt=1)


class Training(Section):
    seed: int = 0
    false_positive_rate: float = Field(default=0.01, gt=0, lt=1)
    svm_people: int = Field(default=1000, ge=2)


class Evaluation(Section):
    bootstrap: int = Field(default=1000, ge=1, le=10_000)
    robustness_photographs: int = Field(default=500, ge=1)
    gallery_sizes: tuple[Annotated[int, Field(ge=2)], ...] = (100, 1000, 10_000)


class Publish(Section):
    tolerance: Fraction = 0.0
    promote_other_cast: bool = False
    keep_versions: int = Field(default=14, ge=2)
    tfjs_quantize: Literal["none", "float16"] = "float16"


class Schedule(Section):
    cron: Cron = "0 6 * * *"
    retention_cron: Cron = "0 12 * * *"
    timezone: Zone = "UTC"


class Alarms(Section):
    webhook_url: WebhookUrl = SecretStr("")
    slack_url: SlackUrl = SecretStr("")
    email_url: EmailUrl = SecretStr("")
    vanished_seconds: int = Field(default=180, ge=60)
    unstarted_seconds: int = Field(default=600, ge=60)
    silence_hours: float = Field(default=36.0, ge=0.005)

    @property
    def addresses(self) -> dict[str, SecretStr]:
        """Where alarms go, by kind; those that are set."""
        kinds = {"webhook": self.webhook_url, "Slack": self.slack_url, "e-mail": self.email_url}
        return {kind: url for kind, url in kinds.items() if url.get_secret_value()}


class Xray(Section):
    samples_per_second: float = Field(default=5.0, gt=0, le=60)
    min_face: float = Field(default=0.06, gt=0, le=1)
    faces_per_track: int = Field(default=8, ge=1, le=64)
    gap_seconds: float = Field(default=1.0, ge=0, le=60)
    segment_seconds: float = Field(default=180.0, ge=1, le=3600)
    keep_work: bool = False


class Settings(BaseSettings):
    """Every setting. Frozen; make it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="ELENCO_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    paths: Paths = Paths()
    tmdb: Tmdb = Tmdb()
    collect: Collect = Collect()
    retention: Retention = Retention()
    faces: Faces = Faces()
    embedding: Embedding = Embedding()
    compute: Compute = Compute()
    scale: Scale = Scale()
    curation: Curation = Curation()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    publish: Publish = Publish()
    xray: Xray = Xray()
    schedule: Schedule = Schedule()
    alarms: Alarms = Alarms()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values come as init arguments."""
        if isinstance(env_settings, EnvSettingsSource):
            variables = {**_of_file(), **env_settings.env_vars}
            env_settings.env_vars = _with_secret_files(settings_cls, variables)
        return env_settings, init_settings

    @property
    def source_id(self) -> str:
        """Which state belongs together: one folder of records per source of people."""
        if self.collect.source == "tmdb":
            return "tmdb"
        folder = str(self.collect.folder and self.collect.folder.resolve())
        return "folder-" + hashlib.sha256(folder.encode()).hexdigest()[:8]


def _of_file() -> dict[str, str | None]:
    """The variables of ENVIRONMENT_FILE, in small letters as the environment's are."""
    found = dotenv_values(ENVIRONMENT_FILE, interpolate=False)
    return {name.lower(): value for name, value in found.items()}


def _with_secret_files(
    settings: type[BaseSettings], variables: Mapping[str, str | None]
) -> dict[str, str | None]:
    """The environment, with each secret that a `…_FILE` variable names read from its file.

    What is in a file shows neither in `docker inspect` nor in a process's environment.

    Raises:
        ConfigError: the file can't be read, or the variable itself is set too. An empty file is
            an empty secret.
    """
    found = dict(variables)
    for section, field in settings.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            continue
        for key in (k for k, f in model.model_fields.items() if f.annotation is SecretStr):
            name = f"ELENCO_{section}__{key}".upper()
            path = found.pop(f"{name}{FILE}".lower(), None)
            if not path:
                continue
            if found.get(name.lower()):
                raise ConfigError(f"{name} and {name}{FILE} are both set: unset one")
            found[name.lower()] = read_secret(Path(path), f"{name}{FILE}", empty=True)
    return found


def load_settings(config: Path | str | None = None, **overrides: dict[str, Any]) -> Settings:
    """Read settings.

    Args:
        config: a TOML file; by default the one that `ELENCO_CONFIG` names, else
            `config/default.toml` under the working directory if it is there.
        overrides: sections of values that win over file and environment (a command's options);
            a value of None changes nothing.

    Raises:
        ConfigError: one line that names the key, what is wrong and where to set it.
    """
    path = Path(config) if config else _default_config()
    file: dict[str, Any] = {}
    if path is not None:
        try:
            file = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            message = f"there is no settings file {path}: give another with --config"
            raise ConfigError(message) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from None
    try:
        settings = Settings(**file)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None
    except SettingsError as error:
        raise ConfigError(f"an ELENCO_ variable can't be read: {error}") from None
    settings = _override(settings, overrides)
    return _override(settings, _kept_secrets(settings))


def _kept_secrets(settings: Settings) -> dict[str, dict[str, Any]]:
    """What the folder of secrets holds and nothing else says; whose folder it is not can't read."""
    found: dict[str, dict[str, Any]] = {}
    folder = Places.of(settings.paths.data).secrets
    for (section, key), name in KEPT_SECRETS.items():
        path = folder / name
        if key not in getattr(settings, section).model_fields_set and os.access(path, os.R_OK):
            text = read_secret(path, f"setting {section}.{key}", empty=True)
            found.setdefault(section, {})[key] = text
    return found


def _override(settings: Settings, overrides: dict[str, dict[str, Any]]) -> Settings:
    update = {}
    for name, values in overrides.items():
        section: Section = getattr(settings, name)
        values = {key: value for key, value in values.items() if value is not None}
        try:
            update[name] = type(section).model_validate(section.model_dump() | values)
        except ValidationError as error:
            raise ConfigError(_one_line(error, name)) from None
    return settings.model_copy(update=update)


def _default_config() -> Path | None:
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    default = Path("config/default.toml")
    return default if default.exists() else None


def _one_line(error: ValidationError, *section: str) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    keys = [*section, *(str(part) for part in first["loc"])]
    variable = "ELENCO_" + "__".join(key.upper() for key in keys)
    key = ".".join(keys)
    if first["type"] == "extra_forbidden":
        return f"there is no setting {key}: see config/default.toml for those there are"
    said = first["msg"].removeprefix("Value error, ")
    return f"setting {key}: {said} (set it in the config file or as {variable})"
