"""LangGraph on Statehouse: its checkpointer, its store and its cache."""

from __future__ import annotations

from statehouse_langgraph._version import __version__

__all__ = ["__version__"]
