"""Idle time of workers with trials of different lengths, here and with Hydra's own sweeper.

    python benchmarks/workers.py [--trials 60] [--n-jobs 2]

The same search, with jobs of 1 to 5 seconds, runs on `hydra/launcher=workers`, and on
hydra-optuna-sweeper 1.4.0rc3 with the joblib launcher, which the script installs in a virtual
environment. "Idle" is the share of the workers' time without a job, between the start of the first
job and the end of the last job.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

JOB = Path(__file__).with_name("uneven.py")
PEER = ("hydra-core==1.4.0rc3", "hydra-optuna-sweeper==1.4.0rc3", "hydra-joblib-launcher==1.4.0rc3")
OURS = (
    "hydra/sweeper=rnnexp", "hydra/launcher=workers",
    "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler", "+hydra.sweeper.sampler.seed=1",
)  # fmt: skip
THEIRS = (
    "hydra/sweeper=optuna", "hydra/launcher=joblib", "hydra/sweeper/sampler=random",
    "hydra.sweeper.sampler.seed=1", "hydra.sweeper.direction=minimize",
)  # fmt: skip


def peer(folder: Path) -> Path:
    """Make a virtual environment with Hydra's own sweeper, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


def idle(python: Path | str, overrides: tuple[str, ...], trials: int, n_jobs: int) -> str:
    """Run a search, and return the cells of its row in the table."""
    with tempfile.TemporaryDirectory() as name:
        files = Path(name, "times")
        files.mkdir()
        began = time.perf_counter()
        subprocess.run(
            [
                python, JOB, "-m", *overrides, f"times={files}", "seconds=interval(1,5)",
                f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.n_jobs={n_jobs}",
            ],
            cwd=name, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        whole = time.perf_counter() - began
        times = [tuple(map(float, file.read_text().split())) for file in files.iterdir()]
    busy = sum(end - begin for begin, end in times)
    wall = max(end for _, end in times) - min(begin for begin, _ in times)
    share = 1 - busy / (n_jobs * wall)
    return f"{len(times)} | {busy:.0f} s | {wall:.0f} s | {share:.1%} | {whole:.0f} s"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()

    print("| sweeper, launcher | jobs | work | first to last | idle | command |")
    print("|---|---|---|---|---|---|")
    ours = idle(sys.executable, OURS, options.trials, options.n_jobs)
    print(f"| rnnexp, workers | {ours} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        theirs = idle(peer(Path(folder)), THEIRS, options.trials, options.n_jobs)
    print(f"| hydra-optuna-sweeper 1.4.0rc3, joblib | {theirs} |")


if __name__ == "__main__":
    main()
