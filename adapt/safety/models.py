"""Which model drives, and whether it is what it is said to be."""

from __future__ import annotations

from adapt.safety.watchdog import Problem

# In periods: a version and its first proposals are told on two topics, in either order.
PATIENCE = 5.0


class Models:
    """Follows the version that the planner tells, the versions that were verified, and those that propose.

    A version is verified by somebody who has read its file: its name is the hash of what is in it.
    """

    def __init__(self, period_ns: float) -> None:
        self._patience_ns = PATIENCE * period_ns
        self._told = ""
        self._told_ns = 0
        self._sound: set[str] = set()
        self._unsound: dict[str, str] = {}

    def tell(self, version: str, now_ns: int) -> None:
        """The planner says with which version it drives from now on."""
        if version != self._told:
            self._told, self._told_ns = version, now_ns

    def verify(self, version: str, problem: str | None) -> None:
        """Somebody has read its file: `problem` is what was found wrong with it, or None."""
        self._sound.discard(version)
        self._unsound.pop(version, None)
        if problem is None:
            self._sound.add(version)
        else:
            self._unsound[version] = problem

    def problem(self) -> Problem | None:
        """Why the robot may not be set in motion with the model that is told, or None."""
        if not self._told:
            cure = "start the planner"
            return Problem("model_unknown", f"nobody has told a version on /adapt/model_version: {cure}")
        if self._told not in self._sound:
            waiting = f"version {self._told} is not verified yet"
            return Problem("model_unverified", self._unsound.get(self._told, waiting))
        return None

    def refusal(self, version: str, now_ns: int) -> str | None:
        """Why a proposal of this version is not taken: `unverified` or `disagrees`; None where it is."""
        if version not in self._sound:
            return "unverified"
        recent = now_ns - self._told_ns <= self._patience_ns
        return None if version == self._told or recent else "disagrees"
