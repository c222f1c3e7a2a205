"""Commands for the store as a whole: ``store status|check|dump|load|erase``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from statehouse.cli.command import Section, Settings
from statehouse.cli.command import accept_data_loss as accept_data_loss_option
from statehouse.cli.erasing import erase
from statehouse.cli.reading import pinned
from statehouse.cli.show import Column, Output, note, printable, shown_bytes
from statehouse.cli.times import POINT, shown_time
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Statehouse, StoreStatus
    from statehouse.cli.dumping import Range
    from statehouse.cli.opening import Reader
    from statehouse.protocol.replies import Problem

__all__ = ["store"]


@click.group(cls=Section)
def store() -> None:
    """Look after the store as a whole."""


store.add_command(erase)


@store.command()
@click.pass_obj
def status(settings: Settings) -> None:
    """Show who holds the store, its newest commit, its size."""
    from statehouse.cli.opening import reading

    with reading(settings) as reader:
        found = reader.sh.status()
    output = Output(settings)
    if settings.json:
        output.document(_status_json(found, reader))
        return
    rows = _status_rows(found, reader)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        output.styled((f"{name:{width}}", "bold"), f"  {printable(value)}")


def _state(found: StoreStatus, reader: Reader) -> tuple[str, str]:
    """How the store is, and why; read-only is how this command opened it, not how it is."""
    if reader.losses:
        return "commits_missing", " ".join(reader.losses)
    return ("ok", "") if found.state == "read_only" else (found.state, found.reason)


def _status_json(found: StoreStatus, reader: Reader) -> dict[str, Any]:
    state, reason = _state(found, reader)
    return {
        "state": state,
        "reason": reason,
        "holder": reader.holder or None,
        "daemon": reader.daemon or None,
        "store_id": found.store_id,
        "format": found.format,
        "storage": found.storage,
        "epoch": found.epoch,
        "epochs": [asdict(epoch) for epoch in found.epochs],
        "commit_ts": found.commit_ts,
        "committed_at_us": found.committed_at_us,
        "head_digest": found.head_digest,
        "horizon": found.horizon,
        "dedup_horizon": found.dedup_horizon,
        "size_bytes": found.size_bytes,
        "details": dict(found.details),
    }


def _status_rows(found: StoreStatus, reader: Reader) -> list[tuple[str, str]]:
    held = "nobody"
    if holder := reader.holder:
        where = f" on {holder['host']}" if holder.get("host") else ""
        since, command = holder.get("started_at", "?"), holder.get("command", "?")
        held = f"process {holder['pid']}{where} since {since}: {command}"
    elif reader.daemon:
        held = f"the daemon at {reader.daemon}"
    elif found.storage == "memory":
        held = "this process"
    state, reason = _state(found, reader)
    newest = "none"
    if found.commit_ts:
        time = datetime.fromtimestamp(found.committed_at_us / 1_000_000, UTC)
        newest = f"{found.commit_ts}, at {shown_time(time)} UTC"
    rows = [
        ("state", f"{state}: {reason}" if reason else state),
        ("store", f"{found.store_id}, format {found.format}, {found.storage}"),
        ("held by", held),
        ("newest commit", newest),
        ("head digest", found.head_digest),
        ("oldest readable", str(found.horizon or (1 if found.commit_ts else "none"))),
        ("size", f"{shown_bytes(found.size_bytes)} ({found.size_bytes:,} bytes)"),
    ]
    if reader.daemon:
        rows += [
            ("durability", found.durability),
            ("queued commits", str(found.queued_commits)),
            ("followers", str(found.followers)),
        ]
    rows += [
        (f"epoch {epoch.number}", f"from commit_ts {epoch.first_commit_ts}: {epoch.reason}")
        for epoch in found.epochs
    ]
    return rows + [(name, value) for name, value in found.details.items() if value != "0"]


@store.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Prove that what is on disk is what was written.

    The chain of events, every value and every index. Exits with 1 when something is wrong.
    """
    from statehouse.cli.opening import reading
    from statehouse.protocol.replies import Problem

    output = Output(settings)
    with reading(settings) as reader, output.progress("checking") as progress:
        report = reader.sh.check(lambda fraction: progress(fraction, 1.0))
        lost = [Problem(0, "", loss) for loss in reader.losses]
    problems = [*lost, *report.problems]
    if settings.json:
        output.document(
            {
                "ok": not problems,
                "checked": report.checked,
                "head_digest": report.head_digest,
                "problems": [asdict(problem) for problem in problems],
            }
        )
    elif not problems:
        output.styled(
            ("ok", "bold green"), f"  {report.checked:,} events and records are as they were written"
        )
        output.styled("head digest  ", (report.head_digest, "bold"))
    else:
        _write_problems(output, problems)
    if problems:
        raise click.exceptions.Exit(Exit.FINDINGS)


