"""Seconds and memory of encoding reviews that are not in the cache yet.

    python benchmarks/encoding.py [--reviews 25000 250000] [--file reviews.csv.gz]

Each number of reviews is written to a CSV file: made up of words with the frequencies of English,
as long as IMDB's reviews (172 words in the median, 229 on average), one in ten with letters beyond
ASCII. A tenth as many are in the test file. A process with an empty cache encodes both. With
``--file``, the process encodes that file, whose columns are ``text`` and ``label``, as both parts.

The seconds are those of `rnnexp.data.load`; where other processes run, compare the CPU seconds. The
memory is the largest sum, over the process and its
children, of resident memory, looked at every 20 ms.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

LOAD = """
import sys, time
from omegaconf import OmegaConf
from rnnexp import data
config = OmegaConf.create({
    "_target_": "rnnexp.data.table.Table", "train": sys.argv[1], "test": sys.argv[2],
    "text": "text", "label": "label", "num_words": 10000, "maxlen": 200, "split": "whitespace",
    "seed": 0, "validation_split": 0.2,
})
start, begun = time.perf_counter(), time.process_time()
dataset = data.load(config)
took = time.perf_counter() - start
print(f"{took:.1f} {time.process_time() - begun:.1f} {dataset.folder.name}")
"""
WORDS = 300_000


def write(file: Path, reviews: int, rng: np.random.Generator) -> None:
    """Write made-up reviews and their labels to a CSV file."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    chosen = rng.geometric(0.12, (WORDS, 14)) % 26
    lengths = 1 + rng.binomial(13, 0.45, WORDS)
    words = ["".join(letters[row[:n]]) for row, n in zip(chosen, lengths, strict=True)]
    shares = np.cumsum(1 / (np.arange(WORDS) + 2.7) ** 1.1)
    sizes = np.minimum(rng.lognormal(np.log(172), 0.75, reviews).astype(int) + 4, 2459)
    with file.open("w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for number, size in enumerate(sizes):
            ranks = np.searchsorted(shares, rng.random(size) * shares[-1])
            text = ". ".join(
                " ".join(words[rank] for rank in ranks[start : start + 14]).capitalize()
                for start in range(0, size, 14)
            )
            accent = " d\u00e9j\u00e0 vu" * (number % 10 == 0)
            stream.write(f'"{text}{accent}, it\'s ""so""!",{number % 2}\n')


def measure(train: Path, test: Path) -> str:
    """Encode two files in a process, and return a row of the table."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        process = subprocess.Popen(
            [sys.executable, "-c", LOAD, str(train), str(test)],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        peak = 0
        while process.poll() is None:
            try:
                main = psutil.Process(process.pid)
                tree = [main, *main.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in tree))
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.02)
        seconds, cpu, folder = process.communicate()[0].split()
    return f"| {seconds} | {cpu} | {peak / 2**20:.0f} | {folder} |"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reviews", type=int, nargs="+", default=[25_000, 250_000])
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()

    print("| reviews | seconds | CPU seconds | MB | folder |\n|---|---|---|---|---|")
    if options.file:
        print(f"| {options.file.name} {measure(options.file, options.file)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train.csv"), Path(folder, "test.csv")
        for reviews in options.reviews:
            rng = np.random.default_rng(0)
            write(train, reviews, rng)
            write(test, reviews // 10, rng)
            print(f"| {reviews:,} {measure(train, test)}", flush=True)


if __name__ == "__main__":
    main()
