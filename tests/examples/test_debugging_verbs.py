"""Each verb of debugging does in its example what it promises."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest

from examples.debugging import as_of, blame, debug, diff, export, find, fork, reads, show, verify
from tests.tracing.collected import collecting

SAID = {
    find.main: """\
it is step order#1 of run purchase-7, which failed
it saw the state as of @12, and made @13
""",
    show.main: """\
purchase-7 of buyer: failed
quote#1(item='beans'): 4    saw @5, made @6
plan#1(item='beans', price=4): 25    saw @6, made @7
~wait:approval#1(): {'by': 'Ada'}    saw nothing, made @12
order#1(item='beans', kilos=25): 25 kilos of beans are 125, and 100 may be spent    saw @12, made @13
""",
    as_of.main: """\
quote#1 saw @5   price/beans = 4, version 1
plan#1  saw @6   price/beans = 4, version 1
order#1 saw @12  price/beans = 5, version 2
now         @15  price/beans = 7, version 3
""",
    reads.main: """\
read   default/pricer/price/beans  version 2 = 5
read   default/buyer/budget  version 1 = 100
stale  default/pricer/price/beans  quote#1 read version 1 = 4
       and it had become version 2 = 5
""",
    blame.main: """\
default/pricer/price/beans  version 2 = 5
was written by @9, step reprice#1 of run prices-noon by pricer
which was given {'item': 'beans', 'price': 5}
""",
    fork.main: """\
other code: {'kilos': 20, 'bill': 100}    ran order#1
other state: {'kilos': 25, 'bill': 125}    ran order#1
another plan: {'kilos': 10, 'bill': 40}    ran order#1
nothing else: OverBudgetError: 25 kilos of beans are 125, and 100 may be spent    ran order#1
the buyer may still spend 100
""",
    diff.main: """\
quote#1: the same
plan#1: the same
~wait:approval#1: the same
order#1: reads, status, error, output, writes
left otherwise: default/buyer/budget
left otherwise: default/buyer/stock/beans
""",
    export.main: """\
purchase.shrun holds 14 commits and 2 keys of state
at @5 the price was 4
verified: True
reproduced: True
""",
}


@pytest.mark.parametrize("main", SAID, ids=lambda main: main.__module__.rpartition(".")[2])
def test_an_example_says_what_it_found(
    main: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # An SDK for those that set one up.
    collecting(monkeypatch)
    assert main() == 0
    assert capsys.readouterr().out == SAID[main]


def test_a_program_that_is_verified_goes_the_recorded_way_or_is_told_where_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify.main() == 0
    shop, fixed, commits = capsys.readouterr().out.splitlines()
    assert shop == "shop: goes the recorded way; 2 steps were answered, 2 ran again"
    assert fixed.startswith("fixed: goes another way at order#1: the step order#1 raised ")
    assert commits == "0 commits were made by that"


def test_a_step_that_is_debugged_does_again_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert debug.main([]) == 0
    assert capsys.readouterr().out == (
        "on the state as of @12 it raised "
        "OverBudgetError('25 kilos of beans are 125, and 100 may be spent')\nas it is recorded\n"
    )


def test_a_debugger_stops_in_the_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("next\nnext\np bill\ncontinue\n"))
    assert debug.main(["--pdb"]) == 0
    assert "(step) 125\n" in capsys.readouterr().out
