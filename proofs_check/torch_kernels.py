"""torch.func's empirical NTK of the same network, for comparison: per-sample Jacobians, contracted block by block.

The only module that imports torch; it is no dependency of this project.
"""

import time
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from torch.func import functional_call, jacrev, vmap  # type: ignore[import-not-found,unused-ignore]


class _Perceptron(torch.nn.Module):
    """z = scale W h with ReLU between the layers: `sims.networks.FrozenMLP` in the ``ntk`` parametrisation."""

    def __init__(self, weights: list[np.ndarray], weight_std: float, device: str) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(w, device=device)) for w in weights])
        self.scales = [weight_std / w.shape[1] ** 0.5 for w in weights]

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        for i, (weight, scale) in enumerate(zip(self.weights, self.scales, strict=True)):
            x = scale * (x @ weight.T)
            if i < len(self.scales) - 1:
                x = torch.relu(x)
        return x


def torch_kernel(
    weights: list[np.ndarray], weight_std: float, x: np.ndarray, block: int, budget: float
) -> dict[str, Any]:
    """Return seconds, peak bytes and the first row of blocks, keyed (0, j), of the empirical NTK at x.

    After ``budget`` seconds it stops: then ``seconds`` is None, and ``pairs_done`` of ``pairs`` say how far it came.
    """
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    network = _Perceptron(weights, weight_std, device)
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def one(values: Any, point: Any) -> Any:
        return functional_call(network, values, (point[None],))[0]

    jacobian = vmap(jacrev(one), (None, 0))
    points = torch.tensor(x, device=device)

    def jacobians(start: int) -> list[Any]:
        return [j.flatten(2) for j in jacobian(parameters, points[start : start + block]).values()]

    def contract(left: list[Any], right: list[Any]) -> Any:
        parts = [torch.einsum("ikp,jlp->ikjl", a, b) for a, b in zip(left, right, strict=True)]
        return torch.stack(parts).sum(0)

    def wait() -> None:
        if cuda:
            torch.cuda.synchronize()

    contract(jacobians(0), jacobians(0))  # warm up
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    starts = range(0, len(x), block)
    first: dict[tuple[int, int], np.ndarray] = {}
    done, spent = 0, 0.0
    wait()
    for i, row in enumerate(starts):
        begin = time.perf_counter()
        left = jacobians(row)
        for j, column in enumerate(starts):
            made = contract(left, left if column == row else jacobians(column))
            wait()
            done += 1
            if i == 0:
                spent += time.perf_counter() - begin
                first[0, j] = made.cpu().numpy()
                begin = time.perf_counter()
            if spent + time.perf_counter() - begin > budget:
                break
        spent += time.perf_counter() - begin
        if spent > budget:
            break
    pairs = len(starts) ** 2
    return {
        "version": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "seconds": spent if done == pairs else None,
        "seconds_spent": spent,
        "pairs_done": done,
        "pairs": pairs,
        "peak_bytes": int(torch.cuda.max_memory_allocated()) if cuda else None,
        "first_row": first,
    }
