import pytest
import torch
from small_arm import simulated_windows, two_joint_arm

from adapt.errors import UserError
from adapt.learning.rehearsal import load_windows, save_windows
from adapt.model.windows import Windows

ARM = two_joint_arm()


def test_windows_come_back_as_they_were(tmp_path):
    windows = simulated_windows(2)
    save_windows(tmp_path / "rehearsal.safetensors", windows)
    again = load_windows(tmp_path / "rehearsal.safetensors", ARM)
    for name in ("observation", "action", "command"):
        assert torch.equal(getattr(again, name), getattr(windows, name))


def damaged(path, windows: Windows, damage: str) -> None:
    if damage == "another robot":
        windows = Windows(windows.observation[..., :1], windows.action, windows.command)
    elif damage == "not finite":
        windows = Windows(windows.observation, windows.action * float("nan"), windows.command)
    elif damage == "empty":
        windows = windows.select(slice(0))
    save_windows(path, windows)
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", ["another robot", "not finite", "empty", "cut off"])
def test_windows_that_cannot_be_used_are_refused_by_name(tmp_path, damage):
    path = tmp_path / "rehearsal.safetensors"
    damaged(path, simulated_windows(2), damage)
    with pytest.raises(UserError, match=r"rehearsal\.safetensors: "):
        load_windows(path, ARM)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_windows(tmp_path / "rehearsal.safetensors", ARM)
