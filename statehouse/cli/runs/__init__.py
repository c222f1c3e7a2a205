"""Commands about runs of steps: ``run list show reads diff`` and those that run their code again.

Each command has a file of its own, and is added to the group here.
"""

from __future__ import annotations

import click

from statehouse.cli.command import Section
from statehouse.cli.runs.debug import debug
from statehouse.cli.runs.diff import diff
from statehouse.cli.runs.export import export, open_
from statehouse.cli.runs.fork import fork
from statehouse.cli.runs.listing import listing
from statehouse.cli.runs.reads import reads
from statehouse.cli.runs.showing import show
from statehouse.cli.runs.verify import verify

__all__ = ["run"]


@click.group(cls=Section)
def run() -> None:
    """Look into runs of steps."""


for _command in (listing, show, reads, diff, verify, debug, fork, export, open_):
    run.add_command(_command)
