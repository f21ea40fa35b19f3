"""Mutants of random networks, of their empirical kernels and of the kernels of infinite width."""

from tests.mutants.machinery import Mutant

NETWORKS = "sims.networks"
KERNELS = "sims.ntk.kernels"
BRIDGE = "sims.bridge.neural_tangents"

IN_NETWORKS = "tests/sims/test_networks.py::"
IN_KERNELS = "tests/sims/test_kernels.py::"
IN_BRIDGE = "tests/sims/test_bridge.py::"

BY_HAND = IN_NETWORKS + "test_forward_pass_written_out_by_hand"
SAME = IN_NETWORKS + "test_both_parametrisations_draw_the_same_function"
LORA = IN_KERNELS + "test_lora_kernels_match_differentiation_with_respect_to_the_factors"
TRACED = IN_KERNELS + "test_traced_kernel_is_the_mean_of_the_diagonal_blocks"
POSITIONS = IN_KERNELS + "test_traced_kernel_of_features_with_several_positions"
MIRRORED = IN_KERNELS + "test_a_large_kernel_mirrored_from_its_upper_blocks_is_the_kernel"
WITH_LIBRARY = IN_KERNELS + "test_kernel_agrees_with_neural_tangents"
RECURSION = IN_BRIDGE + "test_relu_limit_is_the_arc_cosine_recursion"
SMOOTH = IN_BRIDGE + "test_smooth_limits_match_direct_integration"

RELU, TANH = {"activation": "relu"}, {"activation": "tanh"}
DRAWN = {"widths": (4, 6, 5, 3), "activation": "tanh", "bias_std": 0.3}
DEEP = {"case": ((4, 6, 2), "tanh", "ntk")}
THREE_LAYERS = {"case": ((0, 1, 2), 2, "gelu", "standard")}
LARGE = {"n": 257, "positions": 1}
ORACLE = {"implementation": "JACOBIAN_CONTRACTION", "per_sample": True, "activation": "tanh"}

MUTANTS = (
    # random networks
    Mutant(
        "scale of a layer by d_out for d_in", f"{NETWORKS}:FrozenMLP.scale", "[layer]", "[layer + 1]", BY_HAND, RELU
    ),
    Mutant(
        "standard weights by d_out for d_in",
        f"{NETWORKS}:random_mlp",
        "(std / d_in**0.5)",
        "(std / d_out**0.5)",
        SAME,
        DRAWN,
    ),
    Mutant(
        "biases without their scale",
        f"{NETWORKS}:FrozenMLP.pre_activation",
        "self.bias_std * bias if",
        "bias if",
        BY_HAND,
        TANH,
    ),
    Mutant(
        "activation after the last layer",
        f"{NETWORKS}:FrozenMLP.__call__",
        "return self.pre_activation(self.depth - 1, h)",
        "return self.activate(self.pre_activation(self.depth - 1, h))",
        BY_HAND,
        TANH,
    ),
    Mutant(
        "every layer drawn from the same key",
        f"{NETWORKS}:random_mlp",
        "jax.random.fold_in(key, layer)",
        "key",
        IN_NETWORKS + "test_layers_and_biases_are_drawn_independently",
        {"parametrisation": "ntk"},
    ),
    Mutant(
        "bias drawn from the key of its weight",
        f"{NETWORKS}:random_mlp",
        "jax.random.normal(bias_key",
        "jax.random.normal(weight_key",
        IN_NETWORKS + "test_layers_and_biases_are_drawn_independently",
        {"parametrisation": "ntk"},
    ),
    # empirical kernels
    Mutant("traced kernel summed instead of averaged", f"{KERNELS}:traced_ntk", " / k", "", TRACED, DEEP),
    Mutant(
        "traced kernel with outputs and positions confused",
        f"{KERNELS}:_outputs_stacked",
        "xp.moveaxis(features.signal, 2, 1)",
        "features.signal",
        POSITIONS,
    ),
    Mutant(
        "mirrored blocks not transposed",
        f"{KERNELS}:_mirrored_ntk",
        "transpose(2, 3, 0, 1)",
        "transpose(2, 1, 0, 3)",
        MIRRORED,
        LARGE,
    ),
    Mutant("kernel without its last layer", f"{KERNELS}:empirical_ntk", "pairs[1:]", "pairs[1:-1]", LORA, THREE_LAYERS),
    Mutant("B-only kernel without A", f"{KERNELS}:b_only_kernel", "f.project_input(factor)", "f", LORA, THREE_LAYERS),
    Mutant("A-only kernel without B", f"{KERNELS}:a_only_kernel", "f.project_output(factor)", "f", LORA, THREE_LAYERS),
    Mutant(
        "LoRA kernel without the part of A",
        f"{KERNELS}:lora_kernel",
        " + a_only_kernel(features, b)",
        "",
        LORA,
        THREE_LAYERS,
    ),
    # the independent oracle and the limit
    Mutant(
        "outputs of the oracle transposed", f"{BRIDGE}:_kernel_by", "(0, 2, 1, 3)", "(0, 3, 1, 2)", WITH_LIBRARY, ORACLE
    ),
    Mutant(
        "limit with the bias' deviation for its variance",
        f"{BRIDGE}:infinite_width_ntk",
        "kernel.ntk - bias_std**2",
        "kernel.ntk - bias_std",
        RECURSION,
        {"depth": 2, "train_biases": False},
    ),
    Mutant(
        "limit with the gradient of the bias in the last layer only",
        f"{BRIDGE}:infinite_width_ntk",
        "if not train_biases:",
        "if not train_biases and layer == depth - 1:",
        RECURSION,
        {"depth": 4, "train_biases": False},
    ),
    Mutant(
        "derivative of tanh without its square",
        f"{BRIDGE}:_through_tanh",
        "1 - first**2",
        "1 - first",
        SMOOTH,
        TANH,
    ),
)
