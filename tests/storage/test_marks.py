"""The mark file itself, where the system differs from the one the other tests run on."""

from __future__ import annotations

import os
from pathlib import Path

from statehouse.storage.marks import MarkFile, read_marks, seek_and_write


def test_a_slot_is_written_at_its_place_where_there_is_no_pwrite(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    marks = MarkFile(path)
    marks.write(0, b"zero")
    marks.write(1, b"old")
    marks.close()

    with path.open("r+b") as file:
        assert seek_and_write(file.fileno(), b"\0\3one", os.fstat(file.fileno()).st_size // 2) == 5

    assert read_marks(path) == (b"zero", b"one")
