"""`lora-theory example`: a sample problem, so that solve and certify can be tried at once."""

from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from cyclopts import Parameter

from proofs_check.commands import _options, _output


def example(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    loss: Literal["squared", "logistic", "cross_entropy"] = "squared",
    factored: Annotated[bool, Parameter(negative=())] = False,
    seed: _options.Seed = 0,
    json: _options.Json = None,
) -> int:
    """Write a sample problem, 24 samples of an 8 x 6 matrix with a planted update of rank 2, to try solve and certify.

    Parameters
    ----------
    file
        The .npz file to write; one that exists is left as it is.
    loss
        Loss of the problem.
    factored
        Write `signal` and `activation` instead of their products `G`.
    seed
        Seed of the draw.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from sims.errors import BadInput
    from sims.problem_files import npz
    from sims.sample_problem import sample_problem

    if file.exists():
        raise BadInput(f"{file} exists already: expected a new file, name another one or remove it")
    answer = _output.Answer(json, out=file)
    arrays = sample_problem(loss, factored=factored, seed=seed)
    shapes = {name: list(array.shape) for name, array in arrays.items() if array.ndim}
    beside = file.with_name(f"{file.stem}-solution.npz")
    # a name that begins with - would be read as an option
    problem, solution = (quote(f"./{p}" if str(p).startswith("-") else str(p)) for p in (file, beside))
    tries = [
        f"lora-theory solve {problem} --lam 0.05 --out {solution}",
        f"lora-theory certify {problem} {solution} --lam 0.05 --exact",
    ]
    report = {"file": str(file), "loss": loss, "seed": seed, "arrays": shapes, "try": tries}
    lines = [f"{file}: {', '.join(f'{name} {tuple(shape)}' for name, shape in shapes.items())}, {loss} loss", "Try:"]
    answer.give(report, "\n".join(lines + [f"  {line}" for line in tries]), npz(**arrays))
    return 0
