"""Numbers as monitors have them: families of points. They are counted once, and told in two forms.

`statehouse.otel.prometheus` and `statehouse.otel.pushing` tell them. The SDK's instruments are not used: each
would cost every request several times of what it costs to add to a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Point:
    """One number, or one histogram.

    Attributes:
        value: The number; of a histogram, the sum of all that was observed.
        labels: Which of its family it is.
        buckets: Of a histogram, how many observations each bucket has; one more than there are bounds.
        low: Of a histogram, the least that was observed.
        high: The most.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    buckets: Sequence[int] = ()
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name.

    Attributes:
        name: As Prometheus has it, without ``_total``: ``statehouse_operations``.
        help: What they are.
        kind: A counter only grows.
        points: The numbers.
        unit: What is counted, as OpenTelemetry writes units.
        bounds: The upper bounds of a histogram's buckets.
    """

    name: str
    help: str
    kind: Kind
    points: Sequence[Point]
    unit: str = "1"
    bounds: Sequence[float] = ()


Collect = Callable[[], Sequence[Family]]
"""Gives all families as they are now; from any thread."""
