"""Logs that are too poor to identify anything from, or of a robot that no simulator is like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cart import CART

from adapt.distillation.identification import Identification, IdentificationSettings, compared
from adapt.distillation.pieces import Reader
from adapt.distillation.simulated_logs import SimulatedLogs
from adapt.errors import UserError

READER = Reader(CART)
NAMES = READER.names
GENERATOR = np.random.default_rng(0)


def pieces(count: int) -> np.ndarray:
    return GENERATOR.normal(size=(count, len(NAMES), READER.ticks)).astype(np.float32)


def refused(logs: np.ndarray) -> str:
    with pytest.raises(UserError) as error:
        Identification(
            CART,
            (),
            Path("none"),
            IdentificationSettings(),
            Path("none"),
            lambda: None,
            0,  # type: ignore[arg-type, return-value]
        ).identify(logs)
    return str(error.value)


def test_too_short_and_still_logs_and_broken_sensors_are_named() -> None:
    assert "tell nothing: record more, or let it move more" in refused(pieces(3))
    frozen = pieces(20)
    frozen[:, NAMES.index("joint_velocity/hinge")] = 0.25
    assert "'joint_velocity/hinge' never changes" in refused(frozen)
    spoilt = pieces(20)
    spoilt[3, 0, 0] = np.nan
    assert "not finite" in refused(spoilt)


def test_a_robot_at_rest_has_no_pieces() -> None:
    seen, done = GENERATOR.normal(size=(100, CART.observation_size)), np.full((100, CART.action_size), 0.3)
    assert len(READER.pieces([(seen, done)])) == 0
    done[60:] += 5.0
    assert len(READER.pieces([(seen, done)])) == 1


def test_what_no_simulator_does_is_named() -> None:
    robots, count = 24, 12
    generator = np.random.default_rng(1)
    logs = generator.normal(size=(robots, count, len(NAMES), READER.ticks))
    logs += 0.2 * generator.normal(size=(robots, 1, len(NAMES), 1))
    like = SimulatedLogs(
        np.zeros((robots, 2)), logs.astype(np.float32), np.full(robots, count), np.ones(robots)
    )
    own = generator.normal(size=(count, len(NAMES), READER.ticks))
    found = compared(own.astype(np.float32), like, NAMES)
    assert not found["strange"]
    own[:, 1] += 5.0
    found = compared(own.astype(np.float32), like, NAMES)
    assert found["strange"] and found["worst"][0]["name"] == f"mean of {NAMES[1]}"
