"""A robot that is put back after each attempt, over DDS and in its own time."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from cart_pole_stack import cart_pole

from adapt.errors import UserError
from adapt.model.checkpoint import load_card
from ros_nodes.bystander import stand_by

pytestmark = pytest.mark.ros


def test_attempts_follow_each_other_until_what_is_waited_for_or_until_time_is_up(
    domain: int, tmp_path: Path
) -> None:
    options = cart_pole(tmp_path, {"controller": "policy"}, simulated_time=True)
    assert options.checkpoint is not None
    version = load_card(options.checkpoint).version
    shares: list[float] = []
    with stand_by(options) as bystander:
        found = bystander.watch_again_and_again(0.5, 1.2, progress=lambda share, note: shares.append(share))
        assert not found.ended and len(found.attempts) == len(shares) >= 2
        assert sum(each.seconds for each in found.attempts) >= 1.2 - 1e-6
        assert {each.version for each in found.attempts} == {version}
        assert not any(each.fell for each in found.attempts)
        # From the same place each time: nobody gets far in half a second.
        assert all(abs(each.progress_m) < 1.0 for each in found.attempts)

        assert bystander.wait(["a_rumour", "version_drives"], 10.0)["detail"]["version"] == version
        again = bystander.watch_again_and_again(60.0, 60.0, lambda: bool(bystander.events("version_drives")))
        assert again.ended and not again.attempts
        with pytest.raises(UserError, match="a_rumour: not within"):
            bystander.wait(["a_rumour"], 0.1)
