"""Runs ``statehouse-langgraph`` in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from statehouse_langgraph.cli.app import app


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """The JSON lines it printed."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


def ran(*args: str, url: str) -> Ran:
    result = CliRunner(env={"STATEHOUSE_URL": url}).invoke(app, list(args), prog_name="statehouse-langgraph")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.stderr
    return Ran(result.exit_code, result.stdout, result.stderr)
