"""`lora-theory figures`: draw the figures from records; nothing is computed here."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _gallery, _options, _output, _progress


def figures(
    *names: str,
    out: Path = Path("figures"),
    listing: Annotated[bool, Parameter(name="--list", negative=())] = False,
    records: Path | None = None,
    json: _options.Json = None,
) -> int:
    """Draw figures as PNG and PDF from the committed records, or from the records of a run of your own.

    Parameters
    ----------
    names
        Figures to draw; all of them when none is given.
    out
        Folder for the files.
    listing
        List the figures instead of drawing them.
    records
        Folder of records, such as report/records; the committed ones when not given.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    gallery = _gallery.installed()
    specs = _gallery.chosen(gallery, names)
    drawn_from = records or gallery.records
    answer = _output.Answer(json, inputs=[drawn_from / f"{spec.experiment}.json" for spec in specs.values()])
    if listing:
        lines = [(spec.name, spec.experiment, spec.title) for spec in specs.values()]
        answer.give(
            [_described(spec, gallery) for spec in specs.values()],
            _output.columns(("name", "experiment", "title"), lines),
        )
        return 0
    loaded = {name: _gallery.record_of(spec, drawn_from) for name, spec in specs.items()}
    _output.writable_folder(out, "--out")
    drawn = []
    with answer.working(), _progress.progress(len(specs), "figure") as bar:
        for name, spec in specs.items():
            drawn.append(_described(spec, gallery) | _gallery.draw(spec, loaded[name], out))
            bar.update()
    for words in dict.fromkeys(item["stale"] for item in drawn if item["stale"]):
        named = ", ".join(item["name"] for item in drawn if item["stale"] == words)
        _output.say(f"records of {named}: {words}; lora-theory report makes its own again")
    rows = [(item["name"], str(item["png"]), str(item["pdf"]), item["title"]) for item in drawn]
    answer.give(drawn, _output.columns(("name", "PNG", "PDF", "title"), rows))
    return 0


def _described(spec: Any, gallery: _gallery.Gallery) -> dict[str, Any]:
    """Return what --list --json says of a figure; its caption with the numbers of the committed record."""
    from sims.errors import BadInput

    try:
        caption = _gallery.caption(spec, _gallery.record_of(spec, gallery.records))
    except BadInput:
        caption = ""
    return {"name": spec.name, "title": spec.title, "caption": caption, "experiment": spec.experiment}
