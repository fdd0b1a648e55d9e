"""How much search fits between two beats: the sample count gives way, the rate does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median

from pydantic import Field

from adapt.settings import Settings

TRIALS = 5
"""Plans that are timed before the sample count changes: one that took long may have been held up."""
MORE = 1.1
"""One step up."""
AIM = 0.9
"""Where a step down aims, as a share of the time that is wanted."""
LEAST = 0.5
"""The largest step down: what made one plan very late may be over."""
REMEMBERED = 0.8
"""Weight of the past in the average time of an iteration."""


class PaceSettings(Settings):
    """Shares of the period that planning may take, everything from the beat on counted."""

    wanted: float = Field(default=0.4, gt=0, lt=1)
    """Where plans take longer, they get fewer samples."""
    latest: float = Field(default=0.6, gt=0, lt=1)
    """No iteration is begun that would end later."""
    fewest_samples: int = Field(default=8, gt=1)
    """Below this a search is not worth its time."""


class Pace:
    """Fits the number of samples to the time that plans take, on this machine and under its load now.

    Samples are lost by a factor, and come back step by step, as the rates of congestion control in networks
    do (Chiu and Jain, 1989). What counts is the median of a few plans; one that was too late counts at once.
    """

    def __init__(self, most: int, period_ns: int, settings: PaceSettings, clock: Callable[[], int]):
        """Begin with `most` samples, for a beat of `period_ns`; `clock` gives monotonic ns."""
        self.samples = most
        self.wanted_ns = round(settings.wanted * period_ns)
        self._most = most
        self._fewest = min(settings.fewest_samples, most)
        self._latest_ns = round(settings.latest * period_ns)
        self._clock = clock
        self._iteration_ns = 0.0
        self._took_ns = deque[int](maxlen=TRIALS)
        self.begin()

    def fit(self, plan: Callable[[], object]) -> float:
        """Lower the samples until `plan`, which is to use them, is as quick as wanted.

        Returns:
            the time of a plan, ms.
        """
        while True:
            times = []
            for _ in range(TRIALS):
                start_ns = self._clock()
                plan()
                times.append(self._clock() - start_ns)
            typical = median(times)
            if typical <= self.wanted_ns or self.samples == self._fewest:
                return float(typical * 1e-6)
            self._fewer(typical)

    def begin(self, late_ns: int = 0) -> None:
        """A beat begins, or did `late_ns` ago."""
        self._start_ns = self._clock() - late_ns
        self._searched_from_ns = self._start_ns
        self._iterations = 0
        self._refused = False

    def enough(self) -> bool:
        """Whether one more iteration would end too late; for `Planner.plan`, which asks before each."""
        now_ns = self._clock()
        next_ns = self._iteration_ns
        if self._iterations:
            next_ns = max(next_ns, (now_ns - self._searched_from_ns) / self._iterations)
        over = now_ns - self._start_ns + next_ns > self._latest_ns
        if self._iterations == 0:
            self._searched_from_ns, self._refused = now_ns, over
        self._iterations += not over
        return over

    def end(self) -> None:
        """The plan is made: the next one may have more samples, or must do with fewer."""
        now_ns = self._clock()
        took_ns = now_ns - self._start_ns
        if self._refused:
            # An estimate that refuses every search would never be corrected by one.
            self._iteration_ns *= REMEMBERED
            self._fewer(max(took_ns, self._latest_ns))
        elif self._iterations:
            iteration_ns = (now_ns - self._searched_from_ns) / self._iterations
            known_ns = self._iteration_ns or iteration_ns
            self._iteration_ns = REMEMBERED * known_ns + (1.0 - REMEMBERED) * iteration_ns
            self._took_ns.append(took_ns)
            typical = median(self._took_ns)
            if took_ns > self._latest_ns:
                self._fewer(took_ns)
            elif len(self._took_ns) == TRIALS and typical > self.wanted_ns:
                self._fewer(typical)
            elif len(self._took_ns) == TRIALS and typical * MORE < self.wanted_ns:
                self._use(max(self.samples + 1, int(self.samples * MORE)))

    def _fewer(self, took_ns: float) -> None:
        factor = max(LEAST, AIM * self.wanted_ns / took_ns)
        self._use(min(self.samples - 1, int(self.samples * factor)))

    def _use(self, samples: int) -> None:
        samples = max(self._fewest, min(self._most, samples))
        self._iteration_ns *= samples / self.samples
        self.samples = samples
        self._took_ns.clear()
