"""The nearest safe command as a quadratic program: written once in cvxpy, and taken apart into arrays.

Run as a program it reads a `Layout` as JSON from standard input and writes the `Form` to standard output:
so the process that stands before the motors never loads cvxpy.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.safety.walls import Walls

if TYPE_CHECKING:
    import cvxpy

FloatArray = npt.NDArray[np.float64]
CURE = "pip install 'adapt[couplings]'"


@dataclass(frozen=True)
class Layout:
    """What is the same at every tick: G of G q <= h by row, (row, entry) pairs and the lines of each; see
    `Walls`.
    """

    matrix: list[list[float]]
    pairs: list[list[int]]
    pieces: int


@dataclass(frozen=True, eq=False)
class Form:
    """min 1/2 x'Px + q'x such that A x <= u, where q, u and A's values are affine in K parameters.

    Attributes:
        P: shape (N, N).
        rows: of A's values.
        columns: of A's values.
        base: q (N), u (L) and A's values (Z), one after the other, where all parameters are 0.
        slope: their change with each parameter, shape (N + L + Z, K).
        command: the A of the N variables that are the command.
        size: L, the number of rows.
    """

    P: FloatArray
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    base: FloatArray
    slope: FloatArray
    command: npt.NDArray[np.intp]
    size: npt.NDArray[np.intp]


def layout_of(walls: Walls) -> Layout:
    """What the program of these walls is made of."""
    return Layout(walls.matrix.tolist(), [each.tolist() for each in walls.pairs], walls.pieces)


def nearest_command(layout: Layout) -> tuple[cvxpy.Problem, dict[str, cvxpy.Parameter], cvxpy.Variable]:
    """The problem in cvxpy, its parameters by name in the order of `parameter_values`, and the command.

    Parameters, with A entries, R couplings and M pairs: target, low and high (A); ahead and bound (R);
    the lines' slope and constant (M for each piece); see `Walls`.
    """
    cvxpy: Any = import_module("cvxpy")  # whose own types miss half of it
    G, (row, entry) = np.array(layout.matrix), layout.pairs
    couplings, size = G.shape
    command = cvxpy.Variable(size)
    shapes = {"target": size, "low": size, "high": size, "ahead": couplings, "bound": couplings}
    parameters = {name: cvxpy.Parameter(length) for name, length in shapes.items()}
    constraints = [
        command >= parameters["low"],
        command <= parameters["high"],
        G @ command <= parameters["ahead"],
    ]
    if row:
        way = cvxpy.Variable(len(row), nonneg=True)
        share = np.zeros((couplings, len(row)))
        share[row, np.arange(len(row))] = np.abs(G[row, entry])
        constraints.append(G @ command + share @ way <= parameters["bound"])
        for piece in range(layout.pieces):
            slope = parameters[f"slope_{piece}"] = cvxpy.Parameter(len(row))
            constant = parameters[f"constant_{piece}"] = cvxpy.Parameter(len(row))
            constraints.append(way >= cvxpy.multiply(slope, command[entry]) - constant)
    distance = cvxpy.sum_squares(command) / 2 - parameters["target"] @ command
    problem = cvxpy.Problem(cvxpy.Minimize(distance), constraints)
    assert problem.is_dpp()
    return problem, parameters, command


def parameter_values(
    target: FloatArray,
    low: FloatArray,
    high: FloatArray,
    ahead: FloatArray,
    bound: FloatArray,
    lines: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """The parameters of one tick in order, shape (K,)."""
    pieces = [each for pair in zip(*lines, strict=True) for each in pair if each.size]
    return np.concatenate([target, low, high, ahead, bound, *pieces])


def canonical(layout: Layout) -> Form:
    """Let cvxpy bring the problem into OSQP's form, and read off how it depends on the parameters.

    A disciplined parametrized program is affine in them (Agrawal et al., Differentiable Convex Optimization
    Layers, 2019): its data at zero and at each unit vector say all, through cvxpy's documented interface.
    """
    problem, parameters, _ = nearest_command(layout)

    def data(which: int) -> dict[str, Any]:
        index = 0
        for each in parameters.values():
            each.value = (np.arange(index, index + each.size) == which).astype(np.float64)
            index += each.size
        return dict(problem.get_problem_data("OSQP")[0])

    count = sum(each.size for each in parameters.values())
    zero, units = data(-1), [data(which) for which in range(count)]
    assert not zero["A"].shape[0], "the program has no equations"
    matrices = [each["F"].toarray() for each in (zero, *units)]
    # By columns, as OSQP keeps its matrices.
    columns, rows = np.nonzero(np.any([each != 0.0 for each in matrices], axis=0).T)
    vectors = [
        np.concatenate([each["q"], each["G"], matrix[rows, columns]])
        for each, matrix in zip((zero, *units), matrices, strict=True)
    ]
    slope = np.stack(vectors[1:], axis=1) - vectors[0][:, None]
    size = len(layout.matrix[0])
    # The objective's linear part is minus the target, at the places of the command.
    command = np.argmin(slope[: len(zero["q"]), :size], axis=0)
    return Form(zero["P"].toarray(), rows, columns, vectors[0], slope, command, np.array(len(zero["G"])))


def canonical_elsewhere(layout: Layout) -> Form:
    """As `canonical`, in a process of its own, which takes a few seconds.

    Raises:
        UserError: cvxpy is not installed, or that process fails.
    """
    made = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(asdict(layout)).encode(),
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        last = made.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UserError(f"action.couplings: cvxpy could not bring them into form: {' '.join(last)}: {CURE}")
    with np.load(io.BytesIO(made.stdout), allow_pickle=False) as arrays:
        return Form(**{each.name: arrays[each.name] for each in fields(Form)})


def _main() -> None:
    form = canonical(Layout(**json.load(sys.stdin)))
    arrays = io.BytesIO()
    np.savez(arrays, **{each.name: getattr(form, each.name) for each in fields(Form)})
    sys.stdout.buffer.write(arrays.getvalue())


if __name__ == "__main__":
    _main()
