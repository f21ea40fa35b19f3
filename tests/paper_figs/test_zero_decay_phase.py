"""The phase diagram without weight decay: thresholds in the legend and at their places, marks of any panel named."""

import numpy as np
from matplotlib.patches import StepPatch

from paper_figs.gallery import GALLERY
from paper_figs.records import load_record

SPEC = GALLERY["zero_decay_phase"]


def test_the_three_conditions_are_named() -> None:
    figure = SPEC.draw(load_record(SPEC.experiment))
    labels = "\n".join(text.get_text() for text in figure.legends[0].get_texts())
    for part in (r"\max(m,n) \geq KN", r"r(m+n) - r^2 \geq KN", r"1.35\,KN"):
        assert part in labels


def test_steps_stand_where_the_conditions_end() -> None:
    record = load_record(SPEC.experiment)
    axes = SPEC.draw(record).axes[0]
    steps = [patch.get_data().values for patch in axes.patches if isinstance(patch, StepPatch)]
    sharp, interpolation, capacity = steps
    result = record["result"]
    np.testing.assert_array_equal(sharp, np.array(result["ranks"]) * result["side"] + 0.5)
    np.testing.assert_array_equal(interpolation, np.array(result["interpolation_count"]) + 0.5)
    np.testing.assert_array_equal(capacity, result["capacity_count"])


def test_undecided_starts_of_any_one_panel_are_in_the_legend() -> None:
    record = load_record(SPEC.experiment)
    for setting in record["result"]["counts"].values():
        for outcome in ("unaccepted", "unclear"):
            setting[outcome] = [[0] * len(row) for row in setting[outcome]]

    def named() -> bool:
        return any("undecided" in text.get_text() for text in SPEC.draw(record).legends[0].get_texts())

    assert not named()
    record["result"]["counts"]["exact_planted"]["unclear"][0][0] = 1
    assert named()


def test_the_record_shows_the_sharp_threshold() -> None:
    result = load_record(SPEC.experiment)["result"]
    spurious = np.array(result["counts"]["generic_planted"]["spurious"])
    beyond = np.array(result["measurements"])[None] > np.array(result["ranks"])[:, None] * result["side"]
    np.testing.assert_array_equal(spurious > 0, beyond)
