"""An agent that answers questions from the standard library's documentation, and survives kill -9."""
