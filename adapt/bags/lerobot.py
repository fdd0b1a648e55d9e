"""LeRobot data sets (versions 2 and 3: parquet files and meta/info.json) of an arm, made into ROS 2 bags.

The format does not say what a number is: degrees, or -100 to 100 of a range that a calibration has found.
So nothing is guessed: a YAML file says of each joint its name there, and what two of its values are here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator

from adapt.bags.importing import FloatArray
from adapt.bags.tabular import LogTable, write_bag
from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings

INFO = Path("meta") / "info.json"
STATE, ACTION = "observation.state", "action"
TOLERANCE = 0.02
"""Part of a range by which a value may lie outside: servos overshoot, and calibrations are not exact."""


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError("the first value must be below the second")
    return ends


class JointScale(Settings):
    """What a joint is called in the data set, and what its values mean."""

    name: str
    values: Annotated[tuple[float, float], AfterValidator(_rising)]
    """The range in the data set; what lies outside is of another unit, and refused."""
    means: tuple[float, float]
    """The same two in the robot file's unit; the first is the larger where the joint turns the other way."""


class LeRobotArm(Settings):
    """How the numbers of an arm's data sets are read."""

    robot_types: tuple[str, ...]
    """Of `robot_type` in meta/info.json."""
    joints: dict[str, JointScale]
    """By entry of the robot file's action."""


def is_lerobot(source: Path) -> bool:
    """Whether a folder is a LeRobot data set."""
    return (source / INFO).is_file()


def import_lerobot(source: Path, out: Path, specification: RobotSpecification, arm: LeRobotArm) -> list[Path]:
    """Make one bag `out/episode_000000` of each episode; images are left out.

    Stamps are those of the frames, `frame_index / fps`, on top of `EPOCH_NS`.

    Returns:
        The bags' folders.

    Raises:
        UserError: pyarrow is missing; the data set is of another version, robot or unit, damaged, or not
            finite; the robot file is not of an arm with these joints; or a bag exists already.
    """
    channel, entries = specification.action.targets, specification.action.entries
    if channel is None or list(specification.channels) != [channel]:
        raise UserError(
            f"robot {specification.name}: data sets are imported for arms with one channel, positions"
        )
    if tuple(arm.joints) != entries:
        here, there = ", ".join(entries), ", ".join(arm.joints)
        raise UserError(f"joints of the data set: {there}; the robot file has {here}")
    info = _info(source, arm)
    places = {key: _places(source, info, key, arm) for key in (STATE, ACTION)}
    bags = []
    for number, frames, state, action in _episodes(source):
        values = {key: each[:, places[key]] for key, each in ((STATE, state), (ACTION, action))}
        seen, told = (
            _scaled(f"{source}: episode {number}, {key}", each, arm) for key, each in values.items()
        )
        stamp_ns = np.rint(frames * (1e9 / info["fps"])).astype(np.int64)
        if (np.diff(stamp_ns) <= 0).any():
            raise UserError(f"{source}: episode {number}: its frames are not in order: sort them")
        folder = out / f"episode_{number:06d}"
        write_bag(folder, specification, LogTable(stamp_ns, {channel: seen}, told))
        bags.append(folder)
    if not bags:
        raise UserError(f"{source}: there are no episodes in it")
    return bags


def _info(source: Path, arm: LeRobotArm) -> dict[str, Any]:
    path = source / INFO
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, robot, fps = str(info["codebase_version"]), info["robot_type"], float(info["fps"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the facts of a LeRobot data set ({error!r}): copy it again") from error
    if not version.startswith(("v2.", "v3.")):
        raise UserError(f"{path}: codebase_version {version}: only versions 2 and 3 are known: convert it")
    if robot not in arm.robot_types:
        known = ", ".join(arm.robot_types)
        raise UserError(f"{path}: robot_type {robot}: the joints are those of {known}: give other --columns")
    if not fps > 0:
        raise UserError(f"{path}: fps {fps:g}: must be above 0")
    return info


def _places(source: Path, info: dict[str, Any], key: str, arm: LeRobotArm) -> list[int]:
    """Where the joints stand in a feature."""
    try:
        names = info["features"][key]["names"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{source / INFO}: key 'features.{key}.names' is missing") from error
    names = next(iter(names.values())) if isinstance(names, dict) else names
    for joint, scale in arm.joints.items():
        if scale.name not in names:
            listed = ", ".join(map(str, names))
            raise UserError(f"{source / INFO}: {key} has no '{scale.name}' for {joint}; it has: {listed}")
    return [names.index(scale.name) for scale in arm.joints.values()]


def _episodes(source: Path) -> Iterator[tuple[int, FloatArray, FloatArray, FloatArray]]:
    """Number, frames (N,), state (N, J) and action (N, J) of each episode; version 3 has many in one file."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UserError("LeRobot data sets need pyarrow: install the extra 'lerobot'") from error
    number: int | None = None
    kept: list[tuple[FloatArray, ...]] = []
    columns = ("frame_index", STATE, ACTION)
    for path in sorted((source / "data").rglob("*.parquet")):
        try:
            with ParquetFile(path) as file:
                for batch in file.iter_batches(columns=["episode_index", *columns]):
                    numbers = np.asarray(batch.column("episode_index"))
                    values = [np.array(batch.column(name).to_pylist(), dtype=np.float64) for name in columns]
                    for begin, end in _runs(numbers):
                        if numbers[begin] != number and number is not None:
                            yield _joined(number, kept)
                            kept = []
                        number = int(numbers[begin])
                        kept.append(tuple(each[begin:end] for each in values))
        except (OSError, ValueError, KeyError, ArrowException) as error:
            raise UserError(
                f"{path}: not readable ({' '.join(str(error).split())}): copy it again"
            ) from error
    if number is not None:
        yield _joined(number, kept)


def _runs(numbers: Any) -> Iterator[tuple[int, int]]:
    """Where equal numbers stand together."""
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    yield from ((begin, end) for begin, end in itertools.pairwise(edges) if end > begin)


def _joined(
    number: int, parts: list[tuple[FloatArray, ...]]
) -> tuple[int, FloatArray, FloatArray, FloatArray]:
    frames, state, action = (np.concatenate(each) for each in zip(*parts, strict=True))
    return number, frames, state, action


def _scaled(where: str, values: FloatArray, arm: LeRobotArm) -> FloatArray:
    """Into the robot file's unit."""
    low, high = np.array([scale.values for scale in arm.joints.values()]).T
    first, second = np.array([scale.means for scale in arm.joints.values()]).T
    share = (values - low) / (high - low)
    wrong = ~((share >= -TOLERANCE) & (share <= 1.0 + TOLERANCE))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        scale = list(arm.joints.values())[column]
        raise UserError(
            f"{where}: '{scale.name}' is {values[row, column]:g} in frame {row}, not within"
            f" {scale.values[0]:g} to {scale.values[1]:g}: is it of another unit? Give other --columns"
        )
    return np.asarray(first + share * (second - first), dtype=np.float64)
