"""The reference names what there is: every command, every exit code, every error, every table and path."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from statehouse import Statehouse, errors
from statehouse.cli.app import app
from statehouse.programs.exits import Exit
from statehouse.protocol.limits import DEFAULT_LIMITS, KIB, MIB
from statehouse.storage import Table
from statehouse.tracing import attributes
from statehouse_langgraph import errors as langgraph_errors
from statehouse_langgraph.cli.app import app as langgraph
from tests.docs.fences import ROOT, commands, fences, page_id, pages

DOCS = ROOT / "docs"
# A view, a group of entry points, and the attributes of spans.
NO_MODULES = {"statehouse.aio", "statehouse.codecs"} | {
    value for value in vars(attributes).values() if isinstance(value, str) and value.startswith("statehouse.")
}


def text(page: str) -> str:
    """Gives a page."""
    return (DOCS / page).read_text()


def command_names(group: click.Group) -> set[str]:
    """Gives every command that can be typed."""
    found = set()
    for name, command in group.commands.items():
        below = command_names(command) if isinstance(command, click.Group) else set()
        found |= {f"{name} {each}" for each in below} or {name}
    return found


def tree() -> list[type[errors.StatehouseError]]:
    """Gives every class of errors."""
    found = [errors.StatehouseError]
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if each.__module__ == errors.__name__]


def rows(page: str) -> list[list[str]]:
    """Gives the cells of all tables of a page."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text(page).splitlines()
        if line[:1] == "|"
    ]


def test_every_command_is_shown_with_its_output() -> None:
    typed = [
        command
        for fence in fences(text("reference/cli.md"))
        if fence.language == "console"
        for command, _ in commands(fence)
    ]
    shown = {
        name
        for name in command_names(app)
        if any(re.match(rf"statehousectl (--url \S+ )?{name}\b", command) for command in typed)
    }
    assert shown == command_names(app)


def test_every_command_of_the_integration_is_listed() -> None:
    listed = {first.strip("`").split(" ")[0] for first, *_ in rows("langgraph/reference.md")}
    assert set(langgraph.commands) <= listed


def test_every_error_of_the_integration_is_listed_in_its_module() -> None:
    said = langgraph_errors.__doc__ or ""
    raised = [
        name
        for name, found in vars(langgraph_errors).items()
        if getattr(found, "__module__", "") == langgraph_errors.__name__
    ]
    assert [name for name in raised if name not in said] == []


def test_every_exit_code_is_listed() -> None:
    listed = {int(first) for first, *_ in rows("reference/cli.md") if first.isdigit()}
    assert listed == set(map(int, Exit))


@pytest.mark.parametrize("error", tree(), ids=lambda error: str(error.__name__))
def test_every_error_is_listed_with_its_code_and_advice(error: type[errors.StatehouseError]) -> None:
    [row] = [row for row in rows("reference/errors.md") if row[0].split(" ")[0] == f"`{error.__name__}`"]
    assert row[1:3] == [f"`{error.code}`", error.retry.value.replace("_", " ")]


def test_every_table_on_disk_is_described() -> None:
    described = {first.strip("`") for first, *_ in rows("internals/disk-format.md")}
    assert {table.value for table in Table} <= described


def test_every_file_of_a_data_directory_is_described(tmp_path: Path) -> None:
    [drawn, *_] = [
        fence.body for fence in fences(text("internals/disk-format.md")) if fence.language == "text"
    ]
    described = {line.split()[0].strip("/") for line in drawn.splitlines()[1:]}
    with Statehouse(tmp_path / "store") as sh:
        sh.write("k", 1, agent_id="a")
        present = {path.name for path in (tmp_path / "store").iterdir()}
    assert present == described


@pytest.mark.parametrize(
    "what, limit",
    [
        ("namespace", f"{DEFAULT_LIMITS.namespace_bytes_max} bytes of UTF-8"),
        ("agent id", f"{DEFAULT_LIMITS.agent_id_bytes_max} bytes"),
        ("key", f"{DEFAULT_LIMITS.key_bytes_max:,} bytes"),
        ("transaction id", f"{DEFAULT_LIMITS.txn_id_bytes_max} bytes"),
        ("value", f"{DEFAULT_LIMITS.value_bytes_max // MIB} MiB"),
        ("content type", f"{DEFAULT_LIMITS.content_type_bytes_max} bytes"),
        ("nesting of JSON", f"{DEFAULT_LIMITS.json_depth_max}"),
        ("origin: step and attributes", f"{DEFAULT_LIMITS.origin_bytes_max // KIB} KiB"),
        ("operations a transaction", f"{DEFAULT_LIMITS.transaction_operations_max:,}"),
        ("bytes a transaction", f"{DEFAULT_LIMITS.transaction_bytes_max // MIB} MiB"),
        ("keys and ranges that a transaction reads", f"{DEFAULT_LIMITS.transaction_reads_max:,}"),
    ],
)
def test_a_limit_is_what_the_page_says(what: str, limit: str) -> None:
    assert [what, limit] in rows("concepts/limits.md")


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(
        re.findall(
            r"`((?:statehouse|tests|examples|tools|benchmarks|requirements|proto)/[\w./-]*)`",
            page.read_text(),
        )
    )
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    named = set(re.findall(r"`(statehouse(?:\.[a-z_]+)+)`", page.read_text()))
    paths = {name: ROOT.joinpath(*name.split(".")) for name in named - NO_MODULES}
    assert [
        name for name, path in paths.items() if not (path.is_dir() or path.with_suffix(".py").exists())
    ] == []
