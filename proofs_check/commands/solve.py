"""`lora-theory solve`: certified solve of the nuclear-norm regularised linearised problem."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proofs_check import signals
from proofs_check.commands import _options, _output, _progress


def solve(
    problem: Annotated[Path, Parameter(name="PROBLEM")],
    /,
    *,
    lam: _options.Lam,
    out: Path | None = None,
    tol: _options.Tolerance = 1e-9,
    max_rank: _options.Rank = None,
    json: _options.Json = None,
) -> int:
    """Solve min (1/n) sum_i loss_i(f0_i + <G_i, delta>) + lambda ||delta||_* and certify the answer.

    Exit code 1 when the solver stopped before the tolerance was certified.

    Parameters
    ----------
    problem
        The .npz file: G, or signal and activation; f0, y and, if it is not "squared", loss.
    lam
        lambda: a decimal such as 0.02 or 1e-3, or a fraction such as 1/9.
    out
        Write the solution to this .npz file.
    tol
        Relative duality gap to reach.
    max_rank
        Largest rank that the solver may use.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    if (code := signals.supervised()) is not None:
        return code
    from sims.problem_files import load_problem, save_solution
    from sims.solve import solve as solved

    answer = _output.Answer(json)
    if out is not None:
        _output.writable_file(out, "--out")
    with answer.working(), _progress.progress(None, doing="solving"):
        solution = solved(load_problem(problem), float(lam), tol=tol, max_rank=max_rank)
        if out is not None:
            save_solution(out, solution)
    report = solution.report()
    answer.give(report, _output.pairs(report))
    return 0 if report["status"] == "optimal" else 1
