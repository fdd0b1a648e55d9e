"""The network that tells simulators from their logs."""

from __future__ import annotations

import numpy as np

from adapt.distillation.inference import InferenceSettings, train_inference
from adapt.distillation.simulated_logs import SimulatedLogs

TICKS, NUMBERS, PIECES = 16, 3, 6
SETTINGS = InferenceSettings(steps=300, batch=32, width=16, pieces=PIECES)


def logs(robots: int, seed: int) -> SimulatedLogs:
    """Of two parameters the first is the mean of a number; of the second nothing is to be seen."""
    generator = np.random.default_rng(seed)
    shares = generator.uniform(size=(robots, 2))
    pieces = 0.3 * generator.normal(size=(robots, PIECES, NUMBERS, TICKS))
    pieces[:, :, 0] += shares[:, :1, None]
    counts = generator.integers(2, PIECES + 1, size=robots)
    return SimulatedLogs(shares, pieces.astype(np.float32), counts, np.ones(robots))


def test_what_can_be_told_is_told_and_the_intervals_hold() -> None:
    network, said = train_inference(logs(400, 0), SETTINGS, 0)
    unseen = logs(100, 1)
    found = [network.infer(unseen.pieces[row, : unseen.counts[row]], PIECES) for row in range(100)]
    mean = np.stack([each[0] for each in found])
    deviation = np.stack([np.sqrt(np.diag(each[1])) for each in found])
    away = np.abs(mean - unseen.shares) / deviation
    # Of a hundred robots so few miss a stated 90 % by chance, in one of a thousand cases.
    assert ((away < 1.645).sum(axis=0) >= 80).all()
    assert deviation[:, 0].mean() < 0.15 and deviation[:, 1].mean() > 0.2
    assert said["likelihood"] > 0.3


def test_more_of_the_same_log_is_not_taken_for_more_than_one_group_can_tell() -> None:
    network, _ = train_inference(logs(200, 0), SETTINGS, 0)
    pieces = logs(1, 2).pieces[0]
    once, often = network.infer(pieces, PIECES), network.infer(np.tile(pieces, (8, 1, 1)), PIECES)
    assert np.allclose(once[0], often[0], atol=1e-4) and np.allclose(once[1], often[1], atol=1e-5)


def test_the_same_logs_and_seed_give_the_same_network() -> None:
    (one, _), (other, _) = (train_inference(logs(60, 0), SETTINGS, 3) for _ in range(2))
    assert all((value == other.state_dict()[name]).all() for name, value in one.state_dict().items())
