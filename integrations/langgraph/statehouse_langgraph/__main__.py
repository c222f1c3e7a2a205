"""``python -m statehouse_langgraph`` is ``statehouse-langgraph``."""

from __future__ import annotations

from statehouse_langgraph.cli import main

if __name__ == "__main__":
    main()
