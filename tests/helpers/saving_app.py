"""An application without Keras that saves a checkpoint, and fails, dies or is pruned on demand.

With ``leave`` a job leaves a queued write, as if MLflow were unreachable when it ended. With
``away``, a number of seconds, the faulty server that the job logs to is away for as long.
"""

import json
import os
import signal
import time
from pathlib import Path

import hydra
import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import rnnexp
from rnnexp.storage.schema import Artifacts, Files, Tags
from tests.helpers.faulty_mlflow import FaultyServer


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    trial = rnnexp.current_trial()
    file = Path(HydraConfig.get().runtime.output_dir, "model", "best.fake")
    file.parent.mkdir(exist_ok=True)
    file.write_text(str(config.x))
    if config.x == config.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    trial.report(config.x, 0)
    if "away" in config:
        until = time.time() + config.away
        uri = HydraConfig.get().sweeper.tracking.uri
        FaultyServer(uri, file.parent).fail({"path": "/api/", "answer": 503, "until": until})
    if trial.run:
        trial.run.log_file(file, Artifacts.CHECKPOINT)
        trial.run.log_batch(tags={Tags.CHECKPOINT: f"{Artifacts.CHECKPOINT}/{file.name}"})
    if trial.run and "leave" in config:
        batch = {"kind": "batch", "metrics": {}, "params": {}, "tags": {"late": "yes"}}
        left = {
            "uri": config.leave,
            "run_id": trial.run.id,
            "entries": [batch | {"time": 0, "step": 0}],
        }
        file.with_name(f"left.{Files.OUTBOX}").write_text(json.dumps(left))
    if config.x == config.get("fail"):
        raise RuntimeError("as asked for")
    if config.x == config.get("prune"):
        raise optuna.TrialPruned
    return float(config.x)


if __name__ == "__main__":
    main()
