"""Every option of the platform: default, type, description. Embedded mode is all defaults.

An option is set by, in this order: an argument, the environment variable ``HEADRACE_<NAME>``, the file
``headrace.toml`` in the data folder. ``python -m headrace.settings`` prints the reference page.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from headrace.errors import Invalid, Problem

__all__ = [
    "CONFIG_FILE",
    "Duration",
    "Option",
    "Settings",
    "Size",
    "ignored_variables",
    "load",
    "options",
    "parse_duration",
    "parse_size",
    "reference_page",
]

CONFIG_FILE = "headrace.toml"
PREFIX = "HEADRACE_"
OTHERS = re.compile(PREFIX + r"(URL|TOKEN|TEST_\w+)")
"""Variables of the command line and of the tests."""

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_size(value: object) -> object:
    """Bytes of ``"256MB"``, ``"8 GiB"`` or ``"512k"`` (powers of 1024); other types pass unchanged."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("a size is a number with an optional unit: 64KB, 256MB, 8GB")
    power = " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * 1024**power)


def parse_duration(value: object) -> object:
    """Seconds of ``"24h"``, ``"1m30s"``, ``"250ms"`` or ``"7"``; other types pass unchanged."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(rf"({_DURATION.pattern}\s*)+", text):
        raise ValueError("a duration is numbers with units: 250ms, 10s, 1m30s, 24h, 7d")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def parse_names(value: object) -> object:
    """The names in ``"a, b"``; other types pass unchanged."""
    return tuple(filter(None, (each.strip() for each in value.split(",")))) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
"""Bytes; written as a number or as text with a unit."""
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
"""Seconds; written as a number or as text with units."""

Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_names)]
"""Names; written as a list or as text between commas."""


class Settings(BaseSettings):
    """All options. Frozen: what was read at the start holds until the end."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, validate_default=True, env_ignore_empty=True
    )

    data: Path = Field(
        default=Path("data"),
        description="Folder that holds everything: database, broker store, repositories, builds, keys, logs. "
        "Two data folders on one machine never interfere. Not settable in the file, which is inside it.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address the server listens on. `0.0.0.0` opens it to the network."
    )
    port: int = Field(default=7475, ge=0, le=65535, description="Port the server listens on; 0 picks a free one.")

    server_names: Names = Field(
        default=(),
        description="Further host names this server answers to (comma-separated), such as that of a reverse proxy. "
        "On a loopback address it answers to local names only, so that no web page can reach it by a name of its own.",
    )

    broker_url: str | None = Field(
        default=None,
        description="URL of a NATS server (2.14 or later, with JetStream). "
        "Without it an embedded one is started on a port of its own.",
    )
    broker_user: str | None = Field(default=None, description="User name for `broker_url`.")
    broker_password: str | None = Field(default=None, repr=False, description="Password for `broker_url`.")
    durability: Literal["relaxed", "fsync"] = Field(
        default="relaxed",
        description="`relaxed`: a power cut may lose what came in the last `sync_interval`; a killed process "
        "loses nothing. `fsync`: a power cut loses nothing either, at a much lower throughput.",
    )
    sync_interval: str = Field(
        default="1s",
        pattern=r"^\d+(ms|s|m)$",
        description="How often the embedded broker flushes its files to disk under `durability: relaxed`.",
    )
    max_file_store: Size = Field(
        default=1024**4,
        description="What the journals of all flows may be promised together by the embedded broker. It is a "
        "reservation on paper: each flow counts with its whole `journal_bytes` from its first start on, whatever it "
        "has used of it. `headrace doctor` looks at the space that is really free.",
    )
    journal_bytes: Size = Field(default=256 * 1024**2, description="Disk space of one flow's journal.")
    journal_keep: Duration = Field(
        default=86_400.0, description="How long processed messages stay in the journal, for inspection and replay."
    )
    test_idle: Duration = Field(
        default=300.0, description="How long the test deployment of a draft stays warm after its last test."
    )
    test_within: Duration = Field(default=120.0, description="How long one test of a draft may take.")
    message_limit: Size = Field(
        default=16 * 1024**2, le=48 * 1024**2, description="Largest message body, as JSON; 48MB at most."
    )
    inline_limit: Size = Field(
        default=1024**2,
        le=4 * 1024**2,
        description="A message that is larger, with all it carries, leaves its largest bodies in the object store and "
        "travels with references to them; 4MB at most. Also the largest snapshot.",
    )
    object_limit: Size = Field(default=100 * 1024**2, description="Largest object: a file or an attachment.")
    object_bytes: Size = Field(
        default=1024**3,
        description="Disk space of one flow's objects, large bodies included; reserved, like `journal_bytes`, from the "
        "flow's first object on.",
    )
    object_keep: Duration = Field(
        default=7 * 86_400.0,
        description="How long an object stays that was stored without a time of its own (`x-eio-ttl`). What a message "
        "still to be processed, a delayed one or an error refers to stays longer.",
    )
    rebound_first: Duration = Field(
        default=15.0,
        description="Wait before a message is tried again whose component asked for it (`rebound`); each further wait "
        "is twice the last.",
    )
    rebound_most: Duration = Field(default=86_400.0, description="The longest of these waits.")
    rebound_limit: int = Field(
        default=20, ge=0, description="How often a component may ask; the message that asks once more is an error."
    )
    queue_limit: int = Field(
        default=10_000, gt=0, description="Waiting messages of a step at which the steps before it stop taking more."
    )

    database_url: str | None = Field(
        default=None,
        repr=False,
        description="`postgresql://user:password@host/name`. Without it: SQLite in the data folder.",
    )
    history_keep_days: float = Field(
        default=7.0, gt=0, description="Days that ended executions and closed errors are kept. Open errors stay."
    )
    history_keep_count: int = Field(default=200_000, gt=0, description="Executions kept at most.")

    key_file: Path | None = Field(
        default=None,
        description="The file with the keys that credentials are encrypted with. Default: `keys/credentials` in the "
        "data folder; elsewhere, whoever has a copy of the data folder cannot read them.",
    )
    design_within: Duration = Field(
        default=30.0,
        description="Time a component has to verify a credential, or to say what a step takes, gives or offers.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Where others reach this server, such as `https://headrace.example.com`. OAuth2 providers send "
        "people back to it, and components tell it to those who call webhooks. Default: its own address on this "
        "machine.",
    )

    runtime: Literal["process"] = Field(default="process", description="Where workers run.")
    sandbox: Literal["auto", "off", "require"] = Field(
        default="auto",
        description="`auto`: hosts and builds run under bubblewrap where it works, else as plain processes. "
        "`require`: nothing runs without it. `off`: plain processes.",
    )
    host_uid_base: int = Field(
        default=210_000,
        gt=0,
        description="Only when started as root: hosts of a component run as the user with the number "
        "`host_uid_base` plus the component's id.",
    )
    step_memory: Size = Field(default=512 * 1024**2, description="Memory one step's host may use.")
    ready_within: Duration = Field(default=60.0, description="A step that is not ready after this has failed.")
    drain_within: Duration = Field(
        default=60.0,
        description="Time the steps of an old deployment have, after a switch, to finish what they were given; the new "
        "steps of the same ids then take over what is left, and order gives way to progress.",
    )
    watch_for: Duration = Field(
        default=60.0,
        description="Time after a switch in which a new deployment that fails more than the old one did gives the flow "
        "back to it; meanwhile the old one stands by.",
    )
    stop_within: Duration = Field(
        default=10.0,
        description="Time a host has to stop by itself before it is terminated, and again before it is killed.",
    )
    reconcile_interval: Duration = Field(
        default=2.0, description="How often wish and reality are compared when nothing hints at a change."
    )

    build_timeout: Duration = Field(default=600.0, description="A build that takes longer has failed.")
    build_concurrency: int = Field(default=2, gt=0, description="Builds at once.")

    log_keep_bytes: Size = Field(default=64 * 1024**2, description="Disk space of the steps' logs, all flows together.")
    log_keep_days: float = Field(default=7.0, gt=0, description="Days that lines of the steps' logs are kept.")

    @field_validator("data", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - resolve() would follow links

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, _DataFolderFile(settings_cls))

    # Where things are.

    @property
    def run_dir(self) -> Path:
        """Who is running: ``server.json``, ``broker.json``."""
        return self.data / "run"

    @property
    def server_file(self) -> Path:
        return self.run_dir / "server.json"

    @property
    def keys_dir(self) -> Path:
        return self.data / "keys"

    @property
    def cli_token_file(self) -> Path:
        """The token of the command line on this machine, in plain text."""
        return self.keys_dir / "cli-token"

    @property
    def object_key_file(self) -> Path:
        """What signs the tokens with which component code reaches its flow's objects."""
        return self.keys_dir / "object-key"

    @property
    def credential_keys(self) -> Path:
        """The keys of the credentials, in plain text."""
        return self.key_file or self.keys_dir / "credentials"

    @property
    def db_dir(self) -> Path:
        return self.data / "db"

    @property
    def url(self) -> str:
        """Where this machine reaches the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"http://{host}:{self.port}"

    @property
    def outside_url(self) -> str:
        """Where others reach the server: `public_url`, or else as this machine does."""
        return (self.public_url or self.url).rstrip("/")

    @property
    def store_url(self) -> str:
        """The database: `database_url`, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.db_dir / 'headrace.sqlite3'}"

    @property
    def broker_dir(self) -> Path:
        """The embedded broker's store and configuration."""
        return self.data / "broker"

    @property
    def repos_dir(self) -> Path:
        return self.data / "repos"

    @property
    def builds_dir(self) -> Path:
        return self.data / "builds"

    def build(self, component: str, revision: int) -> Path:
        """What was built of one component version; its files are in ``code``."""
        return self.builds_dir / component / str(revision)

    @property
    def envs_dir(self) -> Path:
        """Virtualenvs, and packages of Node.js, by the hash of what is in them."""
        return self.data / "envs"

    @property
    def uv_cache_dir(self) -> Path:
        return self.data / "uv-cache"

    @property
    def npm_cache_dir(self) -> Path:
        return self.data / "npm-cache"

    @property
    def logs_dir(self) -> Path:
        return self.data / "logs"

    @property
    def server_log(self) -> Path:
        return self.logs_dir / "server.log"

    @property
    def broker_log(self) -> Path:
        return self.logs_dir / "broker.log"

    def build_log(self, component: str, revision: int) -> Path:
        return self.logs_dir / "builds" / f"{component}-{revision}.log"

    @property
    def demo_dir(self) -> Path:
        """The demo flow watches ``in`` and writes to ``out``."""
        return self.data / "demo"

    @property
    def own_dirs(self) -> tuple[Path, ...]:
        """What is the platform's alone, so that no flow may be granted any of it."""
        return (*self._private_dirs, self.builds_dir, self.envs_dir)

    @property
    def _private_dirs(self) -> tuple[Path, ...]:
        """Closed to every other user of the machine."""
        return (
            self.run_dir,
            self.keys_dir,
            self.db_dir,
            self.broker_dir,
            self.repos_dir,
            self.uv_cache_dir,
            self.npm_cache_dir,
            self.logs_dir,
        )

    def prepare(self) -> None:
        """Make the folders, with the modes they need; a second call repairs modes and changes nothing else.

        Others may pass through the data folder (hosts run as users of their own) but see into ``builds``,
        ``envs`` and ``demo`` only.
        """
        self._make_data()
        private = (*self._private_dirs, self.logs_dir / "workers", self.logs_dir / "builds")
        public = (
            self.builds_dir,
            self.envs_dir,
            self.demo_dir,
            self.demo_dir / "in",
            self.demo_dir / "out",
        )
        for folders, mode in ((private, 0o700), (public, 0o755)):
            for folder in folders:
                folder.mkdir(exist_ok=True)
                _set_mode(folder, mode)

    def _make_data(self) -> None:
        if not self.data.is_dir():
            self.data.mkdir(parents=True)
            _set_mode(self.data, 0o711)
        else:  # a person's own folder: only add what is needed
            _set_mode(self.data, self.data.stat().st_mode & 0o7777 | 0o711)


