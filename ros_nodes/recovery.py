"""`adapt recover` in a process of its own: what a learner begins where updates do not suffice."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from adapt.learning.event import Event

ENDS_WITHIN_S = 10.0
"""When it is asked to; it goes on where it was when it is begun again."""


@dataclass(frozen=True)
class RecoverySettings:
    """The learner node's parameters `recovery.*`. What comes out has the dead time of the robot file.

    Attributes:
        begins: whether the learner begins it by itself.
        expert: weights of the expert, where the robot file's is a policy; empty where it needs none.
        settings: YAML, keys as in RedistillationSettings; empty for the defaults.
    """

    begins: bool
    expert: str
    settings: str


class Recovery:
    """One at a time, with the priority of whoever begins it; what it says is in STORE/recover/recover.log.

    It outlives a learner that was killed. The learner that comes after finds the log locked, and lets it be.
    """

    def __init__(self, robot: str, store: Path, settings: RecoverySettings) -> None:
        """Nothing is begun yet."""
        self.log = store / "recover" / "recover.log"
        options = ["--robot", robot, "--store", str(store)]
        options += ["--expert", settings.expert] if settings.expert else []
        options += ["--settings", settings.settings] if settings.settings else []
        self._command = [sys.executable, "-m", "adapt.cli", "recover", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, why: str) -> Event:
        """Begin, or go on where an earlier one was ended.

        Raises:
            OSError: the log cannot be written.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        detail = {"why": why, "log": str(self.log)}
        with self.log.open("ab") as log:
            try:
                # Held by the process for as long as it lives, whoever began it.
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Event("recovery_under_way", detail, "warning")
            self._process = subprocess.Popen(
                [*self._command, "--why", why],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return Event("recovery_began", detail)

    @property
    def under_way(self) -> bool:
        """Whether the one that was begun here has not ended."""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> Event | None:
        """What came of it; told once."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self._process = None
        said = self.log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        detail = {"exit_code": code, "said": said.strip(), "log": str(self.log)}
        return Event("recovery_failed", detail, "error") if code else Event("recovery_offered", detail)

    def end(self) -> None:
        """End it in order where it is under way."""
        if self._process is None or not self.under_way:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
