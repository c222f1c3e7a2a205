"""``run export`` and ``run open``: a run as one file, and what such a file is."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from statehouse.cli.command import Command, Settings
from statehouse.cli.reading import shown_json_time
from statehouse.cli.runs.listing import shown_duration
from statehouse.cli.runs.naming import run_meant
from statehouse.cli.show import Output, note, printable, shown_bytes
from statehouse.cli.times import shown_time
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.debug.exports.contents import ExportContents
    from statehouse.debug.exports.exporting import Exported
    from statehouse.debug.exports.format import ExportHeader

__all__ = ["export", "open_"]

_STDOUT: Final = "-"


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option(
    "--output",
    "-o",
    "target",
    metavar="FILE",
    help="Where to; - is stdout. Default: RUN.shrun in this directory.",
)
@click.option("--all-state", is_flag=True, help="All keys of the agents that it touched, not only those.")
@click.option("--force", is_flag=True, help="Replace the file, if there is one.")
@click.pass_obj
def export(settings: Settings, *, run_id: str, target: str | None, all_state: bool, force: bool) -> None:
    """Write a run into one file, for another machine.

    The records of the run, each key that its steps read, scanned or wrote, through the time of the run, and
    who wrote those. Every command takes the file as its store: --url run.shrun. It holds what the agent saw:
    look into it before you give it to somebody.
    """
    from statehouse.cli.opening import reading

    output = Output(settings)
    with reading(settings) as reader, output.progress("exporting", unit="commits") as progress:
        run_id = run_meant(reader.sh, run_id)
        path = _path(run_id, target)
        done = _write(reader.sh, run_id, path, all_state=all_state, force=force, progress=progress)
    if path is None:
        if sys.stderr.isatty():
            note(f"{done.events:,} commits of the run {run_id}")
    elif settings.json:
        output.document(_exported_json(done))
    else:
        _show_exported(output, done)


def _path(run_id: str, target: str | None) -> Path | None:
    """The file to write; None for stdout."""
    if target is not None:
        return None if target == _STDOUT else Path(target)
    if not all(char.isalnum() or char in "-_." for char in run_id) or run_id.startswith((".", "-")):
        raise Refusal(f"{run_id!r} makes no name of a file: say -o FILE", Exit.USAGE)
    return Path(f"{run_id}.shrun")


def _write(
    sh: Statehouse, run_id: str, path: Path | None, *, all_state: bool, force: bool, progress: Any
) -> Exported:
    from statehouse.debug.exports.exporting import export as export_run
    from statehouse.debug.exports.exporting import export_to
    from statehouse.errors import AlreadyExistsError

    if path is None:
        sys.stdout.flush()
        done = export_to(sh, run_id, sys.stdout.buffer, all_state=all_state, progress=progress)
        sys.stdout.buffer.flush()
        return done
    try:
        return export_run(sh, run_id, path, all_state=all_state, force=force, progress=progress)
    except AlreadyExistsError:
        raise Refusal(f"{str(path)!r} is there already; --force replaces it", Exit.CONFLICT) from None
    except OSError as error:
        raise Refusal(f"cannot write {str(path)!r}: {error.strerror or error}", Exit.USAGE) from None


def _exported_json(done: Exported) -> dict[str, Any]:
    return {
        "file": str(done.path),
        "size_bytes": done.size_bytes,
        "sha256": done.sha256,
        "events": done.events,
        "keys": done.keys,
        "ranges": done.ranges,
        "withheld": done.withheld,
        **_header_json(done.header),
    }


def _header_json(header: ExportHeader) -> dict[str, Any]:
    facts = asdict(header)
    for name in ("started_at", "ended_at", "exported_at", "to"):
        microseconds = facts.pop(f"{name}_us")
        facts["to_time" if name == "to" else name] = (
            shown_json_time(_time(microseconds)) if microseconds else None
        )
    return facts


def _show_exported(output: Output, done: Exported) -> None:
    file = printable(str(done.path))
    header = done.header
    output.styled((file, "bold green"), f"  {shown_bytes(done.size_bytes)}")
    output.line(
        f"{_many(header.steps, 'step')}, {_many(done.events, 'commit')}, "
        f"{_many(done.keys, 'key')} of state as of commit_ts {header.from_ts} to {header.to_ts}"
    )
    output.line(f"sha256 {done.sha256}")
    if output.terminal:
        note(f"statehousectl run open {file} says how to go on with it")


@click.command("open", cls=Command)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.pass_obj
def open_(settings: Settings, *, file: Path) -> None:
    """Say what an exported run is, and how to go on with it.

    The file is read to its end, and its digest is checked. Exits with 6 when it is damaged, or no exported
    run.
    """
    from statehouse.debug.exports.contents import load_export
    from statehouse.errors import NotFoundError

    output = Output(settings)
    try:
        contents = load_export(file)
    except NotFoundError as error:
        raise Refusal(error.message, Exit.NOT_FOUND) from None
    if settings.json:
        output.document(
            {
                "file": str(file),
                "ok": True,
                "sha256": contents.sha256,
                "unpacked_bytes": contents.size_bytes,
                **_counts(contents),
                **_header_json(contents.header),
            }
        )
        return
    rows = _rows(contents)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        output.styled((f"{name:{width}}", "bold"), f"  {printable(value)}")
    _show_commands(output, file, contents.header)


def _counts(contents: ExportContents) -> dict[str, int]:
    from statehouse.steps.keys import is_of_runs

    held = [line for line in contents.coverage.lines() if not is_of_runs(line.namespace)]
    return {
        "events": len(contents.events),
        "keys": sum(len(line.keys) for line in held),
        "ranges": sum(line.prefix is not None for line in held),
    }


def _rows(contents: ExportContents) -> list[tuple[str, str]]:
    header, counts = contents.header, _counts(contents)
    took = f", took {shown_duration(header.ended_at_us - header.started_at_us)}" if header.ended_at_us else ""
    named = f" ({header.name})" if header.name else ""
    state = _many(counts["keys"], "key")
    if counts["ranges"]:
        state += f", {_many(counts['ranges'], 'range')}"
    if header.all_state:
        state += ": all of the agents that it touched"
    rows = [
        ("run", header.run_id + named),
        ("agent", f"{header.namespace}/{header.agent_id}"),
        ("status", header.status),
        ("began", f"{shown_time(_time(header.started_at_us))} UTC{took}"),
        ("steps", f"{header.steps:,}"),
        ("state", f"{state}, as of commit_ts {header.from_ts} to {header.to_ts}"),
        ("commits", f"{counts['events']:,}"),
        ("store", f"{header.store_id}, epoch {header.epoch}"),
        ("exported", f"{shown_time(_time(header.exported_at_us))} UTC by Statehouse {header.statehouse}"),
        ("checksum", f"ok, sha256 {contents.sha256}"),
    ]
    if len(header.runs) > 1:
        rows.insert(5, ("with", ", ".join(header.runs[1:])))
    return rows


def _show_commands(output: Output, file: Path, header: ExportHeader) -> None:
    from shlex import quote

    run_id, url = printable(quote(header.run_id)), printable(quote(_url(file)))
    output.line("")
    for command in (
        f"statehousectl --url {url} run show {run_id}",
        f"statehousectl --url {url} run reads {run_id} STEP",
        f"statehousectl --url {url} blame {printable(quote(header.agent_id))} KEY",
        f"statehousectl --url {url} run verify {run_id} MODULE:FUNCTION",
        f"statehousectl --url {url} run debug {run_id} MODULE:FUNCTION --step STEP --pdb",
    ):
        output.styled((command, "cyan"))


def _url(file: Path) -> str:
    """How a file is said as a store, whatever it is called."""
    text = str(file)
    return text if text.endswith(".shrun") and not text.startswith("-") else f"file:{text}"


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
