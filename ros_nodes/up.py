"""All nodes of one robot with one call, and without a `ros2` tool: start, watch, and end in order."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from rich.console import Console
from rich.live import Live

from adapt.errors import UserError
from ros_nodes.caretaker import Caretaker, domain
from ros_nodes.live_table import Row, live_table
from ros_nodes.node_table import NodeEntry, Options, Parameters, chosen_nodes
from ros_nodes.processes import Death, NodeProcess, end
from ros_nodes.signals import signals_held_back, signals_interrupt_once

DISCOVERY_S = 3.0
"""Whoever runs in this domain is found within this time: 2 to 2.5 s were measured for a late joiner."""
START_S = 90.0
"""The longest that a node may take to appear or to configure: two cores may have to load torch twice."""
START_AGAIN_S = 90.0
"""Where the machine is busy, which may be why a node died, to kill it while it starts helps nobody."""
ANSWER_S = 10.0
END_S = 20.0
"""Longer than any node needs; the robot is at rest before the others are asked to end."""
REFRESH_HZ = 4.0
MOST_RESTARTS, RESTARTS_WITHIN_S = 5, 60.0
"""A node that dies more often than this is not started again."""


class Stack:
    """The processes of the nodes that `options` ask for.

    Use as a context manager: leaving it, in whatever way, brings the robot to rest and ends the nodes.

        with Stack(Options(robot="so101", store=Path("runs"), sim=True)) as stack:
            stack.start()
            stack.arm()
    """

    def __init__(self, options: Options) -> None:
        """Check the options; nothing is started yet.

        Raises:
            UserError: see `chosen_nodes`.
        """
        self.options = options
        self._chosen = chosen_nodes(options)
        self._processes: dict[str, NodeProcess] = {}
        self._caretaker: Caretaker | None = None
        self._tended: set[int] = set()
        self._restarts: dict[str, deque[float]] = {}
        self._silences: dict[str, tuple[tuple[int, float], float]] = {}
        self.killed: list[str] = []

    def __enter__(self) -> Stack:
        """Nothing yet; see `start`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `stop`."""
        self.stop()

    @property
    def processes(self) -> dict[str, NodeProcess]:
        """The processes by node, in the order in which they were started."""
        return dict(self._processes)

    @property
    def diagnostics(self) -> dict[str, dict[str, str]]:
        """What each node last said on /diagnostics, by node and key; `state` holds its message."""
        return {} if self._caretaker is None else dict(self._caretaker.diagnostics)

    def start(self) -> None:
        """Start all nodes, and configure and activate those with a lifecycle. Nothing moves yet.

        Raises:
            UserError: nodes of these names run in this ROS domain already, or one of ours dies, hangs
                or fails on the way; the message names it, and says its last words.
        """
        with signals_held_back(deliver=True):
            self._caretaker = Caretaker()
        self._refuse_a_domain_in_use(self._caretaker, [entry.name for entry, _ in self._chosen])
        self._spawn(last=False)
        missing = self._caretaker.wait_for_nodes(self._processes, START_S, self._refuse_deaths)
        if missing:
            late = sorted(missing)[0]
            raise UserError(
                f"node '{late}' did not appear within {START_S:g} s (see {self._processes[late].log})"
            )
        for entry, _ in self._chosen:
            if entry.lifecycle:
                self._bring_up(self._caretaker, entry.name)
        self._spawn(last=True)

    def arm(self, timeout_s: float = ANSWER_S, reason: str = "start") -> None:
        """Let the safety node send commands; tried again until `timeout_s` while it refuses.

        Raises:
            UserError: it still refuses, and says why; or it is not there.
        """
        if self._caretaker is None or "safety" not in self._processes:
            raise UserError(
                "there is no safety node to arm: start the stack, with 'safety' and without a bag"
            )
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self._caretaker.request("/safety/arm", reason, ANSWER_S)
            except UserError:
                # Its sensors may not have spoken yet, nor the planner.
                self._refuse_deaths()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def reset(self, reason: str) -> None:
        """Leave a stop; the robot moves again only after arming.

        Raises:
            UserError: it is refused, and says why; or there is no safety node.
        """
        if self._caretaker is None:
            raise UserError("there is no safety node to reset: start the stack")
        self._caretaker.request("/safety/reset", reason, ANSWER_S)

    def tend(self) -> list[Death]:
        """Look after the nodes; to be called a few times a second.

        A node that has died or fallen silent is started again. Where the options do not want that, or where
        it was in vain again and again, the robot is stopped, and stays so until a reset.

        Returns:
            who has died since the last call, with what was done about it.
        """
        news = []
        for entry, parameters in self._chosen:
            process = self._processes[entry.name]
            silent = self._is_silent(entry, process)
            if silent:
                process.kill()
            death = process.death()
            if death is None or process.pid in self._tended or self._has_played(death):
                continue
            self._tended.add(process.pid)
            news.append(replace(death, silent=silent, then=self._after_death(entry, parameters)))
        return news

    def deaths(self) -> list[Death]:
        """Nodes that have ended on their own; a player that has finished is none."""
        ended = [process.death() for process in self._processes.values()]
        return [death for death in ended if death and not self._has_played(death)]

    @property
    def finished(self) -> bool:
        """Whether a bag has been played to its end."""
        player = self._processes.get("player")
        return player is not None and player.exit_code is not None

    def stop(self) -> None:
        """Bring the robot to rest first, then end all nodes; who takes too long is killed.

        The safety node, told to end, sends the way to rest and only then ends: nothing else is needed
        to stop the robot. May be called twice.
        """
        with signals_held_back(deliver=False):
            robot_side = [self._processes[name] for name in ("stand_in", "player") if name in self._processes]
            ours = [process for process in self._processes.values() if process not in robot_side]
            # Last, since simulated time comes from there, and nobody ends while time stands still.
            for stage in ([each for each in ours if each.name == "safety"], ours, robot_side):
                self.killed += end(stage, END_S)
            if self._caretaker is not None:
                self._caretaker.close()
                self._caretaker = None

    def _spawn(self, *, last: bool) -> None:
        logs = self.options.store / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with signals_held_back(deliver=True):
            for entry, parameters in self._chosen:
                if entry.last == last:
                    self._processes[entry.name] = NodeProcess(entry, parameters, logs)

    def _is_silent(self, entry: NodeEntry, process: NodeProcess) -> bool:
        """Whether a process that runs has told nothing of itself for too long, while others were heard: where
        nobody is, it is we who do not hear. Time in which it waited for a processor does not count: a learner
        gets what others leave.
        """
        if entry.silent_s is None or process.exit_code is not None or self._caretaker is None:
            return False
        heard = self._caretaker.heard_s
        heard_s, newest_s = heard.get(entry.name, 0.0), max(heard.values(), default=0.0)
        heard_yet = heard_s > process.started_s
        expected_s = heard_s + entry.silent_s if heard_yet else process.started_s + START_AGAIN_S
        begun, waited_s = (process.pid, heard_s), process.waited_s
        known, waited_before_s = self._silences.get(entry.name, (None, 0.0))
        if known != begun:
            self._silences[entry.name], waited_before_s = (begun, waited_s), waited_s
        return newest_s > expected_s + waited_s - waited_before_s

    def _after_death(self, entry: NodeEntry, parameters: Parameters) -> str:
        """Start the node again or stop the robot; gives what was done."""
        lives = self._restarts.setdefault(entry.name, deque(maxlen=MOST_RESTARTS))
        now_s = time.monotonic()
        in_vain = len(lives) == MOST_RESTARTS and now_s - lives[0] < RESTARTS_WITHIN_S
        if entry.restarts and entry.name not in self.options.no_restart and not in_vain:
            lives.append(now_s)
            logs = self.options.store / "logs"
            with signals_held_back(deliver=True):
                self._processes[entry.name] = NodeProcess(entry, parameters, logs, again=True)
            return "it was started again"
        if self._caretaker is None or "safety" not in self._processes or entry.name == "safety":
            return "it stays away"
        try:
            self._caretaker.trigger("/safety/stop", ANSWER_S)
        except UserError as error:
            return f"the robot could not be stopped: {error}"
        return "the robot was stopped, until /safety/reset"

    def _has_played(self, death: Death) -> bool:
        return death.node == "player" and death.exit_code == 0

    def _refuse_a_domain_in_use(self, caretaker: Caretaker, names: list[str]) -> None:
        deadline = time.monotonic() + DISCOVERY_S
        while time.monotonic() < deadline:
            if taken := sorted(set(names) & caretaker.nodes()):
                raise UserError(
                    f"ROS domain {domain()} is in use: a node '{taken[0]}' runs in it already; stop it,"
                    " or set ROS_DOMAIN_ID to another number (0 to 101)"
                )
            time.sleep(0.05)

    def _refuse_deaths(self) -> None:
        for death in self.deaths():
            raise UserError(str(death))

    def _bring_up(self, caretaker: Caretaker, name: str) -> None:
        for transition in ("configure", "activate"):
            try:
                caretaker.change_state(name, transition, START_S, self._refuse_deaths)
            except UserError as error:
                self._refuse_deaths()
                said = self._processes[name].last_words()
                raise UserError(f"{error}: {said}" if said else str(error)) from error


def up(options: Options, *, arm: bool = True, console: Console | None = None) -> int:
    """Run the stack with a live table until Ctrl-C, SIGTERM or SIGHUP, or until the bag has been played.

    Returns:
        0; 1 where a node died on the way or had to be killed at the end.

    Raises:
        UserError: see `Stack.start` and `Stack.arm`.
    """
    console = console or Console()
    stack = Stack(options)
    died = False
    with suppress(KeyboardInterrupt), signals_interrupt_once(), stack:
        stack.start()
        if arm and options.drives and not options.dry_run and "safety" in stack.processes:
            stack.arm()
        with Live(console=console, refresh_per_second=REFRESH_HZ) as live:
            while not stack.finished:
                for death in stack.tend():
                    died = True
                    live.console.print(str(death), style="red", markup=False)
                live.update(live_table(f"ROS domain {domain()}, Ctrl-C to stop", _rows(stack)))
                time.sleep(1.0 / REFRESH_HZ)
    for name in stack.killed:
        console.print(f"node '{name}' did not end within {END_S:g} s and was killed", style="red")
    console.print("the robot is at rest, the nodes have ended")
    return int(died or bool(stack.killed))


def _rows(stack: Stack) -> list[Row]:
    said = stack.diagnostics
    return [
        Row(name, process.pid, process.exit_code, said.get(name, {}))
        for name, process in stack.processes.items()
    ]
