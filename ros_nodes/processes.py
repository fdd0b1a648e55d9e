"""A node's process: its log, its death told with its last words, and its end in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adapt.files import write_text
from ros_nodes.node_table import NodeEntry, Parameters, parameter_text

ASK_AGAIN_S = 2.0
LOG_PREFIX = re.compile(r"^\[\w+\] \[[\d.]+\] \[[\w.]+\]: ")


@dataclass(frozen=True)
class Death:
    """A process that ended on its own.

    Attributes:
        node: its name.
        exit_code: as Python gives it: minus the signal's number where one ended it.
        last_words: the last line of its log.
        log: the file with all of it.
        silent: it had hung, and was killed for that.
        then: what was done about it.
    """

    node: str
    exit_code: int
    last_words: str
    log: Path
    silent: bool = False
    then: str = ""

    def __str__(self) -> str:
        """One line."""
        how = (
            f"was ended by {signal.Signals(-self.exit_code).name}"
            if self.exit_code < 0
            else f"ended with exit code {self.exit_code}"
        )
        if self.silent:
            how = "fell silent and was killed"
        said = f": {self.last_words}" if self.last_words else ""
        then = f"; {self.then}" if self.then else ""
        return f"node '{self.node}' {how}{said} (see {self.log}){then}"


class NodeProcess:
    """One node in a process group of its own, so that Ctrl-C in a terminal does not reach it."""

    def __init__(self, entry: NodeEntry, parameters: Parameters, logs: Path, *, again: bool = False) -> None:
        """Start it: parameters from `logs`/<node>.yaml, all that it prints to `logs`/<node>.log.

        Started `again`, it goes on in the log, and a node with a lifecycle leads itself to active.
        """
        self.name = entry.name
        self.started_s = time.monotonic()
        if again and entry.lifecycle:
            parameters = {**parameters, "autostart": True}
        self.log = logs / f"{entry.name}.log"
        parameter_file = logs / f"{entry.name}.yaml"
        write_text(parameter_file, parameter_text(entry.name, parameters))
        arguments = ["--params-file", str(parameter_file), "--disable-external-lib-logs"]
        with self.log.open("ab" if again else "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", entry.module, "--ros-args", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id, also that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def waited_s(self) -> float:
        """For how long its main thread could have run but had no processor, s; 0 where Linux does not say."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) * 1e-9
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return 0.0

    def death(self) -> Death | None:
        """How it ended, or None while it runs."""
        code = self.exit_code
        if code is None:
            return None
        return Death(self.name, code, self.last_words(), self.log)

    def last_words(self) -> str:
        """The last line of its log, without time and name; empty where it said nothing."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")
        return LOG_PREFIX.sub("", lines[2].strip())

    def interrupt(self) -> None:
        """Ask it to end."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within `timeout_s`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def end(processes: Iterable[NodeProcess], timeout_s: float) -> list[str]:
    """Ask all to end, then kill who has not within `timeout_s`; gives the names of those killed.

    They are asked again and again: an interpreter that is still importing may lose the first signal,
    where it falls into code that lets no exception out.
    """
    left = list(processes)
    deadline = time.monotonic() + timeout_s
    while left and time.monotonic() < deadline:
        for process in left:
            process.interrupt()
        until = min(deadline, time.monotonic() + ASK_AGAIN_S)
        left = [each for each in left if not each.wait(max(0.0, until - time.monotonic()))]
    for process in left:
        process.kill()
    return [process.name for process in left]
