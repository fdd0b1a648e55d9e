"""Six real bags of a Crazyflie under Vicon, which nobody made for us."""

from pathlib import Path

import numpy as np
import pytest

from adapt.bags.inspection import inspect_bag
from adapt.bags.reader import Bag
from adapt.bags.replay import bag_ticks
from adapt.robot.load import load_robot

BAGS = Path(__file__).resolve().parents[3] / "shared" / "data" / "bag_crazyflie_vicon_mcap" / "bags"
ROBOT = load_robot("crazyflie")
POSE = "/vicon/Group466CF/Group466CF/pose"

pytestmark = pytest.mark.skipif(not BAGS.is_dir(), reason=f"no real bags in {BAGS}")


def stamps_of(name: str) -> np.ndarray:
    with Bag(BAGS / name) as bag:
        poses = [message for *_, message in bag.messages([POSE])]
    return np.array([each.header.stamp.sec + 1e-9 * each.header.stamp.nanosec for each in poses])


@pytest.mark.parametrize(
    ("name", "poses", "controls", "not_finite"),
    [
        ("fly90bag", 754, 427, 0),
        ("flybag", 549, 121, 0),
        ("pitch0bag", 3745, 395, 0),
        ("roll45bag", 5362, 542, 0),
        ("rollbag", 2652, 316, 0),
        ("yx4bag", 2359, 237, 1045),
    ],
)
def test_the_doctor_tells_rates_gaps_and_what_is_not_finite(name, poses, controls, not_finite):
    inspection = inspect_bag(ROBOT, BAGS / name)
    fields = {each.name: each for each in inspection.fields}
    pose, control = fields["channels.position"], fields["action"]
    assert (pose.messages, control.messages, control.non_finite) == (poses, controls, not_finite)
    assert pose.rate_hz == pytest.approx(100, rel=0.01)
    assert pose.largest_gap_s == pytest.approx(np.diff(stamps_of(name)).max(), abs=1e-6)
    assert 9.5 < control.rate_hz < 15
    assert bool(inspection.problems) == bool(not_finite)
    # Vicon lost sight of it for half a minute.
    assert any("32.6 s" in remark for remark in inspection.remarks) == (name == "fly90bag")


@pytest.mark.parametrize("name", ["fly90bag", "flybag", "pitch0bag", "roll45bag", "rollbag"])
def test_motion_becomes_complete_ticks(name):
    ticks = list(bag_ticks(BAGS / name, ROBOT))
    complete = [tick for tick in ticks if tick.complete]
    assert len(complete) > 50
    seen = np.stack([tick.observation for tick in complete])
    # Gravity is a unit vector, however the quadrotor is turned; but Vicon now and then took it for another
    # way up, and between such two poses it is shorter.
    length = np.linalg.norm(seen[:, 3:], axis=1)
    assert length.max() < 1.001 and np.mean(length > 0.99) > 0.9
    assert np.ptp(seen, axis=0).max() > 0.2
    assert all(np.isfinite(tick.applied).all() for tick in complete)
