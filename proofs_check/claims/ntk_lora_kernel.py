"""NTK-LORA-KERNEL: LoRA's own kernels, their concentration over a random A, and B-only training in function space."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.kernel_concentration import LAWS, frozen_instance, layer_instance, projected_kernels
from proofs_check.linear_lora import LinearLora, descended, linear_lora
from proofs_check.registry import claim
from proofs_check.slopes import log_slope
from sims.ntk.kernels import a_only_kernel, b_only_kernel, lora_kernel
from sims.ntk.tangents import tangent_features, updated
from theory.kernel_flow import descent_residuals, flow_predictions, flow_residuals
from theory.lora_kernels import expected_projected_kernel, projected_kernel_variance, relative_deviation

Array = jax.Array
_IDENTITY = 1e-9  # two exact formulas in float64, relative to the largest entry
_BAND = 5.0  # standard errors; the squares are heavy-tailed, so that fewer would be too few for a dozen tests
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


def _concentration(level: Level, seed: int, data: str) -> list[Measurement]:
    """Mean, variance and rate of the B-only kernel over random A, for two laws of the entries."""
    ranks, draws = by_level(
        level, ((2, 8, 32), 400), ((1, 2, 4, 8, 16, 32, 64), 1000), ((1, 2, 4, 8, 16, 32, 64), 4000)
    )
    features = layer_instance(data, seed, samples=8, outputs=2)
    gradients = np.asarray(features.dense()).reshape(-1, *features.shape)
    full = np.einsum("qmp,smp->qs", gradients, gradients)
    measurements = []
    for law, kurtosis in LAWS.items():
        deviations = []
        for rank in ranks:
            kernels = projected_kernels(features, rank, draws, law=law, seed=seed)
            name = f"{data}, {law} A, r = {rank}, {draws} draws"
            predicted = expected_projected_kernel(full, rank)
            variance = projected_kernel_variance(gradients, rank, excess_kurtosis=kurtosis)
            # the entries' mean, in standard errors that the exact variance gives: Bonferroni over all entries
            sigma = np.sqrt(variance / draws)
            # for signs a diagonal S has variance zero: such entries are constant
            error = np.abs(kernels.mean(axis=0) - predicted)
            score = float((error[sigma > 0] / sigma[sigma > 0]).max())
            measurements.append(
                Measurement("mean over A against E K_B = K, in standard errors", score, _BAND, "<=", 0, name)
            )
            relative = np.linalg.norm(kernels - full, axis=(1, 2)) / np.linalg.norm(full)
            squares = relative**2
            spread = _BAND * float(squares.std(ddof=1)) / draws**0.5
            exact = relative_deviation(full, variance)
            ratio = float(squares.mean()) / exact**2
            measurements.append(
                Measurement("mean squared deviation over its closed form", ratio, 1, "==", spread / exact**2, name)
            )
            deviations.append(relative.tolist())
        slope = log_slope([float(rank) for rank in ranks], deviations)
        name = f"{data}, {law} A, ranks {ranks}, {draws} draws"
        band = _BAND * slope.standard_error
        measurements.append(Measurement("slope of log deviation over log r", slope.value, -0.5, "==", band, name))
    return measurements


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
    """A not frozen: both factors trained, laid beside the B-only closed form."""
    measurements = _flow(level, seed, data, both=True)
    return Evidence(tuple(measurements), len(measurements), seeds=(seed,))


@claim(
    id="NTK-LORA-KERNEL",
    paper="ntk",
    statement="Training B in W + BA with A frozen has the kernel K_B = ⟨G_i Aᵀ, G_j Aᵀ⟩ of projected features (A-only: "
    "BᵀG; joint: the sum). For independent entries of A of variance 1/r, E K_B = K of that layer and the relative "
    "deviation (root mean square) is exactly c/√r, c in closed form. In the linearised model with squared "
    "loss B-only gradient flow is kernel gradient flow: f(t) − y = exp(−tK_B/N)(f₀ − y).",
    source="this project; kernel gradient flow: Jacot, Gabriel, Hongler (2018), arXiv 1806.07572",
    kind="equality",
    assumptions=(
        "one layer adapted",
        "A frozen, entries independent with mean 0 and variance 1/r (for mean and concentration)",
        "linearised model, squared loss, B = 0 at the start (for training)",
    ),
    control="A is trained too: the flow leaves the B-only closed form",
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
