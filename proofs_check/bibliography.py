"""Who wrote the papers that the claims cite by their arXiv number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

ARXIV = re.compile(r"(?:arXiv[: ])?\b(\d{4}\.\d{5})\b")
_MOST_NAMED = 4  # more authors than these are "et al." in a line of text


@dataclass(frozen=True)
class Paper:
    """The family names of a paper's authors, in its order, and the year that the claims cite it by."""

    authors: tuple[str, ...]
    year: int

    @property
    def short(self) -> str:
        """Return "Jang, Lee, Ryu (2024)", or "Zhu et al. (2024)" when the authors are many."""
        named = ", ".join(self.authors) if len(self.authors) <= _MOST_NAMED else f"{self.authors[0]} et al."
        return f"{named} ({self.year})"


PAPERS = {
    "1806.07572": Paper(("Jacot", "Gabriel", "Hongler"), 2018),
    "1909.08156": Paper(("Huang", "Yau"), 2020),
    "2001.09122": Paper(("Steinke", "Zakynthinou"), 2020),
    "2110.01584": Paper(("Harutyunyan", "Raginsky", "Ver Steeg", "Galstyan"), 2021),
    "2111.05275": Paper(("Haghifam", "Dziugaite", "Moran", "Roy"), 2021),
    "2210.06422": Paper(("Hellström", "Durisi"), 2022),
    "2302.02432": Paper(("Wang", "Mao"), 2023),
    "2312.17173": Paper(("Lotfi", "Finzi", "Kuang", "Rudner", "Goldblum", "Wilson"), 2024),
    "2402.11867": Paper(("Jang", "Lee", "Ryu"), 2024),
    "2402.16842": Paper(
        (
            "Zhu",
            "Greenewald",
            "Nadjahi",
            "Sáez de Ocáriz Borde",
            "Brüel Gabrielsson",
            "Choshen",
            "Ghassemi",
            "Yurochkin",
            "Solomon",
        ),
        2024,
    ),
    "2407.18158": Paper(("Lotfi", "Kuang", "Amos", "Goldblum", "Finzi", "Wilson"), 2024),
    "2502.09376": Paper(("Kim", "Kim", "Ryu"), 2025),
    "2506.14530": Paper(("Kratsios", "Cheng", "Lucchi", "Sáez de Ocáriz Borde"), 2025),
    "2605.03724": Paper(("Park",), 2026),
    "2606.13767": Paper(("Cadenhead", "McGee", "Li", "Bergou", "Dutta"), 2026),
}


def cited(text: str) -> Iterator[Paper]:
    """Give each known paper whose arXiv number stands in the text, once, in the order of the text."""
    for number in dict.fromkeys(ARXIV.findall(text)):
        if number in PAPERS:
            yield PAPERS[number]


def with_authors(text: str) -> str:
    """Return the text with the authors before each arXiv number, unless it names the first of them itself.

    "arXiv 2402.11867, Theorem 3.1" becomes "Jang, Lee, Ryu (2024), arXiv 2402.11867, Theorem 3.1".
    """
    for number in dict.fromkeys(ARXIV.findall(text)):
        paper = PAPERS.get(number)
        if paper is not None and paper.authors[0] not in text:
            text = re.sub(rf"(?:arXiv[: ])?\b{re.escape(number)}\b", rf"{paper.short}, \g<0>", text, count=1)
    return text
