"""Bad input of folds and repeats, each with one clear error."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from rnnexp.training.checks.fit import fit_problems
from tests.helpers.commands import ROOT


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["fit.folds=5"], None),
        (["fit.repeats=3"], None),
        (["fit.folds=2", "fit.refit=false"], None),
        (["fit.folds=2", "fit.refit=average"], None),
        (["fit.folds=2", "fit.refit=average",
          "callbacks.model_checkpoint.save_weights_only=true",
          "callbacks.model_checkpoint.filepath=best.weights.h5"],
         "callbacks.model_checkpoint.save_weights_only=true: the average of several models is"),
        (["fit.folds=2", "fit.groups=writer"], None),
        (["fit.folds=1"],
         "fit.folds=1: must be a whole number, at least 2, or null for one training"),
        (["fit.folds=2.5"], "fit.folds=2.5: must be a whole number"),
        (["fit.folds=many"], "fit.folds=many: must be a whole number"),
        (["fit.repeats=1"], "fit.repeats=1: must be a whole number, at least 2"),
        (["fit.folds=3", "fit.refit=yes"], "fit.refit=yes: must be one of true, false, average"),
        (["fit.groups=writer"],
         "fit.groups=writer: groups are for folds; give fit.folds, or null"),
        (["fit.folds=3", "fit.repeats=2"],
         "fit.folds and fit.repeats: each fold has a seed of its own"),
        (["fit.folds=3", "fit.validation_data=more.csv"],
         "fit.folds: each fold is validated on, not fit.validation_data=more.csv; remove one"),
        (["fit.folds=3", "fit.validation_split=null"], None),
        (["fit.folds=3", "fit.validation_split=0.3"],
         "fit.folds: each fold is validated on, not fit.validation_split=0.3; remove one"),
        (["fit.repeats=3", "fit.validation_split=0.3"], None),
        (["fit.repeats=3", "fit.validation_data=more.csv"], None),
        (["fit.folds=3", "fit.initial_epoch=2"],
         "fit.initial_epoch=2: with fit.folds, each training begins with new weights; remove one"),
        (["fit.repeats=3", "checkpoint=best.keras"],
         "checkpoint=best.keras: with fit.repeats, each training begins with new weights"),
        (["fit.folds=3", "pruner=hyperband"],
         "pruner.max_resource=100: with fit.folds a step is one training, not an epoch; give "
         "pruner.max_resource=3"),
        (["fit.folds=3", "pruner=hyperband", "pruner.max_resource=3"], None),
        (["fit.folds=3", "pruner=halving"], None),
        (["fit.repeats=3", "pruner=wilcoxon"],
         "pruner=WilcoxonPruner: with fit.repeats a trial reports the mean so far"),
    ],
)  # fmt: skip
def test_what_folds_and_repeats_can_not_be_had_with(
    overrides: list[str], problem: str | None
) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=overrides)
    with open_dict(config):  # as in the config of a job
        config.hydra = {"overrides": {"task": overrides}}
    found = fit_problems(config)
    if problem is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(problem)
