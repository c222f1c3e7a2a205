"""What to say of a name that nothing was ever written under: most often it is misspelt, or of elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from statehouse.errors import StatehouseError
from statehouse.programs.words import printable

if TYPE_CHECKING:
    from statehouse import Statehouse

__all__ = ["elsewhere", "hinted", "is_known", "missing_agent", "never_written"]

_NAMED: Final = 5


def is_known(sh: Statehouse, agent: str) -> bool:
    """Whether anything was ever written to an agent; what it wrote may be deleted or erased by now."""
    return any(True for _ in sh.replay(agent_id=agent, payloads=False))


def never_written(sh: Statehouse, agent: str, keys: tuple[str, ...], prefix: str | None) -> Iterator[str]:
    """Gives what of some names was never written, neither deleted nor erased since, as people call it."""
    of = f"{sh.namespace}/{agent}"
    for key in keys:
        if not any(True for _ in sh.history(key, agent_id=agent, limit=1)):
            yield f"{of}/{key} was never written"
    if prefix == "" and not is_known(sh, agent):
        yield f"{of} was never written"
    elif prefix and not _any_written(sh, agent, prefix):
        yield f"no key of {of} that begins with {prefix!r} was ever written"


def _any_written(sh: Statehouse, agent: str, prefix: str) -> bool:
    if sh.list_keys(prefix, agent_id=agent, limit=1):
        return True
    # What was deleted or erased is in the events only.
    return any(
        operation.key.startswith(prefix)
        for event in sh.replay(agent_id=agent, payloads=False)
        for operation in event.operations
        if operation.agent_id == agent and operation.namespace == sh.namespace
    )


def missing_agent(sh: Statehouse, agent: str) -> str:
    """Gives that there is no such agent, and where to look; empty when there is one, or nobody can say."""
    try:
        if is_known(sh, agent):
            return ""
        return (
            f"namespace {printable(repr(sh.namespace))} has no agent {printable(repr(agent))}{elsewhere(sh)}"
        )
    except StatehouseError:
        # An exported run does not have the events of everybody.
        return ""


def hinted(text: str, hint: str) -> str:
    """Gives what is missing, and with it why that may be."""
    return f"{text} ({hint})" if hint else text


def elsewhere(sh: Statehouse, at: int | datetime | None = None) -> str:
    """Gives where else there are agents, as the end of a sentence; empty when there are none elsewhere."""
    from statehouse.steps.keys import is_of_runs

    names = (each.namespace for each in sh.namespaces(at=at))
    others = [name for name in names if name != sh.namespace and not is_of_runs(name)]
    if not others:
        return ""
    more = ", …" if len(others) > _NAMED else ""
    return f"; try -n with one of: {', '.join(map(printable, others[:_NAMED]))}{more}"
