"""`lora-theory data`: the data sets, where they come from, and whether they are what they should be."""

from pathlib import Path
from typing import Any

from cyclopts import App

from proofs_check.commands import _options, _output

data = App(
    name="data",
    help="List, fetch and verify the data sets: official source, licence, sha256.",
    help_epilogue="Example: lora-theory data get mnist",
)


@data.default
def listing(*, json: _options.Json = None) -> int:
    """List the data sets: name, status on this machine, licence, official source.

    Parameters
    ----------
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from sims.data import catalogue

    answer = _output.Answer(json)
    sets = [_described(name) for name in catalogue.CATALOGUE]
    lines = [(s["name"], s["kind"], s["status"], s["licence"], s["source"]) for s in sets]
    answer.give(sets, _output.columns(("name", "kind", "status", "licence", "source"), lines))
    return 0


data.command(listing, name="list")


@data.command
def get(*names: str, json: _options.Json = None) -> int:
    """Fetch data sets that are not on this machine, and check their sha256.

    Parameters
    ----------
    names
        Data sets, as `lora-theory data list` lists them.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from sims.data import catalogue
    from sims.errors import BadInput

    answer = _output.Answer(json, inputs=_files())
    if not names:
        raise BadInput(f"data get needs the names of data sets; expected some of {', '.join(catalogue.CATALOGUE)}")
    for name in names:
        catalogue.find(name)
    with answer.working():
        found = [{"name": name, "files": [str(path) for path in catalogue.get(name)]} for name in dict.fromkeys(names)]
    lines = [(str(item["name"]), "\n".join(item["files"]) or "embedded: nothing to fetch") for item in found]
    answer.give(found, "\n".join(f"{name}  {line}" for name, text in lines for line in text.splitlines()))
    return 0


@data.command
def verify(*, json: _options.Json = None) -> int:
    """Check the sha256 of every file that is on this machine; exit code 1 when one is damaged.

    Parameters
    ----------
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from sims.data import catalogue

    answer = _output.Answer(json, inputs=_files())
    found: list[dict[str, str]] = []
    with answer.working():
        for name in catalogue.CATALOGUE:
            files = [{"name": name, "file": file, "state": str(state)} for file, state in catalogue.verify(name)]
            found += files or [{"name": name, "file": "", "state": "embedded"}]
    lines = [(item["name"], item["state"], item["file"] or "-") for item in found]
    answer.give(found, _output.columns(("name", "state", "file"), lines))
    return 1 if any(item["state"].endswith(("differ", "differs")) for item in found) else 0


def _files() -> list[Path]:
    """Return the files of the data sets that are on this machine: none of them is an output."""
    from sims.data import catalogue, files

    located = (files.locate(data_set, file) for data_set in catalogue.CATALOGUE.values() for file in data_set.files)
    return [path for path in located if path is not None]


def _described(name: str) -> dict[str, Any]:
    """Return what the list says of a data set."""
    from sims.data import catalogue

    data_set = catalogue.CATALOGUE[name]
    return {
        "name": name,
        "title": data_set.title,
        "kind": data_set.kind,
        "status": catalogue.status(name),
        "licence": data_set.licence,
        "source": data_set.source,
        "files": [{"file": f.filename, "sha256": f.sha256, "bytes": f.bytes} for f in data_set.files]
        + [{"file": p.layouts[0][0], "rows": p.rows, "sha256 of rows": p.sha256} for p in data_set.parts],
    }
