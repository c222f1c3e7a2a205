"""Two runs side by side: which steps they have in common, where they first differ, and what each left behind.

Steps are paired by their paths; what is left over by name, in the order of the calls, since a step that
moved is still that step. What differs of a pair is told in the order of cause and effect: what it was given,
what it read, how it ended, what it gave back, what it wrote. The first pair that differs, in the order in
which the left run committed, is the first divergence: a step commits after those inside it.

* C1. The time and chance that a run records for itself differ between any two runs. They are told, and do not
  count.
* C2. A key of the run's own agent is compared with that of the other run's own agent.
* C3. What a key held counts, not its version: two runs that did the same have other versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from statehouse.debug.inspecting.entries import newest_ts
from statehouse.debug.inspecting.gaps import Gap, Gaps
from statehouse.debug.inspecting.naming import run_named
from statehouse.debug.inspecting.pairing import paired
from statehouse.debug.inspecting.places import Place, place_of
from statehouse.debug.inspecting.recorded import steps_of
from statehouse.debug.inspecting.touched import read_by, written_by
from statehouse.extend import Entry, Flow, Payload, RecordKey, encode, run
from statehouse.steps.reading import read_slot
from statehouse.steps.record import RunRecord, StepRecord

if TYPE_CHECKING:
    from statehouse.client._async.handle import StatehouseAsync
    from statehouse.client._sync.handle import Statehouse

Aspect = Literal["path", "input", "reads", "status", "error", "output", "writes"]
Only = Literal["left", "right"] | None
ASPECTS: Final[tuple[Aspect, ...]] = ("path", "input", "reads", "status", "error", "output", "writes")
_CHANCE: Final = frozenset({"now", "uuid", "random"})
_KEYS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Detail:
    """Something that differs between two steps.

    Attributes:
        aspect: What of them.
        name: Of which argument or key; empty for others.
        left: The value in the left run; None for none.
        right: The value in the right run; None for none.
        only: Which of the two read or wrote that key, or was given that argument; None for both.
    """

    aspect: Aspect
    name: str
    left: Payload | None = field(default=None, repr=False)
    right: Payload | None = field(default=None, repr=False)
    only: Only = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of the left run and the same of the right one.

    Attributes:
        left: The step; None where only the right run has it.
        right: The step; None where only the left run has it.
        details: What differs.
    """

    left: StepRecord | None
    right: StepRecord | None
    details: tuple[Detail, ...] = ()

    @property
    def step(self) -> StepRecord:
        """The one of the left run, or else of the right one."""
        step = self.left or self.right
        assert step is not None, "a pair has a step on at least one side"
        return step

    @property
    def is_chance(self) -> bool:
        """Whether it is the time or chance (C1)."""
        return self.step.kind in _CHANCE

    @property
    def differs(self) -> bool:
        """Whether they differ in what counts."""
        alone = self.left is None or self.right is None
        return not self.is_chance and (alone or bool(self.details))

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """In what they differ, by cause and effect."""
        found = {detail.aspect for detail in self.details}
        return tuple([aspect for aspect in ASPECTS if aspect in found])


