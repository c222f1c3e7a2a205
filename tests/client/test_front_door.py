"""What ``import statehouse`` gives, costs, and says."""

from __future__ import annotations

import doctest
import logging
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import statehouse
from statehouse import errors, extend
from statehouse.client._async import handle as async_handle
from statehouse.client._sync import handle as sync_handle
from statehouse.client.connection import HandleClosedError

ROOT = Path(__file__).resolve().parents[2]
LEAVES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )


def test_every_public_name_is_there() -> None:
    for module in (statehouse, extend):
        assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
        assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert set(dir(statehouse)) >= set(statehouse.__all__)


@pytest.mark.parametrize("module", [statehouse, extend])
def test_a_name_that_is_not_there_says_so(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def test_importing_loads_nothing_heavy() -> None:
    heavy = "{'asyncio', 'grpc', 'rocksdict', 'rich', 'click', 'statehouse.engine', 'sortedcontainers'}"
    done = python("-c", f"import statehouse, sys; print(sorted({heavy} & set(sys.modules)))")
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_library_logs_nowhere_by_itself() -> None:
    handlers = logging.getLogger("statehouse").handlers
    assert [type(each) for each in handlers] == [logging.NullHandler]


def test_the_version_is_the_distributions() -> None:
    assert statehouse.__version__ == "0.2.0"


def test_the_examples_in_the_docs_run() -> None:
    import asyncio

    for module, names in (
        (statehouse, {}),
        (extend, {}),
        (sync_handle, {}),
        (async_handle, {"asyncio": asyncio}),
    ):
        found = doctest.testmod(module, extraglobs=names)
        assert (found.attempted > 0, found.failed) == (True, 0)


@pytest.mark.parametrize("cls", [*LEAVES, HandleClosedError])
def test_every_error_pickles_with_its_facts(cls: type[errors.StatehouseError]) -> None:
    error = pickle.loads(pickle.dumps(cls("what happened", commit_ts=7, keys=("a",))))
    assert (type(error), str(error), error.commit_ts, error.keys) == (cls, "what happened", 7, ("a",))


def test_records_are_values() -> None:
    record = statehouse.Record("default", "a", "k", [1], 1, 1)
    assert record == pickle.loads(pickle.dumps(record))
    assert len({record, statehouse.Record("default", "a", "k", [1], 1, 1)}) == 1
    with pytest.raises(AttributeError):
        record.value = 2  # type: ignore[misc]


def test_a_codec_decodes_what_an_adapter_stores() -> None:
    class Upper:
        content_type = "application/x-upper"

        def decode(self, data: bytes) -> str:
            return data.decode().upper()

        def show(self, data: bytes) -> str:
            return data.decode()

    extend.register_codec(Upper())
    with statehouse.Statehouse("memory:") as sh:
        sh.write("k", statehouse.Payload("application/x-upper", b"tea"), agent_id="a")
        assert sh.get_state("k", agent_id="a").value == "TEA"
        assert next(iter(sh.replay_pretty())).endswith('+k="tea"')


@pytest.mark.parametrize("at", ["x", "2026-01-01", 1.5, True, b"1"])
def test_what_is_no_point_in_history_is_told_both_things_that_are(at: Any) -> None:
    said = "at must be a commit_ts .*, or a datetime with a time zone"
    with statehouse.Statehouse("memory:") as sh:
        for read in (
            lambda: sh.get_state("k", agent_id="a", at=at),
            lambda: sh.get_many(["k"], agent_id="a", at=at),
            lambda: [*sh.scan_prefix(agent_id="a", at=at)],
            lambda: [*sh.history("k", agent_id="a", at=at)],
            lambda: sh.agents(at=at),
        ):
            with pytest.raises(errors.InvalidArgumentError, match=said):
                read()


def test_a_flow_runs_in_both_colours_over_a_handle_or_an_engine() -> None:
    import asyncio

    with statehouse.Statehouse("memory:") as sh:
        for over in (sh, sh.aio, sh.agent("a"), sh.transaction(), sh.connection, sh.connection.engine):
            assert extend.run(over, extend.ask(extend.Health())) == "ok"
            assert asyncio.run(extend.run_async(over, extend.ask(extend.Health()))) == "ok"
        with pytest.raises(errors.InvalidArgumentError, match="not a Statehouse handle"):
            extend.run("no handle", extend.ask(extend.Health()))  # type: ignore[arg-type]
