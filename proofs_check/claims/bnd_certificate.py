"""BND-CERTIFICATE: a coded b-only adapter on real data, certified; and what an uncharged frozen factor does."""

from dataclasses import replace
from itertools import product

import numpy as np

from proofs_check.coverage import DELTA, POWER, counted, failing, power
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from sims import data as data_sets
from sims.certified_adapters import certify, fit, frozen_a, make_task
from sims.certified_adapters.certify import decoded_update
from sims.coding import decode, encode
from theory.bounds.code_length import best_of_bits, occam_binomial, occam_kl

WIDTH, PUBLIC, EXAMPLES = 64, 300, 2000
DIMENSION, SAMPLES, RANK = 60, 44, 12


def _data(name: str) -> str:
    """Return the named data set where it has classes, and the digits otherwise: certificates are of the 0-1 loss."""
    return name if data_sets.find(name).kind == "classification" else "digits"


def _real(level: Level, seed: int, data: str) -> list[Measurement]:
    name = _data(data)
    whole = data_sets.load(name, seed=seed)
    loaded = replace(whole, x_train=whole.x_train[:EXAMPLES], y_train=whole.y_train[:EXAMPLES])
    task = make_task(loaded, public=min(PUBLIC, len(loaded.x_train) // 4), width=WIDTH, seed=seed)
    found, smallest = [], 1.0
    ranks = [rank for rank in by_level(level, (8,), (4, 8, 16), (2, 4, 8, 16, 32)) if 2 * rank <= len(task.public)]
    # by Hoeffding's inequality, what a test error exceeds the risk by with a chance of 1e-7
    luck = float(np.sqrt(np.log(1e7) / (2 * len(task.test))))
    for rank in ranks:
        a = frozen_a(task, rank, "public", seed)
        coded = certify(task, fit(task, "b-only", rank, a=a), DELTA, steps=(0.15, 0.3), dead_zones=(0.5,))
        again = decoded_update(coded.string, task.shape, a=a, b=None)
        where = f"{name}, b-only of rank {rank}, {coded.bits} bits, n = {coded.samples}"
        found += [
            Measurement(
                "weights that differ after decoding", float(np.count_nonzero(again != coded.update)), 0, "==", 0, where
            ),
            Measurement(
                "strings that differ when coded again",
                float(encode(decode(coded.string, task.shape), task.shape) != coded.string),
                0,
                "==",
                0,
                where,
            ),
            Measurement("binomial minus kl certificate", coded.binomial - coded.kl, 0, "<=", 1e-9, where),
            Measurement("test error minus certificate", coded.test_error - coded.binomial, 0, "<=", luck, where),
        ]
        bits = coded.bits + best_of_bits(len(ranks))
        smallest = min(smallest, float(occam_binomial(coded.errors, coded.samples, bits, DELTA)))
    label = "smallest certificate of all ranks, best-of bits paid, over the error of a guess"
    found.append(Measurement(label, smallest / (1.0 - 1.0 / task.shape[0]), 1, "<=", 0, f"{name}, b-only"))
    return found


class _ByChance:
    """Labels that are fair coins, so that every predictor has risk 1/2; one output, signs of A x weighted by B.

    The entries of B are signs, one bit each; the B that errs least on the sample is certified.
    """

    def __init__(self, level: Level, seed: int, *, a_from_sample: bool = False) -> None:
        self.rank = 1 if a_from_sample else RANK
        made = "made from the sample" if a_from_sample else "drawn without the sample"
        self.name = f"labels by chance, n = {SAMPLES}, rank {self.rank}, frozen A {made}"
        rng = np.random.default_rng([seed, 8])
        signs = np.array(list(product((-1.0, 1.0), repeat=self.rank)))
        least = []
        for _ in range(by_level(level, 1000, 4000, 20_000)):
            x = rng.standard_normal((SAMPLES, DIMENSION))
            y = rng.choice([-1.0, 1.0], SAMPLES)
            a = y[None, :] @ x if a_from_sample else rng.standard_normal((self.rank, DIMENSION))
            least.append(np.count_nonzero((x @ a.T * y[:, None]) @ signs.T <= 0.0, axis=0).min())
        self.train = np.array(least) / SAMPLES

    def fails(self, share: float) -> np.ndarray:
        """Return on which samples the certificate fails that charges this share of its budget."""
        return np.asarray(occam_kl(self.train, SAMPLES, share * self.rank, DELTA**share)) < 0.5

    def failure(self, share: float) -> float:
        """Return on what part of the samples it fails."""
        return float(self.fails(share).mean())


def _control(level: Level, seed: int, data: str) -> Evidence:
    """A frozen factor that was made from the sample, not charged; and seven tenths of the budget."""
    uncharged, short = _ByChance(level, seed, a_from_sample=True), _ByChance(level, seed)
    found = (failing(uncharged.failure, DELTA, uncharged.name), failing(short.failure, DELTA, short.name, POWER))
    return Evidence(found, len(found), seeds=(seed,))


@claim(
    id="BND-CERTIFICATE",
    paper="asymmetry",
    statement="A quantised B-only adapter, coded with rank and step in a prefix code and decoded bit for bit, has "
    "with probability at least 1 − δ a risk of at most its code-length certificate; its error on a test set, which "
    "estimates the risk, may exceed that by chance only. The smallest of the certificates of k ranks is one at ⌈log₂ "
    "k⌉ bits more (none, if one prefix code holds all ranks). On real data of K classes it is below 1 − 1/K, the "
    "error of a guess. A frozen A that depends on the sample breaks this unless its bits are charged.",
    source="this project; Langford 2005 for the certificate",
    kind="upper",
    assumptions=("i.i.d. samples", "0-1 loss", "backbone and frozen A made without the sample"),
    control="a frozen A made from the sample, its bits not charged; and seven tenths of the budget of B charged",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Certify on real data beside the test error, and count failures where the risk is known."""
    luck = _ByChance(level, seed)
    counts = (counted(luck.fails(1.0), DELTA, luck.name), power(luck.failure, DELTA, luck.name))
    measurements = (*_real(level, seed, data), *counts)
    sizes = {"features": WIDTH, "samples drawn": len(luck.train), "delta": DELTA}
    return Evidence(measurements, len({m.instance for m in measurements}), sizes=sizes, seeds=(seed,))
