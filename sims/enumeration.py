"""Every quantity of the information bounds, exactly, for small learners: samples, supersamples and masks are listed.

A learner is a channel P(W | S) over a finite hypothesis set, for samples of n symbols from a finite alphabet. Nothing
is sampled and nothing is estimated. Cost: m^{2n} 2^n rows for an alphabet of m symbols.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Float, Int, Num

from sims.errors import BadInput
from theory.bounds.conditional import samplewise_bound
from theory.bounds.discrete_information import channel_information, mutual_information

_LARGEST = 1 << 21  # rows (supersample, mask); more would not fit beside the tables made of them
_SUM = 1e-9  # of the sum of a law from 1: rounding of sums of up to _LARGEST numbers
_DIGITS = 12  # two differences of losses that agree to so many digits are one value


@dataclass(frozen=True)
class FiniteLearner:
    """Examples Z of law ``probabilities`` (m,), and P(W | S) as ``channel`` (m^n, w), samples in lexicographic order.

    ``predictions`` (w, m) are labels; ``label_losses`` (labels, m) in [0, 1] is the loss of a label on an example.
    """

    samples: int
    probabilities: Float[np.ndarray, " m"]
    channel: Float[np.ndarray, "s w"]
    predictions: Int[np.ndarray, "w m"]
    label_losses: Float[np.ndarray, "labels m"]

    def __post_init__(self) -> None:
        """Raise BadInput for what is no law or channel, losses outside [0, 1], or too many rows to list."""
        symbols = len(self.probabilities)
        if self.samples < 1 or len(self.channel) != symbols**self.samples:
            raise BadInput(
                f"channel of {len(self.channel)} rows for {self.samples} samples of {symbols} symbols: expected "
                "samples >= 1 and one row for every sample"
            )
        for name, law in (("probabilities", self.probabilities), ("rows of the channel", self.channel)):
            if not ((law >= 0).all() and np.allclose(law.sum(axis=-1), 1.0, rtol=0, atol=_SUM)):
                raise BadInput(f"{name} that are no laws: expected numbers >= 0 with sum 1")
        if self.predictions.min() < 0 or self.predictions.max() >= len(self.label_losses):
            raise BadInput(f"predictions outside 0..{len(self.label_losses) - 1}: expected rows of label_losses")
        if not (self.label_losses.min() >= 0 and self.label_losses.max() <= 1):
            raise BadInput(
                f"losses from {self.label_losses.min()} to {self.label_losses.max()}: expected [0, 1]; rescale them"
            )
        _check_rows(symbols, self.samples)

    @cached_property
    def losses(self) -> Float[np.ndarray, "w m"]:
        """Loss of every hypothesis on every example."""
        return self.label_losses[self.predictions, np.arange(len(self.probabilities))]


@dataclass(frozen=True)
class Enumeration:
    """Exact risks and informations (nats) of one learner.

    ``weights`` (t,) are the probabilities of the supersamples; arrays (t, n) are given the supersample (disintegrated),
    arrays (n,) are unconditional. ``single`` (n, 2) is the information of one column's loss. ``train_rows`` (n,) holds
    the expected training loss of every row.
    """

    samples: int
    train_rows: Float[np.ndarray, " n"]
    population: float
    information: float
    individual: Float[np.ndarray, " n"]
    cmi: float
    weights: Float[np.ndarray, " t"]
    predictions: Float[np.ndarray, "t n"]
    pairs: Float[np.ndarray, "t n"]
    differences: Float[np.ndarray, "t n"]
    pairs_unconditional: Float[np.ndarray, " n"]
    differences_unconditional: Float[np.ndarray, " n"]
    single: Float[np.ndarray, "n 2"]

    @property
    def train(self) -> float:
        """Expected training risk."""
        return float(self.train_rows.mean())

    @property
    def gap(self) -> float:
        """Population minus training risk."""
        return self.population - self.train

    def disintegrated(self, informations: Float[np.ndarray, "t n"]) -> float:
        """Return the expectation over supersamples and mean over rows of sqrt(2 I(. ; U_i | Z = z))."""
        return samplewise_bound(informations, self.weights)

    def averaged(self, informations: Float[np.ndarray, "t n"]) -> float:
        """Return the mean over rows of I(. ; U_i | Z)."""
        return float((self.weights @ informations).mean())


def enumerate_learner(learner: FiniteLearner) -> Enumeration:
    """Return all exact quantities of this learner under independent fair bits U."""
    n, p = learner.samples, learner.probabilities
    samples = _tuples(len(p), n)
    joint = p[samples].prod(axis=1)[:, None] * learner.channel
    losses = learner.losses
    low, high = losses.min(), losses.max()  # a mean lies between; rounding of its sum may not
    train_rows = np.clip([(joint * losses[:, samples[:, i]].T).sum() for i in range(n)], low, high)
    individual = np.array(
        [mutual_information(np.stack([joint[samples[:, i] == z].sum(axis=0) for z in range(len(p))])) for i in range(n)]
    )
    rows = supersample_rows(learner)
    first, second = losses[:, :, None], losses[:, None, :]
    labels = learner.predictions[:, :, None] * len(learner.label_losses) + learner.predictions[:, None, :]
    values = _codes(losses)
    pairs = values[:, :, None] * (int(values.max()) + 1) + values[:, None, :]
    by_prediction, (by_pair, pair), (by_difference, difference) = (
        rows.informations(labels)[0],
        rows.informations(pairs),
        rows.informations(second - first),
    )
    columns = [rows.informations(np.broadcast_to(column, pairs.shape))[1] for column in (first, second)]
    return Enumeration(
        samples=n,
        train_rows=train_rows,
        population=float(np.clip((joint.sum(axis=0) @ losses) @ p, low, high)),
        information=float(mutual_information(joint)),
        individual=individual,
        cmi=rows.cmi,
        weights=rows.weights,
        predictions=by_prediction,
        pairs=by_pair,
        differences=by_difference,
        pairs_unconditional=pair,
        differences_unconditional=difference,
        single=np.stack(columns, axis=1),
    )


@dataclass(frozen=True)
class SupersampleRows:
    """All supersamples (t, n, 2) with their probabilities, P(W | U_i = u, Z) as (t, n, 2, w), and I(W; U | Z)."""

    supersamples: Int[np.ndarray, "t n 2"]
    weights: Float[np.ndarray, " t"]
    hypotheses: Float[np.ndarray, "t n 2 w"]
    cmi: float

    def informations(
        self, statistic: Num[np.ndarray, "w m m"]
    ) -> tuple[Float[np.ndarray, "t n"], Float[np.ndarray, " n"]]:
        """Return I(X_i; U_i | Z = z) (t, n) and I(X_i; U_i) (n,) for X_i = statistic[W, Z_{i,0}, Z_{i,1}]."""
        codes = _codes(np.round(statistic, _DIGITS))
        one_hot = np.eye(int(codes.max()) + 1)[codes]
        at = one_hot[:, self.supersamples[..., 0], self.supersamples[..., 1]]  # (w, t, n, x)
        channels = np.einsum("tiuw,wtix->tiux", self.hypotheses, at, optimize=True)
        return channel_information(channels), channel_information(np.einsum("t,tiux->iux", self.weights, channels))


def supersample_rows(learner: FiniteLearner) -> SupersampleRows:
    """Return the conditional laws of W that the row-wise informations are made of."""
    n, p = learner.samples, learner.probabilities
    supersamples = _tuples(len(p), 2 * n).reshape(-1, n, 2)
    masks = _tuples(2, n)
    chosen = np.take_along_axis(supersamples[:, None], masks[None, :, :, None], axis=3)[..., 0]
    trained = learner.channel[np.ravel_multi_index(tuple(np.moveaxis(chosen, -1, 0)), (len(p),) * n)]  # (t, mask, w)
    # P(W | U_i = u, Z): the mean over the masks with that bit
    by_bit = np.stack([masks == u for u in (0, 1)]) / 2 ** (n - 1)  # (u, mask, n)
    weights = p[supersamples].prod(axis=(1, 2))
    return SupersampleRows(
        supersamples,
        weights,
        np.einsum("tkw,uki->tiuw", trained, by_bit, optimize=True),
        float(weights @ mutual_information(trained / len(masks))),
    )


def majority_learner(samples: int, probability: float) -> FiniteLearner:
    """Return W = majority of an odd number of bits of P(1) = ``probability``, 0-1 loss; raises BadInput otherwise."""
    if samples < 1 or samples % 2 == 0:
        raise BadInput(f"{samples} samples: a majority needs an odd number of them")
    if not 0 <= probability <= 1:
        raise BadInput(f"probability {probability}: expected a number in [0, 1]")
    _check_rows(2, samples)
    votes = (2 * _tuples(2, samples).sum(axis=1) > samples).astype(np.int64)
    return FiniteLearner(
        samples,
        np.array([1.0 - probability, probability]),
        np.eye(2)[votes],
        np.array([[0, 0], [1, 1]]),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
    )


def random_learner(
    rng: np.random.Generator,
    *,
    samples: int,
    symbols: int,
    hypotheses: int,
    binary: bool = True,
    interpolating: bool = False,
) -> FiniteLearner:
    """Return a random law, labelling and channel; ``binary`` asks for the 0-1 loss, else label losses are uniform.

    The channel's rows are Dirichlet, from nearly deterministic to nearly uniform. ``interpolating``: predictions are
    all 0-1 vectors of the symbols, labels are right with loss 0, and only hypotheses without an error on S get mass.
    """
    _check_rows(symbols, samples)
    p = rng.dirichlet(np.ones(symbols))
    listed = _tuples(symbols, samples)
    if interpolating:
        predictions = _tuples(2, symbols)  # hypothesis = set of symbols it is wrong on
        right = (predictions[:, listed] == 0).all(axis=2).T
        raw = rng.gamma(0.5, size=(len(listed), len(predictions))) * right
        return FiniteLearner(
            samples, p, raw / raw.sum(axis=1, keepdims=True), predictions, np.array([[0.0] * symbols, [1.0] * symbols])
        )
    concentration = rng.choice([0.05, 0.5, 5.0])
    channel = rng.dirichlet(np.full(hypotheses, concentration), size=len(listed))
    predictions = rng.integers(0, 3, size=(hypotheses, symbols))
    losses = rng.random((3, symbols))
    return FiniteLearner(samples, p, channel, predictions, np.round(losses) if binary else losses)


def _check_rows(symbols: int, samples: int) -> None:
    """Raise BadInput for more rows than are listed; before the samples are, which alone could fill the memory."""
    rows = symbols ** (2 * samples) * 2**samples
    if rows > _LARGEST:
        raise BadInput(f"{rows} pairs of supersample and mask: expected at most {_LARGEST}; take fewer samples")


def _tuples(symbols: int, length: int) -> Int[np.ndarray, "tuples length"]:
    return np.array(list(product(range(symbols), repeat=length)), dtype=np.int64)


def _codes(values: np.ndarray) -> Int[np.ndarray, "*shape"]:
    """Return the same array with its distinct values numbered from 0."""
    _, inverse = np.unique(values, return_inverse=True)
    return inverse.reshape(values.shape).astype(np.int64)
