"""The profile: every setting of a process, read once from the environment and handed down.

This module alone reads the environment. A vendor's settings are not listed here: `section("gong")` gives what begins
with `SOPHIA_GONG_`, and the source's own module says what it knows.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from contracts.errors import InvalidSetting, MissingSetting
from transforms import competitors

PREFIX = "SOPHIA_"

_Section = TypeVar("_Section", bound=msgspec.Struct)


class EmbeddingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_EMBEDDING_*`: what makes a vector, and so a part of its fingerprint."""

    model: Literal["all-minilm-l6-v2", "arctic-embed-m-v1.5", "hash-64"] = "all-minilm-l6-v2"
    dtype: Literal["fp32", "bf16"] = "fp32"
    device: str = "cpu"
    """`cpu`, `cuda`, `cuda:1`; not a part of the fingerprint."""
    weights: str | None = None
    """Folder of the model's weights; not needed for the models that carry theirs."""

    @property
    def model_id(self) -> str:
        """`all-minilm-l6-v2/fp32`: the model and the precision that its vectors were computed in."""
        return f"{self.model}/{self.dtype}"

    @property
    def dimension(self) -> int:
        return {"all-minilm-l6-v2": 384, "arctic-embed-m-v1.5": 768, "hash-64": 64}[self.model]

    @property
    def table_suffix(self) -> str:
        """`ALL_MINILM_L6_V2`: behind MEMORY_RECORDS_ in the name of the model's own table."""
        return self.model.upper().replace("-", "_").replace(".", "_")


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_KAFKA_*`."""

    bootstrap: str = "127.0.0.1:19092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    partitions: Annotated[int, msgspec.Meta(ge=1)] = 4
    """Of a topic that we create."""
    replication: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Of a topic that we create; 3 in production."""
    session_timeout_s: Annotated[float, msgspec.Meta(ge=1, le=1800)] = 6.0
    """A reader that is silent for longer loses its partitions."""


class SnowflakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_SNOWFLAKE_*`; a password is refused unless the host is loopback (Snowflake blocks them for services)."""

    account: str | None = None
    user: str | None = None
    role: str | None = None
    warehouse: str | None = None
    database: str = "SOPHIA_AI_PRODUCTION"
    authenticator: Literal["SNOWFLAKE_JWT", "PROGRAMMATIC_ACCESS_TOKEN", "WORKLOAD_IDENTITY", "PASSWORD"] = (
        "SNOWFLAKE_JWT"
    )
    private_key_file: str | None = None
    private_key_file_pwd: str | None = None
    token: str | None = None
    workload_identity_provider: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    protocol: Literal["https", "http"] = "https"


class IntelligenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_INTELLIGENCE_*`: what numbers and mentions depend on."""

    competitors: str = ""
    """`Planora, Planora Cloud; Timberline Crew, =Timberline`: competitors between semicolons, aliases between commas,
    the name first. `=` before one that is also a word: it is found in this case alone."""
    hosted_million_tokens: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """What a hosted service takes for embedding a million tokens, in the home currency."""
    hardware_hour: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """What an hour of the hardware that embeds costs, in the home currency."""

    def named(self) -> dict[str, tuple[str, ...]]:
        """The competitors with their aliases. Raises InvalidSetting."""
        try:
            return competitors.parse(self.competitors)
        except ValueError as error:
            raise InvalidSetting("SOPHIA_INTELLIGENCE_COMPETITORS", self.competitors, str(error)) from error


class AirbyteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_AIRBYTE_*`: the Airbyte through which the sources come that say so (`SOPHIA_GONG_VIA`)."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://.*[^/]$")] = "https://api.airbyte.com/v1"
    """Of the public API; `https://<host>/api/public/v1` where it is your own."""
    client_id: str | None = None
    client_secret: str | None = None
    token: str | None = None
    """An access token, in the place of the two above; Airbyte's end after minutes."""
    workspace_id: str | None = None
    destination_id: str | None = None
    """The destination that writes into our warehouse's database."""
    sync_timeout_minutes: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """A sync that takes longer is cancelled."""
    poll_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """How often a sync is asked how far it is."""

    def needed(self, name: Literal["client_id", "client_secret", "workspace_id", "destination_id"]) -> str:
        """Raises MissingSetting."""
        value: str | None = getattr(self, name)
        if value is None:
            raise MissingSetting(f"SOPHIA_AIRBYTE_{name.upper()}", "a sync by Airbyte")
        return value


class AutomationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_AUTOMATION_*`: what starts by itself. When a source is read is in its own settings."""

    lander: Literal["sensor", "resident"] = "sensor"
    """Who lands vectors: runs that a sensor asks for, or `sophia land --follow`. Exactly one of them does."""
    freshness_minutes: Annotated[int, msgspec.Meta(ge=1)] = 5
    """A source whose last landing is older breaks the promise."""


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_WEBHOOKS_*`: the receiver. What a vendor signs with is in its own settings."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 18770
    journal_mb: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """What has not landed, at most; beyond it vendors are asked to try again later."""


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_ALERTS_*`: where a failed run or check is told. None set: the log alone."""

    slack_webhook: str | None = None
    """URL of a Slack incoming webhook; a secret."""
    email_to: str | None = None
    """Address, or several with commas between."""
    email_from: str = "sophia@localhost"
    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 25
    smtp_user: str | None = None
    smtp_password: str | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of this process. `SOPHIA_<FIELD>` sets a field."""

    home: Path = Path("var")
    """All that a run writes lies below it."""
    warehouse: Literal["duckdb", "snowflake"] = "duckdb"
    publish_lease_s: float = 600.0
    """A published document that has not landed after this long is published again."""
    sandbox_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 18765
    embedding: EmbeddingSettings = EmbeddingSettings()
    kafka: KafkaSettings = KafkaSettings()
    snowflake: SnowflakeSettings = SnowflakeSettings()
    intelligence: IntelligenceSettings = IntelligenceSettings()
    automation: AutomationSettings = AutomationSettings()
    alerts: AlertSettings = AlertSettings()
    airbyte: AirbyteSettings = AirbyteSettings()
    webhooks: WebhookSettings = WebhookSettings()
    vendors: dict[str, dict[str, str]] = {}
    """Source → its settings, names in lower case without the prefix; read by `section`."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Profile:
        """Read the environment, or what stands in for it in a test.

        Raises:
            InvalidSetting: a value that cannot be used, or a `SOPHIA_` name that nothing knows.
        """
        environ = os.environ if environ is None else environ
        fields: dict[str, Any] = {}
        sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
        vendors: dict[str, dict[str, str]] = {}
        for variable, value in environ.items():
            if not variable.startswith(PREFIX) or value == "":
                continue
            name = variable.removeprefix(PREFIX).lower()
            section, _, rest = name.partition("_")
            if name in _PLAIN_FIELDS:
                fields[name] = value
            elif section in sections and rest:
                sections[section][rest] = value
            elif section in _sources() and rest:
                vendors.setdefault(section, {})[rest] = value
            else:
                raise InvalidSetting(variable, _shown(name, value), f"no setting has this name{_did_you_mean(name)}")
        built: dict[str, Any] = {name: _convert(values, name, _SECTIONS[name]) for name, values in sections.items()}
        plain = _convert(fields, "", _Plain)
        return cls(**{f: getattr(plain, f) for f in _PLAIN_FIELDS}, **built, vendors=vendors)

    def section(self, source: str, type_: type[_Section]) -> _Section:
        """A vendor's settings as its module declares them.

        Raises:
            InvalidSetting: a value or a name that the declaration does not know.
        """
        return _convert(self.vendors.get(source, {}), source, type_)

    @property
    def duckdb_path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def cache_path(self) -> Path:
        """The vectors on disk."""
        return self.home / "vectors"

    @property
    def landing_path(self) -> Path:
        """dlt's working folders and Parquet files."""
        return self.home / "landing"

    @property
    def journal_path(self) -> Path:
        """What webhooks brought and has not landed."""
        return self.home / "webhooks"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"


def environment() -> dict[str, str]:
    """The environment as it is, for a process that we start."""
    return dict(os.environ)


class _Plain(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of Profile that are not a section."""

    home: Path = Path("var")
    warehouse: Literal["duckdb", "snowflake"] = "duckdb"
    publish_lease_s: float = 600.0
    sandbox_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 18765


_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "embedding": EmbeddingSettings,
    "kafka": KafkaSettings,
    "snowflake": SnowflakeSettings,
    "intelligence": IntelligenceSettings,
    "automation": AutomationSettings,
    "alerts": AlertSettings,
    "airbyte": AirbyteSettings,
    "webhooks": WebhookSettings,
}
_PLAIN_FIELDS = _Plain.__struct_fields__


def _sources() -> frozenset[str]:
    """Every source has a sibling in `transforms.rows`; no list is kept."""
    from transforms import rows

    return frozenset(rows.sources())


def _convert(values: Mapping[str, str], section: str, type_: type[_Section]) -> _Section:
    prefix = PREFIX + (f"{section.upper()}_" if section else "")
    known = type_.__struct_fields__
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise InvalidSetting(
                prefix + name.upper(), _shown(name, value), f"no setting has this name{_hint(prefix, close)}"
            )
        try:
            msgspec.convert({name: value}, type_, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            rule = str(error).partition(" - at ")[0][:1].lower() + str(error).partition(" - at ")[0][1:]
            raise InvalidSetting(prefix + name.upper(), _shown(name, value), rule) from error
        is_vendors = section not in _SECTIONS or section == "airbyte"
        if is_vendors and _is_secret(name) and not _VISIBLE.fullmatch(value):
            rule = (
                "a vendor's secret holds visible ASCII characters alone; is there a space, or a line's end behind it?"
            )
            raise InvalidSetting(prefix + name.upper(), _shown(name, value), rule)
    return msgspec.convert(dict(values), type_, strict=False, dec_hook=_decode)


def _decode(type_: type, value: Any) -> Any:
    if type_ is Path:
        return Path(value)
    raise NotImplementedError(type_)


def _shown(name: str, value: str) -> str:
    """A setting's value as an error may show it: never a secret."""
    return "***" if _is_secret(name) else value


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("key", "secret", "token", "password", "pwd", "webhook"))


_VISIBLE = re.compile("[!-~]*")
"""What a header can carry: of anything else the HTTP client's error would show the whole value."""


def _did_you_mean(name: str) -> str:
    known = [*_PLAIN_FIELDS, *(f"{s}_{f}" for s, t in _SECTIONS.items() for f in t.__struct_fields__)]
    return _hint(PREFIX, difflib.get_close_matches(name, known, n=1))


def _hint(prefix: str, close: list[str]) -> str:
    return f"; did you mean {prefix}{close[0].upper()}?" if close else "; README lists them all"
