"""Commands about runs of steps: ``run list show reads diff`` and those that run their code again.

Each command has a file of its own, and is added to the group here.
"""

from __future__ import annotations

import click

from statehouse.cli.command import Section
from statehouse.cli.runs.listing import listing

__all__ = ["run"]


@click.group(cls=Section)
def run() -> None:
    """Look into runs of steps."""


for _command in (listing,):
    run.add_command(_command)
