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

    PROBLEM is a file of numpy.savez with these arrays, for n samples and k outputs:

    - `G` (n, k, d_out, d_in) or (n, d_out, d_in): gradients of the outputs with respect to the adapted matrix; or
      `signal` (n, k, t, d_out) and `activation` (n, t, d_in), with G_ik = sum_t signal_ikt activation_it^T.
    - `y`: targets (n, k), or (n,) for k = 1; for cross-entropy labels 0..k-1 (n,).
    - `f0` (n, k): outputs at delta = 0; zeros when left out.
    - `loss`: "squared" (half the squared error, summed over outputs; when left out), "logistic" (log(1 + exp(-y p)),
      y = +-1) or "cross_entropy" (softmax).

    `lora-theory example problem.npz` writes one to try. Exit code 1 when the solver could not certify the tolerance.

    Parameters
    ----------
    problem
        The problem, an .npz file.
    lam
        lambda: a decimal such as 0.02 or 1e-3, or a fraction such as 1/9.
    out
        Write the solution, factors `u` (d_out, r) and `v` (d_in, r) with delta = u v^T, to this .npz file.
    tol
        Relative duality gap to reach.
    max_rank
        Largest rank that the solver may use.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    if (code := signals.supervised()) is not None:
        return code
    from sims.problem_files import encoded, load_problem
    from sims.problem_sizes import require_solve
    from sims.solve import solve as solved

    answer = _output.Answer(json, out=out, inputs=[problem])
    with answer.working(), _progress.progress(None, doing="solving"):
        loaded = load_problem(problem)
        require_solve(loaded)
        solution = solved(loaded, float(lam), tol=tol, max_rank=max_rank)
    report = solution.report()
    answer.give(report, _output.pairs(report), encoded(solution) if out is not None else b"")
    return 0 if report["status"] == "optimal" else 1
