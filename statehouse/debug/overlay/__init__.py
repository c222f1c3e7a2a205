"""An engine over another one: a store as of one commit, and what is written over it."""
