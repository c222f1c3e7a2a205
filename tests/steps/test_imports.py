"""What it costs to have steps at hand."""

from __future__ import annotations

import subprocess
import sys


def loaded(program: str, *modules: str) -> list[str]:
    """Which of the modules a program has loaded."""
    code = f"import sys\n{program}\nprint(*sorted({set(modules)} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_who_uses_no_steps_does_not_load_them() -> None:
    assert loaded("import statehouse", "statehouse.steps") == []


def test_blocking_steps_load_neither_asyncio_nor_what_makes_spans() -> None:
    program = "import statehouse\n@statehouse.step\ndef work() -> None: ...\n"
    program += "with statehouse.Statehouse('memory:') as sh, sh.run(agent_id='a'): work()"
    assert loaded(program, "asyncio", "opentelemetry", "pydantic", "grpc") == []
