"""A robot made of a YAML and an MJCF file alone: data, model, and a pole that stays up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapt.cli import main
from adapt.model.checkpoint import load_checkpoint
from adapt.planning.pilot import Controller, Pilot
from adapt.planning.settings import PlannerSettings
from adapt.robot.load import load_robot
from adapt.sim.closed_loop import drive
from adapt.sim.stand_in import make_stand_in

CART_POLE = Path(__file__).parents[1] / "sim" / "cart_pole.yaml"
FEW = ("--episodes", "20", "--episode-s", "5", "--steps", "200", "--threads", "1", "--workers", "1")
HINGE = 1


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model by the default configuration, from little data and few steps."""
    folder = tmp_path_factory.mktemp("cart_pole")
    (folder / "scenario.yaml").write_text("description: as the robot file says\n")
    out = folder / "cart_pole.safetensors"
    with pytest.raises(SystemExit) as end:
        main(["pretrain", "--robot", str(CART_POLE), "--out", str(out), "--data", str(folder / "data"), *FEW])
    assert end.value.code == 0
    return out


def largest_tilt(checkpoint: Path, controller: Controller, seed: int) -> float:
    """The pole's farthest angle from upright within four seconds, rad."""
    robot = load_robot(str(CART_POLE))
    cart = make_stand_in(robot, str(checkpoint.parent / "scenario.yaml"), seed)
    pilot = Pilot(robot, load_checkpoint(checkpoint, robot)[0], PlannerSettings(), seed, controller)
    ticks = drive(robot, cart, pilot, lambda times: np.full((len(times), 1), 0.1), 200)
    return max(abs(float(tick.observation[HINGE])) for tick in ticks)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_learned_keeps_the_pole_up(checkpoint: Path, seed: int) -> None:
    assert largest_tilt(checkpoint, "planner", seed) < 0.4
    assert largest_tilt(checkpoint, "policy", seed) < 0.4
    assert largest_tilt(checkpoint, "none", seed) > 1.0