@dataclass(frozen=True, slots=True)
class Left:
    """A key that the two runs left otherwise.

    Attributes:
        name: The key, as the left run calls it.
        left: What the left run left; absent where the entry does not exist.
        right: What the right run left.
    """

    name: RecordKey
    left: Entry
    right: Entry


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs side by side.

    Attributes:
        left: The one run.
        right: The other.
        pairs: Their steps.
        state: The keys that either of them wrote and that they left otherwise.
        more: How many further keys they wrote; ten thousand are looked at.
        gaps: What cannot be told any more.
    """

    left: RunRecord
    right: RunRecord
    pairs: tuple[Pair, ...]
    state: tuple[Left, ...]
    more: int = 0
    gaps: tuple[Gap, ...] = ()

    @property
    def first(self) -> Pair | None:
        """The first divergence; None if there is none."""
        return next((pair for pair in self.pairs if pair.differs), None)

    @property
    def alike(self) -> bool:
        """Whether the runs took the same course and left the same state."""
        return self.first is None and not self.state and self.left.status == self.right.status


def diff(
    sh: Statehouse | StatehouseAsync, left: str, right: str, *, namespace: str | None = None
) -> Difference:
    """Compares two runs.

    Args:
        sh: Where they are recorded.
        left: The one run, such as the parent.
        right: The other, such as a fork of it.
        namespace: The namespace of their state; None for the handle's.

    Raises:
        NotFoundError: No such run; the message says where there is one, if anywhere.
        StatehouseError: As a read does.
    """
    return run(sh, _diff(sh.namespace if namespace is None else namespace, left, right))


def _diff(namespace: str, left_id: str, right_id: str) -> Flow[Difference]:
    gaps = Gaps()
    left = yield from _side(namespace, left_id, gaps)
    right = yield from _side(namespace, right_id, gaps)
    now = yield from newest_ts(left.run.key)
    pairs = []
    for one, other in paired(left.steps, right.steps):
        details = yield from _details(left, right, one, other)
        pairs.append(Pair(one, other, details))
    state, more = yield from _state(left, right, now)
    return Difference(left.run, right.run, tuple(pairs), state, more, gaps.found)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two runs."""

    run: RunRecord
    steps: Sequence[StepRecord]
    place: Place
    gaps: Gaps

    def own(self, name: RecordKey) -> RecordKey:
        """A key, with no agent where that is the run's own (C2)."""
        return name._replace(agent_id="") if name.agent_id == self.run.agent_id else name

    def called(self, own: RecordKey) -> RecordKey:
        """What the run calls such a key."""
        return own if own.agent_id else own._replace(agent_id=self.run.agent_id)

    def slot(self, step: StepRecord, slot: Any) -> Flow[Any]:
        what = f"a value of {step.path} of run {self.run.run_id}"
        read = read_slot(self.run.namespace, self.run.run_id, slot)
        return (yield from self.gaps.around(what, read))

    def entries(self, names: Sequence[RecordKey], at: int) -> Flow[Mapping[RecordKey, Entry]]:
        """What keys held, by what they are called for comparing."""
        if not names:
            return {}
        called = [self.called(name) for name in names]
        found = yield from self.gaps.around(f"the state as of commit_ts {at}", self.place.entries(called, at))
        return {} if found is None else {self.own(name): entry for name, entry in found.items()}


def _side(namespace: str, run_id: str, gaps: Gaps) -> Flow[_Side]:
    record = yield from run_named(namespace, run_id)
    steps = yield from steps_of(record, gaps)
    return _Side(record, steps, (yield from place_of(record)), gaps)


def _details(
    left: _Side, right: _Side, one: StepRecord | None, other: StepRecord | None
) -> Flow[tuple[Detail, ...]]:
    if one is None or other is None:
        return ()
    found = [Detail("path", "", encode(one.path), encode(other.path))] if one.path != other.path else []
    found += yield from _inputs(left, right, one, other)
    taken = other.taken or one.taken
    if not taken:
        found += yield from _reads(left, right, one, other)
    if one.status != other.status:
        found.append(Detail("status", "", encode(one.status), encode(other.status)))
    errors = _error(one), _error(other)
    if errors[0] != errors[1]:
        left_error, right_error = [None if each is None else encode(each) for each in errors]
        found.append(Detail("error", "", left_error, right_error))
    found += yield from _outputs(left, right, one, other)
    if not taken:
        found += yield from _writes(left, right, one, other)
    return tuple(found)


def _inputs(left: _Side, right: _Side, one: StepRecord, other: StepRecord) -> Flow[list[Detail]]:
    if one.input_hash and one.input_hash == other.input_hash:
        return []
    found = []
    for name in dict.fromkeys([*one.input, *other.input]):
        slots = one.input.get(name), other.input.get(name)
        if slots[0] == slots[1]:
            continue
        values = (yield from left.slot(one, slots[0])), (yield from right.slot(other, slots[1]))
        if values[0] != values[1] or None in slots:
            only = _only(name in one.input, name in other.input)
            found.append(_detail("input", name, slots, values, only))
    return found


