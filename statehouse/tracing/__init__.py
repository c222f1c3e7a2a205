"""Who and why: the origin that commits are made under."""

from statehouse.tracing.origin import current_origin, use_origin

__all__ = ["current_origin", "use_origin"]
