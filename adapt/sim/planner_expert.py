"""An expert that plans on the true simulator: path integral control with the exact reward of the task."""

from __future__ import annotations

import mujoco
import mujoco.rollout
import numpy as np
import torch

from adapt.model.reward import TaskReward
from adapt.robot.simulation import PlannerExpert
from adapt.robot.specification import RobotSpecification
from adapt.sim.fleet import Fleet
from adapt.stream.tick import FloatArray

STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS


class MonteCarloPlanner:
    """Model-predictive path integral control (Williams et al., 2017) for each robot of a fleet.

    Latency is not planned for; the plan of the tick before, shifted, is where the next one starts.
    """

    def __init__(self, spec: RobotSpecification, settings: PlannerExpert, seed: int) -> None:
        """Prepare for one kind of robot.

        Raises:
            UserError: see `TaskReward`.
        """
        self._spec = spec
        self._settings = settings
        self._reward = TaskReward(spec, torch.device("cpu"))
        self._low, self._high = np.array([each.position for each in spec.action.limits.values()]).T
        self._seed = seed
        self._pool = mujoco.rollout.Rollout(nthread=0)
        ticks, knots = settings.horizon_ticks, settings.knots
        corners = np.linspace(0, ticks - 1, knots)
        self._hats = np.stack([np.interp(np.arange(ticks), corners, row) for row in np.eye(knots)], axis=1)
        self.reset()

    def reset(self) -> None:
        """Forget the plan; the samples begin anew."""
        self._generator = np.random.default_rng(self._seed)
        self._plan: FloatArray | None = None

    def act(
        self, fleet: Fleet, observation: FloatArray, commands: FloatArray, sent: FloatArray
    ) -> FloatArray:
        """See `Expert.act`; beyond the commands that are given the last one stays."""
        ticks = self._settings.horizon_ticks
        following = commands[:, 1 : 1 + ticks] if commands.shape[1] > 1 else commands
        missing = ticks - following.shape[1]
        ahead = np.concatenate([following, np.repeat(following[:, -1:], missing, axis=1)], axis=1)
        if self._plan is None or len(self._plan) != len(fleet):
            plan = np.repeat(sent[:, None], ticks, axis=1)
        else:
            plan = np.concatenate([self._plan[:, 1:], self._plan[:, -1:]], axis=1)
        for _ in range(self._settings.iterations):
            plan = self._improve(fleet, plan, ahead, sent)
        self._plan = plan
        return plan[:, 0]

    def _improve(self, fleet: Fleet, plan: FloatArray, ahead: FloatArray, sent: FloatArray) -> FloatArray:
        settings = self._settings
        count, samples = len(fleet), settings.samples
        spread = settings.noise * (self._high - self._low)
        knots = self._generator.normal(size=(count, samples, settings.knots, len(spread))) * spread
        knots[:, 0] = 0.0
        noise = np.einsum("tk,eska->esta", self._hats, knots)
        tried = np.clip(plan[:, None] + noise, self._low, self._high)
        seen = self.roll_out(fleet, tried)
        returns = np.stack([self._judge(*each) for each in zip(seen, tried, sent, ahead, strict=True)])
        scale = settings.temperature * returns.std(axis=1, keepdims=True) + 1e-12
        weights = np.exp((returns - returns.max(axis=1, keepdims=True)) / scale)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("es,esta->eta", weights, tried))

    def _judge(self, seen: FloatArray, tried: FloatArray, sent: FloatArray, ahead: FloatArray) -> FloatArray:
        """Returns of one robot's samples, shape (S,); a motion that broke the simulator is the worst."""
        tensors = (torch.from_numpy(np.ascontiguousarray(each)) for each in (seen, tried, sent, ahead))
        returns = self._reward(*tensors).sum(-1).numpy()
        worst = returns[np.isfinite(returns)].min(initial=0.0)
        return np.where(np.isfinite(returns), returns, worst)

    def roll_out(self, fleet: Fleet, actions: FloatArray) -> FloatArray:
        """Noise-free observations after each action. Shapes (E, S, T, A) to (E, S, T, O)."""
        count, samples, ticks, _ = actions.shape
        first = fleet.robots[0]
        steps = round(self._spec.period_s / first.step_s)
        control = np.zeros((count, samples, ticks, steps, first.model.nu))
        control[..., first.entries] = actions[..., None, :]
        state = np.empty(mujoco.mj_stateSize(first.model, STATE))
        initial = np.empty((count, samples, len(state)))
        for row, robot in enumerate(fleet.robots):
            mujoco.mj_getState(robot.model, robot.data, state, STATE)
            initial[row] = state
        states, sensors = self._pool.rollout(
            [robot.model for robot in fleet.robots for _ in range(samples)],
            [mujoco.MjData(first.model)],
            initial.reshape(count * samples, -1),
            control.reshape(count * samples, ticks * steps, -1),
        )
        # The sensors of a row belong to the state before it: those of the next tick's first step are right.
        kept = slice(steps - 1, None, steps)
        after = np.minimum(np.arange(1, ticks + 1) * steps, ticks * steps - 1)
        observed = fleet.sensing.of_states(
            states[:, kept].reshape(count, samples * ticks, -1),
            sensors[:, after].reshape(count, samples * ticks, -1),
        )
        return observed.reshape(count, samples, ticks, -1)
