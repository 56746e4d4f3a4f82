"""Whether legends cover what is drawn."""

import numpy as np


def assert_legends_are_clear(figure):
    """No point of a line, a bar or a band lies lower than the upper edge of its panel's legend."""
    figure.draw_without_rendering()
    for axis in (axis for axis in figure.axes if axis.get_legend()):
        drawn = [line.get_xydata() for line in axis.lines if line.get_transform() == axis.transData]
        drawn += [path.vertices for found in axis.collections for path in found.get_paths()]
        lowest = axis.transData.transform(np.concatenate(drawn))[:, 1].min()
        assert lowest > axis.get_legend().get_window_extent().y1 - 0.5  # pixels
