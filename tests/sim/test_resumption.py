"""Folders of parts: whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapt.errors import UserError
from adapt.sim.resumption import claim_folder

ORIGIN = {"seed": 3, "commands": ((0.5, 0.0),), "ranges": {"friction": (0.2, 1.0)}}


def test_a_folder_is_for_one_work(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    claim_folder(folder, ORIGIN)
    claim_folder(folder, ORIGIN)
    with pytest.raises(UserError, match=r"parts: holds parts of other work \(seed: 3 there, 4 here\)"):
        claim_folder(folder, {**ORIGIN, "seed": 4})
    claim_folder(folder, ORIGIN)


def test_a_damaged_origin_is_named(tmp_path: Path) -> None:
    claim_folder(tmp_path, ORIGIN)
    (tmp_path / "origin.json").write_text('{"seed": ')
    with pytest.raises(UserError, match=r"origin\.json: cannot be read: .* delete .* to begin anew"):
        claim_folder(tmp_path, ORIGIN)
