"""The strategy strings of the official code of the asymmetry paper, such as ``hB_zero_A_rand``.

Two factors, each with the name of its start; the letter h ("hat") marks a trained factor. The official parser takes
the first pair for B and the second for A without looking at the letters, so that the example of its README,
``A_rand_hB_zero``, trains A only, from zero, with B frozen at random: the opposite of what it says. Here the letters
decide and either order is read.
"""

from dataclasses import dataclass

from sims.errors import BadInput

# start names of the official code, and what they are here, by factor
_STARTS = {
    "A": {"zero": "zero", "rand": "rand", "he": "kaiming", "V": "singular-right"},
    "B": {"zero": "zero", "rand": "rand", "he": "kaiming", "U": "singular-left"},
}
_OFFICIAL_STARTS = _STARTS["A"] | _STARTS["B"]


@dataclass(frozen=True)
class Strategy:
    """Which factors are trained, and how each starts (a name of `sims.adapters.initialisations`)."""

    trains_a: bool
    trains_b: bool
    a_start: str
    b_start: str

    @property
    def adapter(self) -> str:
        """Name of the adapter family: lora, b-only or a-only."""
        if self.trains_a and self.trains_b:
            return "lora"
        return "b-only" if self.trains_b else "a-only"


def parse_strategy(text: str) -> Strategy:
    """Return what a strategy string says, whichever factor it names first.

    Raises:
        BadInput: not two factors with a start each, a factor named twice, an unknown start, no trained factor, or
            starts at zero with which no gradient reaches a trained factor.
    """
    words = text.split("_")
    if len(words) != 4:
        raise BadInput(f"strategy {text!r}: expected FACTOR_START_FACTOR_START, such as hB_zero_A_rand")
    starts: dict[str, str] = {}
    trained: dict[str, bool] = {}
    for letters, start in (words[:2], words[2:]):
        factor = letters.removeprefix("h")
        if factor not in _STARTS or factor in starts:
            raise BadInput(f"strategy {text!r}: {letters!r}, expected A or hA and B or hB, each once (h: trained)")
        if start not in _STARTS[factor]:
            known = ", ".join(_STARTS[factor])
            raise BadInput(f"strategy {text!r}: start {start!r} of factor {factor}, expected one of {known}")
        starts[factor], trained[factor] = _STARTS[factor][start], letters.startswith("h")
    if not any(trained.values()):
        raise BadInput(f"strategy {text!r} trains nothing: mark a trained factor with h, as in hB_zero_A_rand")
    # the gradient of a factor is a product with the other one
    if starts["A"] == starts["B"] == "zero" or any(starts[f] == "zero" and not trained[f] for f in _STARTS):
        raise BadInput(f"strategy {text!r}: a frozen factor at zero, or both, stops all training: change one start")
    return Strategy(trained["A"], trained["B"], starts["A"], starts["B"])


def official_strategy(text: str) -> Strategy:
    """Return what the official code makes of a strategy: its first pair is B, its second A, whatever they say.

    Letters behind a leading h are not looked at. Only strings of four words with known starts are modelled.

    Raises:
        BadInput: not four words, or an unknown start.
    """
    words = text.split("_")
    if len(words) != 4 or words[1] not in _OFFICIAL_STARTS or words[3] not in _OFFICIAL_STARTS:
        raise BadInput(f"strategy {text!r}: expected FACTOR_START_FACTOR_START, such as hB_zero_A_rand")
    return Strategy(
        trains_a=words[2].startswith("h"),
        trains_b=words[0].startswith("h"),
        a_start=_OFFICIAL_STARTS[words[3]],
        b_start=_OFFICIAL_STARTS[words[1]],
    )
