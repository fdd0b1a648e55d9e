"""Whether the intervals of identification hold, for robots drawn at random of which only logs are seen."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from adapt.distillation.identification import Identification, Progress
from adapt.distillation.posterior import Posterior
from adapt.evaluation.way_back import Case, read_logs
from adapt.files import write_text
from adapt.sim.workers import kept_jobs


@dataclass(frozen=True)
class LoggedRobots:
    """Logs of stand-ins that the robot file's ranges are the truth of; each is spent on a ledger of its own.

    Attributes:
        case: who drives them, under which command, for how long; its scenario does not count.
        folder: of scenario files and ledgers.
        truths: the parameters of each.
    """

    case: Case
    folder: Path
    truths: tuple[dict[str, float], ...]

    def __call__(self, number: int) -> bytes:
        """The pieces of robot `number`, as the content of an .npy file."""
        import torch

        torch.set_num_threads(1)
        store = self.folder / f"robot-{number}"
        store.mkdir(parents=True, exist_ok=True)
        scenario = store / "scenario.yaml"
        told = {"description": "Drawn at random.", **self.truths[number]}
        write_text(scenario, yaml.safe_dump(told, sort_keys=False))
        logs = read_logs(replace(self.case, scenario=str(scenario), seed=number), store)
        content = io.BytesIO()
        np.save(content, logs.pieces)
        return content.getvalue()


def measure_coverage(
    case: Case, robots: int, folder: Path, progress: Progress = lambda what, share: None
) -> dict[str, Any]:
    """Draw robots, log them, identify each from its logs, and compare with the truth.

    Args:
        case: see `LoggedRobots`.
        robots: how many.
        folder: where all is kept: after a kill the same call goes on there.
        progress: told what is done, and how much of that is over, from 0 to 1.

    Returns:
        for JSON, by parameter: `covered` (of `robots`, by the middle 90 %), `told` (how many posteriors say
        that the logs tell it), and `each` with truth, low, median, high of every robot.

    Raises:
        UserError: see `Identification`.
    """
    prior = Posterior.prior(case.specification)
    truths = tuple(prior.values(prior.shares(robots, np.random.default_rng(case.seed))))
    logged = [folder / f"robot-{number}.npy" for number in range(robots)]
    job = LoggedRobots(case, folder, truths)
    contents = kept_jobs(logged, job, case.crew, lambda done: progress("robots are logged", done / robots))
    identification = Identification(
        case.specification,
        (case.command,),
        case.checkpoint,
        case.identification,
        folder.parent / "simulated",
        case.crew,
        case.seed,
        progress,
    )
    summaries = []
    for number, content in enumerate(contents):
        found = identification.posterior(np.load(io.BytesIO(content)))
        summaries.append(found.summary(np.random.default_rng(number)))
    parameters = {}
    for name in prior.ranges:
        each = [
            {"truth": truth[name], **{key: summary[name][key] for key in ("low", "median", "high", "told")}}
            for truth, summary in zip(truths, summaries, strict=True)
        ]
        parameters[name] = {
            "covered": sum(one["low"] <= one["truth"] <= one["high"] for one in each),
            "told": sum(one["told"] for one in each),
            "each": each,
        }
    return {"robots": robots, "minutes": case.minutes, "parameters": parameters}
