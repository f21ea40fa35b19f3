"""How a record stands to the code that reads it: made by the same, by other code, or by code unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sims.errors import BadInput
from sims.fingerprint import every_module, fingerprint, libraries


@dataclass(frozen=True)
class Standing:
    """Whether the same code made it, and the libraries of other versions: name, then and now."""

    code: Literal["same", "other", "unknown"]
    libraries: tuple[tuple[str, str, str], ...] = ()

    @property
    def current(self) -> bool:
        """Whether the same run would now be of the same code with the same libraries."""
        return self.code == "same" and not self.libraries

    @property
    def words(self) -> str:
        """What differs, in a few words; empty when nothing does."""
        told = {"same": [], "other": ["made by other code"], "unknown": ["made by code unknown"]}[self.code]
        if self.libraries and not told:
            told = ["made with " + ", ".join(f"{name} {then} (here {now})" for name, then, now in self.libraries)]
        return "".join(told)


def standing(environment: Mapping[str, Any], *modules: str) -> Standing:
    """Return how a record of this environment stands to the code of these modules (default: those that it names).

    A record that does not say which modules its code was counts as made by code unknown; one whose modules are no more
    was made by other code. Libraries are compared where both name them.
    """
    made, versions = environment.get("code"), environment.get("versions") or {}
    if made is None or environment.get("modules") is None:
        return Standing("unknown")
    named = modules or tuple(environment["modules"]) or every_module()
    try:
        code, used = fingerprint(*named), libraries(*named)
    except BadInput:
        return Standing("other")
    other = tuple((name, str(versions[name]), now) for name, now in used.items() if versions.get(name, now) != now)
    return Standing("same" if made == code else "other", other)
