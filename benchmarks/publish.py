"""Cost of logging and registering a study's best model.

    python benchmarks/publish.py

The tutorial's model is trained for one epoch in a temporary folder. Then its run is published ten
times under as many names, as at the end of a sweep. For each time, the script prints the seconds to
save the model's folder, and the seconds that MLflow needs beyond that: for the logged model, the
copy of its files, the version and the alias. The first row includes imports.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow.models import Model

from rnnexp.library_defaults import set_library_defaults
from rnnexp.serving.packing import dataset_of, pack
from rnnexp.serving.publish import publish_run
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import ModelTags

SWEEP = Path(__file__).parents[1] / "sweep.py"
TIMES = 10


def main() -> None:
    """Train, publish, and print the seconds."""
    set_library_defaults()
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
            dataset = dataset_of(config, run_id, run.data.tags)
            pack(config, dataset, run_id, reader.store, Path(f"model-{number}"), Model())
            saving = time.perf_counter() - start
            start = time.perf_counter()
            publish_run(reader.store, config, run_id, parent.info.run_id, f"name-{number}")
            publishing = time.perf_counter() - start
            beyond.append(publishing - saving)
            print(f"{saving:6.2f}  {publishing:10.2f}  {beyond[-1]:13.2f}")
            # Else the model of this run would be found, and not be logged again.
            for model in reader.client.search_logged_models([run.info.experiment_id]):
                reader.client.set_logged_model_tags(model.model_id, {ModelTags.RUN: "another"})
        print(f"median beyond saving: {statistics.median(beyond):.2f} s")


if __name__ == "__main__":
    main()
