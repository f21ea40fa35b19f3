"""Tables beside figures: CSV that reads back to the same rows, LaTeX without a character that LaTeX would act on."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from paper_figs.gallery import FigureSpec
from paper_figs.tables import Table
from proofs_check.commands import _gallery

TABLE = Table(("adapter", "rank", "gap ±"), (("B_only & co, 50%", 4, 0.123456), ("full", None, -0.5)))


def test_csv_reads_back_to_all_digits() -> None:
    header, *rows = csv.reader(io.StringIO(TABLE.csv()))
    assert tuple(header) == TABLE.columns
    assert rows == [["B_only & co, 50%", "4", "0.123456"], ["full", "", "-0.5"]]


def test_latex_escapes_words_and_aligns_numbers() -> None:
    assert TABLE.latex().splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"adapter & rank & gap $\pm$ \\",
        r"\midrule",
        r"B\_only \& co, 50\% & 4 & 0.123 \\",
        r"full & -- & $-$0.500 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 cells, expected 2"):
        Table(("a", "b"), (("x",),))


def test_the_command_writes_the_table_beside_the_picture(tmp_path: Path) -> None:
    def draw(record: Mapping[str, Any]) -> Figure:
        return Figure(figsize=(1, 1))

    spec = FigureSpec("one", "One", lambda record: "A caption.", "some", draw, lambda record: TABLE)
    files = _gallery.draw(spec, {}, tmp_path)
    assert files["csv"].read_text(encoding="utf-8") == TABLE.csv()
    assert files["tex"].read_text(encoding="utf-8") == TABLE.latex()
    assert set(_gallery.draw(FigureSpec("two", "Two", lambda record: "A caption.", "some", draw), {}, tmp_path)) == {
        *("name", "title", "caption", "png", "pdf", "made", "stale")
    }
