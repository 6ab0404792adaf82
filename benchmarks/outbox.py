"""Cost of queued writes while MLflow is unreachable.

    python benchmarks/outbox.py [--epochs 4000]

A run logs ten metrics for each epoch to a store that can't be reached, and all are delivered at the
end, to a store that takes them at once. The script prints the seconds of each half, and the bytes
that the process wrote (from /proc, Linux).
"""

import argparse
import tempfile
import time
from pathlib import Path

from mlflow.tracking import MlflowClient

from rnnexp.storage.outbox import Outbox


class Store(MlflowClient):
    """A client of a store that can be reached or not."""

    is_away = True
    taken = 0

    def log_batch(self, *_: object, **__: object) -> None:  # type: ignore[override]
        """Take metrics."""
        if self.is_away:
            raise ConnectionError("the server is gone")
        self.taken += 1


def written() -> int:
    """Return the number of bytes that this process has written."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=4000)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/mlflow.db")
        outbox = Outbox(store, "0" * 32, Path(folder, "mlflow.outbox"))
        start, before = time.perf_counter(), written()
        for epoch in range(options.epochs):
            metrics = {f"metric_{number}": epoch + number / 7 for number in range(10)}
            batch = {"kind": "batch", "metrics": metrics, "step": epoch, "time": epoch}
            outbox.send({**batch, "params": {}, "tags": {}})
        queued, bytes_queued = time.perf_counter(), written() - before
        store.is_away = False
        if not outbox.deliver() or store.taken != options.epochs:
            raise SystemExit(f"only {store.taken} of {options.epochs} epochs were delivered")
        delivered = time.perf_counter()
    print(f"{options.epochs} epochs, queued: {queued - start:.2f} s, {bytes_queued:,} bytes")
    print(f"{options.epochs} epochs, delivered: {delivered - queued:.2f} s")


if __name__ == "__main__":
    main()
