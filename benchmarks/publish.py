"""What it costs to log and register a study's best model: `python benchmarks/publish.py`.

Trains the tutorial's model for an epoch, in a folder that is thrown away, then publishes its run
a few times under as many names, as a sweep does at its end. Of each it shows the seconds that
saving the model's folder takes, and those that MLflow takes beside: the logged model, the copy of
its files, the version, the alias. The first has the imports in it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow.models import Model

from rnnexp.serving.packing import dataset_of, pack
from rnnexp.serving.publish import publish_run
from rnnexp.storage.run_reader import RunReader

SWEEP = Path(__file__).parents[1] / "sweep.py"
TIMES = 10


def main() -> None:
    """Train, publish, and print the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sweep = [sys.executable, str(SWEEP), "-m", "fit.epochs=1", "hydra.sweeper.n_trials=1"]
        quiet = ["hydra.sweeper.publish=null", "hydra.sweeper.study_name=s"]
        subprocess.run([*sweep, *quiet], check=True, capture_output=True)
        reader = RunReader(None)
        parent, run = reader.study("s"), reader.run("s/0")
        config, run_id = reader.config(run), run.info.run_id
        print("saving  publishing  beyond saving   (seconds)")
        beyond = []
        for number in range(TIMES):
            start = time.perf_counter()
            dataset = dataset_of(config, run_id, run.data.tags.get("data"))
            pack(config, dataset, run_id, reader.store, Path(f"model-{number}"), Model())
            saving = time.perf_counter() - start
            start = time.perf_counter()
            publish_run(reader.store, config, run_id, parent.info.run_id, f"name-{number}")
            publishing = time.perf_counter() - start
            beyond.append(publishing - saving)
            print(f"{saving:6.2f}  {publishing:10.2f}  {beyond[-1]:13.2f}")
            for model in reader.client.search_logged_models([run.info.experiment_id]):
                reader.client.set_logged_model_tags(model.model_id, {"run": "another"})
        print(f"median beyond saving: {statistics.median(beyond):.2f} s")


if __name__ == "__main__":
    main()
