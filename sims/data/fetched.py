"""Data sets of images in the IDX format, whose files lie on this machine or are fetched."""

import gzip
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from sims.data.dataset import DataFile, DataSet, Raw


def idx_array(compressed: bytes) -> UInt8[np.ndarray, "..."]:
    """Return the array in a gzipped IDX file of unsigned bytes.

    The format: two zero bytes, the type code 8, the number of axes, each length as a big-endian 32-bit integer, data.
    """
    content = gzip.decompress(compressed)
    axes = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=axes, offset=4).astype(np.int64)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def _images(contents: Mapping[str, bytes]) -> Raw:
    def part(prefix: str) -> tuple[UInt8[np.ndarray, "n d"], UInt8[np.ndarray, " n"]]:
        images = idx_array(contents[f"{prefix}-images-idx3-ubyte.gz"])
        return images.reshape(len(images), -1), idx_array(contents[f"{prefix}-labels-idx1-ubyte.gz"])

    (x, y), (x_test, y_test) = part("train"), part("t10k")
    return Raw(x=x, y=y, x_test=x_test, y_test=y_test, maximum=255.0)


FETCHED = (
    DataSet(
        name="mnist",
        title="MNIST handwritten digits, 60000 + 10000 images of 28 x 28, 10 classes",
        kind="classification",
        licence="CC BY-SA 3.0 (as commonly stated)",
        source="http://yann.lecun.com/exdb/mnist/",
        # The official page hands out the files no longer; these are the mirrors of CVDF and of PyTorch.
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        files=(
            DataFile(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                9912422,
            ),
            DataFile(
                "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881
            ),
            DataFile(
                "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877
            ),
            DataFile(
                "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542
            ),
        ),
        loader=_images,
    ),
    DataSet(
        name="fashion-mnist",
        title="Fashion-MNIST articles of clothing, 60000 + 10000 images of 28 x 28, 10 classes",
        kind="classification",
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist",
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        files=(
            DataFile(
                "train-images-idx3-ubyte.gz",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                26421880,
            ),
            DataFile(
                "train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515
            ),
            DataFile(
                "t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102
            ),
            DataFile(
                "t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148
            ),
        ),
        loader=_images,
    ),
)
