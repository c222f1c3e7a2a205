"""The event log of an overlay: what was committed below, up to its commit_ts, and then what the layer has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from statehouse.debug.overlay.pages import DELETED
from statehouse.errors import InvalidArgumentError
from statehouse.extend import EventPage, FindEvents, RecordKey, Replay
from statehouse.protocol.replies import Event, Operation

if TYPE_CHECKING:
    from statehouse.debug.overlay.engine import OverlayEngine

_ANY: Final = ("", 0)


class OverlayEvents:
    """Answers replays and searches of an overlay."""

    def __init__(self, engine: OverlayEngine) -> None:
        self._engine = engine

    def replay(self, request: Replay) -> EventPage:
        """Answers a replay.

        Raises:
            InvalidArgumentError: Of more than one agent of a fork.
            StatehouseError: As a replay does.
        """
        engine = self._engine
        if request.namespace is not None and not engine.layer.has(request.namespace):
            return engine.below.execute(request)
        if request.from_ts <= engine.at:
            end = engine.at if request.to_ts is None else min(request.to_ts, engine.at)
            page = engine.below.execute(replace(request, to_ts=end, wait_s=0.0))
            return (
                page
                if request.to_ts is not None and request.to_ts <= engine.at
                else replace(page, done=False)
            )
        if engine.layer.is_shared and request.agent_id is None:
            raise InvalidArgumentError(
                "what a fork has committed is replayed one agent at a time: say which agent"
            )
        inward = self._inward(request)
        page = engine.layer.engine.execute(replace(inward, to_ts=engine.inward_ts(request.to_ts)))
        return self._outward(page)

    def find(self, request: FindEvents) -> EventPage:
        """Answers a search.

        Raises:
            StatehouseError: As a search does.
        """
        engine = self._engine
        if engine.layer.is_shared:
            return engine.below.execute(request)
        if request.from_ts <= engine.at:
            page = engine.below.execute(request)
            events = tuple([event for event in page.events if event.commit_ts <= engine.at])
            through = min(page.through_commit_ts, engine.at)
            return replace(page, events=events, through_commit_ts=through, done=False)
        from_ts = engine.inward_ts(request.from_ts) or 0
        inward = replace(request, from_ts=from_ts, store_id=_ANY[0], epoch=_ANY[1])
        return self._outward(engine.layer.engine.execute(inward))

    def _inward(self, request: Replay) -> Replay:
        engine = self._engine
        namespace, agent_id = request.namespace, request.agent_id
        if namespace is not None:
            name = engine.layer.inward(RecordKey(namespace, agent_id or "", ""))
            namespace, agent_id = name.namespace, None if agent_id is None else name.agent_id
        store_id, epoch = (request.store_id, request.epoch) if engine.layer.is_shared else _ANY
        return replace(
            request,
            namespace=namespace,
            agent_id=agent_id,
            from_ts=engine.inward_ts(request.from_ts) or 0,
            store_id=store_id,
            epoch=epoch,
        )

    def _outward(self, page: EventPage) -> EventPage:
        return EventPage(
            tuple([self._event(event) for event in page.events]),
            self._engine.outward_ts(page.through_commit_ts),
            page.done,
        )

    def _event(self, event: Event) -> Event:
        operations = tuple([self._operation(each) for each in event.operations])
        return replace(event, commit_ts=self._engine.outward_ts(event.commit_ts), operations=operations)

    def _operation(self, operation: Operation) -> Operation:
        engine = self._engine
        name = engine.layer.outward(RecordKey(operation.namespace, operation.agent_id, operation.key))
        version = operation.version
        if engine.layer.has(name.namespace):
            version += engine.version_below(name)
        if operation.payload is not None and operation.payload.content_type == DELETED:
            return Operation(*name, "delete", version)
        return Operation(*name, operation.kind, version, operation.payload)
