"""The registered text data sets: sentences and pairs of GLUE."""

from collections.abc import Callable

from sims.data.dataset import DataSet, Labelled, TextPart
from sims.data.text import pairs_and_labels, sentences_and_labels

# GLUE's names first, then those of the sets on Hugging Face; the training part may come in two files
_SPLIT = ("train_part1.tsv.gz", "train_part2.tsv.gz")
_TRAIN = (("train.tsv",), ("train.tsv.gz",), _SPLIT)
_DEV = (("dev.tsv",), ("dev.tsv.gz",), ("validation.tsv",), ("validation.tsv.gz",))


def _pairs(content: bytes, name: str) -> Labelled:
    # the second of two files has no header
    return pairs_and_labels(content, name, header=not name.endswith(_SPLIT[1]))


def _parts(
    reader: Callable[[bytes, str], Labelled], train: tuple[int, str], dev: tuple[int, str]
) -> tuple[TextPart, ...]:
    return TextPart("train", *train, _TRAIN, reader), TextPart("dev", *dev, _DEV, reader)


def _where(folder: str, subset: str) -> str:
    part = f"`datasets.load_dataset('nyu-mll/glue', '{subset}')[part].to_csv(file, sep='\\t')`"
    return (
        f"get https://dl.fbaipublicfiles.com/glue/data/{folder}.zip and unpack it "
        f"(or write {folder}/train.tsv and {folder}/validation.tsv with {part})"
    )


TEXT = (
    DataSet(
        name="glue-sst2",
        title="SST-2 film reviews of GLUE, 67349 + 872 sentences, 2 classes (the 872 are GLUE's development part)",
        kind="text",
        licence="none stated (Socher and others 2013; free for research)",
        source="https://gluebenchmark.com/tasks",
        where=_where("SST-2", "sst2"),
        folders=("glue_sst2", "SST-2"),
        parts=_parts(
            sentences_and_labels,
            (67349, "adb8570598d5dcf40f2d4578863f4ba9166b657af4709f50be171e78fc814ede"),
            (872, "e37d768b7ab085086d3c1ae22f056b2e3e2caac7d8aaa1ef21cdb3d4e45c6f6d"),
        ),
    ),
    DataSet(
        name="glue-rte",
        title="RTE sentence pairs of GLUE, 2490 + 277 pairs, entailed or not (the 277 are GLUE's development part)",
        kind="text",
        licence="none stated (PASCAL RTE challenges, Dagan and others 2006; research use)",
        source="https://gluebenchmark.com/tasks",
        where=_where("RTE", "rte"),
        folders=("glue_rte", "RTE"),
        parts=_parts(
            _pairs,
            (2490, "220d2227e334a0741a028bf5d3d8b14777383ff6b086f5415a950950a76d6719"),
            (277, "37d0cee70baf00ce3afc4941a47a37118f0e86654b5791bf24be8b019531b085"),
        ),
    ),
)
