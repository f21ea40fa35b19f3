"""The gallery of figures: a plug-in, because it sits above this package in the layers."""

import importlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

GROUP = "lora_theory.gallery"


@dataclass(frozen=True)
class Gallery:
    """The figures by name, and the folder of the committed records that they are drawn from."""

    figures: Mapping[str, Any]
    records: Path


def installed() -> Gallery:
    """Return the figures of every installed plug-in; raises BadInput when there is none."""
    from sims.errors import BadInput

    figures: dict[str, Any] = {}
    records = Path()
    for point in entry_points(group=GROUP):
        figures |= _loaded(point)
        records = Path(str(files(point.module.partition(".")[0]))) / "records"
    if not figures:
        raise BadInput("no figures are installed (package paper_figs); install lora-theory again (make setup)")
    return Gallery(figures, records)


def _loaded(point: EntryPoint) -> Mapping[str, Any]:
    """Return the figures of one plug-in; an empty mapping when its module is not there."""
    try:
        return point.load()
    except ModuleNotFoundError as error:
        if error.name is not None and point.module.startswith(error.name):
            return {}
        raise


def chosen(gallery: Gallery, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the named figures, all of them when no name is given; raises BadInput with close matches."""
    from sims.errors import BadInput
    from sims.names import did_you_mean

    for name in names:
        if name not in gallery.figures:
            hint = did_you_mean(name, gallery.figures) or f"; expected one of {', '.join(gallery.figures)}"
            raise BadInput(f"unknown figure {name!r}{hint}; see lora-theory figures --list")
    return {name: gallery.figures[name] for name in (dict.fromkeys(names) or gallery.figures)}


def record_of(spec: Any, folder: Path) -> dict[str, Any]:
    """Return the record that a figure is drawn from; raises BadInput when it is missing or of another experiment."""
    from sims.errors import BadInput

    path = folder / f"{spec.experiment}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            f"figure {spec.name}: no record {path} ({error.strerror}); "
            "lora-theory report makes records, --records DIR says where they are"
        ) from None
    except ValueError as error:
        raise BadInput(f"figure {spec.name}: record {path} is no JSON ({error}); make it again") from None
    if not isinstance(record, dict) or record.get("experiment") != spec.experiment or "result" not in record:
        raise BadInput(f"figure {spec.name}: {path} is no record of {spec.experiment!r}; make it again")
    return record


def draw(spec: Any, record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return name, title, caption and the paths of the PNG and the PDF that were drawn into the folder.

    A figure with a table also has paths csv and tex.
    """
    from sims.files import write_atomic

    importlib.import_module("matplotlib").use("agg")  # files only: works without a display
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure = spec.draw(record)
    paths = {kind: folder / f"{spec.name}.{kind}" for kind in ("png", "pdf")}
    for kind, path in paths.items():
        content = io.BytesIO()
        # No date inside, so that the same record gives the same file.
        with pyplot.rc_context({"pdf.fonttype": 42}):  # TrueType: text in the PDF stays text
            metadata = {"CreationDate": None, "Producer": None} if kind == "pdf" else {"Software": None}
            figure.savefig(content, format=kind, dpi=200, metadata=metadata)
        figure.set_layout_engine("none")  # laid out once: the PDF has the picture's layout, and takes half the time
        write_atomic(path, content.getvalue())
    pyplot.close(figure)
    for kind, text in spec.table_files(record).items():
        paths[kind] = folder / f"{spec.name}.{kind}"
        write_atomic(paths[kind], text)
    return {"name": spec.name, "title": spec.title, "caption": spec.caption, **paths}
