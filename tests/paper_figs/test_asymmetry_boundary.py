"""The map of where B-only fits better: colours are what was measured, lines are the zeros of what they are named."""

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from scipy.interpolate import RegularGridInterpolator

from paper_figs.asymmetry_boundary import draw_asymmetry_boundary
from paper_figs.records import load_record
from tests.checks import close
from tests.tolerances import SIX_DECIMALS


@pytest.fixture(scope="module")
def drawn() -> tuple[dict, list]:
    """The result of the committed record, and the heat maps of its figure in the order of the panels."""
    record = load_record("asymmetry_boundary")
    figure = draw_asymmetry_boundary(record)
    maps = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("$\\sigma_k")]
    assert len(maps) == len(record["result"]["panels"])
    return record["result"], maps


def test_the_lines_are_the_zeros_of_theta_r_solid_and_of_theta_dashed(drawn: tuple[dict, list]) -> None:
    result, maps = drawn
    x = np.array([np.log2(d_out / d_in) for d_out, d_in in result["shapes"]])
    seen = 0
    for axes, panel in zip(maps, result["panels"], strict=True):
        lines = [found for found in axes.collections if isinstance(found, QuadContourSet)]
        assert [bool(line.get_linestyle()[0][1]) for line in lines] == [False, True]  # dashes
        for line, name in zip(lines, ("log_theta_r", "log_theta"), strict=True):
            value = RegularGridInterpolator((result["alignments"], x), np.array(panel[name]))
            for path in line.get_paths():
                # vertices lie on the edges of the grid, where the interpolation is the contour's own
                seen += len(path.vertices)
                assert np.abs(value(path.vertices[:, ::-1])).max() <= SIX_DECIMALS
    assert seen > 4 * len(maps)


def test_colours_are_the_measured_numbers_and_titles_count_the_wrong_signs_of_decided_cells(
    drawn: tuple[dict, list],
) -> None:
    result, maps = drawn
    for axes, panel in zip(maps, result["panels"], strict=True):
        (image,) = [found for found in axes.collections if not isinstance(found, QuadContourSet)]
        close(np.asarray(image.get_array()).ravel(), np.ravel(panel["measured"]))
    titles = [axes.get_title(loc="left") for axes in maps[0].figure.figure.axes]
    decided = np.concatenate([np.ravel(panel["decided"]) for panel in result["panels"]])
    measured = np.concatenate([np.ravel(panel["measured"]) for panel in result["panels"]])
    for name in ("log_theta_r", "log_theta"):
        predicted = np.concatenate([np.ravel(panel[name]) for panel in result["panels"]])
        wrong = int(np.sum((np.sign(predicted) * np.sign(measured) < 0) & decided))
        assert f"wrong: {wrong} of {decided.sum()}" in titles
