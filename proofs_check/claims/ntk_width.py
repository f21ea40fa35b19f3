"""NTK-WIDTH: the empirical NTK tends to the infinite-width kernel at rate 1/sqrt(width)."""

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.ntk_width import width_errors
from proofs_check.registry import claim
from proofs_check.slopes import typical_slope
from sims.data import few_shot, load

_ERRORS = 5.0  # standard errors of the slope: one run in a million leaves them by chance
_CURVATURE = 0.05  # the next order, 1/width, bends the log-log line over a finite range of widths


def _measure(level: Level, seed: int, data: str, parametrisation: str) -> Evidence:
    inputs = by_level(level, 4, 10, 10)
    sample = few_shot(load(data, seed=seed), samples=inputs, classes=(0, 1), seed=seed)
    widths = by_level(level, (32, 128, 256), (32, 64, 128, 256, 512, 1024), (32, 64, 128, 256, 512, 1024, 2048))
    seeds = tuple(range(seed, seed + by_level(level, 200, 200, 400)))
    measurements = []
    for activation, depth in by_level(
        level, (("relu", 3),), (("relu", 3), ("gelu", 3)), (("relu", 3), ("gelu", 3), ("relu", 5))
    ):
        errors = width_errors(
            sample.x_train, widths, seeds, depth=depth, activation=activation, parametrisation=parametrisation
        )
        slope = typical_slope(widths, errors)
        name = f"{data}, {activation}, {depth} weight matrices, {parametrisation} parametrisation, widths {widths}"
        band = _ERRORS * slope.standard_error + _CURVATURE
        label = "slope of the mean log error over log width"
        measurements.append(Measurement(label, slope.value, -0.5, "==", band, name))
    sizes = {"widths": list(widths), "networks per width": len(seeds), "samples": inputs}
    return Evidence(tuple(measurements), len(measurements) * len(seeds) * len(widths), seeds=seeds, sizes=sizes)


def _control(level: Level, seed: int, data: str) -> Evidence:
    """Standard parametrisation without the 1/sqrt(width) scale of the gradients: the kernel grows with the width."""
    return _measure("smoke", seed, data, "standard")


@claim(
    id="NTK-WIDTH",
    paper="ntk",
    statement="NTK parametrisation: ‖Θ_width − Θ_∞‖_F / ‖Θ_∞‖_F decays like width^(−1/2) for random networks, in the "
    "mean of its logarithm, Θ_∞ the infinite-width kernel.",
    source="Jacot, Gabriel, Hongler (2018), arXiv 1806.07572; rate: Huang, Yau (2020), arXiv 1909.08156",
    kind="asymptotic",
    assumptions=("Gaussian weights", "NTK parametrisation", "fixed inputs and depth"),
    control="standard parametrisation: the gradients lose their scale, the kernel does not converge",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Fit the slope over widths; the band is five standard errors over independent networks plus the curvature."""
    return _measure(level, seed, data, "ntk")
