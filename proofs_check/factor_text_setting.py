"""Fine-tuning of query and value in the last block of MiniLM on sentences, head and everything below frozen.

The head is the nearest class mean of the first third of the samples, which are not used again. What lies below the last
block is computed once. The two sentences of a pair are encoded one by one and compared (sims.models.sentence_pairs):
with both read as one text, a linear head on MiniLM does no better than guessing.
"""

import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.factor_setting import MOST_TESTED, FineTuning
from proofs_check.few_shot_setting import KINDS, class_mean_head, pretrained_available
from sims.benchmarks.text import cached_below, encoder_folder
from sims.data import load_text
from sims.models.checkpoint import load_checkpoint
from sims.models.network import chosen_maps
from sims.training.engine import Pool
from sims.training.model import Head
from sims.used import remembered

# the data sets, with the tokens that experiments keep: of SST-2 all, of RTE three pairs in five whole
TOKENS = {"glue-sst2": 32, "glue-rte": 64}
_AT_ONCE = 256  # sentences of one forward pass


@remembered(maxsize=2)
def text_setting(data: str, seed: int, *, samples: int, tokens: int) -> FineTuning:
    """Return the setting on ``samples`` training sentences at most; of what the head leaves a quarter is validation.

    ``tokens`` of a sentence, or of a pair, are kept.

    Raises:
        BadInput: no sentences under this name, no pretrained encoder, or too many tokens for it.
    """
    texts = load_text(data, seed=seed)
    pretrained_available("glue-sst2")  # raises when the encoder is not installed
    n = min(samples, len(texts.train))
    third = n // 3
    cut = third + 3 * (n - third) // 4
    labels = np.concatenate([texts.y_train[:n], texts.y_test[:MOST_TESTED]]).astype(np.int32)
    checkpoint = load_checkpoint(encoder_folder(data), dtype=jnp.float32)
    network, hidden = cached_below(checkpoint, [*texts.train[:n], *texts.test[:MOST_TESTED]], blocks=1, tokens=tokens)
    features = [
        np.asarray(network(jax.tree.map(lambda leaf, a=first: leaf[a : min(a + _AT_ONCE, third)], hidden)))
        for first in range(0, third, _AT_ONCE)
    ]
    head = class_mean_head(np.concatenate(features), labels[:third])
    return FineTuning(
        name=data,
        network=network,
        head=Head(head.weight, head.bias),
        maps=chosen_maps(network, KINDS, last_only=True),
        pool=Pool(hidden, jnp.asarray(labels)),
        train=np.arange(third, cut),
        validation=np.arange(cut, n),
        test=np.arange(n, len(labels)),
        classes=texts.classes,
    )
