"""Tables on a terminal: what names a row is never cut, whatever the width."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from statehouse import Statehouse
from statehouse.cli.tables import Column, Table
from tests.cli.screens import shown

COLUMNS = (Column("NAME", "bold"), Column("N", right=True), Column("WHEN"), Column("VALUE", wide=True))
cells = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60)
rows = st.lists(st.tuples(cells.filter(bool), cells, cells, cells), min_size=1, max_size=4)


@given(rows, st.integers(20, 120))
def test_a_name_is_whole_and_everything_else_fits(page: list[tuple[str, ...]], width: int) -> None:
    table = Table.of(COLUMNS, page, width)
    lines = [line.plain for line in table.lines(page, header=True)]
    if len(lines) == 1 + len(page):
        assert all(line.startswith(row[0]) for line, row in zip(lines[1:], page, strict=True))
        assert all(cell_len(line) <= width for line in lines)
    else:
        assert lines[2::2] == [row[0] for row in page]
        assert all(cell_len(line) <= width for line in lines[1::2])


def test_a_longer_name_of_a_later_page_does_not_fit_the_layout_of_the_first() -> None:
    first = [("a", "1", "now", "tea")]
    table = Table.of(COLUMNS, first, 80)
    assert table.takes(first)
    assert not table.takes([("a" * 10, "1", "now", "tea")])


@pytest.mark.parametrize("columns", [80, 40])
def test_a_run_is_listed_with_its_whole_id(directory: Path, columns: int) -> None:
    with Statehouse(directory) as sh, sh.run(agent_id="buyer", name="the weekly shopping") as run:
        run_id = run.run_id
    lines = shown("run", "list", url=f"file:{directory}", columns=columns)
    assert max(map(len, lines)) <= columns
    assert lines[0].split()[0] == "RUN"
    assert lines[2] == run_id
    assert lines[3].split()[:2] == ["buyer", "finished"]


def test_a_key_that_is_wider_than_the_terminal_is_whole_and_has_its_value(directory: Path) -> None:
    with Statehouse(directory) as sh:
        sh.write("key" * 50, "tea", agent_id="a")
    lines = shown("scan", "a", url=f"file:{directory}", columns=80)
    assert lines[2] == "key" * 50
    assert lines[3].split() == ["1", "1", '"tea"']


def test_a_table_of_many_rows_keeps_each_name(directory: Path) -> None:
    names = [*(f"k{number:03}" for number in range(200)), "long" * 30, "z"]
    with Statehouse(directory, durability="none") as sh, sh.transaction() as tx:
        for name in names:
            tx.write(name, 1, agent_id="a")
    words = [line.split()[0] for line in shown("scan", "a", url=f"file:{directory}", columns=80)]
    assert [word for word in words if word in names] == names
