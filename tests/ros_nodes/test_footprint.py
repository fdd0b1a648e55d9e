from __future__ import annotations

import os
from pathlib import Path

from ros_nodes.footprint import Footprint


def test_files_left_open_are_seen_and_a_short_life_says_nothing(tmp_path: Path) -> None:
    leaking, short = Footprint(), Footprint()
    left_open = []
    for minute in range(16):
        left_open += [(tmp_path / f"{minute}").open("w"), (tmp_path / f"{minute}").open("r")]
        leaking.look({"node": os.getpid()}, 60.0 * minute)
        if minute < 5:
            short.look({"node": os.getpid(), "gone": 2**22 + 1}, 60.0 * minute)
    for file in left_open:
        file.close()
    grown = leaking.growth()["node"]
    # From the middle of the second quarter to that of the last.
    assert grown.minutes == 8.0 and grown.open_files == 16.0
    assert short.growth() == {}
