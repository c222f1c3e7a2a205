"""What can be set: each setting once, with its default, its kind, its group and its line of help.

A setting has one name in three spellings: ``data_dir`` in the file, ``STATEHOUSE_DATA_DIR`` in the
environment, ``--data-dir`` on the command line. No setting may be called ``port`` or ``service_...``:
Kubernetes sets such variables in every container beside a service that is called statehouse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal

from statehouse.daemon.kinds import (
    Addresses,
    Bytes,
    Choice,
    Directory,
    Endpoint,
    Kind,
    Levels,
    Seconds,
    Switch,
    Whole,
)
from statehouse.daemon.logs import LogFormat
from statehouse.protocol.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from statehouse.rpc.addresses import Address, Tcp

__all__ = ["LIMITS", "SETTINGS", "Setting", "Settings", "variable"]

_GIB: Final = 1024 * MIB
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What is said about one setting.

    Attributes:
        name: As in the file, and of the field of `Settings`.
        default: What it is unless it is set.
        kind: How its values are written.
        group: The heading it stands under.
        help: What it is for.
    """

    name: str
    default: Any
    kind: Kind[Any]
    group: str
    help: str

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its spelling in the environment."""
        return variable(self.name)


def variable(name: str) -> str:
    """Gives the variable of the environment that sets something."""
    return f"STATEHOUSE_{name.upper()}"


def _about(group: str, kind: Kind[Any], help: str) -> Mapping[str, Any]:  # noqa: A002 - click's word
    return {"kind": kind, "group": group, "help": help}


_STORE: Final = "Store"
_NETWORK: Final = "Network"
_LOG: Final = "Log"
_TELEMETRY: Final = "Telemetry"
_LIMITS: Final = "Limits of one transaction"
_LOAD: Final = "Limits of all clients together"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a daemon."""

    data_dir: Path | None = field(
        default=None,
        metadata=_about(
            _STORE, Directory(), "The directory of the store; a new one is made if there is none."
        ),
    )
    memory: bool = field(
        default=False,
        metadata=_about(_STORE, Switch(), "Keep the store in memory, for a try: it ends with the process."),
    )
    durability: Literal["sync", "none"] = field(
        default="sync",
        metadata=_about(
            _STORE,
            Choice(("sync", "none")),
            "sync: a commit is answered when it is on the disk. none: a crash may lose the newest commits.",
        ),
    )
    accept_data_loss: bool = field(
        default=False,
        metadata=_about(
            _STORE,
            Switch(),
            "Open the store although commits that were acknowledged are missing from it; for one start.",
        ),
    )
    cache_bytes: int = field(
        default=128 * MIB,
        metadata=_about(_STORE, Bytes(8 * MIB, 1024 * _GIB), "Memory for what was read from the disk."),
    )
    free_bytes_min: int | None = field(
        default=None,
        metadata=_about(
            _STORE,
            Bytes(0, 1024 * 1024 * _GIB),
            "Refuse writes when the disk has less free. Default: 256 MiB or 1 %, at most 10 %.",
        ),
    )

    listen: tuple[Address, ...] = field(
        default=(Tcp("127.0.0.1", 50051),),
        metadata=_about(
            _NETWORK,
            Addresses(),
            "HOST:PORT or unix:/PATH; may be repeated. Port 0: any that is free.",
        ),
    )
    insecure: bool = field(
        default=False,
        metadata=_about(
            _NETWORK,
            Switch(),
            "Listen where other machines can reach it, unencrypted and without asking who they are.",
        ),
    )
    drain_s: float = field(
        default=10.0,
        metadata=_about(
            _NETWORK, Seconds(0.0, 3600.0), "How long SIGTERM and Ctrl-C let running calls finish."
        ),
    )

    log: str = field(
        default="info",
        metadata=_about(_LOG, Levels(), "debug, info, warning or error; of one area too: info,rpc=debug."),
    )
    log_format: LogFormat = field(
        default="text", metadata=_about(_LOG, Choice(("text", "json")), "Lines for people, or for programs.")
    )

    telemetry: Literal["off", "otlp", "console"] = field(
        default="off",
        metadata=_about(
            _TELEMETRY,
            Choice(("off", "otlp", "console")),
            "Where spans and metrics go. otlp: where OTEL_EXPORTER_OTLP_ENDPOINT and its like say.",
        ),
    )
    metrics_listen: Tcp | None = field(
        default=None,
        metadata=_about(
            _TELEMETRY, Endpoint(), "Where Prometheus scrapes metrics. Port 0: any that is free."
        ),
    )

    value_bytes_max: int = field(
        default=DEFAULT_LIMITS.value_bytes_max,
        metadata=_about(_LIMITS, Bytes(KIB, DEFAULT_LIMITS.value_bytes_max), "A value."),
    )
    transaction_bytes_max: int = field(
        default=DEFAULT_LIMITS.transaction_bytes_max,
        metadata=_about(
            _LIMITS, Bytes(KIB, DEFAULT_LIMITS.transaction_bytes_max), "All values of a transaction."
        ),
    )
    transaction_operations_max: int = field(
        default=DEFAULT_LIMITS.transaction_operations_max,
        metadata=_about(
            _LIMITS,
            Whole(1, DEFAULT_LIMITS.transaction_operations_max),
            "Writes and deletes of a transaction.",
        ),
    )
    requests_max: int = field(
        default=10_000,
        metadata=_about(_LOAD, Whole(1, 1_000_000), "Requests that are being answered at once."),
    )
    request_bytes_max: int = field(
        default=256 * MIB,
        metadata=_about(_LOAD, Bytes(MIB, 64 * _GIB), "What those requests are in bytes, together."),
    )
    staged_transactions_max: int = field(
        default=10_000,
        metadata=_about(
            _LOAD, Whole(1, 1_000_000), "Transactions that are begun over the wire and are open."
        ),
    )
    staged_bytes_max: int = field(
        default=256 * MIB,
        metadata=_about(_LOAD, Bytes(MIB, 64 * _GIB), "What those have written, together."),
    )
    replays_max: int = field(default=1_000, metadata=_about(_LOAD, Whole(1, 100_000), "Replays at once."))
    stall_s: float = field(
        default=60.0,
        metadata=_about(
            _LOAD, Seconds(0.1, 3600.0), "A client that takes no replies for so long is cut off."
        ),
    )

    @property
    def home(self) -> str:
        """What is served, as a URL."""
        return "memory:" if self.data_dir is None else f"file:{self.data_dir}"

    @property
    def metered(self) -> bool:
        """Whether anybody is told what is counted."""
        return self.telemetry != "off" or self.metrics_listen is not None

    def limits(self) -> Limits:
        """Gives the limits that the engine holds its callers to."""
        return replace(
            DEFAULT_LIMITS,
            value_bytes_max=self.value_bytes_max,
            transaction_bytes_max=self.transaction_bytes_max,
            transaction_operations_max=self.transaction_operations_max,
        )


SETTINGS: Final = tuple(Setting(each.name, each.default, **each.metadata) for each in fields(Settings))

LIMITS: Final = tuple(setting for setting in SETTINGS if setting.group in (_LIMITS, _LOAD))
"""Those that limit what clients may do."""
