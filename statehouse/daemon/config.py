"""Where settings come from: flags, then variables, then a file of TOML, then the defaults.

click reads the flags and the variables, and is given the file as its map of defaults; so precedence and the
knowledge of where a value came from are click's. What a value means is its kind's (`kinds`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from statehouse.daemon.kinds import Addresses, Switch
from statehouse.daemon.settings import SETTINGS, Setting, Settings, variable
from statehouse.programs.exits import Exit, Refusal
from statehouse.programs.versions import version_option

__all__ = ["Configuration", "command", "configure", "unknown_variables"]

_CONFIG: Final = "config"
_PREFIX: Final = variable("")
_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}

# Those of the SDK, the command line and the tests, which are no business of the daemon's.
_OF_OTHERS: Final = frozenset({"STATEHOUSE_URL", "STATEHOUSE_TRACEBACK", "STATEHOUSE_REQUIRE_ALL"})
# Kubernetes sets these in every container when a service is called statehouse.
_OF_KUBERNETES: Final = re.compile(r"STATEHOUSE_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")

_EPILOG: Final = """\b
Examples:
  statehoused --data-dir ./data
  statehoused --memory --listen 127.0.0.1:0
  statehoused --data-dir /var/lib/statehouse --listen unix:/run/statehouse/sock
  STATEHOUSE_DATA_DIR=./data STATEHOUSE_LOG=debug statehoused
  statehoused --config statehoused.toml --print-config

\b
Every setting has three spellings: --data-dir on the command line, STATEHOUSE_DATA_DIR in
the environment, data_dir in the file. A flag wins over a variable, a variable over the file.

\b
When it is ready it prints one line on stdout; its log goes to stderr. SIGTERM or Ctrl-C let
running calls finish and end it; a second one ends it at once. Neither loses a commit.

\b
Exit codes:
  0  ended as asked                       6    the store is damaged
  2  the configuration makes no sense     70   a defect
  5  not available: held, address in      130, 143  ended at once, by a second
     use, disk full                       Ctrl-C or SIGTERM
"""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, and where they come from.

    Attributes:
        settings: The settings.
        sources: For each setting by name: a flag, a variable, a file, or ``default``.
    """

    settings: Settings
    sources: Mapping[str, str]

    def spelled(self, name: str) -> str:
        """Gives a setting as whoever set it spelled it."""
        return _spelled(_BY_NAME[name], self.sources[name])


def configure(args: Sequence[str]) -> tuple[Configuration, bool]:
    """Gives the configuration that the command line, the environment and the file make, unchecked as a whole.

    Returns:
        The configuration, and whether it is only to be printed.

    Raises:
        Refusal: A value makes no sense, a key of the file is unknown, or the file cannot be read.
        click.UsageError: The command line makes no sense.
        click.exceptions.Exit: The help or the version was asked for, and was printed.
    """
    with command().make_context("statehoused", list(args)) as ctx:
        if ctx.args:
            raise Refusal(
                f"{ctx.args[0]!r:.80} is no option; the directory of the store is given with --data-dir",
                Exit.USAGE,
            )
        values = {setting.name: ctx.params[setting.name] for setting in SETTINGS}
        sources = {setting.name: _source(ctx, setting.name) for setting in SETTINGS}
        return Configuration(Settings(**values), sources), bool(ctx.params["print_config"])


def require_consistent(configuration: Configuration) -> None:
    """Returns when the settings go together.

    Raises:
        Refusal: They do not.
    """
    settings = configuration.settings
    if settings.data_dir is None and not settings.memory:
        raise Refusal(
            "where is the store? Give --data-dir ./data (or STATEHOUSE_DATA_DIR, or data_dir in a file), "
            "or --memory, for one that ends with the process",
            Exit.USAGE,
        )
    if settings.data_dir is not None and settings.memory:
        raise Refusal(
            f"{configuration.spelled('data_dir')} and {configuration.spelled('memory')} are both given; "
            "a store is in a directory or in memory",
            Exit.USAGE,
        )
    if settings.memory and settings.accept_data_loss:
        raise Refusal(
            f"{configuration.spelled('accept_data_loss')} is about a directory, and there is none: "
            f"{configuration.spelled('memory')}",
            Exit.USAGE,
        )
    if settings.transaction_bytes_max < settings.value_bytes_max:
        raise Refusal(
            f"transaction_bytes_max ({settings.transaction_bytes_max:,}) is less than value_bytes_max "
            f"({settings.value_bytes_max:,}): a transaction must have room for one value",
            Exit.USAGE,
        )


