"""Runs and steps by the names that a person gives them; a wrong name is answered with the ones there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

from statehouse.debug.inspecting.gaps import Gaps
from statehouse.debug.inspecting.recorded import steps_of
from statehouse.errors import NotFoundError
from statehouse.extend import EventPage, FindEvents, Flow, Get, Read, RecordKey
from statehouse.steps import keys
from statehouse.steps.reading import read_run
from statehouse.steps.record import RunRecord, StepRecord, step_from_entry

_NAMED_MAX: Final = 8


def run_named(namespace: str, run_id: str) -> Flow[RunRecord]:
    """Gives the record of a run.

    Raises (in the flow):
        NotFoundError: There is none; the message says where there is one, if anywhere.
    """
    try:
        return (yield from read_run(namespace, run_id))
    except NotFoundError as error:
        elsewhere = [each for each in (yield from namespaces_of(run_id)) if each != namespace]
        hint = f"; there is one in {', '.join(elsewhere)}" if elsewhere else ""
        raise NotFoundError(f"{error.message}{hint}", run_id=run_id, namespaces=tuple(elsewhere)) from None


def namespaces_of(run_id: str) -> Flow[list[str]]:
    """Gives the namespaces that have a run of this id, by the first page of what was committed under it.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    page: EventPage = yield FindEvents("run", run_id)
    places = [
        RecordKey(operation.namespace, operation.agent_id, operation.key)
        for event in page.events
        for operation in event.operations
    ]
    return list(dict.fromkeys(where for name in places if (where := place_of_run(name, run_id)) is not None))


def place_of_run(name: RecordKey, run_id: str) -> str | None:
    """Gives the namespace of a run by the name of its record; None for any other name."""
    namespace, suffix = name.namespace, keys.runs_namespace("")
    is_record = (name.agent_id, name.key) == (run_id, keys.RUN) and namespace.endswith(suffix)
    return namespace.removesuffix(suffix) if is_record else None


def step_recorded(namespace: str, run_id: str, path: str) -> Flow[StepRecord | None]:
    """Gives the record of a step as it is now; None where there is none.

    Raises (in the flow):
        StatehouseError: As a read does.
    """
    reply: Read = yield Get(RecordKey(keys.runs_namespace(namespace), run_id, keys.STEP + path))
    return step_from_entry(reply.entry) if reply.entry.exists else None


def step_named(run: RunRecord, path: str) -> Flow[StepRecord]:
    """Gives the record of a step. Its path may be cut short as long as it means one step: ``search#3``.

    Raises (in the flow):
        NotFoundError: There is none; the message says which there are, the closest first.
    """
    found = yield from step_recorded(run.namespace, run.run_id, path)
    if found is not None:
        return found
    steps = yield from steps_of(run, Gaps())
    meant = [each for each in steps if _means(path, each)]
    if len(meant) == 1:
        return meant[0]
    raise NotFoundError(_wrong(run, path, meant or steps, many=len(meant) > 1), run_id=run.run_id, path=path)


def steps_meant(run: RunRecord, names: Iterable[str]) -> Flow[frozenset[str]]:
    """Gives the paths of all steps that are meant by names, paths, or ends of paths.

    Raises (in the flow):
        NotFoundError: One of them means none; the message says which there are, the closest first.
    """
    steps = yield from steps_of(run, Gaps())
    paths = {step.path for step in steps}
    found: set[str] = set()
    for name in names:
        meant = {name} & paths or {step.path for step in steps if _means(name, step)}
        if not meant:
            raise NotFoundError(_wrong(run, name, steps, many=False), run_id=run.run_id, path=name)
        found |= meant
    return frozenset(found)


def _means(path: str, step: StepRecord) -> bool:
    ends = f"/{step.path}".endswith
    return ends(f"/{path}") or step.name == path


def _wrong(run: RunRecord, path: str, steps: list[StepRecord], *, many: bool) -> str:
    if not steps:
        return f"there is no step {path} in the run {run.run_id}: it has recorded none"
    near = sorted(steps, key=lambda step: (-_likeness(path, step.path), step.commit_ts))
    named = ", ".join(step.path for step in near[:_NAMED_MAX])
    more = f" and {len(near) - _NAMED_MAX} more" if len(near) > _NAMED_MAX else ""
    if many:
        return f"{path} could be several steps of the run {run.run_id}: {named}{more}"
    return f"there is no step {path} in the run {run.run_id}; there are: {named}{more}"


def _likeness(wanted: str, path: str) -> float:
    return SequenceMatcher(None, wanted, path, autojunk=False).ratio()
