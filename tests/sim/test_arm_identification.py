import numpy as np
import pytest
import torch

from adapt.model.windows import Windows, cut_windows
from adapt.robot.load import load_robot
from adapt.sim.arm_episodes import generate_arm_episodes
from adapt.sim.arm_identification import ArmIdentification, ArmPosterior
from adapt.sim.arms import Arms, arms_at

SPEC = load_robot("so101")
SHARES = {"stiffness": 0.3, "damping": 0.7, "friction": 0.6, "delay_s": 0.8, "play": 0.1}


def true_arms(count: int) -> Arms:
    return arms_at(SPEC, count, {name: np.full((count, 1), share) for name, share in SHARES.items()})


def driven(count: int, ticks: int, seed: int = 0) -> Windows:
    """Windows of one arm that was moved `count` times."""
    episodes = generate_arm_episodes(SPEC, count, ticks, np.random.default_rng(seed), true_arms(count))
    history, horizon = SPEC.history_ticks, SPEC.horizon_ticks
    return Windows.join(
        [
            cut_windows(seen, action, seen[:, :0], history, horizon, 13)
            for seen, action in zip(episodes.observation, episodes.action, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def posterior() -> ArmPosterior:
    identification = ArmIdentification(SPEC, driven(3, 120))
    while not identification.advance():
        pass
    return identification.posterior()


def test_what_moved_the_arm_is_found_and_what_did_not_is_said_to_be_unknown(posterior: ArmPosterior) -> None:
    deviation = np.sqrt(np.diag(posterior.covariance))
    for name in ("stiffness", "damping", "friction"):
        at = posterior.columns[name]
        assert np.abs(posterior.mean[at] - SHARES[name]).mean() < 0.1, name
    assert posterior.errors.max() < 0.01
    told = posterior.as_dict()["parameters"]
    assert all(told["damping"]["told"])
    # Nothing turns the base about, whose mass only the wheel of its own motor would feel.
    assert deviation.max() <= 0.5 + 1e-6 and not all(told["torque_limit"]["told"])


def test_arms_are_drawn_around_the_real_one_and_within_the_ranges(posterior: ArmPosterior) -> None:
    arms = posterior.draw(400, np.random.default_rng(0))
    truth = true_arms(1)
    assert np.abs(np.log(np.median(arms.damping, axis=0) / truth.damping[0])).mean() < 0.2
    assert SPEC.simulation is not None
    for name, (low, high) in SPEC.simulation.randomisation.items():
        values = getattr(arms, name)
        assert (values >= low - 1e-9).all() and (values <= high * (1 + 1e-9)).all()


def test_the_same_windows_and_seed_give_the_same_simulation(posterior: ArmPosterior) -> None:
    first, again = (posterior.windows(2, 3.0, np.random.default_rng(4)) for _ in range(2))
    assert torch.equal(first.observation, again.observation) and torch.equal(first.action, again.action)


def test_few_data_leave_more_arms_possible(posterior: ArmPosterior) -> None:
    identification = ArmIdentification(SPEC, driven(1, 40))
    while not identification.advance():
        pass
    few = identification.posterior()
    assert np.trace(few.covariance) > 1.2 * np.trace(posterior.covariance)
