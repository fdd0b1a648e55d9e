import subprocess
import sys
from pathlib import Path

import pytest

from adapt.files import replacing, write_text

KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from adapt.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the ne")
    os._exit(9)
"""


def test_the_new_content_replaces_the_old_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "card.json"
    for text in ("old", "new"):
        write_text(path, text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_kill_in_the_middle_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_text(path, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)
    assert killed.returncode == 9
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_an_exception_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_text(path, "old")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists() and temporary.parent == path.parent
        temporary.write_text("whole")
    assert path.read_text() == "whole" and not temporary.exists()
