"""Whether values, prompts and names of keys may be put on spans, and how much of them.

They stay off unless they are asked for, by the variable that OpenTelemetry has for that. One attribute of
some megabytes makes an exporter lose the whole batch that it is in, so there is a limit.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CONTENT_BYTES_MAX: Final = 8 * 1024

# The word of the first instrumentations, and those of the later ones; content may also be meant for events
# alone.
_YES: Final = frozenset({"true", "1", "span_only", "span_and_event"})
_CUT: Final = "…"


def captures_content() -> bool:
    """Whether values, prompts, names of keys and the texts of errors may be put on spans."""
    return os.environ.get(VARIABLE, "").strip().lower() in _YES


def clipped(text: str) -> str:
    """Gives a text, or as much of its beginning as an attribute may have: 8 KiB of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= CONTENT_BYTES_MAX:
        return data.decode()
    return data[: CONTENT_BYTES_MAX - len(_CUT.encode())].decode("utf-8", "ignore") + _CUT