def _set_mode(folder: Path, mode: int) -> None:
    if folder.stat().st_mode & 0o7777 != mode:
        folder.chmod(mode)


class _DataFolderFile(PydanticBaseSettingsSource):
    """Reads ``headrace.toml`` from the data folder that the sources before it named."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # pydantic-settings asks for it; __call__ reads the file as a whole

    def __call__(self) -> dict[str, Any]:
        data = Path(self.current_state.get("data", Settings.model_fields["data"].default)).expanduser()
        path = data / CONFIG_FILE
        try:
            text = path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid("settings-invalid", f"cannot read {path}: {error}") from error
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Invalid("settings-invalid", f"{path} is not TOML: {error}") from error
        if "data" in values:
            raise Invalid(
                "settings-invalid",
                f"{path}: `data` cannot be set inside the data folder",
                next_step="use --data or HEADRACE_DATA",
            )
        return values


def load(**options: Any) -> Settings:
    """The settings, ``options`` that are not None taking precedence over environment and file.

    Raises `Invalid` (reason ``settings-invalid``) with every mistake.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = tuple(_problem(dict(item), given) for item in error.errors())
        lines = "; ".join(str(problem) for problem in problems)
        raise Invalid("settings-invalid", f"the settings are wrong: {lines}", problems=problems) from None


