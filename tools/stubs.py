"""Writes ``statehouse/_generated`` from ``proto/``.

    python tools/stubs.py PYTHON            write it, by the grpcio-tools of that interpreter
    python tools/stubs.py PYTHON --check    exit with 1 if it is not what would be written

The interpreter is one of an environment of its own (`requirements/generate.lock`): grpcio-tools 1.76 writes
code that loads on protobuf 6.31 and newer, and pulls in versions that the rest of the house does not use.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "proto/statehouse/v1"
TARGET = "statehouse/_generated"
FRONT = '"""Written by `make generate` from proto/; imported by `statehouse.rpc` only."""\n'


def written(python: str) -> dict[str, str]:
    """Gives the files that belong into the target, by name.

    Raises:
        CalledProcessError: The contract does not compile; protoc has said why.
    """
    # Mapped to where the modules will lie, protoc writes imports that are right.
    protos = [f"{SOURCE}/{path.name}" for path in sorted((ROOT / SOURCE).glob("*.proto"))]
    with tempfile.TemporaryDirectory() as place:
        outputs = [f"--{kind}_out={place}" for kind in ("python", "pyi", "grpc_python")]
        command = [python, "-m", "grpc_tools.protoc", f"-I{TARGET}={SOURCE}", *outputs, *protos]
        subprocess.run(command, cwd=ROOT, check=True)
        found = {path.name: path.read_text() for path in (Path(place) / TARGET).iterdir()}
    return {"__init__.py": FRONT, **found}


def main() -> int:
    """Writes or checks; gives the exit code."""
    wanted = written(sys.argv[1])
    target = ROOT / TARGET
    present = {path.name: path.read_text() for path in target.iterdir() if path.is_file()}
    different = sorted(name for name in wanted | present if wanted.get(name) != present.get(name))
    if "--check" in sys.argv[2:]:
        for name in different:
            print(f"{TARGET}/{name} is not what `make generate` would write")
        return 1 if different else 0
    target.mkdir(exist_ok=True)
    for name in different:
        path = target / name
        if name in wanted:
            path.write_text(wanted[name])
        else:
            path.unlink()
        print(f"wrote {TARGET}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
