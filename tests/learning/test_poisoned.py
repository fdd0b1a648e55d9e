"""Whatever a broken sensor says through the real learner, no version is let in that believes it."""

import os

import numpy as np
import pytest
from deployment import Deployment
from poison import POISONS, poisoned
from small_arm import servo_motion, ticks_of

from adapt.learning.update import forecast_error
from adapt.model.windows import cut_windows

RUNS = int(os.environ.get("ADAPT_POISONED_RUNS", "4"))
"""A release is tried with 200."""
SECONDS = 80


@pytest.mark.parametrize("run", range(RUNS))
def test_a_sensor_that_was_always_broken_is_never_believed(tmp_path, pretrained, run):
    positions, targets = servo_motion(SECONDS * 25, run + 1, 80.0, 12.0, 0.05)
    readings = poisoned(positions, POISONS[run % len(POISONS)], np.random.default_rng(run))
    deployment = Deployment(tmp_path, pretrained, seed=run)
    deployment.live(ticks_of(readings, targets))
    assert "admitted" not in deployment.kinds()
    refusals = [event for event in deployment.events if event.kind == "data_refused"]
    assert refusals and all(event.severity == "error" for event in refusals)


@pytest.mark.parametrize("run", range(RUNS // 2))
def test_what_is_learned_when_a_sensor_breaks_is_of_the_whole_robot(tmp_path, pretrained, run):
    generator = np.random.default_rng(1000 + run)
    positions, targets = servo_motion(SECONDS * 25, run + 1, 80.0, 12.0, 0.05)
    breaks = int(generator.uniform(0.2, 0.8) * len(positions))
    readings = positions.copy()
    readings[breaks:] = poisoned(positions[breaks:], POISONS[run % len(POISONS)], generator)
    deployment = Deployment(tmp_path, pretrained, seed=run)
    deployment.live(ticks_of(readings, targets))
    unseen_positions, unseen_targets = servo_motion(400, 10_000 + run, 80.0, 12.0, 0.05)
    unseen = cut_windows(unseen_positions, unseen_targets, unseen_targets, 6, 6)
    believed = deployment.registry.load(deployment.learner.incumbent)[0]
    assert forecast_error(believed, unseen) <= forecast_error(pretrained, unseen)
