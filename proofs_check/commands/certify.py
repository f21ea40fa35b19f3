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

    Only the numbers in the two files are used, nothing that a solver said. In 64-bit floats a verdict is strong
    evidence with rounding charged; with `--exact` it is proved in rational or ball arithmetic about exactly the numbers
    in the files, or it is `inconclusive`.

    PROBLEM is a file of numpy.savez with `G` (n, k, d_out, d_in) or (n, d_out, d_in), or `signal` (n, k, t, d_out) and
    `activation` (n, t, d_in); `y`; and, where they are not zero and "squared", `f0` (n, k) and `loss` ("squared",
    "logistic" or "cross_entropy"), as `lora-theory solve --help` explains. SOLUTION holds either `delta` (d_out, d_in),
    or `u` (d_out, r) and `v` (d_in, r) with delta = u v^T; factors are also judged as a point of the factored
    objective, with the penalty (lambda/2)(||u||^2 + ||v||^2).

    Exit code 0 for a certified global minimum, 1 for any other verdict.

    Parameters
    ----------
    problem
        The problem, an .npz file.
    solution
        The solution, an .npz file.
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
    from sims.problem_sizes import require_certify

    answer = _output.Answer(json, inputs=[problem, solution])
    with answer.working(), _progress.progress(None, doing="certifying"):
        loaded = load_problem(problem)
        candidate = load_solution(solution, loaded)
        require_certify(loaded, candidate, exact=exact)
        result = certified(loaded, candidate, lam, exact=exact, tol=tol)
    answer.give(result, _output.pairs(result))
    return 0 if result["verdict"] == "global_minimum" else 1
