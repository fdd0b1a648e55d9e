"""Logs of any form that is known, made into bags."""

from __future__ import annotations

from pathlib import Path

from adapt.bags.importing import import_motions
from adapt.bags.lerobot import LeRobotArm, import_lerobot, is_lerobot
from adapt.bags.tabular import LogColumns, import_tables, tables_in
from adapt.errors import UserError
from adapt.robot.load import find_configuration
from adapt.robot.specification import RobotSpecification
from adapt.settings import load_settings


def import_logs(
    source: Path, out: Path, specification: RobotSpecification, columns: str | None = None
) -> list[Path]:
    """Make one bag in `out` of each log in `source`: .npz as `import_motions`, tables as `import_tables`.

    A LeRobot data set gives one for each episode; see `import_lerobot`.

    Args:
        source: the logs.
        out: where the bags go.
        specification: the robot.
        columns: what the columns of tables are, a YAML file or a name in configs/logs; where it is not
            given, that of the robot's name.

    Returns:
        The bags' folders.

    Raises:
        UserError: there are none; or see `import_motions`, `import_tables`, `import_lerobot` and
            `find_configuration`.
    """
    if is_lerobot(source):
        if columns is None:
            raise UserError(
                f"{source}: a LeRobot data set does not say its units: give --columns, such as"
                " so101_lerobot_degrees"
            )
        return import_lerobot(
            source, out, specification, load_settings(find_configuration("logs", columns), LeRobotArm)
        )
    if columns is None and any(source.glob("*.npz")):
        return import_motions(source, out, specification)
    if not tables_in(source):
        raise UserError(f"{source}: there are no logs in it, neither .npz nor .csv")
    path = find_configuration("logs", columns or specification.name)
    return import_tables(source, out, specification, load_settings(path, LogColumns))
