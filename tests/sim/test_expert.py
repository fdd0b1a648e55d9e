import numpy as np

from adapt.robot.load import load_robot
from adapt.sim.arms import Arms, draw_arms
from adapt.sim.expert import LARGEST_CORRECTION, correct, feed_forward
from adapt.sim.reference import ReferencePath
from adapt.sim.simulator import COMMANDS_PER_TICK, Simulator

SPEC = load_robot("so101")
START = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])


def tracking_rmse(arms: Arms, seed: int) -> tuple[float, float]:
    """Median over arms of the RMS error of the reference itself, and of the expert, rad."""
    generator = np.random.default_rng(seed)
    simulator = Simulator(SPEC, arms, 1)
    times = np.arange(100) * SPEC.period_s
    paths = [ReferencePath(SPEC, START, 5.0, generator) for _ in range(len(arms))]
    wanted = np.stack([path.position(times) for path in paths])
    expert = feed_forward(SPEC, simulator.models, arms, paths, times)
    errors = []
    for actions in (wanted, expert):
        motion = simulator.run(np.tile(START, (len(arms), 1)), np.repeat(actions, COMMANDS_PER_TICK, axis=1))
        error = (motion.position_at(times) - wanted)[:, 25:]
        errors.append(float(np.median(np.sqrt((error**2).mean(axis=(1, 2))))))
    return errors[0], errors[1]


def test_the_expert_is_far_better_than_the_reference_itself() -> None:
    direct, expert = tracking_rmse(draw_arms(SPEC, 12, np.random.default_rng(0)), 1)
    assert expert < direct / 5


def test_a_correction_is_bounded_and_within_the_limits() -> None:
    action, wanted = np.full((1, 6), 0.1), np.full((1, 6), 0.1)
    far = correct(SPEC, action, wanted, wanted - 5.0)
    np.testing.assert_allclose(far, action + LARGEST_CORRECTION)
    low, high = np.array([limits.position for limits in SPEC.action.limits.values()]).T
    assert (correct(SPEC, action + 50, wanted, wanted) == high).all()
    assert (correct(SPEC, action - 50, wanted, wanted) == low).all()
