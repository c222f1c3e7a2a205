"""A model behind an endpoint that speaks OpenAI's chat completions, as most servers of models do. Optional.

::

    export OPENAI_BASE_URL=http://localhost:11434/v1     # where the server is
    export OPENAI_MODEL=llama3.1                         # what it calls the model
    export OPENAI_API_KEY=...                            # if it wants one
    export STATEHOUSE_AGENT_MODEL=examples.research_agent.openai_compatible:complete
"""

from __future__ import annotations

import json
import os
import urllib.request

_TIMEOUT_SECONDS = 120


def complete(messages: list[dict[str, str]]) -> str:
    """Gives the model's next message.

    Raises:
        KeyError: ``OPENAI_BASE_URL`` or ``OPENAI_MODEL`` is not set, or the reply has no message.
        ValueError: The base URL is not http or https, or the reply is not JSON.
        OSError: The server cannot be reached, or refuses.
    """
    url = os.environ["OPENAI_BASE_URL"].rstrip("/") + "/chat/completions"
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"OPENAI_BASE_URL must begin with http:// or https://: {url!r}")
    body = {"model": os.environ["OPENAI_MODEL"], "messages": messages, "temperature": 0}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310 - checked above
        text: str = json.load(reply)["choices"][0]["message"]["content"]
    return text
