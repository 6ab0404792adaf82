"""Growth of a worker's memory over many trials with models of different sizes.

    python benchmarks/memory.py [--trials 200] [--max-tasks 1000]

One worker trains tiny models. The script reads the worker's resident size from /proc (Linux).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = [
    "data.n_train=120", "data.n_test=40", "data.maxlen=8", "fit.epochs=1", "pruner=none",
    "model.embedding_size=choice(4,5,6,7,8)", "model.units=choice(4,5,6,7,8)",
    "hydra.sweeper.evaluate=null", "sampler=random",
]  # fmt: skip


def resident(parent: int) -> int:
    """Return the resident size of the largest child of a process, in MB."""
    sizes = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if lines.get("PPid", "").strip() == str(parent):
            sizes.append(int(lines.get("VmRSS", "0 kB").split()[0]) // 1024)
    return max(sizes)


def main() -> None:
    """Run a sweep, and print the worker's memory after every 20 trials."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--max-tasks", type=int, default=1000)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        sweep = subprocess.Popen(
            [
                sys.executable, ROOT / "sweep.py", "-m", *TINY, "hydra.sweeper.n_jobs=1",
                f"hydra.sweeper.n_trials={options.trials}", "hydra.sweeper.study_name=s",
                f"hydra.launcher.executor.max_tasks_per_worker={options.max_tasks}",
            ],
            cwd=name, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        shown = 0
        while sweep.poll() is None:
            done = len(list(Path(name, "multirun", "s").glob("[0-9]*")))
            if done >= shown:
                if done:
                    print(f"trial {done}: {resident(sweep.pid)} MB", flush=True)
                shown += 20
            time.sleep(0.2)
        sys.exit(sweep.returncode)


if __name__ == "__main__":
    main()
