"""The one table of our nodes: the launch files and `adapt up` start what stands here. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from adapt.bags.reader import bag_info
from adapt.errors import UserError
from adapt.robot.load import load_robot

Parameters = dict[str, Any]
EVERY_NODE = "/**"
"""How a ROS parameter file addresses all nodes."""


@dataclass(frozen=True)
class Options:
    """What to start, and with what.

    Attributes:
        robot: name or path of the robot file.
        store: folder for versions, ledger, incidents and logs.
        sim: start the stand-in in place of the hardware.
        checkpoint: the model to begin with; None for the one that comes with the robot.
        command: the set-point to follow, such as "0.5 0 0"; None for random ones. With `sim` only.
        scenario: the stand-in's, by name or path; None for the one that the robot file names.
        simulated_time: the stand-in's own time instead of the wall's, on /clock; with `sim` only.
        bag: play this bag in place of the hardware; nothing is then driven.
        speed: play the bag so many times as fast, on its own time; None for real speed and stamps of now.
        dry_run: never arm.
        without: names of nodes to leave out.
        no_restart: names of nodes that are not started again when they die: the robot is stopped instead, and
            stays so until a reset.
        overrides: parameters by node, over those of the table; see `read_parameter_file`.
    """

    robot: str
    store: Path
    checkpoint: Path | None = None
    sim: bool = False
    command: str | None = None
    scenario: str | None = None
    simulated_time: bool = False
    bag: Path | None = None
    speed: float | None = None
    dry_run: bool = False
    without: frozenset[str] = frozenset()
    no_restart: frozenset[str] = frozenset()
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def drives(self) -> bool:
        """Whether there is a robot to drive, or only a bag to learn from."""
        return self.bag is None


@dataclass(frozen=True)
class NodeEntry:
    """One node.

    Attributes:
        name: in the ROS graph, and of the executable in lib/adapt.
        lifecycle: it has to be configured and activated.
        wanted: whether it takes part.
        parameters: the parameters that follow from the options; the rest has the node's defaults.
        last: it is started when all others are ready.
        restarts: it is started again when it dies, unless the options say otherwise.
        silent_s: it is taken for dead when it has told no diagnostics for so long; None where it tells none.
    """

    name: str
    lifecycle: bool
    wanted: Callable[[Options], bool]
    parameters: Callable[[Options], Parameters]
    last: bool = False
    restarts: bool = True
    silent_s: float | None = None

    @property
    def module(self) -> str:
        """What Python runs, as in `python -m ros_nodes.planner_node`."""
        return f"ros_nodes.{self.name}_node"


def _planner(options: Options) -> Parameters:
    return _model(options) | ({} if options.drives else {"controller": "none"})


def _learner(options: Options) -> Parameters:
    return _model(options) | ({} if options.drives else {"closed_loop": False})


def _model(options: Options) -> Parameters:
    checkpoint = {} if options.checkpoint is None else {"checkpoint": str(options.checkpoint)}
    return _recorder(options) | checkpoint


def _recorder(options: Options) -> Parameters:
    return {"robot": options.robot, "store": str(options.store)}


def _safety(options: Options) -> Parameters:
    """It reads the files that the planner drives with, wherever that was told to look."""
    told = options.overrides.get("planner", {})
    where = {name: told[name] for name in ("checkpoint", "store") if name in told}
    return _model(options) | where | {"dry_run": options.dry_run}


def _stand_in(options: Options) -> Parameters:
    return {
        "robot": options.robot,
        "scenario": options.scenario or "",
        "publish_clock": options.simulated_time,
    }


def _reference(options: Options) -> Parameters:
    return {"robot": options.robot, "command": options.command or ""}


def _player(options: Options) -> Parameters:
    """The robot's own topics: what our nodes said when the bag was recorded is said anew."""
    assert options.bag is not None
    robot = load_robot(options.robot)
    fields = [*robot.channels.values(), robot.action, robot.task.command]
    recorded = bag_info(options.bag)
    topics = sorted({each.topic for each in fields if recorded.topic(each.topic)})
    if not topics:
        raise UserError(
            f"{options.bag}: it has no topic of robot '{robot.name}';"
            f" look at both with: adapt doctor --robot {options.robot} --bag {options.bag}"
        )
    time = {} if options.speed is None else {"speed": options.speed, "publish_clock": True}
    return {"bag": str(options.bag), "topics": topics, **time}


