"""Making a data set: one job a shard, by any workers, continued where an earlier run ended."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from adapt import __version__
from adapt.errors import UserError
from adapt.files import replacing
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_episodes import ARM_EXPERT, generate_arm_episodes
from adapt.sim.arms import load_model
from adapt.sim.data import Dataset
from adapt.sim.experts import make_expert
from adapt.sim.manifest import Manifest, differences, load_manifest
from adapt.sim.mechanics import load_mechanics, simulation_of
from adapt.sim.model_episodes import generate_model_episodes
from adapt.sim.shards import pack
from adapt.sim.workers import Workers, run_jobs

EPISODES_PER_SHARD = 128

_NOT_DATA = {"description", "budget", "fallback", "incidents"}
"""Keys of a robot file that say nothing about its simulation."""


def generate_episodes(
    spec: RobotSpecification,
    count: int,
    ticks: int,
    generator: np.random.Generator,
    expert: Path | None = None,
) -> Dataset:
    """Simulate `count` robots drawn from the robot file's ranges, for `ticks` ticks each, in one thread.

    Args:
        spec: the robot.
        count: E.
        ticks: L.
        generator: of everything random.
        expert: the weights of the expert, where it is a policy.

    Raises:
        UserError: see `generate_arm_episodes` and `generate_model_episodes`.
    """
    if simulation_of(spec).actuators == "servos":
        return generate_arm_episodes(spec, count, ticks, generator)
    return generate_model_episodes(spec, count, ticks, generator, expert)


def plan_data_set(
    spec: RobotSpecification,
    episodes: int,
    ticks: int,
    seed: int,
    expert: Path | None = None,
    episodes_per_shard: int = EPISODES_PER_SHARD,
) -> Manifest:
    """What a data set will be, with no shard made yet.

    Raises:
        UserError: the robot file has no simulation, its model or expert cannot be read, or `expert` is
            missing or not wanted.
    """
    simulation = simulation_of(spec)
    servos = simulation.actuators == "servos"
    if servos and expert is not None:
        raise UserError(f"robot {spec.name}: its expert is {ARM_EXPERT}: leave out --expert")
    if not servos:
        make_expert(spec, expert, 0)
    model = load_model(spec) if servos else load_mechanics(spec)
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    kind = ARM_EXPERT if simulation.expert is None else simulation.expert.kind
    return Manifest(
        robot=spec.name,
        schema_hash=spec.schema_hash,
        robot_file=spec.model_dump(mode="json", exclude=_NOT_DATA),
        model_sha256=hashlib.sha256(content.tobytes()).hexdigest(),
        simulator=f"mujoco {mujoco.__version__}",
        code_version=__version__,
        expert=kind if expert is None else f"{kind} of sha256 {sha256_of(expert)}",
        randomisation=simulation.model_dump(mode="json")["randomisation"],
        seed=seed,
        episodes=episodes,
        ticks=ticks,
        episodes_per_shard=episodes_per_shard,
    )


@dataclass(frozen=True)
class ShardJob:
    """Makes shards of one data set, each from a seed of its own."""

    spec: RobotSpecification
    sizes: tuple[int, ...]
    ticks: int
    seed: int
    expert: Path | None

    def __call__(self, number: int) -> bytes:
        """The content of shard `number`.

        Raises:
            UserError: the simulation gave numbers that are not finite.
        """
        seed = np.random.SeedSequence(self.seed, spawn_key=(number,))  # as SeedSequence.spawn makes it
        generator = np.random.default_rng(seed)
        dataset = generate_episodes(self.spec, self.sizes[number], self.ticks, generator, self.expert)
        if dataset.not_finite is not None:
            raise UserError(f"robot {self.spec.name}: {dataset.not_finite} is not finite: check the model")
        return pack(dataset, self.spec, number, self.seed)


def generate_data_set(
    folder: Path,
    spec: RobotSpecification,
    plan: Manifest,
    workers: Callable[[], AbstractContextManager[Workers]],
    progress: Callable[[int], None] = lambda done: None,
    expert: Path | None = None,
) -> Manifest:
    """Make the shards that are missing; `progress` is told how many episodes there are.

    `expert` is the file of which the plan has the hash; on a cluster every node has it at this path.
    The same plan gives the same files bit for bit, whoever works and however often it was interrupted.

    Raises:
        UserError: the folder holds other data, or damaged ones; another process is at it; a worker
            failed; a shard cannot be written. Nothing is overwritten, and whole shards are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for left_by_a_kill in folder.glob(".*.tmp"):
            left_by_a_kill.unlink()
        manifest = load_manifest(folder) or plan
        different = differences(manifest.origin, plan.origin)
        if different:
            raise UserError(
                f"{folder}: holds other data ({'; '.join(different[:3])}): name another folder with --data"
            )
        verify_shards(folder, manifest)
        sizes = manifest.shard_sizes
        names = list(sizes)
        missing = [number for number, name in enumerate(names) if not (folder / name).is_file()]
        done = sum(sizes.values()) - sum(sizes[names[number]] for number in missing)
        progress(done)
        if not missing:
            return manifest
        weights = None if expert is None else expert.absolute()
        job = ShardJob(spec, tuple(sizes.values()), plan.ticks, plan.seed, weights)
        with workers() as crew:
            for number, content in run_jobs(crew, job, missing):
                manifest = _add_shard(folder, manifest, names[number], content)
                done += sizes[names[number]]
                progress(done)
    return manifest


def _add_shard(folder: Path, manifest: Manifest, name: str, content: bytes) -> Manifest:
    """Announce a shard in the manifest, then write it.

    Raises:
        UserError: it cannot be written.
    """
    shards = {**manifest.shards, name: hashlib.sha256(content).hexdigest()}
    manifest = manifest.model_copy(update={"shards": dict(sorted(shards.items()))})
    try:
        manifest.save(folder)
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UserError(
            f"{folder / name}: not written: {error.strerror}; the shards made so far are kept: make room and "
            "run the same command again"
        ) from error
    return manifest


def verify_shards(folder: Path, manifest: Manifest) -> None:
    """Compare every shard that is there with the manifest.

    Raises:
        UserError: one was cut off, altered, or added; it is named.
    """
    for path in sorted(folder.glob("shard-*.h5")):
        found = sha256_of(path)
        if found != manifest.shards.get(path.name):
            raise UserError(
                f"{path}: cut off or altered since it was made: delete it and run the same command again"
            )


def sha256_of(path: Path) -> str:
    """Hash of a file, read piece by piece (hashlib.file_digest came with Python 3.11)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run; the system lets go of it when the process ends.

    Raises:
        UserError: another process holds it.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: another process is making this data set: wait for it") from error
        yield
