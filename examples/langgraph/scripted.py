"""A chat model that follows a script: it needs no network, and decides from the messages alone.

A process that goes on with a thread therefore decides what the one before it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

Script = Callable[[Sequence[BaseMessage]], AIMessage]


class ScriptedModel(BaseChatModel):
    """A chat model whose every reply is what a function makes of the messages.

    Attributes:
        script: Gives the next message.
    """

    script: Script

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Runnable[Any, AIMessage]:
        """Gives the model: its script knows the tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.script(messages))])


def call(tool: str, call_id: str, **arguments: Any) -> dict[str, Any]:
    """Gives a call of a tool, as messages hold it."""
    return {"name": tool, "args": arguments, "id": call_id, "type": "tool_call"}