NODES: tuple[NodeEntry, ...] = (
    NodeEntry("stand_in", False, lambda options: options.sim, _stand_in, restarts=False),
    NodeEntry("safety", False, lambda options: options.drives, _safety, silent_s=10.0),
    NodeEntry("planner", True, lambda options: True, _planner, silent_s=10.0),
    # It tells of itself between two steps of its work.
    NodeEntry("learner", False, lambda options: True, _learner, silent_s=30.0),
    NodeEntry("recorder", False, lambda options: True, _recorder),
    NodeEntry("reference", False, lambda options: options.sim, _reference),
    NodeEntry("player", False, lambda options: not options.drives, _player, last=True, restarts=False),
)
"""In the order in which they are started."""


def chosen_nodes(options: Options) -> list[tuple[NodeEntry, Parameters]]:
    """The nodes that `options` ask for, each with its parameters.

    Raises:
        UserError: the options contradict each other, name a node that there is not, or the bag does
            not fit the robot.
    """
    _check(options)
    chosen = [entry for entry in NODES if entry.wanted(options) and entry.name not in options.without]
    everyone = options.overrides.get(EVERY_NODE, {})
    result = []
    for entry in chosen:
        gives_time = entry.name in ("stand_in", "player")
        simulated = options.simulated_time or options.speed is not None
        parameters = {} if gives_time else {"use_sim_time": simulated}
        parameters |= entry.parameters(options)
        result.append((entry, {**parameters, **everyone, **options.overrides.get(entry.name, {})}))
    return result


def read_parameter_file(path: Path) -> dict[str, Parameters]:
    """Read a ROS parameter file: node names (or /**), each with `ros__parameters`.

    An unknown parameter is refused by the node that gets it, which knows what it takes.

    Raises:
        UserError: the file is missing, no YAML, of another form, or names a node that there is not.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected node names, each with 'ros__parameters'")
    result: dict[str, Parameters] = {}
    for key, section in content.items():
        name = key if key == EVERY_NODE else str(key).lstrip("/")
        if name != EVERY_NODE and name not in _names():
            raise UserError(
                f"{path}: key '{key}': no such node; there are: {', '.join(_names())}, {EVERY_NODE}"
            )
        below = section.get("ros__parameters") if isinstance(section, dict) and len(section) == 1 else None
        if not isinstance(below, dict):
            raise UserError(f"{path}: key '{key}': expected 'ros__parameters' and nothing else below it")
        result[name] = _flat(below)
    return result


def parameter_text(name: str, parameters: Parameters) -> str:
    """A ROS parameter file for one node."""
    return yaml.safe_dump({name: {"ros__parameters": parameters}}, sort_keys=False)


def _flat(section: Parameters, prefix: str = "") -> Parameters:
    """Nested parameters by their full name, as ROS has them: {a: {b: 1}} is a.b = 1."""
    flat: Parameters = {}
    for key, value in section.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _names() -> list[str]:
    return [entry.name for entry in NODES]


def _check(options: Options) -> None:
    # Before anything starts: without a limit in it there is no robot.
    load_robot(options.robot)
    if options.sim and options.bag is not None:
        raise UserError("options 'sim' and 'bag': give one of the two, a stand-in or a bag")
    if options.speed is not None and options.bag is None:
        raise UserError("option 'speed': it is for a bag; give 'bag' too")
    for name in ("scenario", "simulated_time", "command"):
        if getattr(options, name) and not options.sim:
            raise UserError(f"option '{name}': it is for the stand-in; give 'sim' too")
    if options.checkpoint is not None and not options.checkpoint.is_file():
        raise UserError(f"{options.checkpoint}: no such checkpoint; see adapt pretrain --help")
    unknown = sorted({*options.without, *options.no_restart, *options.overrides} - {*_names(), EVERY_NODE})
    if unknown:
        raise UserError(f"no such node: '{unknown[0]}'; there are: {', '.join(_names())}")
