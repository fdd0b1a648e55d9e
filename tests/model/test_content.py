import subprocess
import sys
from pathlib import Path

import pytest

from adapt.model.checkpoint import load_card, save_checkpoint
from adapt.model.content import shipped_checkpoint, version_problem
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")


@pytest.fixture
def kept(tmp_path):
    """A checkpoint among the versions of a store, and its version."""
    tiny = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=16, linear_rank=16)
    path = tmp_path / "new" / "model.safetensors"
    version = save_checkpoint(path, WorldModel(ROBOT, tiny), ROBOT).version
    (tmp_path / "versions").mkdir()
    path.parent.rename(tmp_path / "versions" / version)
    return tmp_path, version


def test_weights_are_named_by_their_content_without_torch():
    shipped = shipped_checkpoint(ROBOT)
    assert version_problem(load_card(shipped).version, None, shipped) is None
    code = "import sys, adapt.model.content; print('torch' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "False"


def test_a_version_lies_in_its_own_folder_and_an_altered_one_is_none(kept):
    store, version = kept
    assert version_problem(version, store, None) is None
    assert "there is no file of it" in version_problem("0" * 12, store, None)
    path = store / "versions" / version / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert f"{path} holds" in version_problem(version, store, None)
    path.write_bytes(content[:100])
    assert "not a whole safetensors file" in version_problem(version, store, None)


@pytest.mark.parametrize(
    "name", ["", "../../etc", "/etc/passwd", "0123456789AB", "0123456789ab\n", "x" * 999]
)
def test_what_is_no_version_leads_to_no_file(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda path: pytest.fail(f"looked at {path}"))
    assert "is no version" in version_problem(name, tmp_path, None)