def _problem(item: Mapping[str, Any], given: Mapping[str, Any]) -> Problem:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = _nearest(name)
        return Problem(name, "unknown-key", "there is no such option", f"did you mean `{near}`?" if near else "")
    message = item["msg"].removeprefix("Value error, ")
    where = PREFIX + name.upper()
    source = where if name not in given and os.environ.get(where) else ""
    return Problem(name, item["type"], f"{message}, not {item['input']!r}", f"set by {source}" if source else "")


def _nearest(name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name, Settings.model_fields, n=1)), None)


def ignored_variables(environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Environment variables that look like options and are none, so that nobody wonders why they do nothing."""
    names = sorted(key for key in environ if key.startswith(PREFIX) and not OTHERS.fullmatch(key))
    return tuple(_ignored(key) for key in names if key not in {PREFIX + name.upper() for name in Settings.model_fields})


def _ignored(variable: str) -> Problem:
    near = _nearest(variable.removeprefix(PREFIX).lower())
    suggestion = f"did you mean {PREFIX}{near.upper()}?" if near else ""
    return Problem(variable, "unknown-key", "no option has this name", suggestion, severity="warning")


_KINDS = {
    "Names": "names",
    "Size": "size",
    "Duration": "duration",
    "Path": "folder",
    "int": "number",
    "float": "number",
}


def _kind(annotation: str) -> str:
    if annotation.startswith("Literal"):
        return " or ".join(f"`{word}`" for word in re.findall(r"['\"](.*?)['\"]", annotation))
    return _KINDS.get(annotation, "text")


def _default(value: object, kind: str) -> str:
    if value is None or value == ():
        return "–"
    if kind == "size" and isinstance(value, int):
        for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
            if value % 1024**power == 0:
                return f"`{value // 1024**power}{unit}`"
    if kind == "duration" and isinstance(value, float):
        for unit, seconds in (("h", 3600), ("s", 1)):
            if value % seconds == 0:
                return f"`{value / seconds:g}{unit}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is now, as people write it. ``value`` and ``default`` are empty when there is none."""

    name: str
    kind: str
    value: str
    default: str
    description: str


def options(settings: Settings) -> tuple[Option, ...]:
    """All options with their values; what may hold a secret is only said to be set."""
    return tuple(_option(settings, name) for name in Settings.model_fields)


def _option(settings: Settings, name: str) -> Option:
    field, value = Settings.model_fields[name], getattr(settings, name)
    kind = _kind(str(Settings.__annotations__[name]))
    is_secret = not field.repr or (isinstance(value, str) and "@" in value)
    shown = "set" if is_secret and value is not None else _shown(value, kind)
    return Option(name, kind.replace("`", ""), shown, _shown(field.default, kind), field.description or "")


def _shown(value: object, kind: str) -> str:
    """Of a size or duration the largest unit that fits."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else _default(value, kind).strip("`")


def reference_page() -> str:
    """The reference page of all options, in Markdown."""
    lines = [
        "# Settings",
        "",
        "<!-- Made by `python -m headrace.settings`; do not edit. -->",
        "",
        "An option is set by, in this order: an argument of the command line where there is one, the environment",
        "variable `HEADRACE_` and its name in capitals, the file `headrace.toml` in the data folder. Unknown keys in",
        "the file are errors. Sizes are bytes or text like `64KB`, `256MB`, `8GB` (powers of 1024); durations are",
        "seconds or text like `250ms`, `10s`, `1m30s`, `24h`.",
        "",
        "```toml",
        "# headrace.toml",
        "port = 8080",
        'journal_bytes = "1GB"',
        "```",
        "",
        "| Option | Kind | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        kind = _kind(str(Settings.__annotations__[name]))
        lines.append(f"| `{name}` | {kind} | {_default(field.default, kind)} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference_page(), end="")  # noqa: T201 - the page is what this command is for
