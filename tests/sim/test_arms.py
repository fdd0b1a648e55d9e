from typing import Any

import numpy as np
import pytest

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import arm_models, draw_arms, load_model


def with_simulation(spec: RobotSpecification, **changes: Any) -> RobotSpecification:
    assert spec.simulation is not None
    return spec.model_copy(update={"simulation": spec.simulation.model_copy(update=changes)})


def test_drawn_parameters_stay_within_the_ranges_of_the_robot_file() -> None:
    spec = load_robot("so101")
    assert spec.simulation is not None
    arms = draw_arms(spec, 500, np.random.default_rng(0))
    for name, (low, high) in spec.simulation.randomisation.items():
        values = getattr(arms, name)
        assert low * (1 - 1e-9) - 1e-12 <= values.min(), name
        assert values.max() <= high * (1 + 1e-9), name
        middle = (low + high) / 2 if low <= 0 else np.sqrt(low * high)
        assert values.min() < middle < values.max(), name
    assert 0.3 < np.mean(arms.payload == 0) < 0.7


def test_an_unknown_parameter_is_refused_by_name() -> None:
    spec = with_simulation(load_robot("so101"), randomisation={"stifness": (1.0, 2.0)})
    with pytest.raises(UserError, match=r"simulation\.randomisation\.stifness"):
        draw_arms(spec, 1, np.random.default_rng(0))


@pytest.mark.parametrize("interval", [(2.0, 1.0), (0.0, 1.0)])
def test_a_wrong_range_is_refused(interval: tuple[float, float]) -> None:
    spec = with_simulation(load_robot("so101"), randomisation={"stiffness": interval})
    with pytest.raises(UserError, match="is no range"):
        draw_arms(spec, 1, np.random.default_rng(0))


def test_a_missing_model_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"nowhere\.xml"):
        load_model(with_simulation(load_robot("so101"), model="nowhere.xml"))


def test_every_arm_has_its_own_numbers() -> None:
    spec = load_robot("so101")
    model = load_model(spec)
    mass = model.body_mass.copy()
    arms = draw_arms(spec, 3, np.random.default_rng(1))
    models = arm_models(model, arms)
    for index, own in enumerate(models):
        np.testing.assert_allclose(own.dof_frictionloss, arms.friction[index])
        np.testing.assert_allclose(own.body("payload").mass, arms.payload[index] + mass[-1], atol=1e-6)
    np.testing.assert_array_equal(model.body_mass, mass)
