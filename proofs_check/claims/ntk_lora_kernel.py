"""NTK-LORA-KERNEL: LoRA's own kernels, their concentration over a random A, and B-only training in function space."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.kernel_concentration import SPREADS, enumerated_kernels, frozen_instance, layer_instance
from proofs_check.linear_lora import LinearLora, descended, linear_lora
from proofs_check.registry import claim
from proofs_check.slopes import log_slope
from sims.ntk.kernels import a_only_kernel, b_only_kernel, lora_kernel
from sims.ntk.tangents import tangent_features, updated
from theory.kernel_flow import descent_residuals, flow_predictions, flow_residuals
from theory.lora_kernels import expected_projected_kernel, projected_kernel_variance, relative_deviation

Array = jax.Array
_IDENTITY = 1e-9  # two exact formulas in float64, relative to the largest entry
_EXACT = 1e-11  # sums of up to 3^9 terms in float64
_ODE = 1e-7  # relative, two orders above the integrator's own tolerances


def _identities(data: str, seed: int) -> list[Measurement]:
    """The three LoRA kernels from projected features against Jacobians of the network itself, by JAX."""
    network, x = frozen_instance(data, seed, samples=6, outputs=2)
    d_out, d_in = network.weights[1].shape
    rng = np.random.default_rng(seed)
    a = jnp.asarray(rng.standard_normal((3, d_in)) / 3**0.5)
    direction = jnp.asarray(rng.standard_normal((d_out, 3)))

    @jax.jit
    def jacobians(b: Array, a: Array) -> tuple[Array, Array]:
        def outputs(b: Array, a: Array) -> Array:
            return updated(network, [b @ a], layers=(1,))(x).reshape(-1)

        by_b, by_a = jax.jacrev(outputs, argnums=(0, 1))(b, a)
        return by_b.reshape(by_b.shape[0], -1), by_a.reshape(by_a.shape[0], -1)

    measurements = []
    for scale in (0.0, 0.3):
        b = scale * direction
        by_b, by_a = (np.asarray(part) for part in jacobians(b, a))
        true_b, true_a, size = by_b @ by_b.T, by_a @ by_a.T, len(by_b)
        features = tangent_features(updated(network, [b @ a], layers=(1,)), x, layers=(1,))
        kernels = {
            "B-only": (b_only_kernel(features, [a]), true_b),
            "A-only": (a_only_kernel(features, [b]), true_a),
            "joint": (lora_kernel(features, [a], [b]), true_b + true_a),
        }
        name = f"{data}: frozen MLP, r = 3, ‖B‖ {'= 0' if scale == 0 else '> 0'}, seed {seed}"
        for kind, (kernel, truth) in kernels.items():
            error = np.abs(np.asarray(kernel).reshape(size, size) - truth).max() / np.abs(true_b).max()
            step = f"{kind} kernel minus that of LoRA's gradient, relative"
            measurements.append(Measurement(step, error, 0, "<=", _IDENTITY, name))
    return measurements


def _deviations(
    data: str, seed: int, width: int, ranks: tuple[int, ...], kurtosis: float, label: str
) -> tuple[list[float], list[Measurement]]:
    """Return sqrt(r) times the relative deviation at each rank, and mean and variance beside their closed forms.

    Every A of a law with the right moments is enumerated, so that nothing is left to chance.
    """
    features = layer_instance(data, seed, samples=8, outputs=2, width=width)
    gradients = np.asarray(features.dense()).reshape(-1, *features.shape)
    full = np.einsum("qmp,smp->qs", gradients, gradients)
    scaled, measurements = [], []
    for rank in ranks:
        kernels, chances = enumerated_kernels(gradients, rank, kurtosis)
        mean = np.tensordot(chances, kernels, axes=1)
        spread = np.tensordot(chances, (kernels - full) ** 2, axes=1)
        variance = projected_kernel_variance(gradients, rank, excess_kurtosis=kurtosis - 3.0)
        deviation, exact = (relative_deviation(full, x) for x in (spread, variance))
        scaled.append(rank**0.5 * deviation)
        name = f"{data}, {label} A, layer {'x'.join(map(str, features.shape))}, r = {rank}, {len(chances)} terms"
        off = float(np.abs(mean - expected_projected_kernel(full, rank)).max() / np.abs(full).max())
        error = float(np.abs(spread - variance).max() / variance.max())
        measurements += [
            Measurement("E K_B minus K, relative", off, 0, "<=", _EXACT, name),
            Measurement("variance of every entry against its closed form, relative", error, 0, "<=", _EXACT, name),
            Measurement("root mean square deviation over its closed form", deviation / exact, 1, "==", _EXACT, name),
        ]
    return scaled, measurements


def _concentration(level: Level, seed: int, data: str) -> list[Measurement]:
    """Mean, variance and rate of the B-only kernel over a random A, for two laws of the entries."""
    measurements = []
    layers = by_level(
        level,
        ((6, (1,)), (3, (1, 2))),
        ((6, (1,)), (4, (1, 2))),
        ((8, (1,)), (4, (1, 2)), (3, (1, 2, 3))),
    )
    for law, kurtosis in SPREADS.items():
        for width, ranks in layers:
            scaled, found = _deviations(data, seed, width, ranks, kurtosis, law)
            measurements += found + [_rate(x / scaled[0], f"{data}, {law} A, r = {r}") for x, r in zip(scaled, ranks)]
    return measurements


def _rate(ratio: float, name: str) -> Measurement:
    return Measurement("√r times the relative deviation, over that of r = 1", ratio, 1, "==", _EXACT, name)


def _flow(level: Level, seed: int, data: str, *, both: bool = False) -> list[Measurement]:
    """B-only gradient flow: closed form against integration, against descent, and predictions elsewhere."""
    measurements = []
    for rank in by_level(level, (2,), (1, 2, 5), (1, 2, 5, 10)):
        problem, others = linear_lora(data, seed, rank)
        top = float(np.linalg.eigvalsh(problem.kernel)[-1])
        size = float(np.abs(problem.residual).max())
        for decay in (1.0, 30.0):  # in units of the fastest mode
            time = decay * problem.samples / top
            name = f"{data}, r = {rank}, {problem.samples} x 2 measurements, λ_max t / N = {decay:g}"
            (closed,) = flow_residuals(problem.kernel, problem.residual, [time], problem.samples)
            error = np.abs(problem.integrated(time, both=both) - closed).max() / size
            step = "flow: integrated minus exp(−tK_B/N), relative"
            measurements.append(Measurement(step, error, 0, "<=", _ODE, name))
        if not both:
            measurements += _descent(problem, others, top, f"{data}, r = {rank}")
    return measurements


def _descent(problem: LinearLora, others: Float[np.ndarray, "s m p"], top: float, name: str) -> list[Measurement]:
    """Long gradient descent: exact powers of I - step K / N, first order in the step to the flow, predictions."""
    time, size = 4.0 * problem.samples / top, float(np.abs(problem.residual).max())
    (flow,) = flow_residuals(problem.kernel, problem.residual, [time], problem.samples)
    counts, errors, powers = (200, 800, 3200), [], 0.0
    b = jnp.zeros((problem.gradients.shape[1], problem.a.shape[0]))
    for count in counts:
        b = descended(problem, time / count, count)
        reached = problem.residual_at(np.asarray(b), problem.a)
        (power,) = descent_residuals(problem.kernel, problem.residual, time / count, [count], problem.samples)
        powers = max(powers, float(np.abs(reached - power).max()) / size)
        errors.append([float(np.linalg.norm(reached - flow))])
    slope = log_slope([time / count for count in counts], errors).value
    # predictions elsewhere, at the smallest step: first order as well, so extrapolation removes the leading error
    cross = np.einsum("qmr,smr->qs", others @ problem.a.T, problem.gradients @ problem.a.T)
    predicted = flow_predictions(cross, problem.kernel, problem.residual, time, problem.samples)
    coarse = descended(problem, 2.0 * time / counts[-1], counts[-1] // 2)
    fine, rough = (np.einsum("qmp,mp->q", others, np.asarray(part) @ problem.a) for part in (b, coarse))
    elsewhere = np.abs(2.0 * fine - rough - predicted).max() / np.abs(predicted).max()
    ratio = time / counts[-1] * top / problem.samples
    return [
        Measurement("descent: reached minus (I − step K_B/N)^s, relative", powers, 0, "<=", _IDENTITY, name),
        Measurement("descent: order of convergence to the flow", slope, 1, "==", 0.05, name),
        # Richardson leaves the second order: (step λ_max / N)^2 times a modest constant
        Measurement("flow: predictions at other inputs, relative error", elsewhere, 0, "<=", 10.0 * ratio**2, name),
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A not frozen, beside the B-only closed form; and a law of √r A that changes with r, beside the rate."""
    one, _ = _deviations(data, seed, 3, (1,), 1.0, "signs")
    two, _ = _deviations(data, seed, 3, (2,), 3.0, "Gaussian")
    measurements = _flow(level, seed, data, both=True)
    measurements.append(_rate(two[0] / one[0], f"{data}, signs at r = 1, Gaussian moments at r = 2"))
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,))


