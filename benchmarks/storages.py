"""Cost of Optuna's storages: the calls of one trial in a study that has some trials already.

    python benchmarks/storages.py [--trials 20 1000] [--epochs 10]

For each storage, a study is filled with random trials. Then the calls of a sweep are timed, through
two storage objects as in two processes: the sweep calls ask and tell; the job loads the study,
reports each epoch and asks whether to prune the trial. The figures are milliseconds for each trial,
the median of 15.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

CONF = Path(__file__).parents[1] / "conf"
SPACE = {
    "learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
    "units": optuna.distributions.CategoricalDistribution((32, 64, 128)),
    "embedding_size": optuna.distributions.CategoricalDistribution((16, 32, 64)),
    "batch_size": optuna.distributions.CategoricalDistribution((32, 50, 64, 128)),
}


def storages(folder: Path) -> dict[str, Callable[[], BaseStorage]]:
    """Return for each storage, by name, a function that opens it."""
    return {
        "SQLite": lambda: get_storage(f"sqlite:///{folder}/optuna.db"),
        "journal file": lambda: JournalStorage(JournalFileBackend(f"{folder}/journal.log")),
    }


def fill(study: optuna.Study, trials: int, epochs: int) -> None:
    """Add random trials until the study has the given number."""
    rng = np.random.default_rng(len(study.get_trials(deepcopy=False)))
    sampler = optuna.samplers.RandomSampler(0)
    scratch = optuna.create_study(sampler=sampler)
    new = []
    for _ in range(trials - len(study.get_trials(deepcopy=False))):
        curve = {epoch: float(rng.random()) for epoch in range(epochs)}
        new.append(
            create_trial(
                value=min(curve.values()),
                params=scratch.ask(SPACE).params,
                distributions=SPACE,
                intermediate_values=curve,
            )
        )
    study.add_trials(new)


def one_trial(study: optuna.Study, job_storage: BaseStorage, epochs: int) -> dict[str, float]:
    """Run one more trial, and return the seconds of each step."""
    times = [time.perf_counter()]
    trial = study.ask(SPACE)
    times.append(time.perf_counter())
    pruner = instantiate(OmegaConf.load(CONF / "pruner" / "early_stopping.yaml"))
    loaded = optuna.load_study(study_name="s", storage=job_storage, pruner=pruner)
    trial_id = job_storage.get_trial_id_from_study_id_trial_number(
        job_storage.get_study_id_from_name("s"), trial.number
    )
    job = optuna.trial.Trial(loaded, trial_id)
    times.append(time.perf_counter())
    for epoch in range(epochs):
        job.report(1.0 / (epoch + 1), epoch)
        job.should_prune()
    times.append(time.perf_counter())
    study.tell(trial, 0.5)
    times.append(time.perf_counter())
    return dict(zip(("ask", "load", "report", "tell"), np.diff(times), strict=True))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 1000])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    print(f"| storage | trials | ask | load | {options.epochs} reports | tell | total |")
    print("|---|---|---|---|---|---|---|")
    for name in ("SQLite", "journal file"):
        with tempfile.TemporaryDirectory() as folder:
            opened = storages(Path(folder))[name]
            sampler = optuna.samplers.TPESampler(seed=0)
            study = optuna.create_study(study_name="s", storage=opened(), sampler=sampler)
            job_storage = opened()
            for trials in options.trials:
                fill(study, trials, options.epochs)
                runs = [one_trial(study, job_storage, options.epochs) for _ in range(15)]
                steps = {step: 1000 * float(np.median([r[step] for r in runs])) for step in runs[0]}
                cells = " | ".join(
                    f"{value:.0f}" for value in [*steps.values(), sum(steps.values())]
                )
                print(f"| {name} | {trials} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
