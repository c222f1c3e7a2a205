"""The two colours have the same names, arguments and words, and one is generated from the other."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statehouse import Agent, AgentAsync, Statehouse, StatehouseAsync, Transaction, TransactionAsync
from statehouse.client import awaiting, blocking
from statehouse.client._async.erasing import ErasesAsync
from statehouse.client._async.runs import RunsAsync
from statehouse.client._sync.erasing import Erases
from statehouse.client._sync.runs import Runs
from statehouse.steps._async.run import RunAsync
from statehouse.steps._sync.run import Run
from tools import unasync

PAIRS = [
    (Statehouse, StatehouseAsync),
    (Agent, AgentAsync),
    (Transaction, TransactionAsync),
    (Erases, ErasesAsync),
    (Runs, RunsAsync),
    (Run, RunAsync),
]
COLOURS = {
    "aio": "view",
    "sync": "view",
    "__enter__": "enter",
    "__aenter__": "enter",
    "__exit__": "exit",
    "__aexit__": "exit",
}
GENERATED_WORDS = [("Async", ""), ("await ", ""), ("async ", ""), ("asyncio.run(main())", "main()")]


def members(cls: type) -> dict[str, Any]:
    return {
        COLOURS.get(name, name): member
        for name, member in vars(cls).items()
        if not name.startswith("_") or name in COLOURS or name in ("__init__", "__repr__")
    }


def parameters(member: Any) -> list[tuple[str, str, object]]:
    if isinstance(member, property):
        return []
    function = member.__func__ if isinstance(member, classmethod) else member
    return [
        (each.name, each.kind.name, each.default) for each in inspect.signature(function).parameters.values()
    ]


def words(member: Any) -> str:
    text = inspect.getdoc(member) or ""
    for word, other in GENERATED_WORDS:
        text = text.replace(word, other)
    return " ".join(text.replace('(agent.get_state("seen"))', 'agent.get_state("seen")').split())


def pairs() -> Iterator[Any]:
    for blocking_class, async_class in PAIRS:
        theirs = members(async_class)
        for name, member in members(blocking_class).items():
            yield pytest.param(member, theirs.get(name), id=f"{blocking_class.__name__}.{name}")


@pytest.mark.parametrize("blocking_class,async_class", PAIRS)
def test_the_names_are_the_same(blocking_class: type, async_class: type) -> None:
    assert list(members(blocking_class)) == list(members(async_class))


@pytest.mark.parametrize("ours,theirs", list(pairs()))
def test_the_arguments_are_the_same(ours: Any, theirs: Any) -> None:
    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize("ours,theirs", list(pairs()))
def test_the_words_are_the_same(ours: Any, theirs: Any) -> None:
    assert words(ours).replace("This does no I/O.", "") == words(theirs).replace(
        "This does no I/O and is never awaited.", ""
    )


@pytest.mark.parametrize("name", ["run", "iterate", "close", "sleep"])
def test_the_drivers_have_the_same_names(name: str) -> None:
    assert callable(getattr(blocking, name))
    assert callable(getattr(awaiting, name))


def test_the_blocking_colour_is_what_the_tool_would_write() -> None:
    done = subprocess.run(
        [sys.executable, str(unasync.ROOT / "tools" / "unasync.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_difference_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(unasync.FLOORS[0] / "_async", tmp_path / "_async")
    monkeypatch.setattr(unasync, "FLOORS", [tmp_path])
    monkeypatch.setattr(sys, "argv", ["unasync.py", "--check"])
    assert unasync.main() == 1


def test_every_public_method_says_what_it_raises() -> None:
    silent = [
        f"{cls.__name__}.{name}"
        for cls in (StatehouseAsync, AgentAsync, TransactionAsync, ErasesAsync, RunsAsync, RunAsync)
        for name, member in vars(cls).items()
        if not name.startswith("_") and inspect.isfunction(member) and "Raises:" not in (member.__doc__ or "")
    ]
    assert silent == ["StatehouseAsync.close"]
