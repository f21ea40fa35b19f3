"""`lora-theory certify`: check anybody's solution, whatever produced it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proofs_check import signals
from proofs_check.commands import _options, _output, _progress


def certify(
    problem: Annotated[Path, Parameter(name="PROBLEM")],
    solution: Annotated[Path, Parameter(name="SOLUTION")],
    /,
    *,
    lam: _options.Lam,
    exact: bool = False,
    tol: _options.Tolerance = 1e-8,
    json: _options.Json = None,
) -> int:
    """Say what a solution is: the global minimum, a spurious one, a saddle, not stationary, or not optimal.

    Exit code 0 for a certified global minimum, 1 for any other verdict.

    Parameters
    ----------
    problem
        The .npz file of the problem, as for `lora-theory solve`.
    solution
        The .npz file of the solution: delta, or the factors u and v.
    lam
        lambda: a decimal such as 0.02 or 1e-3, or a fraction such as 1/9.
    exact
        Prove the verdict in rational or ball arithmetic; floats count as the exact rationals they are.
    tol
        Relative duality gap up to which a solution counts as optimal.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    if (code := signals.supervised()) is not None:
        return code
    from proofs_check.certify import certify as certified
    from sims.problem_files import load_problem, load_solution

    answer = _output.Answer(json)
    with answer.working(), _progress.progress(None, doing="certifying"):
        loaded = load_problem(problem)
        result = certified(loaded, load_solution(solution, loaded), lam, exact=exact, tol=tol)
    answer.give(result, _output.pairs(result))
    return 0 if result["verdict"] == "global_minimum" else 1
