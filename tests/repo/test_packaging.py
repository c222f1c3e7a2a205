"""What pyproject.toml declares is what the code uses."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import statehouse
import statehouse_langgraph
from tools.house import imported

ROOT = Path(__file__).parents[2]
# Modules whose distributions are not called as they are.
DISTRIBUTIONS = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "langchain_core": "langchain-core",
    "langgraph.checkpoint.sqlite": "langgraph-checkpoint-sqlite",
    "langgraph.checkpoint.postgres": "langgraph-checkpoint-postgres",
    "langgraph.cache": "langgraph-checkpoint",
    "langgraph.checkpoint": "langgraph-checkpoint",
    "langgraph.store": "langgraph-checkpoint",
    "opentelemetry.exporter.otlp": "opentelemetry-exporter-otlp",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "psycopg": "langgraph-checkpoint-postgres",  # which requires it
    "pythonjsonlogger": "python-json-logger",
}
# Used where the program has it: its models are inputs and outputs of steps.
IF_THERE = {"pydantic"}
OURS = {"statehouse", "statehouse_langgraph"}
INTEGRATION = ROOT / "integrations/langgraph"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def third_party(folder: Path) -> set[str]:
    """Gives the distributions of everything imported below a folder that is neither Python's nor ours."""
    modules = {module for path in folder.rglob("*.py") for _, module, _ in imported(path.read_text())}
    return {distribution(module) for module in modules} - sys.stdlib_module_names - OURS


def distribution(module: str) -> str:
    """Gives the distribution that a module is in."""
    known = (name for name in DISTRIBUTIONS if module == name or module.startswith(f"{name}."))
    return next((DISTRIBUTIONS[name] for name in known), module.split(".", maxsplit=1)[0])


def names(requirements: list[str]) -> set[str]:
    """Gives the names of requirements without their versions."""
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def test_every_dependency_is_imported_and_every_import_is_declared() -> None:
    testing = third_party(ROOT / "statehouse/testing")
    everything = third_party(ROOT / "statehouse")
    declared = names(PROJECT["dependencies"])
    extras = {name: names(extra) for name, extra in PROJECT["optional-dependencies"].items()}
    assert everything - IF_THERE == declared.union(*extras.values())
    assert extras["testing"] <= testing


def test_every_dependency_of_the_integration_is_imported_and_every_import_is_declared() -> None:
    project = tomllib.loads((INTEGRATION / "pyproject.toml").read_text())["project"]
    extras = set().union(*(names(extra) for extra in project["optional-dependencies"].values()))
    # It builds on langgraph-checkpoint; langgraph itself calls it, and is named for its version.
    uncalled = {"statehouse", "langgraph"}
    assert third_party(INTEGRATION) == (names(project["dependencies"]) | extras) - uncalled


def test_only_the_workshop_imports_what_the_extra_installs() -> None:
    extra = names(PROJECT["optional-dependencies"]["testing"])
    floors = [
        entry for entry in (ROOT / "statehouse").iterdir() if entry.is_dir() and entry.name != "testing"
    ]
    assert [floor.name for floor in floors if extra & third_party(floor)] == []


def test_one_version_is_said_everywhere() -> None:
    said = re.search(r"^## \[(.+?)]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert said
    assert said[1] == version("statehouse") == statehouse.__version__
    assert said[1] == version("statehouse-langgraph") == statehouse_langgraph.__version__


@pytest.mark.parametrize(
    "name, package",
    [
        ("statehousectl", "statehouse"),
        ("statehouse-langgraph", "statehouse_langgraph"),
    ],
)
def test_the_command_line_is_installed(name: str, package: str) -> None:
    [script] = entry_points(group="console_scripts", name=name)
    assert script.value == f"{package}.cli:main"


@pytest.mark.parametrize("group", ["pytest11", "hypothesis"])
def test_installing_statehouse_changes_nobody_s_test_runs(group: str) -> None:
    assert [point for point in entry_points(group=group) if point.value.startswith("statehouse")] == []


@pytest.mark.parametrize("package", ["statehouse", "integrations/langgraph/statehouse_langgraph"])
def test_the_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
