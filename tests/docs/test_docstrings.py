"""Every example in a docstring runs, and what people hold in their hands has one."""

from __future__ import annotations

import asyncio
import doctest
from importlib import import_module
from pathlib import Path

import pytest

import statehouse
import statehouse_langgraph
from statehouse.testing.clock import ManualClock
from statehouse.testing.faults import FaultStore
from statehouse.testing.reference import ReferenceEngine
from tests.docs.fences import ROOT

SOURCES = (ROOT / "statehouse", ROOT / "integrations/langgraph/statehouse_langgraph")


def module_name(path: Path) -> str:
    """Gives the name by which a file is imported."""
    root = next(root for root in SOURCES if root in path.parents).parent
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


WITH_EXAMPLES = sorted(
    module_name(path)
    for source in SOURCES
    for path in source.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

HELD = [
    statehouse.Statehouse,
    statehouse.StatehouseAsync,
    statehouse.Agent,
    statehouse.AgentAsync,
    statehouse.Transaction,
    statehouse.TransactionAsync,
    statehouse.Run,
    statehouse.RunAsync,
    statehouse.Step,
    statehouse.State,
    statehouse.step,
    ManualClock,
    FaultStore,
    ReferenceEngine,
    statehouse_langgraph.StatehouseSaver,
    statehouse_langgraph.StatehouseStore,
    statehouse_langgraph.StatehouseCache,
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"asyncio": asyncio}
    result = doctest.testmod(import_module(name), extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert (result.failed, capsys.readouterr().out) == (0, "")
    assert result.attempted > 0


@pytest.mark.parametrize("held", HELD, ids=lambda held: str(held.__name__))
def test_what_people_hold_has_an_example(held: type) -> None:
    assert ">>> " in (held.__doc__ or "")


def test_every_public_name_says_what_it_is() -> None:
    silent = [
        f"{package.__name__}.{name}"
        for package in (statehouse, statehouse_langgraph)
        for name in package.__all__
        if not getattr(package, name).__doc__
    ]
    assert silent == []
