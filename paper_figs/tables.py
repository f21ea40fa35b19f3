"""Tables beside figures: the same rows as CSV, for reading back, and as LaTeX, for the paper."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "φ": r"$\varphi$",
    "Δ": r"$\Delta$",
}


@dataclass(frozen=True)
class Table:
    """Column names and rows of words, numbers and gaps (None). ``digits`` is the precision of floats in LaTeX."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: int = 3

    def __post_init__(self) -> None:
        """Raise ValueError for a row of another length than the columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"row {row} has {len(row)} cells, expected {len(self.columns)}: one for each column")

    def csv(self) -> str:
        """Return a header and one line a row, floats to all digits, gaps empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return out.getvalue()

    def latex(self) -> str:
        """Return a tabular environment (package booktabs), columns of numbers flush right."""
        numeric = [all(not isinstance(row[j], str) for row in self.rows) for j in range(len(self.columns))]
        lines = [
            rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
            r"\toprule",
            self._line(self.columns),
            r"\midrule",
            *(self._line(row) for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def _line(self, cells: Sequence[Cell]) -> str:
        return " & ".join(self._cell(cell) for cell in cells) + r" \\"

    def _cell(self, cell: Cell) -> str:
        if cell is None:
            return "--"
        if isinstance(cell, float):
            return f"{cell:.{self.digits}f}" if cell >= 0 else f"$-${-cell:.{self.digits}f}"
        return "".join(_SPECIAL.get(letter, letter) for letter in str(cell))