def _write_problems(output: Output, problems: list[Problem]) -> None:
    def cells(problem: Problem) -> list[str]:
        return [str(problem.commit_ts) if problem.commit_ts else "", str(problem.table), problem.what]

    def document(problem: Problem) -> Any:
        return asdict(problem)

    columns = (Column("COMMIT", right=True), Column("TABLE", "yellow"), Column("PROBLEM", "red", wide=True))
    output.rows(columns, problems, cells, document)
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    note(f"{count}; stop writing to this store, keep a copy of its directory, and restore a backup")


@store.command()
@click.option("--output", "-o", "target", required=True, metavar="FILE", help="Where to; - is stdout.")
@click.option("--from", "from_", type=POINT, help="The first commit: a commit_ts, a time or an age.")
@click.option("--to", type=POINT, help="The last commit. Default: the newest.")
@click.option("--force", is_flag=True, help="Replace the file, if there is one.")
@click.pass_obj
def dump(
    settings: Settings, *, target: str, from_: int | datetime | None, to: int | datetime | None, force: bool
) -> None:
    """Write the events as JSON lines.

    For `store load`, and for other programs. The first line is a header, the last one a trailer with count
    and digest, by which a cut file is noticed. A file appears under its name only when it is whole.
    """
    from statehouse.cli.dumping import dump_to
    from statehouse.cli.opening import reading

    output = Output(settings)
    with reading(settings) as reader:
        sh = reader.sh
        wanted = _range(sh, from_, to)
        with output.progress("dumping", unit="events") as progress:
            done = dump_to(sh, target, wanted, progress, force=force)
    if settings.json and target != "-":
        output.document(done)
    elif target != "-":
        output.line(f"{done['events']:,} events, commit_ts {done['from_ts']} to {done['to_ts']}, in {target}")
        output.line(f"sha256 {done['sha256']}")
    elif sys.stderr.isatty():
        note(f"{done['events']:,} events, commit_ts {done['from_ts']} to {done['to_ts']}")


def _range(sh: Statehouse, from_: int | datetime | None, to: int | datetime | None) -> Range:
    from statehouse.cli.dumping import Range

    head = sh.status().commit_ts
    last = head if to is None else pinned(sh, to) or 0
    if isinstance(from_, datetime):
        # The commits at or after a time begin behind the last one before it.
        first = (pinned(sh, from_ - timedelta(microseconds=1)) or 0) + 1
    else:
        first = max(1, from_ or 1)
    if last > head:
        raise Refusal(f"--to {last} is in the future; the newest commit of this store is {head}", Exit.USAGE)
    if first > last and (from_ is not None or to is not None):
        raise Refusal(f"there is no commit from {first} to {last}; the newest one is {head}", Exit.USAGE)
    return Range(first, last)


@store.command()
@click.argument("file", metavar="FILE|-")
@accept_data_loss_option
@click.pass_obj
def load(settings: Settings, *, file: str, accept_data_loss: bool) -> None:
    """Load a dump into an empty store.

    The store is made if it is not there. Every commit keeps its commit_ts, transaction id, origin and time.
    A load that was killed goes on where it was when it is run again. A store with other history than the
    dump's is refused, with exit code 4, unchanged.
    """
    from statehouse.cli.loading import load_from
    from statehouse.cli.opening import writing

    output = Output(settings)
    with load_from(file) as source:
        if source.seekable:
            with output.progress("reading the dump") as progress:
                source.verify(progress)
        with writing(settings, accept_data_loss=accept_data_loss, create=True) as sh:
            with output.progress("loading", unit="events") as progress:
                loaded = source.load(sh, progress)
            head = sh.status().commit_ts
    if settings.json:
        output.document({"events": loaded.events, "present": loaded.present, "commit_ts": head})
        return
    already = f", {loaded.present:,} were there already" if loaded.present else ""
    output.line(f"{loaded.events - loaded.present:,} events loaded{already}; the newest commit is {head}")
