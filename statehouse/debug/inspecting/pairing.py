"""Which step of one run is which step of another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from statehouse.steps.record import StepRecord

Paired = tuple[StepRecord | None, StepRecord | None]


def paired(left: Sequence[StepRecord], right: Sequence[StepRecord]) -> list[Paired]:
    """Pairs the steps of two runs: by path, then what is left over by name.

    They come in the order of the left run; what only the right run has, behind what it came after there.

    Args:
        left: The steps of the one run, in the order of their commits.
        right: The steps of the other, likewise.
    """
    partner = _by_path(left, right)
    _by_name(left, right, partner)
    found: dict[str, StepRecord] = {partner[each.path].path: each for each in left if each.path in partner}
    places = {each.path: number for number, each in enumerate(left)}
    ordered: list[tuple[int, int, Paired]] = [
        (number, -1, (each, partner.get(each.path))) for number, each in enumerate(left)
    ]
    after = -1
    for number, each in enumerate(right):
        if each.path in found:
            after = max(after, places[found[each.path].path])
        else:
            ordered.append((after, number, (None, each)))
    ordered.sort(key=lambda entry: entry[:2])
    return [pair for _, _, pair in ordered]


def _by_path(left: Sequence[StepRecord], right: Sequence[StepRecord]) -> dict[str, StepRecord]:
    others = {each.path: each for each in right}
    return {each.path: others[each.path] for each in left if each.path in others}


def _by_name(left: Sequence[StepRecord], right: Sequence[StepRecord], partner: dict[str, StepRecord]) -> None:
    """Steps that moved: called elsewhere, or once more before."""
    taken = {each.path for each in partner.values()}
    waiting: defaultdict[str, list[StepRecord]] = defaultdict(list)
    for each in reversed(right):
        if each.path not in taken:
            waiting[each.name].append(each)
    for each in left:
        if each.path not in partner and waiting[each.name]:
            partner[each.path] = waiting[each.name].pop()
