"""The gallery of figures: a plug-in, because it sits above this package in the layers."""

import importlib
import io
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
    from sims.records import read_record

    path = folder / f"{spec.experiment}.json"
    if not path.is_file():
        raise BadInput(
            f"figure {spec.name}: no record {path}; lora-theory report makes records, --records DIR says where they are"
        )
    try:
        record = read_record(path)
    except BadInput as error:
        raise BadInput(f"figure {spec.name}: {error}") from None
    if record.experiment != spec.experiment:
        raise BadInput(f"figure {spec.name}: {path} is no record of {spec.experiment!r}; make it again")
    return record.model_dump()


def caption(spec: Any, record: Mapping[str, Any]) -> str:
    """Return what to print with the figure of this record: what it shows, the data drawn, and whether it still holds.

    A spec's own caption may depend on the record, for the numbers in it.
    """
    from sims.standing import standing

    told = [spec.caption(record) if callable(spec.caption) else spec.caption]
    environment = record.get("environment") or {}
    asked = (record.get("result") or {}).get("data")
    if drawn := environment.get("data") or ([asked] if asked else []):
        told.append(f"Data: {', '.join(drawn)}.")
    settings = record.get("config") or {}
    if settings.get("level"):
        told.append(f"Record of level {settings['level']}, seed {settings.get('seed', 0)}.")
    if words := standing(environment).words:
        told.append(f"This record was {words}.")
    return " ".join(told)


def draw(spec: Any, record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return name, title, caption, the paths of the PNG and the PDF that were drawn into the folder, what made it.

    A figure with a table also has paths csv and tex. A record of other code is drawn with a mark across the figure.
    """
    from sims.files import write_atomic
    from sims.standing import standing

    importlib.import_module("matplotlib").use("agg")  # files only: works without a display
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure = spec.draw(record)
    found = standing(record.get("environment") or {})
    if found.code != "same":
        _mark(figure, found.words)
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
    told = {"name": spec.name, "title": spec.title, "caption": caption(spec, record)}
    return {**told, **paths, "made": record.get("environment") or {}, "stale": found.words}


def _mark(figure: Any, words: str) -> None:
    """Write across the figure that its numbers are not those of this code."""
    figure.text(
        *(0.5, 0.5, words),
        fontsize=5.0 * figure.get_figwidth(),
        color="#D55E00",
        alpha=0.35,
        rotation=30,
        horizontalalignment="center",
        verticalalignment="center",
        zorder=10,
    )
