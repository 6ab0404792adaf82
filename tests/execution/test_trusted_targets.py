"""What an archived config may name without ``--trust``."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from rnnexp.execution.trusted_targets import OUTPUT_DIR, is_trusted, untrusted
from tests.helpers.commands import ROOT

CALLBACK = {"_target_": "keras.callbacks.CSVLogger"}


@pytest.mark.parametrize(
    ("target", "trusted"),
    [
        ("keras.layers.LSTM", True),
        ("keras.optimizers.Adam", True),
        ("keras.optimizers.schedules.CosineDecay", True),
        ("keras.initializers.GlorotUniform", True),
        ("keras.activations.relu", True),
        ("keras.losses.binary_crossentropy", True),
        ("optuna.samplers.TPESampler", True),
        ("optuna.pruners.NopPruner", True),
        ("rnnexp.EarlyStoppingPruner", True),
        ("pandas.read_pickle", False),
        ("os.system", False),
        ("builtins.eval", False),
        ("eval", False),
        ("", False),
        (None, False),
        (7, False),
        ("subprocess.run", False),
        ("hydra.utils.get_object", False),
        ("hydra.utils.get_method", False),
        ("hydra.utils.call", False),
        ("keras.layers.Lambda", False),
        ("keras.layers.Lambda.from_config", False),
        ("keras.layers.Dense.from_config", False),
        ("keras.layers.TFSMLayer", False),
        ("keras.layers.TorchModuleWrapper", False),
        ("keras.layers.deserialize", False),
        ("keras.layers.__builtins__", False),
        ("keras.layers.__loader__.load_module", False),
        ("keras.layers._x", False),
        ("keras.losses.get", False),
        ("keras.src.layers.Dense", False),
        ("keras.src.utils.file_utils.get_file", False),
        ("keras.utils.get_file", False),
        ("keras.models.load_model", False),
        ("keras.saving.load_model", False),
        ("keras.config.enable_unsafe_deserialization", False),
        ("keras.callbacks.LambdaCallback", False),
        ("keras.callbacks.RemoteMonitor", False),
        ("keras.datasets.imdb.load_data", False),
        ("keras.layers.Dense ", False),
        ("keras.layers..Dense", False),
        ("keras.layers.Dense\n", False),
        ("keras.layers.\uff2cambda", False),  # a full-width L
        ("tensorflow.keras.layers.Dense", False),
        ("optuna.samplers._tpe.sampler.os.system", False),
        ("rnnexp.training.schedules.get_method", False),
        ("rnnexp.serving.publish.publish", False),
        ("rnnexp.execution.executors.WorkerExecutor", False),
    ],
)  # fmt: skip
def test_targets(target: object, trusted: bool) -> None:
    assert is_trusted(target) is trusted


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"data": {"_target_": "pandas.read_pickle", "filepath_or_buffer": "x"}},
         ["data._target_=pandas.read_pickle"]),
        ({"a": [{"b": {"_target_": "os.system"}}]}, ["a.0.b._target_=os.system"]),
        ({"a": {"_target_": "keras.layers.Dense", "_args_": [{"_target_": "os.system"}]}},
         ["a._args_.0._target_=os.system"]),
        ({"a": {"_target_": "builtins.eval", "_partial_": True}}, ["a._target_=builtins.eval"]),
        ({"a": {"_target_": "keras.layers.Dense", "_recursive_": False,
                "b": {"_target_": "os.system"}}}, ["a.b._target_=os.system"]),
        ({"x": "os", "y": "system", "a": {"_target_": "${x}.${y}"}}, ["a._target_=os.system"]),
        ({"x": {"y": "os.system"}, "a": {"_target_": "${x.y}"}}, ["a._target_=os.system"]),
        ({"x": "keras.layers.GRU", "a": {"_target_": "${x}"}}, []),
        ({"x": {"_target_": "os.system"}, "a": "${x}"},
         ["x._target_=os.system", "a._target_=os.system"]),
        ({"a": {"_target_": {"b": 1}}}, ["a._target_={'b': 1}"]),
        ({"a": {"_target_": "hydra.utils.get_object", "path": "os.system"}},
         ["a._target_=hydra.utils.get_object"]),
        ({"model": {"function": "own.model"}}, ["model.function=own.model"]),
        ({"model": {"function": "antigravity"}}, ["model.function=antigravity"]),
        ({"a": {"_target_": "rnnexp.training.schedules.learning_rate_scheduler",
                "schedule": "os.system"}}, ["a.schedule=os.system"]),
        ({"a": {"_target_": "rnnexp.training.schedules.learning_rate_scheduler",
                "schedule": "cosine"}}, []),
        ({"a": {"_target_": "rnnexp.training.schedules.learning_rate_scheduler",
                "_args_": ["os.system"]}}, ["a._args_=['os.system'], arguments without a name"]),
        ({"a": {"_target_": "keras.layers.Dense", "activation":
                {"class_name": "function", "module": "os", "config": "system"}}},
         ["a.activation.class_name=function, an object that Keras reads from its config"]),
        ({"optimizer": {"class_name": "Adam", "module": "keras.optimizers", "config": {}}}, []),
        ({"a": "${oc.env:SECRET}"}, ["a=${oc.env:SECRET}, which reads this machine"]),
        ({"a": "${ oc.env : SECRET }"}, ["a=${ oc.env : SECRET }, which reads this machine"]),
        ({"a": ["x/${oc.env:SECRET,none}"]},
         ["a.0=x/${oc.env:SECRET,none}, which reads this machine"]),
        ({"a": {"_target_": "${oc.env:TARGET}"}},
         ["a._target_=${oc.env:TARGET}, which reads this machine", "a._target_=${oc.env:TARGET}"]),
        ({"r": "oc.env", "a": "${${r}:HOME}"}, ["a=${${r}:HOME}, which reads this machine"]),
        ({"a": "${oc.create:{_target_: os.system}}"},
         ["a=${oc.create:{_target_: os.system}}, which reads this machine"]),
        ({"a": "${hydra:runtime.cwd}/x"}, ["a=${hydra:runtime.cwd}/x, which reads this machine"]),
        ({"a": {**CALLBACK, "filename": f"{OUTPUT_DIR}/epochs.csv"}}, []),
        ({"a": {**CALLBACK, "filename": "/home/me/.bashrc"}},
         ["a.filename=/home/me/.bashrc, which is outside of the job's folder"]),
        ({"a": {**CALLBACK, "filename": "sweep.py"}},
         ["a.filename=sweep.py, which is outside of the job's folder"]),
        ({"a": {**CALLBACK, "filename": f"{OUTPUT_DIR}/../../.bashrc"}},
         ["a.filename={folder}/../../.bashrc, which is outside of the job's folder"]),
        ({"a": {**CALLBACK, "filename": f"{OUTPUT_DIR}x/y"}},
         ["a.filename={folder}x/y, which is outside of the job's folder"]),
        ({"a": {**CALLBACK, "_args_": ["/home/me/.bashrc"]}},
         ["a._args_=['/home/me/.bashrc'], arguments without a name"]),
    ],
)  # fmt: skip
def test_configs(config: dict[str, Any], found: list[str]) -> None:
    assert untrusted(OmegaConf.create(config)) == found


def test_nothing_is_resolved_while_anything_reads_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TARGET", "keras.layers.Dense")
    assert "keras.layers.Dense" not in str(
        untrusted(OmegaConf.create({"a": {"_target_": "${oc.env:TARGET}"}, "b": "${a}"}))
    )


def test_an_endless_config_is_not_trusted() -> None:
    (found,) = untrusted(OmegaConf.create({"a": "${b}", "b": "${a}"}))
    assert "can't be resolved" in found


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*/*.yaml")), ids=lambda f: f.stem)
def test_the_projects_own_configs_are_trusted(file: Path) -> None:
    node: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    targets = [line for line in file.read_text().splitlines() if "_target_:" in line]
    for line in targets:
        target = line.partition("_target_:")[2].strip()
        if target == "rnnexp.search.hub_sampler.hub_sampler":  # which runs somebody's package
            assert not is_trusted(target)
            continue
        assert is_trusted(target) or target == "${model.layer}", target
    if isinstance(node, dict) and node.get("function") == "???":
        assert untrusted(OmegaConf.create(node)) == ["function=???"]
