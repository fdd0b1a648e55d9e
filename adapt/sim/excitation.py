"""Commands that stir an arm in many ways: what it may be told besides what an expert would say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adapt.stream.tick import FloatArray

Signal = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Times (T,) in s -> a signal (T,) about within [-1, 1]."""


def excite(
    times: FloatArray,
    size: int,
    generator: np.random.Generator,
    amplitudes: tuple[float, float] = (0.02, 0.6),
) -> FloatArray:
    """Random signals, one per joint, shape (T, size), at evenly spaced `times` (s).

    In half the cases all joints get the same kind, as in excitation experiments on real arms; a third
    of the joints rests otherwise. Amplitudes are log-uniform, in rad or whatever unit the ends have.
    """
    kinds = list(SIGNALS.values())
    shared = kinds[generator.integers(len(kinds))] if generator.uniform() < 0.5 else None
    columns = []
    for _ in range(size):
        amplitude = np.exp(generator.uniform(*np.log(amplitudes)))
        if shared is None and generator.uniform() < 1 / 3:
            columns.append(np.zeros_like(times))
            continue
        signal = shared or kinds[generator.integers(len(kinds))]
        columns.append(amplitude * signal(times, generator))
    return np.stack(columns, axis=-1)


def _sines(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    count = int(generator.integers(1, 5))
    rates = np.exp(generator.uniform(np.log(0.1), np.log(4.0), size=count))
    phases = generator.uniform(0, 2 * np.pi, size=count)
    waves: FloatArray = np.sin(2 * np.pi * rates * times[:, None] + phases)
    return np.asarray(waves.mean(axis=1))


def _chirp(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    slow, fast = generator.uniform(0.05, 0.5), generator.uniform(1.0, 8.0)
    if generator.uniform() < 0.5:
        slow, fast = fast, slow
    span = times[-1] - times[0]
    since = times - times[0]
    wave: FloatArray = np.sin(2 * np.pi * (slow * since + (fast - slow) * since**2 / (2 * span)))
    return wave


def _steps(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    return _held(
        times, generator, generator.uniform(0.3, 2.0), lambda count: generator.uniform(-1, 1, size=count)
    )


def _binary(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    return _held(
        times,
        generator,
        generator.uniform(0.04, 0.6),
        lambda count: np.sign(generator.uniform(-1, 1, size=count)),
    )


def _ramps(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    knots = _knots(times, generator, generator.uniform(0.4, 2.0))
    return np.interp(times, knots, generator.uniform(-1, 1, size=len(knots)))


def _moves_and_holds(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    knots = _knots(times, generator, generator.uniform(0.4, 2.0))
    targets = np.repeat(generator.uniform(-1, 1, size=len(knots) // 2 + 1), 2)[: len(knots)]
    move = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    s = np.clip((times - knots[move]) / (knots[move + 1] - knots[move]), 0, 1)
    return targets[move] + (targets[move + 1] - targets[move]) * s**3 * (10 - 15 * s + 6 * s**2)


def _wander(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    smoothing = np.exp(-(times[1] - times[0]) / generator.uniform(0.05, 0.5))
    noise = generator.normal(size=len(times)) * np.sqrt(1 - smoothing**2)
    value, out = 0.0, np.empty_like(times)
    for index, each in enumerate(noise):
        value = smoothing * value + each
        out[index] = value
    return out


def _knots(times: FloatArray, generator: np.random.Generator, mean_s: float) -> FloatArray:
    span = times[-1] - times[0]
    count = int(np.ceil(2 * span / mean_s)) + 2
    knots = times[0] + np.concatenate([[0.0], np.cumsum(generator.uniform(0.5, 1.5, size=count) * mean_s)])
    return np.asarray(knots)


def _held(
    times: FloatArray, generator: np.random.Generator, mean_s: float, draw: Callable[[int], FloatArray]
) -> FloatArray:
    knots = _knots(times, generator, mean_s)
    return draw(len(knots))[np.searchsorted(knots, times, side="right") - 1]


SIGNALS: dict[str, Signal] = {
    "sines": _sines,
    "chirp": _chirp,
    "steps": _steps,
    "binary": _binary,
    "ramps": _ramps,
    "moves_and_holds": _moves_and_holds,
    "wander": _wander,
}
