"""Both ends of what pyproject.toml admits: `make test` runs on the newest gRPC and protobuf, `make
test-oldest` on the oldest, and here one of each talks to the other.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import textwrap
import tomllib
from itertools import chain
from pathlib import Path
from typing import Final

import google.protobuf
import grpc
import pytest

from statehouse import Statehouse
from statehouse._generated import statehouse_pb2, statehouse_pb2_grpc
from tests.daemon.processes import daemon

ROOT: Final = Path(__file__).resolve().parent.parent.parent
OLDEST: Final = ROOT / ".venv-oldest"
HERE_IS_OLDEST: Final = Path(sys.prefix).resolve() == OLDEST.resolve()
ELSEWHERE: Final = (ROOT / ".venv" if HERE_IS_OLDEST else OLDEST) / "bin" / "python"

Version = tuple[int, ...]


def version(text: str) -> Version:
    """A version to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def declared() -> dict[str, str]:
    """What our distributions say of each dependency, by its name."""
    lines: list[str] = []
    for path in (ROOT / "pyproject.toml", *ROOT.glob("integrations/*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        lines += [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    found = (re.fullmatch(r"([\w-]+)(.*)", line) for line in lines)
    return {each[1]: each[2] for each in found if each}


def floor(name: str) -> Version:
    """The oldest version of a dependency that is admitted."""
    return version(re.findall(r">=([\d.]+)", declared()[name])[0])


@pytest.mark.parametrize("name", ["grpcio", "protobuf", "grpcio-health-checking", "grpcio-reflection"])
def test_what_runs_here_is_admitted(name: str) -> None:
    installed, admitted = importlib.metadata.version(name), declared()[name]
    assert version(installed) >= floor(name), (installed, admitted)
    ceiling = re.findall(r"<([\d.]+)", admitted)
    assert not ceiling or version(installed) < version(ceiling[0]), (installed, admitted)


def test_the_oldest_corner_is_the_oldest() -> None:
    """What `make test-oldest` installs is what our distributions begin at, and no later patch of it."""
    pins = dict(
        re.findall(r"^([\w-]+)==([\d.]+)", (ROOT / "requirements" / "oldest.in").read_text(), re.MULTILINE)
    )
    assert {"grpcio", "protobuf"} <= pins.keys()
    for name, pin in pins.items():
        known = floor(name)
        assert version(pin)[: len(known)] == known, name


def test_generated_code_asks_for_no_more_than_the_oldest() -> None:
    """And it loads, or this module would not."""
    described = statehouse_pb2.DESCRIPTOR.services_by_name["StatehouseService"]
    assert described.full_name == "statehouse.v1.StatehouseService"
    assert version(statehouse_pb2_grpc.GRPC_GENERATED_VERSION)[:2] <= floor("grpcio")
    source = Path(statehouse_pb2.__file__).read_text()
    asked = re.search(r"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d+),\s*(\d+),\s*(\d+)", source)
    assert asked is not None
    assert tuple(map(int, asked.groups())) <= floor("protobuf")


CLIENT: Final = """
    import sys
    import google.protobuf, grpc
    from statehouse import ConflictError, NotFoundError, Statehouse
    with Statehouse(sys.argv[1]) as sh:
        agent = sh.agent("planner")
        with agent.transaction() as tx:
            tx.write("small", {"n": 2**60, "text": "é"})
            tx.write("large", {"text": "x" * 1_000_000})
        small, large = agent.get_state("small"), agent.get_state("large")
        assert (small.value, len(large.value["text"])) == ({"n": 2**60, "text": "é"}, 1_000_000)
        try:
            agent.get_state("nothing")
        except NotFoundError as error:
            assert "nothing" in str(error)
        try:
            with agent.transaction() as tx:
                tx.get_state("small")
                agent.write("small", 2)
                tx.write("small", 3)
        except ConflictError as error:
            [key] = error.keys
            assert key.key == "small"
        keys = [operation.key for event in agent.replay() for operation in event.operations]
        print(grpc.__version__, google.protobuf.__version__, keys)
"""
"""What a client says of itself, and what it found."""


def talk(python: Path, target: str) -> list[str]:
    """Runs the client with an interpreter; gives the versions it ran on, and the keys of its replay."""
    command = [str(python), "-W", "error", "-c", textwrap.dedent(CLIENT), target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    *versions, keys = done.stdout.strip().split(" ", 2)
    assert keys == "['small', 'large', 'small']"
    return versions


# `make test-oldest` has both. Where the other one was not made this is no test that was skipped, but none.
if ELSEWHERE.exists():

    def test_a_client_of_the_other_corner_talks_to_a_daemon_of_this_one(tmp_path: Path) -> None:
        with daemon(tmp_path / "log", "--memory") as server:
            assert talk(ELSEWHERE, server.target) != [grpc.__version__, google.protobuf.__version__]

    def test_a_client_of_this_corner_talks_to_a_daemon_of_the_other_one(tmp_path: Path) -> None:
        command = (str(ELSEWHERE), "-m", "statehouse.daemon")
        with daemon(tmp_path / "log", "--memory", command=command) as server:
            assert talk(Path(sys.executable), server.target) == [
                grpc.__version__,
                google.protobuf.__version__,
            ]
            with Statehouse(server.target) as sh:
                assert sh.status().commit_ts == 2
