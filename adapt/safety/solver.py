"""OSQP, set up once, then updated in place and warm-started at every tick."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.safety.program import CURE, Form

FloatArray = npt.NDArray[np.float64]
Outcome = Literal["solved", "late", "infeasible"]

TOLERANCE = 1e-7


class Solver:
    """Solves one `Form` for ever new parameters (Stellato et al., OSQP, 2020)."""

    def __init__(self, form: Form, parameters: FloatArray, time_limit_s: float, most_iterations: int) -> None:
        """Set the solver up with the parameters of some tick, shape (K,).

        Raises:
            UserError: OSQP is not installed.
        """
        try:
            import osqp
            from scipy import sparse
        except ImportError as error:
            raise UserError(f"action.couplings: OSQP is not installed: {CURE}") from error
        self._form = form
        self._slope = sparse.csr_array(form.slope)
        variables, rows = len(form.P), int(form.size)
        self._cuts = variables, variables + rows
        q, u, values = self._data(parameters)
        # Made of the pattern, so that a value which is 0 now keeps its place.
        starts = np.searchsorted(form.columns, np.arange(variables + 1))
        A = sparse.csc_matrix((values, form.rows, starts), shape=(rows, variables))
        self._fixed = not np.any(form.slope[self._cuts[1] :])
        self._solver = osqp.OSQP()
        self._solver.setup(
            sparse.csc_matrix(np.triu(form.P)),
            q,
            A,
            np.full(rows, -np.inf),
            u,
            verbose=False,
            eps_abs=TOLERANCE,
            eps_rel=0.0,
            polishing=True,
            warm_starting=True,
            max_iter=most_iterations,
            check_termination=10,
            time_limit=time_limit_s,
        )
        self._solved = int(osqp.SolverStatus.OSQP_SOLVED)
        self._infeasible = int(osqp.SolverStatus.OSQP_PRIMAL_INFEASIBLE)

    def solve(self, parameters: FloatArray) -> tuple[FloatArray | None, Outcome]:
        """The command for these parameters, shape (A,), or None, and how it went."""
        q, u, values = self._data(parameters)
        self._solver.update(q=q, u=u, **({} if self._fixed else {"Ax": values}))
        result = self._solver.solve(raise_error=False)
        command = result.x[self._form.command]
        status = result.info.status_val
        if status == self._solved and np.isfinite(command).all():
            return command, "solved"
        # What it had reached is no start for the next tick.
        self._solver.warm_start(x=np.zeros(self._cuts[0]), y=np.zeros(int(self._form.size)))
        return None, "infeasible" if status == self._infeasible else "late"

    def _data(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        numbers = self._form.base + self._slope @ parameters
        first, second = self._cuts
        return numbers[:first], numbers[first:second], numbers[second:]
