"""A stand-in that falls is put on its feet and driven again, as somebody beside a robot does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ros_nodes.fault_stage import Stage
from ros_nodes.node_table import Options
from ros_nodes.signals import signals_interrupt_once

QUIET_S = 0.3
"""Of the wall's time, without a command: the robot is at rest."""


@dataclass(frozen=True)
class Attempt:
    """Driven until it fell, or for as long as wanted.

    Attributes:
        version: that drove when it ended.
        seconds: of the robot's clock.
        progress_m: along the x axis of where it started.
        fell: whether it did.
    """

    version: str
    seconds: float
    progress_m: float
    fell: bool


@dataclass(frozen=True)
class Attempts:
    """One after the other.

    Attributes:
        attempts: in order.
        ended: whether what was waited for came.
    """

    attempts: list[Attempt]
    ended: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Bystander:
    """Watches a stand-in in its own time, and puts it back."""

    def __init__(self, stage: Stage) -> None:
        """`stage` drives it."""
        self._stage, self._witness = stage, stage.witness

    def watch(self, seconds: float, done: Callable[[], bool] = lambda: False) -> Attempt:
        """Drive until the robot has fallen, `seconds` of its clock have passed, or it is `done`; then it is
        put back.

        Raises:
            UserError: it cannot be driven, or stopped.
        """
        stage = self._stage
        stage.until_running()
        stage.until(lambda: self._witness.proposals, "a proposal")
        heard, begin_ns = len(self._witness.events), self.now_ns

        def over() -> bool:
            return bool(
                self._heard("stand_in_fell", heard) or self.now_ns - begin_ns >= seconds * 1e9 or done()
            )

        stage.until(over, "the end of an attempt", timeout_s=60.0 * max(1.0, seconds))
        end_ns, version = self.now_ns, self.version
        stage.until(self._at_rest, "rest")
        self._witness.tell_stand_in({"put_back": True})
        stage.until(lambda: self._heard("stand_in_put_back", heard), "being put back")
        fell = self._heard("stand_in_fell", heard)
        ended = (fell or self._heard("stand_in_put_back", heard))[0]
        return Attempt(version, (end_ns - begin_ns) * 1e-9, ended["detail"]["position_m"][0], bool(fell))

    def watch_again_and_again(
        self,
        attempt_s: float,
        most_s: float,
        ended: Callable[[], bool] = lambda: False,
        progress: Callable[[float, str], None] = lambda share, note: None,
    ) -> Attempts:
        """Drive in attempts until it has `ended`, or for `most_s` of being driven.

        Raises:
            UserError: see `watch`.
        """
        attempts: list[Attempt] = []
        driven_s = 0.0
        while driven_s < most_s - 1e-6 and not ended():
            attempts.append(self.watch(min(attempt_s, most_s - driven_s), ended))
            driven_s += attempts[-1].seconds
            falls = sum(each.fell for each in attempts)
            progress(min(1.0, driven_s / most_s), f"{falls} falls in {len(attempts)} attempts")
        return Attempts(attempts, ended())

    def wait(self, kinds: Iterable[str], timeout_s: float) -> dict[str, Any]:
        """Leave the robot at rest until one of these events is heard, and give it.

        Raises:
            UserError: none is, within so much of the wall's time.
        """
        wanted = tuple(kinds)
        self._stage.until(lambda: any(map(self.events, wanted)), " or ".join(wanted), timeout_s)
        return next(event for kind in wanted for event in self.events(kind))

    def let_time_go(self, speed: float) -> None:
        """So many times as fast as the wall's, where the stand-in's time is its own."""
        self._witness.tell_stand_in({"speed": speed})

    @property
    def version(self) -> str:
        """That drives now."""
        told = self.events("version_drives")
        return str(told[-1]["detail"]["version"]) if told else ""

    def events(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind so far."""
        return self._heard(kind, 0)

    def _heard(self, kind: str, since: int) -> list[dict[str, Any]]:
        return [each for each in self._witness.events[since:] if each["kind"] == kind]

    @property
    def now_ns(self) -> int:
        """The robot's clock: proposals carry it also where commands have no stamp."""
        return self._witness.proposals[-1].sent_ns

    def _at_rest(self) -> bool:
        if self._witness.state != "stopped":
            self._witness.call("/safety/stop")
            return False
        return time.time_ns() - self._witness.commands[-1].received_ns > QUIET_S * 1e9


@contextmanager
def stand_by(options: Options) -> Iterator[Bystander]:
    """A stack on a stand-in, from its start to its end.

    Raises:
        UserError: it does not start, or cannot be driven.
    """
    with signals_interrupt_once(), Stage(options) as stage:
        yield Bystander(stage)
