import numpy as np

from adapt.robot.load import load_robot
from adapt.sim.scenario import load_scenario
from adapt.sim.scenario_episodes import arms_of, scenario_episodes

SPEC = load_robot("so101")


def test_episodes_are_of_that_arm_and_each_differs() -> None:
    worn = load_scenario(SPEC, "worn")
    seen, applied = scenario_episodes(SPEC, worn, 6, 40, np.random.default_rng(1))
    assert seen.shape == applied.shape == (6, 40, 6)
    assert np.isfinite(seen).all() and len(np.unique(seen[:, 20, 0])) == 6
    again, _ = scenario_episodes(SPEC, worn, 6, 40, np.random.default_rng(1))
    other, _ = scenario_episodes(SPEC, load_scenario(SPEC, "ideal"), 6, 40, np.random.default_rng(1))
    np.testing.assert_array_equal(seen, again)
    assert np.abs(seen - other).max() > 0.01


def test_the_expert_is_told_what_the_training_simulator_can_say() -> None:
    arms = arms_of(SPEC, load_scenario(SPEC, "payload"), 3)
    assert len(arms) == 3 and (arms.payload == 0.2).all()
    assert arms.stiffness.shape == (3, 6) and (arms.stiffness[:, 5] == 31.1).all()
