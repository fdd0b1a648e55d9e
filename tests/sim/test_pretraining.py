import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from test_workers import HereAndNow

from adapt.errors import UserError
from adapt.model.checkpoint import content_hash
from adapt.model.settings import ModelSettings
from adapt.robot.load import load_robot
from adapt.sim.generation import generate_data_set, plan_data_set
from adapt.sim.manifest import load_manifest
from adapt.sim.pretraining import PretrainingSettings, Training, losses, pretrain
from adapt.sim.sampling import Episodes, Sampler

SPEC = load_robot("so101")
SMALL = ModelSettings(
    latent=8, encoder_hidden=8, layers=1, policy_layers=1, heads=1, score_heads=1, value_horizon_s=0.2
)
SETTINGS = PretrainingSettings(episodes=4, episode_s=2.4, steps=30, batch=8)
CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_pretraining import run
run(Path(sys.argv[2]), Path(sys.argv[3]), progress=lambda step, curve: print(step, flush=True))
"""


def run(
    data: Path,
    state: Path,
    settings: PretrainingSettings = SETTINGS,
    model: ModelSettings = SMALL,
    seed: int = 3,
    data_hash: str = "these",
    progress: Callable[..., None] = lambda step, curve: None,
):
    """The weights' hash and the curve of a small training."""
    manifest = load_manifest(data)
    assert manifest is not None
    episodes = Episodes(data, manifest, SPEC)
    trained, curve = pretrain(episodes, data_hash, model, settings, seed, state, progress, save_every=3)
    return content_hash(trained.state_dict()), curve


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    plan = plan_data_set(SPEC, SETTINGS.episodes, 60, seed=0)
    generate_data_set(folder, SPEC, plan, lambda: nullcontext(HereAndNow()))
    return folder


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("undisturbed") / "state.pt")


class StopHere(BaseException):
    pass


def stop_at(step: int) -> Callable[..., None]:
    def progress(at: int, curve: list[dict[str, float]]) -> None:
        if at == step:
            raise StopHere

    return progress


def test_a_killed_training_goes_on_to_the_same_bits(data: Path, undisturbed, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    command = [sys.executable, "-c", CHILD, Path(__file__).parent, data, state]
    generator = random.Random(4)
    for _ in range(2):
        last = generator.randrange(1, SETTINGS.steps)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= last:
                    child.send_signal(signal.SIGKILL)
    assert run(data, state) == undisturbed


@pytest.mark.parametrize("step", [1, 3, 29])
def test_an_interrupted_training_goes_on_from_its_last_state(
    step: int, data: Path, undisturbed, tmp_path: Path
) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StopHere):
        run(data, state, progress=stop_at(step))
    assert state.exists() == (step >= 3)
    seen: list[int] = []
    assert run(data, state, progress=lambda at, curve: seen.append(at)) == undisturbed
    assert seen[0] == step // 3 * 3


def test_training_lowers_the_loss_of_every_part(data: Path) -> None:
    manifest = load_manifest(data)
    assert manifest is not None
    episodes = Episodes(data, manifest, SPEC)
    training = Training(episodes, SMALL, SETTINGS.model_copy(update={"steps": 80, "batch": 32}), seed=0)
    seen = Sampler(episodes, range(1, 4), SMALL.value_horizon_s).draw(64, torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = losses(training.model, seen)
    for _ in range(80):
        training.advance()
    with torch.no_grad():
        after = losses(training.model, seen)
    assert after._fields == ("dynamics", "policy", "reward", "value")
    assert all(float(new) < 0.9 * float(old) for old, new in zip(before, after, strict=True))
    assert set(training.curve[-1]) >= {"dynamics_loss", "policy_loss", "reward_loss", "value_loss"}


def test_a_state_of_another_training_is_refused_by_what_differs(data: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StopHere):
        run(data, state, progress=stop_at(6))
    before = state.read_bytes()
    with pytest.raises(UserError, match=r"state\.pt.*seed: 3 there, 4 here"):
        run(data, state, seed=4)
    with pytest.raises(UserError, match=r"data_hash: these there, those here"):
        run(data, state, data_hash="those")
    with pytest.raises(UserError, match=r"settings\.steps: 30 there, 31 here"):
        run(data, state, SETTINGS.model_copy(update={"steps": 31}))
    with pytest.raises(UserError, match=r"model_settings\.feed_forward"):
        run(data, state, model=SMALL.model_copy(update={"feed_forward": 4}))
    assert state.read_bytes() == before


@pytest.mark.parametrize("damage", [lambda data: data[:-500], lambda data: b"", lambda data: b"{}"])
def test_a_damaged_state_is_refused_and_kept(damage, data: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StopHere):
        run(data, state, progress=stop_at(6))
    state.write_bytes(damage(state.read_bytes()))
    before = state.read_bytes()
    with pytest.raises(UserError, match=r"state\.pt: not the state of a training.*delete it"):
        run(data, state)
    assert state.read_bytes() == before


def test_a_state_with_code_in_it_is_not_run(data: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    torch.save({"origin": StopHere()}, state)
    with pytest.raises(UserError, match="not the state of a training"):
        run(data, state)


def test_a_loss_that_is_not_finite_stops_it_with_the_last_good_state(data: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(StopHere):
        run(data, state, progress=stop_at(6))
    content = torch.load(state, weights_only=True)
    content["model"]["action_token.weight"][0, 0] = float("nan")
    torch.save(content, state)
    before = state.read_bytes()
    with pytest.raises(UserError, match=r"stopped after step 6: loss nan.*state of step 6 is kept in"):
        run(data, state)
    assert state.read_bytes() == before


def test_a_full_disk_keeps_the_state_before(data: Path, undisturbed, tmp_path: Path) -> None:
    def no_more_space(step: int, curve: list[dict[str, float]]) -> None:
        if step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    state = tmp_path / "state.pt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(UserError, match=r"state\.pt: not written: File too large"):
            run(data, state, progress=no_more_space)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    seen: list[int] = []
    assert run(data, state, progress=lambda at, curve: seen.append(at)) == undisturbed
    assert seen[0] == 3


def test_episodes_too_short_for_a_return_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="longer than 3 s"):
        run(data, tmp_path / "state.pt", model=SMALL.model_copy(update={"value_horizon_s": 1.0}))