@claim(
    id="NTK-LORA-KERNEL",
    paper="ntk",
    statement="Training B in W + BA with A frozen has the kernel K_B = ⟨G_i Aᵀ, G_j Aᵀ⟩ of projected features (A-only: "
    "BᵀG; joint: the sum). For independent entries of A of variance 1/r, E K_B = K of that layer; if the law of √r A "
    "does not depend on r, the relative deviation (root mean square) is exactly c/√r, c in closed form. In the "
    "linearised model with squared loss B-only gradient flow is kernel gradient flow: f(t) − y = exp(−tK_B/N)(f₀ − y).",
    source="this project; kernel gradient flow: Jacot, Gabriel, Hongler (2018), arXiv 1806.07572",
    kind="equality",
    assumptions=(
        "one layer adapted",
        "A frozen, entries independent with mean 0 and variance 1/r (for the mean)",
        "the law of √r A is the same for every r (for the rate)",
        "linearised model, squared loss, B = 0 at the start (for training)",
    ),
    control="A is trained too: the flow leaves the B-only closed form; the law of √r A changes with r: not c/√r",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Check kernels against JAX's gradients, mean and variance over A, the rate, and the three ways to train."""
    measurements = [
        *_identities(data, seed),
        *_concentration(level, seed, data),
        *_flow(level, seed, data),
    ]
    return Evidence(tuple(measurements), len({m.instance for m in measurements}), seeds=(seed,))
