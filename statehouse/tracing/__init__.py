"""Who and why: the origin that commits are made under, and the spans around requests.

Spans go through OpenTelemetry's API, which is loaded only by a program that loads it itself. `attributes` has
all names that are put on spans; `TracedEngine` makes spans around an engine's requests; `current` says which
step runs.
"""

from statehouse.tracing.engine import TracedEngine
from statehouse.tracing.origin import current_origin, use_origin

__all__ = ["TracedEngine", "current_origin", "use_origin"]
