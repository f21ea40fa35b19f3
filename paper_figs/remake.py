"""Remakes the committed records: python -m paper_figs.remake [NAME...] [--level quick] [--seed 0] [--data digits].

With --keep DIR the finished arms of a long experiment stay there: the same command, killed and repeated, goes on. With
--stale only what other code made is made again, each record with its own level, seed and data.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

from paper_figs.records import COMMITTED
from proofs_check.evidence import Level
from proofs_check.execute import made_by, run_experiment
from proofs_check.experiments import EXPERIMENTS
from proofs_check.experiments.kept import keeping
from sims.errors import BadInput
from sims.platform import check_platform
from sims.records import RecordStore, read_record, write_record
from sims.standing import standing


def remake(name: str, level: Level, seed: int, data: str) -> None:
    """Run one experiment and write its record into the package; raises BadInput for an unknown name or level."""
    record = run_experiment(name, level, seed, data)
    # the numbers do not depend on which kernel the machine runs, and a committed file should not tell
    kept = {key: value for key, value in record.environment.items() if key != "platform"}
    write_record(COMMITTED / f"{name}.json", record.model_copy(update={"environment": kept}))


def of_this_code(name: str) -> bool:
    """Return whether the committed record is of this code with these versions of the libraries; say so if it is not."""
    try:
        words = standing(read_record(COMMITTED / f"{name}.json").environment, made_by(name)).words
    except BadInput as error:
        words = str(error)
    if words:
        sys.stderr.write(f"{name}: {words}\n")
    return not words


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 after one line about what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m paper_figs.remake", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; default: all")
    parser.add_argument("--level", default="quick", choices=("smoke", "quick", "full"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--stale", action="store_true", help="only what other code made, with its own settings")
    parser.add_argument("--keep", metavar="DIR", help="folder for finished parts")
    chosen = parser.parse_args(arguments)
    try:
        check_platform()
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name in chosen.names or EXPERIMENTS:
        started = time.perf_counter()
        try:
            settings = {"level": chosen.level, "seed": chosen.seed, "data": chosen.data}
            if chosen.stale and name in EXPERIMENTS:
                if of_this_code(name):
                    continue
                made = read_record(COMMITTED / f"{name}.json").config
                settings = {key: made[key] for key in settings}
            with keeping(RecordStore(chosen.keep)) if chosen.keep else nullcontext():
                remake(name, **settings)
        except BadInput as error:
            sys.stderr.write(f"{error}\n")
            return 2
        sys.stderr.write(f"{name}: {time.perf_counter() - started:.1f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
