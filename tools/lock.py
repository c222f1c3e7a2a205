"""Locks requirements: ``requirements/*.lock`` from every pyproject.toml and ``requirements/*.in``.

A lock holds exact versions with hashes for every supported Python and system, and no host name, index or
path of a machine, so that it is the same wherever it was made. Its first line carries a fingerprint of
what it was made from; ``--check`` compares that, without a network. What this repository builds itself is
in no lock, though our distributions require each other: it is installed from here.

    python tools/lock.py --uv PATH [--upgrade]    compile every lock, keeping pins that still fit
    python tools/lock.py --check                  exit 1 if a lock is not in step with its inputs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MARK: Final = "# inputs: sha256:"
# Names of our distributions: the index may have others of the same names.
OURS: Final = ROOT / "requirements" / "ours.txt"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock and what it is made from.

    Attributes:
        name: The stem of the files under ``requirements/``.
        projects: The folders of our distributions whose dependencies are part of it.
        extras: The extras of these that are part of it.
        like: Another lock, whose versions hold for what both have.
    """

    name: str
    projects: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    like: str | None = None

    @property
    def path(self) -> Path:
        """The lock itself."""
        return ROOT / "requirements" / f"{self.name}.lock"

    @property
    def inputs(self) -> list[str]:
        """What uv compiles, relative to the repository."""
        own = f"requirements/{self.name}.in"
        projects = [(Path(folder) / "pyproject.toml").as_posix() for folder in self.projects]
        return projects + ([own] if (ROOT / own).exists() else [])


STATEHOUSE: Final = "."
LANGGRAPH: Final = "integrations/langgraph"
LOCKS: Final = (
    Lock("runtime", projects=(STATEHOUSE,)),
    Lock("langgraph", projects=(STATEHOUSE, LANGGRAPH), extras=("search",)),
    Lock("dev", projects=(STATEHOUSE, LANGGRAPH), extras=("testing", "otel", "search")),
    Lock("oldest", projects=(STATEHOUSE, LANGGRAPH), extras=("testing", "otel", "search")),
    # LangGraph's own tests are those of the version that ours run with.
    Lock("upstream", projects=(STATEHOUSE, LANGGRAPH), extras=("search",), like="dev"),
    Lock("phoenix"),
    Lock("dbos"),
    Lock("generate"),
    Lock("dist"),
    Lock("lock"),
)


def fingerprint(lock: Lock) -> str:
    """Gives the digest of everything that decides a lock's contents, comments and order aside."""
    asked: list[str] = []
    for folder in lock.projects:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        asked += [f"python{project['requires-python']}", *project["dependencies"]]
        for extra in lock.extras:
            asked += project.get("optional-dependencies", {}).get(extra, [])
    for name in lock.inputs:
        if name.endswith(".in"):
            lines = (ROOT / name).read_text().splitlines()
            asked += [line.partition("#")[0].strip() for line in lines]
    if lock.like is not None:
        pins = re.findall(
            r"^[\w.-]+==\S+", (ROOT / f"requirements/{lock.like}.lock").read_text(), re.MULTILINE
        )
        asked += [f"like {pin}" for pin in pins]
    return hashlib.sha256(json.dumps(sorted(filter(None, asked))).encode()).hexdigest()


def compile_lock(lock: Lock, uv: Path, *, upgrade: bool) -> None:
    """Writes one lock.

    Raises:
        CalledProcessError: There is no set of versions that fits, or no network.
    """
    command = [str(uv), "pip", "compile", "--quiet", "--no-config", "--universal", "--python-version", "3.11"]
    # As pip does: a company's certificate is known to the system, not to uv.
    command += ["--system-certs"]
    command += ["--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--upgrade"] if upgrade else []
    command += [f"--extra={extra}" for extra in lock.extras]
    command += [f"--constraints=requirements/{lock.like}.lock"] if lock.like is not None else []
    command += ["--excludes", str(OURS.relative_to(ROOT))]
    command += ["--output-file", str(lock.path.relative_to(ROOT)), *lock.inputs]
    # A lock must not depend on the index that somebody's shell happens to name.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    lock.path.write_text(f"{MARK}{fingerprint(lock)}\n{lock.path.read_text()}")


def complaints(lock: Lock) -> list[str]:
    """Says what is wrong with one lock as it is."""
    name = lock.path.relative_to(ROOT)
    if not lock.path.exists():
        return [f"{name} is missing; run `make lock`"]
    text = lock.path.read_text()
    found = []
    if not text.startswith(f"{MARK}{fingerprint(lock)}\n"):
        found.append(f"{name} is not in step with {' and '.join(lock.inputs)}; run `make lock`")
    if "://" in text or re.search(r"^\s*-", text.replace("    --hash=", ""), re.MULTILINE):
        found.append(f"{name} names an index, a host or an option; it holds names, versions and hashes only")
    pins = re.findall(r"^[A-Za-z0-9].*", text, re.MULTILINE)
    found += [f"{name}: {pin.split()[0]} has no hash" for pin in pins if not pin.endswith("\\")]
    return found


def main() -> int:
    """Compiles or checks every lock; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare the locks with their inputs")
    parser.add_argument("--uv", type=Path, help="the uv program to compile with")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    arguments = parser.parse_args()
    if arguments.check:
        wrong = [line for lock in LOCKS for line in complaints(lock)]
        print("\n".join(wrong) or f"{len(LOCKS)} locks are in step")
        return 1 if wrong else 0
    if arguments.uv is None:
        parser.error("name the uv program with --uv, or use `make lock`")
    for lock in LOCKS:
        compile_lock(lock, arguments.uv, upgrade=arguments.upgrade)
        print(f"wrote {lock.path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
