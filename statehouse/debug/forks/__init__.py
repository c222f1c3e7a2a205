"""Forks: runs that begin at a step of another one, beside its state."""