def unknown_variables(environ: Iterable[str]) -> list[str]:
    """Says of each variable that looks like one of ours and is none, what it may have been meant to be."""
    known = {setting.variable for setting in SETTINGS} | {variable(_CONFIG)}
    complaints = []
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name in known | _OF_OTHERS or _OF_KUBERNETES.fullmatch(name):
            continue
        # Without what they all begin with.
        near = difflib.get_close_matches(name[len(_PREFIX) :], [each[len(_PREFIX) :] for each in known], 1)
        hint = f"; did you mean {_PREFIX}{near[0]}?" if near else ""
        complaints.append(f"the variable {name} sets nothing{hint}")
    return complaints


class _Option(click.Option):
    """An option whose complaints say where the value came from."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        switch = isinstance(setting.kind, Switch)
        names = [f"{setting.flag}/--no-{setting.flag[2:]}" if switch else setting.flag, setting.name]
        super().__init__(
            [*names, "--log-level"] if setting.name == "log" else names,
            type=click.BOOL if switch else click.UNPROCESSED,
            default=setting.default,
            envvar=setting.variable,
            multiple=isinstance(setting.kind, Addresses),
            help=setting.help,
        )

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Gives the value, or says where what is wrong with it came from."""
        setting = self.setting
        if ctx.get_parameter_source(setting.name) is ParameterSource.DEFAULT:
            return setting.default
        try:
            return setting.kind.read(value)
        except ValueError as error:
            raise Refusal(f"{_spelled(setting, _source(ctx, setting.name))}: {error}", Exit.USAGE) from None


def _spelled(setting: Setting, source: str) -> str:
    """Gives a setting as whoever set it spelled it."""
    return source if source in (setting.flag, setting.variable) else f"{setting.name} in {source}"


def _source(ctx: click.Context, name: str) -> str:
    match ctx.get_parameter_source(name):
        case ParameterSource.COMMANDLINE:
            return _BY_NAME[name].flag
        case ParameterSource.ENVIRONMENT:
            return _BY_NAME[name].variable
        case ParameterSource.DEFAULT_MAP:
            return str(ctx.params[_CONFIG])
        case _:
            return "default"


def _load(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    """The callback of ``--config``, which is processed before the settings: puts the file below them."""
    if path is not None:
        ctx.default_map = _read_file(path)
    return path


def _read_file(path: str) -> dict[str, Any]:
    """Gives the settings of a file; each is of a type that its kind takes.

    Raises:
        Refusal: It cannot be read, or has a key that is no setting, or a value of a wrong type.
    """
    try:
        found = tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"{path} is not TOML: {error}", Exit.USAGE) from None
    for key, value in found.items():
        setting = _BY_NAME.get(key)
        if setting is None:
            raise Refusal(f"{path}: {_unknown(key)}", Exit.USAGE)
        if type(value) not in setting.kind.natives:
            raise Refusal(f"{key} in {path}: {value!r:.80} is not {setting.kind.noun}", Exit.USAGE)
    # One address needs no brackets.
    return {
        key: [value] if isinstance(value, str) and isinstance(_BY_NAME[key].kind, Addresses) else value
        for key, value in found.items()
    }


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key.lower().replace("-", "_"), _BY_NAME, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else "statehoused --print-config lists all"
    return f"there is no setting {key!r:.80}; {hint}"


class _Program(click.Command):
    """``statehoused``: its options stand in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, each group under its heading."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, _Option):
                setting = option.setting
                row = (f"{setting.flag} {setting.kind.metavar}".rstrip(), _help(setting))
                groups.setdefault(setting.group, []).append(row)
            elif (record := option.get_help_record(ctx)) is not None:
                groups.setdefault("The program", []).append(record)
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _help(setting: Setting) -> str:
    if setting.default is None or isinstance(setting.kind, Switch):
        return setting.help
    return f"{setting.help} Default: {setting.kind.shown(setting.default)}."


def command() -> click.Command:
    """Gives the command line."""
    program: list[click.Parameter] = [
        click.Option(
            ["--config"],
            metavar="FILE",
            envvar=variable(_CONFIG),
            is_eager=True,
            callback=_load,
            help="A file of TOML with settings.",
        ),
        click.Option(["--print-config"], is_flag=True, help="Print the settings and where each comes from."),
        version_option("statehoused"),
    ]
    return _Program(
        name="statehoused",
        params=[*(_Option(setting) for setting in SETTINGS), *program],
        help="Serves the state and memory of agents, a Statehouse store, to any number of programs.",
        epilog=_EPILOG,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": 110,
            "allow_extra_args": True,
        },
    )
