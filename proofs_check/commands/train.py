"""`lora-theory train`: LoRA runs on a benchmark, one for each seed, with a record of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofs_check.commands import _options, _output, _progress

if TYPE_CHECKING:
    from sims.records import RecordStore


def train(
    *,
    benchmark: str,
    adapter: str,
    rank: _options.Rank = None,
    seeds: _options.Seeds = "0:1",
    set: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=True, negative="")] = (),  # noqa: A002
    records: Path | None = None,
    fresh: Annotated[bool, Parameter(negative=())] = False,
    json: _options.Json = None,
) -> int:
    """Train an adapter on a benchmark, once for each seed.

    A configuration that has a record of this code is not run again; a run that was killed goes on with the seeds that
    have none. A seed's numbers are the same alone and together with others.

    Parameters
    ----------
    benchmark
        digits-mlp, mnist-mlp-{tiny,small,medium,large}, fashion-mlp-medium, text-classifier-{sst2,rte}.
    adapter
        full, rank0 (the head alone), lora, b-only, a-only.
    rank
        Rank of the adapter (not for full and rank0): up to the shorter side of every adapted matrix (d_out x d_in) for
        lora, up to its d_in for b-only, up to its d_out for a-only.
    seeds
        FIRST:END (END left out), or one seed, or a comma-separated list of these.
    set
        KEY=VALUE changes a setting, such as max_steps=100, lr=1e-3, samples=500, backbone=pretrained, dtype=float64,
        a_start=gaussian; "none" is no value. Give it once for each setting.
    records
        Folder of the records, one JSON file a run.
    fresh
        Run again what has a record.
    json
        Write JSON to this file; - prints it, and nothing else.
    """
    from proofs_check import compile_cache
    from sims.adapters.registry import FAMILIES
    from sims.errors import BadInput
    from sims.records import RecordStore
    from sims.training.config import resolve
    from sims.training.runs import train_seeds

    # finished runs are read back from their records, so these are inputs
    answer = _output.Answer(json, inputs=[] if records is None else sorted(records.glob("*.json")))
    chosen = _options.parse_seeds(seeds)
    if rank is None and adapter in FAMILIES and FAMILIES[adapter].ranked:
        raise BadInput(f"--rank is missing: the adapter {adapter} needs one; add --rank 8, say")
    settings = resolve(benchmark, adapter, 0 if rank is None else rank, overrides=parse_settings(set))
    store = None if records is None else RecordStore(_output.writable_folder(records, "--records"))
    compile_cache.enable()
    results: dict[int, dict[str, Any]] = {}
    try:
        with answer.working(), _progress.progress(len(chosen), "seed") as bar:
            for result in train_seeds(settings, chosen, store=store, fresh=fresh, after=bar.update):
                results[result["seed"]] = result
    except KeyboardInterrupt as stop:
        kept = [results[seed] for seed in chosen if seed in results]
        _output.tell_outdated(_reasons(store))
        answer.give(kept, _table(kept) if kept else "no seed finished")
        raise type(stop)(f"{len(kept)} of {len(chosen)} seeds finished, kept above") from None
    rows = [results[seed] for seed in chosen]
    _output.tell_outdated(_reasons(store))
    reused = f"\n{len(store.taken)} of {len(rows)} from records" if store is not None and store.taken else ""
    answer.give(rows, _table(rows) + reused)
    return 0


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Return the settings of KEY=VALUE words, spaces around either left out.

    Raises:
        BadInput: another form, several settings in one word, or a key given twice.
    """
    from sims.errors import BadInput

    found: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = (word.strip() for word in pair.partition("="))
        if not (key and sign and value):
            raise BadInput(f"--set {pair!r}: expected KEY=VALUE such as max_steps=100")
        if "=" in value.partition(",")[2]:
            raise BadInput(f"--set {pair!r}: expected one setting; give --set once for each, as in --set lr=1e-3")
        if key in found:
            raise BadInput(f"--set {key} is given twice: {found[key]} and {value}")
        found[key] = value
    return found


def _reasons(store: "RecordStore | None") -> list[str]:
    """Return why records were not taken."""
    return [] if store is None else [found.words for found in store.outdated.values()]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    titles = ("seed", "adapter", "rank", "trained", "of", "train", "test", "seconds", "benchmark")
    lines = [
        (
            str(row["seed"]),
            row["adapter"],
            str(row["rank"]),
            str(row["trainable"]),
            str(row["total"]),
            _share(row["train_metric"]),
            _share(row["test_metric"]) + (" (diverged)" if row["diverged"] else ""),
            f"{row['seconds']:.1f}",
            f"{row['benchmark']} ({row['backbone']} backbone, {row['metric']})",
        )
        for row in rows
    ]
    return _output.columns(titles, lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
