"""Writing a figure as PNG and PDF: the same record gives the same files."""

import io
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure

from paper_figs.style import column_style
from sims.files import write_atomic

DPI = 300


def save(figure: Figure, folder: str | PathLike[str], name: str) -> tuple[Path, Path]:
    """Return the paths of folder/name.png and folder/name.pdf, written without dates.

    Raises:
        BadInput: the folder cannot be made or written.
    """
    paths = Path(folder) / f"{name}.png", Path(folder) / f"{name}.pdf"
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}
    with column_style():
        for path in paths:
            kind = path.suffix.removeprefix(".")
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=DPI, metadata=metadata[kind])
            write_atomic(path, content.getvalue())
    return paths
