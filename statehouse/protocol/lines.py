"""Events as JSON, for files of JSON lines: dumps of a store, exports of a run.

An operation is ``{"kind","namespace","agent_id","key","version"}`` and, for a write, ``"json"``: the value,
or ``"content_type"`` and ``"base64"``: the bytes. ``json`` is used exactly where compact JSON of the value
gives the stored bytes again, so every byte comes back.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from statehouse.protocol.origin import Origin
from statehouse.protocol.replies import Event, Operation
from statehouse.protocol.values import JSON, Payload

__all__ = ["event_from_json", "event_to_json", "json_bytes", "origin_to_json"]

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def json_bytes(value: Any) -> bytes:
    """Gives compact JSON, as a store keeps it and as such lines are written.

    Raises:
        ValueError: It cannot be written as UTF-8 JSON.
    """
    return _encode(value).encode()


def origin_to_json(origin: Origin) -> dict[str, Any]:
    """Gives the fields of an origin that are set."""
    fields: dict[str, Any] = {
        "trace_id": origin.trace_id,
        "span_id": origin.span_id,
        "agent_id": origin.agent_id,
        "run_id": origin.run_id,
        "step": origin.step,
        "attributes": dict(origin.attributes),
    }
    return {name: value for name, value in fields.items() if value}


def event_to_json(event: Event) -> dict[str, Any]:
    """Gives an event as it is written."""
    return {
        "commit_ts": event.commit_ts,
        "txn_id": event.txn_id,
        "committed_at_us": event.committed_at_us,
        "origin": origin_to_json(event.origin),
        "operations": [_operation_to_json(operation) for operation in event.operations],
    }


def _operation_to_json(operation: Operation) -> dict[str, Any]:
    line: dict[str, Any] = {
        "kind": operation.kind,
        "namespace": operation.namespace,
        "agent_id": operation.agent_id,
        "key": operation.key,
        "version": operation.version,
    }
    return line if operation.payload is None else {**line, **_payload_fields(operation.payload)}


def _payload_fields(payload: Payload) -> dict[str, Any]:
    if payload.content_type == JSON:
        try:
            value = json.loads(payload.data)
            if json_bytes(value) == payload.data:
                return {"json": value}
        except (ValueError, RecursionError):
            # An adapter may have stored anything under the name of JSON.
            pass
    return {"content_type": payload.content_type, "base64": base64.b64encode(payload.data).decode("ascii")}


def event_from_json(line: Any) -> Event:
    """Gives an event that was written so.

    Raises:
        ValueError, KeyError, TypeError: It is none.
    """
    return Event(
        line["txn_id"],
        line["commit_ts"],
        line["committed_at_us"],
        Origin(**line["origin"]),
        tuple([_operation_from_json(each) for each in line["operations"]]),
    )


def _operation_from_json(line: Any) -> Operation:
    payload = None
    if line["kind"] == "write":
        if "json" in line:
            payload = Payload(JSON, json_bytes(line["json"]))
        else:
            payload = Payload(line["content_type"], base64.b64decode(line["base64"], validate=True))
    elif line["kind"] not in ("delete", "erased"):
        raise ValueError(line["kind"])
    return Operation(line["namespace"], line["agent_id"], line["key"], line["kind"], line["version"], payload)