def _outputs(left: _Side, right: _Side, one: StepRecord, other: StepRecord) -> Flow[list[Detail]]:
    slots = one.output, other.output
    if slots[0] == slots[1]:
        return []
    values = (yield from left.slot(one, slots[0])), (yield from right.slot(other, slots[1]))
    if values[0] == values[1] and None not in slots:
        return []
    return [_detail("output", "", slots, values, None)]


def _detail(aspect: Aspect, name: str, slots: Sequence[Any], values: Sequence[Any], only: Only) -> Detail:
    left, right = [None if slot is None else encode(value) for slot, value in zip(slots, values, strict=True)]
    return Detail(aspect, name, left, right, only)


def _error(step: StepRecord) -> str | None:
    return None if step.error is None else f"{step.error.get('type')}: {step.error.get('message')}"


def _reads(left: _Side, right: _Side, one: StepRecord, other: StepRecord) -> Flow[list[Detail]]:
    mine, _ = yield from read_by(left.run, one, left.gaps)
    theirs, _ = yield from read_by(right.run, other, right.gaps)
    return (yield from _keys("reads", (left, mine, one.saw_ts), (right, theirs, other.saw_ts)))


def _writes(left: _Side, right: _Side, one: StepRecord, other: StepRecord) -> Flow[list[Detail]]:
    mine = yield from written_by(left.run, one, left.gaps)
    theirs = yield from written_by(right.run, other, right.gaps)
    return (yield from _keys("writes", (left, mine, one.commit_ts), (right, theirs, other.commit_ts)))


_Touching = tuple[_Side, Mapping[RecordKey, Any], int]
"""A run, the keys that a step of it touched, and as of when they are looked at."""


def _keys(aspect: Aspect, left: _Touching, right: _Touching) -> Flow[list[Detail]]:
    """The keys that only one of two steps touched, or that held something else (C3)."""
    touched, sides = [], []
    for side, mine, at in (left, right):
        touched.append({side.own(name) for name in mine})
        own = [side.own(name) for name in list(mine)[:_KEYS_MAX]]
        sides.append((yield from side.entries(own, at)))
    found = []
    for name in sorted(touched[0] | touched[1])[:_KEYS_MAX]:
        entries = sides[0].get(name), sides[1].get(name)
        alone = (name in touched[0]) != (name in touched[1])
        # What cannot be read any more is no difference: it is a gap.
        if alone or (None not in entries and _held(entries[0]) != _held(entries[1])):
            one, other = [None if entry is None else entry.payload for entry in entries]
            only = _only(name in touched[0], name in touched[1])
            found.append(Detail(aspect, _shown(left[0].called(name), left[0]), one, other, only))
    return found


def _only(in_left: bool, in_right: bool) -> Only:
    if in_left and in_right:
        return None
    return "left" if in_left else "right"


def _shown(name: RecordKey, side: _Side) -> str:
    own = (side.run.namespace, side.run.agent_id)
    if name[:2] == own:
        return name.key
    return f"{name.agent_id}/{name.key}" if name.namespace == side.run.namespace else str(name)


def _held(entry: Entry | None) -> Any:
    """What counts of an entry (C3)."""
    if entry is None or not entry.exists:
        return None
    return entry.kind, entry.payload


def _state(left: _Side, right: _Side, now: int) -> Flow[tuple[tuple[Left, ...], int]]:
    """What the runs left otherwise in the keys that either of them wrote."""
    wrote: dict[RecordKey, None] = {}
    for side in (left, right):
        for step in side.steps:
            for name in (yield from written_by(side.run, step, side.gaps)):
                wrote[side.own(name)] = None
    names = sorted(wrote)[:_KEYS_MAX]
    sides = []
    for side in (left, right):
        at = now if side.run.status == "running" else side.run.commit_ts
        sides.append((yield from side.entries(names, at)))
    found = [
        Left(left.called(name), sides[0][name], sides[1][name])
        for name in names
        if name in sides[0] and name in sides[1] and _held(sides[0][name]) != _held(sides[1][name])
    ]
    return tuple(found), len(wrote) - len(names)
