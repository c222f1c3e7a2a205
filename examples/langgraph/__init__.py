"""Programs of LangGraph that keep their state in Statehouse."""
