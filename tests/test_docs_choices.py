"""The rows of docs/choices.md are true: their commands run, their keys and tests exist."""

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import keras
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from rnnexp import data
from rnnexp.training.model import build
from tests.helpers.commands import EAGER, ROOT, TINY, Command
from tests.helpers.docs import arguments_of

ROW = re.compile(r"\| .+ \| `(.+?)` \| `python sweep\.py (.+)` \| `(\S+)::(\S+)` \|")
TEXT = (ROOT / "docs" / "choices.md").read_text(encoding="utf-8")
ROWS = [match.groups() for match in map(ROW.fullmatch, TEXT.splitlines()) if match]
NAMES = """
compile=binary compile=categorical compile=sparse_categorical compile=regression
model=simple_rnn model=lstm model=gru model=bidirectional model=stacked model=own
data.task=binary data.task=classes data.task=regression
early_stopping model_checkpoint reduce_lr_on_plateau learning_rate_scheduler tensorboard
csv_logger terminate_on_nan loss_weights metrics weighted_metrics batch_size epochs verbose
validation_split validation_data shuffle class_weight sample_weight initial_epoch
validation_batch_size validation_freq backend=jax dropout recurrent_dropout mask_zero embedding_file
hydra.sweeper.on_end hydra.sweeper.core_hours hydra.sweeper.dry_run
objective.others objective.tolerance constraints sweeps=objectives
fit.folds fit.groups fit.repeats fit.refit sweeps=folds
bucketing data.columns data.encoding data.separator
sampler=tpe sampler=random sampler=qmc sampler=bruteforce sweeps=grid sampler=nsgaii sampler=gp
sampler=cmaes sampler=auto sampler=hub
"""
TABLE = "text,label,weight\n" + "".join(
    f"a good film {n},1,1\na bad film {n},0,2\n" for n in range(20)
)
SAMPLER = "from optuna.samplers import RandomSampler as Lowest\n"
VECTORS = "the 1 2 3 4\nwas 0.5 0.5 0.5 0.5\n"


def test_every_row_was_read_and_every_name_has_one() -> None:
    assert len(ROWS) == TEXT.count("| `python sweep.py ")
    for name in NAMES.split():
        assert re.search(rf"\b{re.escape(name)}\b", TEXT), name


@pytest.mark.parametrize(("key", "command", "file", "test"), ROWS)
def test_key_and_test_exist(
    composed: Callable[..., DictConfig], key: str, command: str, file: str, test: str
) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {test}(" in source
    if not key.startswith("hydra."):
        groups = [text for text in shlex.split(command) if re.match(r"(model|callbacks)=", text)]
        config = composed(*(text for text in groups if "choice" not in text))
        if "data=table" in command:
            config.data = OmegaConf.load(ROOT / "conf" / "data" / "table.yaml")
        parent, _, name = key.rpartition(".")
        assert name in (OmegaConf.select(config, parent) if parent else config)


@pytest.mark.slow
# A command on JAX needs a process of its own; see tests/test_jax.py.
@pytest.mark.parametrize("arguments", [row[1] for row in ROWS if "backend=jax" not in row[1]])
def test_a_command(
    command: Command,
    composed: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
) -> None:
    if "sampler=gp" in arguments:
        pytest.importorskip("torch", reason="the extra gp is not installed, since it is large")
    if "sampler=auto" in arguments:
        pytest.skip("a package would have to be fetched from OptunaHub")
    given = arguments_of(f"python sweep.py {arguments}")
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    for name in ("train.csv", "test.csv", "validation.csv"):
        (tmp_path / name).write_text(TABLE)
    (tmp_path / "plain.txt").write_text(TABLE.partition("\n")[2].replace(",", "\t"))
    pd.read_csv(io.StringIO(TABLE)).to_json(tmp_path / "train.jsonl", orient="records", lines=True)
    (tmp_path / "vectors.txt").write_text(VECTORS)
    package = tmp_path / "registry" / "samplers" / "lowest"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SAMPLER)
    if "best.keras" in arguments:
        config = composed()
        keras.utils.set_random_seed(0)
        model = build(config, data.load(config.data))
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "best.keras")
    tiny = [text for text in TINY if text.split("=")[0] not in {g.split("=")[0] for g in given}]
    if "data=table" in given:
        tiny = [text for text in tiny if not text.startswith("data.n_")]
    few = ["hydra.sweeper.n_trials=2"] if "-m" in given else []
    ended = command(*given, *tiny, *few, EAGER, path=tmp_path, tiny=False)
    assert ended.code == 0, ended.err
    if "hydra.sweeper.dry_run=true" in given:
        assert not (tmp_path / "mlflow.db").exists()
        return
    runs = ended.runs()
    assert runs
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}  # KILLED: pruned
