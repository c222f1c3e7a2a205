"""ListKeys and ScanPrefix: pages, or all of it in one answer, as the specification has them.

Serialised messages that follow one another are one message, whose repeated fields hold all there was (that is
how protobuf merges), so an answer is gathered as the bytes of its pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from statehouse._generated import statehouse_pb2 as pb
from statehouse.protocol.names import DEFAULT_NAMESPACE
from statehouse.protocol.replies import Page
from statehouse.protocol.requests import Scan
from statehouse.rpc.codec.names import cursor_in, integer
from statehouse.rpc.methods import BY_FIELD
from statehouse.rpc.serving.answers import Answer, Answers, guarded
from statehouse.rpc.serving.calls import answer_to, encoded, too_large
from statehouse.rpc.serving.received import received
from statehouse.rpc.serving.weights import weight
from statehouse.rpc.sizes import CLASSIC_REPLY_BYTES_MAX

_SCAN: Final = BY_FIELD["scan_prefix"]
_KEYS_PAGE: Final = 10_000
"""Keys alone are small: as many as a page may have."""

Spell = Callable[[Any, Scan, Page], bytes]


def calls(answers: Answers) -> Mapping[str, Answer]:
    """Gives the handlers of these calls, by the names of the calls."""
    page_of_records = answer_to(_SCAN, answers)

    async def list_keys(data: bytes, context: Any) -> bytes:
        message = received(pb.ListKeysRequest, data)
        paged = message.HasField("limit")
        request = Scan(
            message.namespace or DEFAULT_NAMESPACE,
            message.agent_id,
            message.prefix,
            at=integer("at_commit_ts", message.at_commit_ts) if message.HasField("at_commit_ts") else None,
            keys_only=True,
            limit=message.limit if paged else _KEYS_PAGE,
            cursor=cursor_in(message),
        )
        return await _gathered(answers, message, request, _keys, len(data), context, once=paged)

    async def scan_prefix(data: bytes, context: Any) -> bytes:
        message = received(pb.ScanPrefixRequest, data)
        if message.HasField("limit"):
            return await page_of_records(data, context)
        request = _SCAN.decode(message)
        assert isinstance(request, Scan)
        return await _gathered(answers, message, request, _records, len(data), context)

    return {
        "ListKeys": guarded("ListKeys", list_keys),
        "ScanPrefix": guarded("ScanPrefix", scan_prefix),
    }


async def _gathered(
    answers: Answers,
    message: Any,
    request: Scan,
    spell: Spell,
    size_bytes: int,
    context: Any,
    *,
    once: bool = False,
) -> bytes:
    """All pages from this one on as one answer; `once`: only this one, and where the next begins."""
    said = []
    size = 0
    answers.admission.enter(size_bytes)
    try:
        while True:
            async with answers.pages:
                page = await answers.ask(request, timeout=context.time_remaining())
                shown = page if once else replace(page, cursor=None)
                said.append(await answers.code(weight(page), spell, message, request, shown))
            size += len(said[-1])
            if size > CLASSIC_REPLY_BYTES_MAX and not once:
                raise too_large(size, CLASSIC_REPLY_BYTES_MAX, "set `limit`, and ask for page after page")
            if once or page.cursor is None:
                return b"".join(said)
            request = replace(request, at=None, after=None, cursor=page.cursor)
            del page, shown
    finally:
        answers.admission.leave(size_bytes)


def _keys(message: pb.ListKeysRequest, request: Scan, page: Page) -> bytes:
    answer = pb.ListKeysResponse(cursor=page.cursor, read_ts=page.read_ts)
    answer.keys.extend([entry.key.key for entry in page.entries])
    return answer.SerializeToString()


def _records(message: pb.ScanPrefixRequest, request: Scan, page: Page) -> bytes:
    return encoded(_SCAN, message, request, page)
