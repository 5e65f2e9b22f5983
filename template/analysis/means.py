"""The example: the mean of ten million normal draws, for each of 40 elements, on all workers.

All of it, and a taste:

    make run
    make run ARGS="--elements 8 --draws 1e5"
"""

import argparse
import csv
import functools
import math
import os
import platform
import time
from collections import Counter
from pathlib import Path

import kubefuture as kf
import numpy as np

MOST_PLACES = 12
"""So many workers are listed at the end."""


def mean_of_draws(element: int, draws: int) -> tuple[float, float, str]:
    """The work of one element: this function runs on the workers.

    It draws from NumPy's global generator, which `kf.map(..., seed=...)` seeds anew for every
    element: the numbers depend on the seed and the element, not on how many workers there are.

    Returns:
        The mean of the draws, the seconds of processor time that this took, and where it ran.
    """
    started = time.process_time()
    mean = np.random.normal(size=draws).mean()
    return float(mean), time.process_time() - started, where_am_i()


def where_am_i() -> str:
    """The worker that runs this, and, on a cluster, the node that it is on."""
    name, node = platform.node(), os.environ.get("KUBEFUTURE_NODE")
    return f"{name} on {node}" if node else f"process {os.getpid()} on {name}"


def compute(elements: int, draws: int, seed: int) -> list[tuple[float, float, str]]:
    """Computes all elements, each where a worker is free, and returns their results in order."""
    return kf.map(functools.partial(mean_of_draws, draws=draws), range(elements), seed=seed)


def write_table(means: list[float], path: Path) -> None:
    """Writes one line an element."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["element", "mean"])
        writer.writerows(enumerate(means))


def draw_picture(means: list[float], draws: int, path: Path) -> None:
    """Draws the means, and the band in which 95 of 100 of them should lie."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    expected = 1.96 / math.sqrt(draws)
    axes.axhspan(-expected, expected, color="#dbe7f3", label="95 of 100 are expected here")
    axes.axhline(0, color="#7a8ca3", linewidth=1)
    axes.plot(means, "o", color="#1f5a94", markersize=5, label="mean of one element")
    axes.set_title(f"Means of {draws:,} normal draws", loc="left", pad=14)
    axes.set_xlabel("element")
    axes.set_ylabel("mean")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=150)


def count(text: str) -> int:
    """Reads a whole number of at least 1, also when it is written as 1e7."""
    number = float(text)
    if number < 1 or not number.is_integer():
        raise ValueError
    return int(number)


def main(arguments: list[str] | None = None, outputs: Path = Path("outputs")) -> None:
    """Computes, writes the results to the outputs folder, and says what it did."""
    parser = argparse.ArgumentParser(description="The mean of many normal draws, for each element.")
    parser.add_argument("--elements", type=count, default=40, help="how many means (40)")
    parser.add_argument("--draws", type=count, default=10_000_000, help="draws in each (1e7)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other draws (1)")
    options = parser.parse_args(arguments)

    started = time.perf_counter()
    results = compute(options.elements, options.draws, options.seed)
    seconds = time.perf_counter() - started
    means = [mean for mean, _, _ in results]
    one_core = sum(cpu for _, cpu, _ in results)
    places = Counter(place for _, _, place in results)

    outputs.mkdir(exist_ok=True)
    write_table(means, outputs / "means.csv")
    draw_picture(means, options.draws, outputs / "means.png")

    print(f"Elements: {len(means)}, each the mean of {options.draws:,} draws, seed {options.seed}")
    print(f"Workers:  {kf.n_workers()}")
    for place, number in sorted(places.items())[:MOST_PLACES]:
        print(f"          {place}: {number} {'element' if number == 1 else 'elements'}")
    if len(places) > MOST_PLACES:
        print(f"          and {len(places) - MOST_PLACES} more")
    print(f"Time:     {seconds:.1f} s, for {one_core:.1f} s of work on one core")
    note = "" if one_core >= 1 else ", as starting takes longer than so little work"
    print(f"Speed-up: {one_core / seconds:.2f} over one core{note}")
    print(f"Results:  {outputs / 'means.csv'}, {outputs / 'means.png'}")


if __name__ == "__main__":
    main()
