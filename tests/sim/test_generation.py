import json
import resource
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from test_workers import HereAndNow

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.sim.generation import generate_data_set, plan_data_set
from adapt.sim.manifest import Manifest
from adapt.sim.workers import ProcessWorkers, Workers

SPEC = load_robot("so101")
PLAN = plan_data_set(SPEC, episodes=5, ticks=4, seed=7, episodes_per_shard=2)
SHARDS = ["shard-00000.h5", "shard-00001.h5", "shard-00002.h5"]
CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
from test_generation import here, make
make(Path(sys.argv[1]), progress=lambda done: print(done, flush=True))
"""


def here() -> AbstractContextManager[Workers]:
    return nullcontext(HereAndNow())


def make(folder: Path, plan: Manifest = PLAN, workers=here, progress=lambda done: None) -> Manifest:
    return generate_data_set(folder, SPEC, plan, workers, progress)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    make(folder)
    return folder


def test_a_data_set_is_shards_and_a_manifest_that_says_what_they_are(undisturbed: Path) -> None:
    assert sorted(content(undisturbed)) == ["manifest.json", *SHARDS]
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["schema_hash"] == SPEC.schema_hash and manifest["seed"] == 7
    assert manifest["simulator"].startswith("mujoco ")
    assert manifest["randomisation"]["payload"] == [0.0, 0.25]
    assert sorted(manifest["shards"]) == SHARDS


def test_progress_counts_episodes(tmp_path: Path) -> None:
    seen: list[int] = []
    make(tmp_path, progress=seen.append)
    assert seen == [0, 2, 4, 5]


def test_processes_make_the_same_bits(undisturbed: Path, tmp_path: Path) -> None:
    make(tmp_path, workers=lambda: ProcessWorkers(2))
    assert content(tmp_path) == content(undisturbed)


def test_missing_shards_are_made_again_and_no_others(undisturbed: Path, tmp_path: Path) -> None:
    make(tmp_path)
    kept = (tmp_path / SHARDS[0]).stat()
    (tmp_path / SHARDS[1]).unlink()
    make(tmp_path)
    assert content(tmp_path) == content(undisturbed)
    assert (tmp_path / SHARDS[0]).stat().st_ino == kept.st_ino


def test_after_a_kill_the_rest_is_made(undisturbed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, tmp_path, Path(__file__).parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != "2":
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    before = {name: data for name, data in content(tmp_path).items() if name.startswith("shard")}
    assert len(before) < 3
    make(tmp_path)
    assert content(tmp_path) == content(undisturbed)
    assert before.items() <= content(tmp_path).items()


def test_a_full_disk_keeps_what_was_made(undisturbed: Path, tmp_path: Path) -> None:
    def no_more_space(done: int) -> None:
        if done == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(UserError, match=rf"{SHARDS[1]}: not written: File too large.*run the same"):
            make(tmp_path, progress=no_more_space)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(content(tmp_path)) == ["manifest.json", SHARDS[0]]
    make(tmp_path)
    assert content(tmp_path) == content(undisturbed)


@pytest.mark.parametrize("how", ["cut", "altered", "emptied"])
def test_a_damaged_shard_is_named_with_the_cure_and_kept(how: str, tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / SHARDS[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes({"cut": data[:-100], "altered": data, "emptied": b""}[how])
    before = content(tmp_path)
    with pytest.raises(UserError, match=rf"{SHARDS[1]}: .*delete it and run"):
        make(tmp_path)
    assert content(tmp_path) == before
    path.unlink()
    make(tmp_path)


def test_other_data_in_the_folder_are_refused_by_what_differs(tmp_path: Path) -> None:
    make(tmp_path)
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"seed: 7 there, 8 here.*--data"):
        make(tmp_path, plan_data_set(SPEC, 5, 4, seed=8, episodes_per_shard=2))
    assert SPEC.simulation is not None
    ranges = {**SPEC.simulation.randomisation, "payload": (0.0, 0.5)}
    simulation = SPEC.simulation.model_copy(update={"randomisation": ranges})
    other = SPEC.model_copy(update={"simulation": simulation})
    with pytest.raises(UserError, match=r"randomisation\.payload"):
        make(tmp_path, plan_data_set(other, 5, 4, seed=7, episodes_per_shard=2))
    assert content(tmp_path) == before


def test_a_damaged_or_missing_manifest_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"manifest\.json: not a manifest"):
        make(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"manifest\.json: missing"):
        make(tmp_path)


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    def again(done: int) -> None:
        with pytest.raises(UserError, match="another process"):
            make(tmp_path)

    make(tmp_path, progress=again)


def test_a_budget_does_not_name_other_data(undisturbed: Path) -> None:
    budget = SPEC.budget.model_copy(update={"total_ticks": 1})
    other = plan_data_set(SPEC.model_copy(update={"budget": budget}), 5, 4, seed=7, episodes_per_shard=2)
    assert other.fingerprint == PLAN.fingerprint
