"""How often intervals hold: the truth is the scenario file's, and only logs are seen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("mujoco")

from alone import Alone

from adapt.distillation.posterior import Posterior
from adapt.evaluation import identification_coverage as module
from adapt.evaluation.way_back import Case
from adapt.robot.load import load_robot

CART = load_robot(str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml"))
MASS = "body/pole/mass"


class InThisProcess(Case):
    def crew(self) -> Any:
        return Alone()


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    """Logs that give the pole's mass away, and an identification that believes half of it."""

    def read_logs(case: Case, store: Path) -> Any:
        told = yaml.safe_load(Path(case.scenario).read_text())
        return SimpleNamespace(pieces=np.array([told[MASS]]))

    class Believing:
        def __init__(self, *arguments: Any) -> None: ...

        def posterior(self, pieces: np.ndarray) -> Posterior:
            prior = Posterior.prior(CART)
            low, high = prior.ranges[MASS]
            share = (pieces[0] - low) / (high - low)
            return Posterior(prior.ranges, np.array([share / 2, 0.5]), np.diag([0.1**2, 10.0**2]))

    monkeypatch.setattr(module, "read_logs", read_logs)
    monkeypatch.setattr(module, "Identification", Believing)
    return InThisProcess(CART, "", "", (0.2,), Path("none"), None, minutes=0.1)


def test_it_counts_what_holds_and_what_is_told(case: Case, tmp_path: Path) -> None:
    found = module.measure_coverage(case, 12, tmp_path / "robots")
    mass = found["parameters"][MASS]
    truths = [each["truth"] for each in mass["each"]]
    assert len(set(truths)) == 12 and all(0.05 <= each <= 0.2 for each in truths)
    # Half of a share lies within 1.64 deviations of the truth where the share is below 0.33.
    shares = (np.array(truths) - 0.05) / 0.15
    assert mass["covered"] == (shares / 2 < 0.16449).sum() and mass["told"] == 12
    damping = found["parameters"]["joint/slider/damping"]
    assert damping["covered"] >= 8 and damping["told"] == 0


def test_what_was_logged_is_not_logged_again(case: Case, tmp_path: Path) -> None:
    before = module.measure_coverage(case, 3, tmp_path / "robots")
    logged = sorted((tmp_path / "robots").glob("*.npy"))
    stamps = [path.stat().st_mtime_ns for path in logged]
    assert len(logged) == 3
    assert module.measure_coverage(case, 3, tmp_path / "robots") == before
    assert [path.stat().st_mtime_ns for path in logged] == stamps
