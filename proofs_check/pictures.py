"""Figures as the report's page shows them: the picture inside the page, its files beside it."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

_CSS_PIXELS = 96 / 0.0254  # a metre
_FILES = {"pdf": "PDF", "csv": "table as CSV", "tex": "table as LaTeX"}


def shown(out: Path, figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a figure: the picture as a data address, its sizes, relative links to its files.

    Width and height are in pixels of the picture, the design width is in CSS pixels (96 an inch). Raises OSError when
    the picture cannot be read.
    """
    name = str(figure["name"])
    picture = Path(figure.get("png") or out / "figures" / f"{name}.png").read_bytes()
    beside = {label: Path(figure.get(kind) or out / "figures" / f"{name}.{kind}") for kind, label in _FILES.items()}
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))  # in a PNG's first chunk
    return {
        "name": name,
        "title": figure.get("title") or name,
        "caption": figure.get("caption") or "",
        "source": "data:image/png;base64," + base64.b64encode(picture).decode("ascii"),
        "width": width,  # with the height it keeps the page from jumping while the picture is decoded
        "height": height,
        "design_width": design_width(picture),
        "files": {
            label: quote(Path(os.path.relpath(path, out)).as_posix()) for label, path in beside.items() if path.exists()
        },
    }


def design_width(picture: bytes) -> int:
    """Return the width in CSS pixels at which a PNG was designed: letters have their size in points there.

    That is its width in pixels when the file does not say how many make a metre.
    """
    width = int.from_bytes(picture[16:20], "big")
    at = picture.find(b"pHYs", 0, picture.find(b"IDAT"))  # pixels a metre: across, down, and whether metres are meant
    across = int.from_bytes(picture[at + 4 : at + 8], "big") if at >= 0 and picture[at + 12] == 1 else 0
    return round(width / across * _CSS_PIXELS) if across else width
