"""Whatever is put, forked, updated, pruned, copied and deleted: the saver answers as the oracle does."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings

from statehouse import Statehouse
from tests.langgraph.fuzz.playing import Player
from tests.langgraph.fuzz.programs import Step, programs

# Explaining takes longer than shrinking here.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def play(steps: list[Step]) -> None:
    with Statehouse("memory:") as handle:
        Player(handle).play(steps)


@settings(max_examples=40, phases=PHASES)
@given(programs(deltas=False))
def test_checkpoints_are_what_the_oracle_says(steps: list[Step]) -> None:
    play(steps)


@settings(max_examples=40, phases=PHASES)
@given(programs(deltas=True))
def test_histories_of_delta_channels_outlive_pruning(steps: list[Step]) -> None:
    play(steps)


@pytest.mark.slow
@settings(max_examples=500, phases=PHASES)
@given(programs(deltas=True))
def test_many_programs_agree(steps: list[Step]) -> None:
    play(steps)
