"""From triggers to captures: the seconds before and after, and not the same thing over and over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from adapt.settings import Settings

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
Seconds = Annotated[float, Field(ge=0)]


class CaptureSettings(Settings):
    """How much of the time around a trigger is kept."""

    before_s: Seconds = 10.0
    after_s: Seconds = 5.0
    longest_s: Annotated[float, Field(gt=0)] = 60.0
    """Later triggers extend a capture, but not beyond this length; not more than the ring holds."""
    cool_down_s: Seconds = 10.0
    """After a capture a trigger of a kind that is in it is ignored for so long."""

    @model_validator(mode="after")
    def _longest_holds_one_trigger(self) -> CaptureSettings:
        if self.longest_s < self.before_s + self.after_s:
            raise ValueError(
                f"longest_s ({self.longest_s:g}) is shorter than before_s + after_s"
                f" ({self.before_s + self.after_s:g})"
            )
        return self


class Trigger(Settings):
    """Why something was captured."""

    kind: str
    severity: Severity
    stamp_ns: int
    detail: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Capture:
    """What to write: the time from `start_ns` to `end_ns` of the robot's clock, both included."""

    triggers: tuple[Trigger, ...]
    start_ns: int
    end_ns: int

    @property
    def severity(self) -> Severity:
        """That of the worst trigger."""
        return max((trigger.severity for trigger in self.triggers), key=SEVERITIES.index)


class CaptureWindow:
    """Collects triggers into captures; `clock` gives the robot's time in ns."""

    def __init__(self, settings: CaptureSettings, clock: Callable[[], int]) -> None:
        self.ignored: dict[str, int] = {}
        """Triggers that fell into the cool-down, by kind."""
        self._settings = settings
        self._clock = clock
        self._open: Capture | None = None
        self._quiet_until_ns: dict[str, int] = {}

    def fire(self, kind: str, severity: Severity, detail: dict[str, Any] | None = None) -> bool:
        """Begin a capture, or extend the one that is open; False where the trigger was ignored."""
        settings, now_ns = self._settings, self._clock()
        trigger = Trigger(kind=kind, severity=severity, stamp_ns=now_ns, detail=detail or {})
        end_ns = now_ns + round(settings.after_s * 1e9)
        if self._open is not None:
            latest_ns = self._open.start_ns + round(settings.longest_s * 1e9)
            self._open = Capture((*self._open.triggers, trigger), self._open.start_ns, min(end_ns, latest_ns))
            return True
        if now_ns < self._quiet_until_ns.get(kind, now_ns):
            self.ignored[kind] = self.ignored.get(kind, 0) + 1
            return False
        self._open = Capture((trigger,), now_ns - round(settings.before_s * 1e9), end_ns)
        return True

    def due(self) -> Capture | None:
        """The open capture, once its time is over; it is given once."""
        capture, now_ns = self._open, self._clock()
        # A clock that was set back would leave the capture open for as long as it had run.
        if capture is None or capture.start_ns <= now_ns <= capture.end_ns:
            return None
        return self._close(capture, now_ns)

    def finish(self) -> Capture | None:
        """The open capture as far as it got, for the end of recording."""
        if self._open is None:
            return None
        capture, now_ns = self._open, self._clock()
        end_ns = min(capture.end_ns, max(capture.start_ns, now_ns))
        return self._close(replace(capture, end_ns=end_ns), now_ns)

    def _close(self, capture: Capture, now_ns: int) -> Capture:
        self._open = None
        quiet_until_ns = now_ns + round(self._settings.cool_down_s * 1e9)
        self._quiet_until_ns = {trigger.kind: quiet_until_ns for trigger in capture.triggers}
        return capture
