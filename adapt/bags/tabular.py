"""Logs that are tables (CSV), made into ROS 2 bags on the topics of the robot file."""

from __future__ import annotations

import csv
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapt.bags.blank_message import blank_message
from adapt.bags.importing import EPOCH_NS, FloatArray, StampArray
from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.interface import Positive
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.encode import MeasurementWriter, write_field, write_stamp

ENDINGS = (".csv", ".csv.gz")


class LogColumns(Settings):
    """Which columns of a table are what the robot file names."""

    time: str
    time_unit_s: Positive = 1.0
    """How many seconds a unit of the time column is."""
    channels: dict[str, tuple[str, ...]]
    """By channel, one column for each of its names, in its unit."""
    action: tuple[str, ...]
    """One column for each entry, in the action's unit: in force from the row's time to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class LogTable:
    """One log of N rows in the units and order of the robot file.

    Attributes:
        stamp_ns: shape (N,), rising, in ns from the log's zero.
        channels: by channel, shape (N, names).
        action: shape (N, A).
    """

    stamp_ns: StampArray
    channels: dict[str, FloatArray]
    action: FloatArray


def import_tables(
    source: Path, out: Path, specification: RobotSpecification, columns: LogColumns
) -> list[Path]:
    """Make one bag of each .csv or .csv.gz in `source` and the folders below it.

    A bag is named by the folders on the way to its log and the log's own name. Stamps are the log's own,
    on top of `EPOCH_NS`. There was no reference, so there is none.

    Returns:
        The bags' folders.

    Raises:
        UserError: there are no logs, one is damaged or lacks a column, a value is not finite, the columns
            do not fit the robot file, or a bag exists already.
    """
    check_columns(specification, columns)
    paths = tables_in(source)
    if not paths:
        raise UserError(f"{source}: there are no .csv or .csv.gz logs in it, nor in the folders below it")
    bags = []
    for path in paths:
        name = "-".join(path.relative_to(source).parts).removesuffix(".gz").removesuffix(".csv")
        write_bag(out / name, specification, read_table(path, columns))
        bags.append(out / name)
    return bags


def tables_in(source: Path) -> list[Path]:
    """The .csv and .csv.gz logs in a folder and those below it."""
    return sorted(path for path in source.rglob("*.csv*") if path.name.endswith(ENDINGS))


def check_columns(specification: RobotSpecification, columns: LogColumns) -> None:
    """Compare the columns with the robot file.

    Raises:
        UserError: a channel is missing or unknown, or has not one column for each name.
    """
    wanted = {f"channels.{key}": channel.names for key, channel in specification.channels.items()}
    wanted["action"] = specification.action.entries
    given = {f"channels.{key}": names for key, names in columns.channels.items()}
    given["action"] = columns.action
    for key in (*wanted, *given):
        if key not in given:
            raise UserError(f"columns of the logs: key '{key}' is missing: name its columns")
        if key not in wanted:
            known = ", ".join(specification.channels)
            raise UserError(
                f"columns of the logs: robot {specification.name} has no '{key}'; its channels: {known}"
            )
        if len(given[key]) != len(wanted[key]):
            raise UserError(
                f"columns of the logs: key '{key}': {len(given[key])} columns for {', '.join(wanted[key])}"
            )


def read_table(path: Path, columns: LogColumns) -> LogTable:
    """Read one log; its first line names the columns.

    Raises:
        UserError: the file is damaged, a column is missing, or values are not finite or not in order of
            time.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
            names = [columns.time, *sum(columns.channels.values(), ()), *columns.action]
            missing = [name for name in names if name not in header]
            if missing:
                raise UserError(f"{path}: there is no column '{missing[0]}'; there are: {', '.join(header)}")
            places = [header.index(name) for name in names]
            rows = file.readlines()
            if not rows:
                raise UserError(f"{path}: it has no rows")
            values = np.loadtxt(rows, delimiter=",", usecols=places, ndmin=2)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable table ({error}): copy it again") from error
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise UserError(f"{path}: column '{names[column]}' is not finite in row {row + 1}: remove that row")
    stamp_ns = np.rint(values[:, 0] * columns.time_unit_s * 1e9).astype(np.int64)
    if (np.diff(stamp_ns) <= 0).any():
        row = int(np.argmax(np.diff(stamp_ns) <= 0)) + 2
        raise UserError(f"{path}: column '{columns.time}' does not rise at row {row}: sort the rows")
    ends = np.cumsum([1, *(len(each) for each in columns.channels.values())])
    *measured, action = np.split(values, ends, axis=1)[1:]
    return LogTable(stamp_ns, dict(zip(columns.channels, measured, strict=True)), action)


def write_bag(folder: Path, specification: RobotSpecification, log: LogTable) -> None:
    """Write a log as a bag on the topics of the robot file; stamps on top of `EPOCH_NS`."""
    types, action = standard_types(), specification.action
    measurements = MeasurementWriter(
        specification.channels, lambda topic, type_name: blank_message(types, type_name)
    )
    with BagWriter(folder, types) as writer:
        for topic, type_name in {**measurements.topics, action.topic: action.type}.items():
            writer.add_topic(topic, type_name)
        for row, since_ns in enumerate(log.stamp_ns):
            stamp_ns = EPOCH_NS + int(since_ns)
            seen = {key: (stamp_ns, values[row]) for key, values in log.channels.items()}
            for topic, message in measurements.messages(seen):
                writer.write_message(topic, stamp_ns, message)
            told = blank_message(types, action.type)
            write_stamp(told, stamp_ns)
            write_field(told, action, log.action[row], action.entries)
            writer.write_message(action.topic, stamp_ns, told)
