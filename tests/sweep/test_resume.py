"""A study goes on only on the data, and under the name, that it began with."""

import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from rnnexp.storage.schema import StudyAttrs
from rnnexp.sweep.heartbeat import GRACE_PERIOD
from rnnexp.sweep.resume import sharing_problems
from tests.helpers.commands import EAGER, Command, Ended

SWEEP = (
    "-m", "hydra.sweeper.params=null", "model.units=choice(3,4)", "hydra.sweeper.study_name=s",
    "fit.epochs=1", EAGER,
)  # fmt: skip
RESUME = (*SWEEP, "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2")


def data(folder: Path) -> list[str]:
    """Return overrides for the user's own files, and a callback that appends to one of them."""
    append = f"_target_:tests.helpers.failing.AppendAtEnd,file:{folder}/train.csv,rows:'new,1\n'"
    return [
        "data=table", "data.train=train.csv", "data.test=test.csv", "data.maxlen=8",
        "model.embedding_size=4", f"+callbacks.append={{{append}}}",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def began(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A sweep of two trials, after whose first another program appends to the training file."""
    folder = tmp_path_factory.mktemp("folder")
    rows = "".join(f"{'good' if n % 2 else 'bad'} film {n},{n % 2}\n" for n in range(40))
    for name in ("train", "test"):
        (folder / f"{name}.csv").write_text(f"text,label\n{rows}")
    return command(*SWEEP, *data(folder), "hydra.sweeper.n_trials=2", tiny=False, path=folder)


def test_a_file_that_changes_while_a_sweep_runs(began: Ended) -> None:
    _, first, second = began.runs()
    assert (first.data.tags["state"], second.data.tags["state"]) == ("COMPLETE", "FAIL")
    reason = second.data.tags["reason"]
    assert f"data.train={began.path}/train.csv had 5" in reason
    assert ", now it has 5" in reason
    # Nor is the best trial evaluated with other data, which have another vocabulary.
    assert began.code == 1
    assert "the end of the sweep failed: evaluate: NotFoundError: " in began.err
    changed = f"the data of run {first.info.run_id} have changed since it was trained: "
    assert f"{changed}the fingerprint was {first.data.tags['data']}, now it is " in began.err
    assert not [name for name in began.runs()[0].data.metrics if name.startswith("test_")]


def test_a_resume_on_other_data_is_refused(command: Command, began: Ended) -> None:
    before = began.files()
    ended = command(*RESUME, *data(began.path), tiny=False, path=began.path)
    assert ended.code == 1
    assert "hydra.sweeper.resume=s: the study is another one: data.train=" in ended.err
    assert " had 5" in ended.err and ", now it has 5" in ended.err
    assert "1 problem in the input" in ended.err
    assert began.files() == before


@pytest.mark.slow
def test_another_name_of_the_model_is_refused(command: Command, tmp_path: Path) -> None:
    first = command(*SWEEP, "hydra.sweeper.n_trials=1", path=tmp_path)
    assert first.code == 0, first.err
    ended = command(*RESUME, "hydra.sweeper.registered_model_name=other", path=tmp_path)
    assert ended.code == 1
    assert "hydra.sweeper.registered_model_name was s, now it is other" in ended.err
    resumed = command(*RESUME, path=tmp_path)
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(
    ("storage", "uri", "silence", "refused"),
    [
        ("sqlite:////a/optuna.db", "http://host:5000", 1.0, ["hydra.sweeper.storage=sqlite:///"]),
        ("postgresql://u@host/db", "sqlite:////a/mlflow.db", 1.0, ["tracking.uri=sqlite:///"]),
        (
            "postgresql://u@host/db",
            "/a/mlruns",
            1.0,
            ["tracking.uri=/a/mlruns: a sweep on b works"],
        ),
        ("postgresql://u@host/db", "http://host:5000", 1.0, []),
        ("sqlite:////a/optuna.db", "/a/mlruns", GRACE_PERIOD + 1, []),  # the sweep there is dead
    ],
)
def test_machines_share_no_files(
    storage: str, uri: str, silence: float, refused: list[str]
) -> None:
    study = optuna.create_study()
    beat = {"host": "b", "boot": 1.0, "pid": 1, "started": 2.0, "time": time.time() - silence}
    study.set_user_attr(f"{StudyAttrs.HEARTBEAT}other", beat)
    settings = SimpleNamespace(
        storage=storage, given_storage=storage, tracker=lambda: SimpleNamespace(uri=uri)
    )
    found = sharing_problems(settings, study)  # type: ignore[arg-type]
    assert len(found) == len(refused)
    assert all(map(str.startswith, found, refused))
