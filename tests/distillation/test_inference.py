"""The network that tells simulators from their logs."""

from __future__ import annotations

import numpy as np

from adapt.distillation.inference import InferenceSettings, train_inference
from adapt.distillation.posterior import Posterior
from adapt.distillation.simulated_logs import SimulatedLogs

TICKS, NUMBERS, PIECES = 16, 3, 6
RANGES = {"shown": (0.0, 1.0), "hidden": (0.0, 1.0)}
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
    found = [
        Posterior(RANGES, *network.infer(unseen.pieces[row, : unseen.counts[row]], PIECES)).summary(
            np.random.default_rng(row)
        )
        for row in range(100)
    ]
    low, high = (
        np.array([[each[name][end] for name in RANGES] for each in found]) for end in ("low", "high")
    )
    # Of a hundred robots so few miss a stated 90 % by chance, in one of a thousand cases.
    assert ((low <= unseen.shares) & (unseen.shares <= high)).sum(axis=0).min() >= 80
    assert [sum(each[name]["told"] for each in found) > 50 for name in RANGES] == [True, False]
    # What is not told is as wide as its range.
    assert (high - low)[:, 1].mean() > 0.85 > 0.5 > (high - low)[:, 0].mean()
    assert said["likelihood"] > 0.3


def test_more_of_the_same_log_is_not_taken_for_more_than_one_group_can_tell() -> None:
    network, _ = train_inference(logs(200, 0), SETTINGS, 0)
    pieces = logs(1, 2).pieces[0]
    once, often = network.infer(pieces, PIECES), network.infer(np.tile(pieces, (8, 1, 1)), PIECES)
    assert np.allclose(once[0], often[0], atol=1e-4) and np.allclose(once[1], often[1], atol=1e-5)


def test_the_same_logs_and_seed_give_the_same_network() -> None:
    (one, _), (other, _) = (train_inference(logs(60, 0), SETTINGS, 3) for _ in range(2))
    assert all((value == other.state_dict()[name]).all() for name, value in one.state_dict().items())
