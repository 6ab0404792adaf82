"""Plot of the tutorial: binary crossentropy for one review.

pip install -e '.[docs]' && python docs/plots/crossentropy.py
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # writes files, and needs no screen

from matplotlib import pyplot as plt

OUTPUT = Path(__file__).parents[1] / "images" / "crossentropy.png"
# Colors of Okabe and Ito's palette, which color-blind people can distinguish.
BLUE, ORANGE = "#0072B2", "#D55E00"
MARKED = 0.8


def draw(output: Path) -> None:
    """Draw the plot, and write it to a PNG file.

    Args:
        output: The file, whose folder must exist.
    """
    p = np.linspace(0.002, 0.998, 499)
    loss = -np.log(MARKED)
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    axes.plot(p, -np.log(p), color=BLUE, linewidth=2, label="label 1: $-\\log(p)$")
    zero = {"color": ORANGE, "linestyle": "--", "label": "label 0: $-\\log(1-p)$"}
    axes.plot(p, -np.log(1 - p), linewidth=2, **zero)
    axes.plot(MARKED, loss, "o", color=BLUE, markersize=8)
    axes.annotate(f"({MARKED}, {loss:.4f})", (MARKED, loss), (MARKED + 0.01, loss + 0.15))
    axes.set(
        xlabel="predicted probability p of label 1",
        ylabel="binary crossentropy (natural logarithm)",
        xlim=(0, 1),
        ylim=(0, 5),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", frameon=False)
    figure.savefig(output, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the plot to the path that is given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT, help="the PNG file")
    draw(parser.parse_args(arguments).output)


if __name__ == "__main__":
    main()
