"""Robot files and other configuration, found by name or by path."""

from __future__ import annotations

import sys
from pathlib import Path

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.settings import as_settings, read_mapping


def configuration_folders() -> list[Path]:
    """Folders that may hold `robots/` and `scenarios/`: the source tree, then where it was installed."""
    package = Path(__file__).resolve().parents[1]
    folders = [package.parent / "configs"]
    folders += [parent / "share" / "adapt" / "configs" for parent in package.parents]
    folders.append(Path(sys.prefix) / "share" / "adapt" / "configs")
    return [folder for folder in folders if folder.is_dir()]


def find_configuration(kind: str, name: str) -> Path:
    """The file for `name`: a path to a YAML file, or the name of one under configs/<kind>/.

    Raises:
        UserError: there is none; the message lists the names that there are.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    for folder in configuration_folders():
        path = folder / kind / f"{name}.yaml"
        if path.is_file():
            return path
    known = sorted(
        {path.stem for folder in configuration_folders() for path in (folder / kind).glob("*.yaml")}
    )
    raise UserError(f"configs/{kind}/{name}.yaml: no such file; there are: {', '.join(known) or 'none'}")


def load_robot(name: str) -> RobotSpecification:
    """Read a robot file, given its path or its name under configs/robots/.

    Where it names another one as its `base`, by name or by a path from where it lies, what it does not say
    itself is its base's, key by key of the first level. Where the model of its simulation lies beside the
    file that says so, the specification has the model's full path.

    Raises:
        UserError: see `load_settings` and `find_configuration`; or its base has a base itself.
    """
    path = simulated_by = find_configuration("robots", name)
    content = read_mapping(path)
    if (named := content.pop("base", None)) is not None:
        base = path.parent / find_configuration("robots", str(named))
        usual = read_mapping(base)
        if "base" in usual:
            raise UserError(f"{path}: key 'base': {base} has a base itself: name '{usual['base']}' instead")
        simulated_by = path if "simulation" in content else base
        content = {**usual, **content}
    robot = as_settings(path, content, RobotSpecification)
    if robot.simulation is None or not (beside := simulated_by.parent / robot.simulation.model).is_file():
        return robot
    simulation = robot.simulation.model_copy(update={"model": str(beside.resolve())})
    return robot.model_copy(update={"simulation": simulation})
