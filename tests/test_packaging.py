from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import adapt
from ros_nodes.node_table import NODES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("adapt", "ros_nodes", "launch", "configs", "resource", "LICENSE")


def test_one_version() -> None:
    assert adapt.__version__ == ElementTree.parse(ROOT / "package.xml").findtext("version")


@pytest.mark.slow
def test_colcon_installs_all_that_runs(tmp_path: Path) -> None:
    colcon = Path(sys.executable).with_name("colcon")
    if not colcon.is_file():
        pytest.skip("colcon is not installed: pip install colcon-common-extensions")
    source = tmp_path / "source"
    source.mkdir()
    for name in (*SOURCES, *(path.name for path in ROOT.iterdir() if path.is_file())):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    built = subprocess.run(
        [colcon, "--log-base", "log", "build", "--base-paths", "source"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    installed = tmp_path / "install" / "adapt"
    for folder in ("launch", "configs"):
        wanted = {each.relative_to(ROOT) for each in (ROOT / folder).rglob("*.*") if each.is_file()}
        wanted = {each for each in wanted if "__pycache__" not in each.parts}
        assert wanted and all((installed / "share" / "adapt" / each).is_file() for each in wanted)
    executables = {each.name for each in (installed / "lib" / "adapt").iterdir()}
    assert executables == {"adapt", *(entry.name for entry in NODES)}
    (package,) = installed.glob("lib/python*/site-packages/adapt")
    data = [
        each for pattern in ("*.xml", "*.safetensors", "*.jinja") for each in (ROOT / "adapt").rglob(pattern)
    ]
    assert data and all((package / each.relative_to(ROOT / "adapt")).is_file() for each in data)
    # What is installed runs, and finds what was installed with it.
    refused = subprocess.run(
        [installed / "lib" / "adapt" / "adapt", "doctor", "--robot", "nobody"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2 and "so101" in refused.stderr, refused.stdout + refused.stderr
