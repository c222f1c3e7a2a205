"""The id of a run as a person gives it: whole, or so much of its beginning that it means one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from statehouse.cli.show import printable
from statehouse.programs.exits import Exit, Refusal

if TYPE_CHECKING:
    from statehouse import Statehouse
    from statehouse.extend import Flow

__all__ = ["run_meant"]

_BEGINNING_MIN: Final = 8
_RUNS_MAX: Final = 2000
_NAMED_MAX: Final = 8


def run_meant(sh: Statehouse, given: str) -> str:
    """Gives the id of the run that is meant: what was given, unless it only begins the id of one.

    Beginnings are looked for among the newest 2,000 runs: one request, however many there are.

    Raises:
        Refusal: Several runs could be meant.
        InvalidArgumentError: No run can have this id.
        LimitExceededError: Likewise; it is too long.
        StatehouseError: As a read does.
    """
    from statehouse.extend import DEFAULT_LIMITS, run
    from statehouse.protocol.names import check_text

    check_text("the id of a run", given, DEFAULT_LIMITS.agent_id_bytes_max)
    meant = run(sh, _begun_by(sh.namespace, given)) if len(given) >= _BEGINNING_MIN else [given]
    if len(meant) > 1:
        more = f" and {len(meant) - _NAMED_MAX} more" if len(meant) > _NAMED_MAX else ""
        named = printable(", ".join(meant[:_NAMED_MAX]))
        raise Refusal(f"{given} could be several runs: {named}{more}", Exit.NOT_FOUND)
    return meant[0] if meant else given


def _begun_by(namespace: str, given: str) -> Flow[list[str]]:
    """The runs whose ids begin so; only the one that has it for its id, if there is one."""
    from statehouse.errors import CompactedError, NotFoundError
    from statehouse.extend import Page, Scan
    from statehouse.steps import keys
    from statehouse.steps.reading import read_run

    try:
        return [(yield from read_run(namespace, given)).run_id]
    except (NotFoundError, CompactedError):
        # The latter in an exported run, which does not know of others.
        place = keys.index_namespace(namespace), keys.index_agent(None)
    page: Page = yield Scan(*place, reverse=True, keys_only=True, limit=_RUNS_MAX)
    ids = [keys.indexed_run_id(entry.key.key) for entry in page.entries]
    return [each for each in dict.fromkeys(ids) if each.startswith(given)]
