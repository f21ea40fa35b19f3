"""Experiments behind the figures: each turns (level, seed, data) into a dictionary of numbers, lists and words.

They live here, not in sims, because what they count is certified by proofs_check.certificates.
"""

from collections.abc import Callable, Mapping
from typing import Any

from proofs_check.experiments.asymmetry_boundary import asymmetry_boundary
from proofs_check.experiments.bounds_ladder import bounds_ladder
from proofs_check.experiments.certificates import certificates
from proofs_check.experiments.factor_similarity import factor_similarity
from proofs_check.experiments.factor_training import factor_training
from proofs_check.experiments.fails_loudly import fails_loudly
from proofs_check.experiments.few_shot import few_shot
from proofs_check.experiments.frontier import frontier
from proofs_check.experiments.generalisation import generalisation
from proofs_check.experiments.kernel_concentration import kernel_concentration
from proofs_check.experiments.landscape_phase import landscape_phase
from proofs_check.experiments.ntk_width import ntk_width
from proofs_check.experiments.rank_spectrum import rank_spectrum
from proofs_check.experiments.training_curves import training_curves
from proofs_check.experiments.zero_decay_phase import zero_decay_phase

Experiment = Callable[[str, int, str], dict[str, Any]]

EXPERIMENTS: Mapping[str, Experiment] = {
    "landscape_phase": landscape_phase,
    "zero_decay_phase": zero_decay_phase,
    "frontier": frontier,
    "training_curves": training_curves,
    "few_shot": few_shot,
    "rank_spectrum": rank_spectrum,
    "ntk_width": ntk_width,
    "generalisation": generalisation,
    "kernel_concentration": kernel_concentration,
    "fails_loudly": fails_loudly,
    "factor_training": factor_training,
    "factor_similarity": factor_similarity,
    "bounds_ladder": bounds_ladder,
    "asymmetry_boundary": asymmetry_boundary,
    "certificates": certificates,
}
