from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from rnnexp.identity import Identity, changed_files, differing, digests_of, identity_of
from tests.helpers.commands import ROOT

Composed = Callable[..., DictConfig]
AUC = "objective.monitor=val_auc"
ACCURACY = "objective.monitor=val_accuracy"
REGULARIZED = "+model.rnn.kernel_regularizer={_target_:keras.regularizers.L2,l2:0.1}"


@pytest.fixture
def composed() -> Composed:
    """Composes the real config, as it is."""

    def make(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return compose("config", overrides=[*overrides])

    return make


@pytest.fixture
def table(tmp_path: Path) -> list[str]:
    """Overrides for files of the user's own."""
    for name in ("train", "test", "validation"):
        (tmp_path / f"{name}.csv").write_text(f"text,label,w\na {name},0,1\nb {name},1,2\n")
    return ["data=table", *(f"data.{name}={tmp_path}/{name}.csv" for name in ("train", "test"))]


@pytest.mark.parametrize(
    ("usual", "overrides", "parts"),
    [
        # How the texts are encoded, and what a model is, change no row and no label.
        ([], ["data.maxlen=5"], []),
        ([], ["data.num_words=5"], []),
        ([], ["data.split=character"], []),
        ([], ["data.n_test=7"], []),
        ([], ["seed=1"], []),
        ([], ["model=lstm", "model.units=7", "fit.epochs=9", "fit.batch_size=7"], []),
        ([], ["compile.optimizer.learning_rate=1", "compile.metrics=[auc]"], []),
        ([], ["fit.class_weight=balanced"], []),  # which Keras gives to the training alone
        ([], ["fit.validation_freq=2"], []),
        # What the value is measured on.
        ([], ["data.n_train=121"], ["rows"]),
        ([], ["data.noise=0.1"], ["rows"]),
        ([], ["data=imdb"], ["rows"]),
        ([], ["data.seed=1"], ["validation"]),
        ([], ["fit.validation_split=0.3"], ["validation"]),
        ([], ["fit.folds=5"], ["validation"]),
        (["fit.folds=5"], ["fit.folds=4"], ["validation"]),
        (["fit.folds=5"], ["fit.validation_split=0.3", "fit.refit=false"], []),
        ([], ["fit.repeats=3"], ["validation"]),
        ([ACCURACY], ["data.seed=1"], ["validation"]),
        # The loss, however it is written.
        ([], ["+compile.loss.name=mine", "+compile.loss.label_smoothing=0.0"], []),
        ([], ["+compile.loss.from_logits=true"], []),
        ([], ["compile.loss=binary_crossentropy"], []),
        ([], ["compile.loss=bce"], []),
        (["compile=categorical"], ["compile=sparse_categorical"], []),
        ([], ["compile=regression"], ["loss"]),
        ([], ["compile=sparse_categorical"], ["loss"]),
        ([], ["compile.loss._target_=keras.losses.MeanSquaredError"], ["loss"]),
        ([], ["compile.loss=mse"], ["loss"]),
        ([], ["+compile.loss.label_smoothing=0.1"], ["loss"]),
        ([], ["compile.loss._target_=own.loss"], ["loss"]),
        ([], ["compile.loss_weights=[0.5]"], ["loss"]),
        ([], ["fit.sample_weight=w"], ["weights"]),
        ([], [REGULARIZED], ["penalty"]),
        (["objective.monitor=loss"], ["fit.class_weight=balanced"], ["weights"]),
        # A metric does not depend on the loss, on weights or on regularizers.
        ([ACCURACY], ["compile.loss=mse"], []),
        ([ACCURACY], ["compile=categorical"], []),
        ([ACCURACY], ["fit.sample_weight=w"], []),
        ([ACCURACY], [REGULARIZED], []),
        ([ACCURACY], ["compile.metrics=[accuracy,auc]"], []),
        ([AUC], ["compile.metrics=[{_target_:keras.metrics.AUC,curve:PR}]"], ["metric"]),
        ([AUC], ["compile.metrics=[{_target_:keras.metrics.AUC,curve:ROC}]"], ["metric"]),
        ([AUC], ["compile.metrics=[{_target_:keras.metrics.AUC}]"], []),
        ([AUC, "compile.metrics=[]", "compile.weighted_metrics=[auc]"], ["fit.sample_weight=w"],
         ["weights"]),
        ([], [ACCURACY], ["objective", "loss", "metric"]),
    ],
)  # fmt: skip
def test_what_makes_values_incomparable(
    composed: Composed, usual: list[str], overrides: list[str], parts: list[str]
) -> None:
    one = identity_of(composed("compile.metrics=[accuracy,auc]", *usual))
    other = identity_of(composed("compile.metrics=[accuracy,auc]", *usual, *overrides))
    assert [name for name in vars(one) if getattr(one, name) != getattr(other, name)] == parts


def test_the_files_of_a_table(composed: Composed, table: list[str], tmp_path: Path) -> None:
    usual = identity_of(composed(*table))
    assert identity_of(composed(*table, "data.text=w")) == usual
    assert identity_of(composed(*table, "data.label=w")).rows != usual.rows
    own = [*table, f"fit.validation_data={tmp_path}/validation.csv"]
    with_file = identity_of(composed(*own))
    assert with_file.validation == "a file of its own"
    assert identity_of(composed(*own, "data.seed=5", "fit.validation_split=0.4")) == with_file
    before = digests_of(composed(*own, f"+model.embedding_file={tmp_path}/test.csv"))
    (tmp_path / "train.csv").write_text("text,label\na,0\nb,1\nc,1\n")
    # Of the same validation part, though another part is trained on.
    assert identity_of(composed(*own)) == with_file
    assert identity_of(composed(*table)).rows != usual.rows
    (change,) = changed_files(before, digests_of(composed(*own)))
    assert change.startswith(f"data.train={tmp_path}/train.csv had 37 bytes, sha256 ")
    assert ", now it has 23 bytes, sha256 " in change
    (tmp_path / "validation.csv").write_text("text,label\na,0\n")
    two = changed_files(before, digests_of(composed(*own)))
    assert [text.partition("=")[0] for text in two] == ["data.train", "data.validation"]
    assert set(before) == {
        "data.train", "data.test", "data.validation", "fit.validation_data", "model.embedding_file",
    }  # fmt: skip


def test_it_is_read_as_it_was_written(composed: Composed) -> None:
    identity = identity_of(composed())
    assert Identity.parse(str(identity)) == identity


def test_a_long_part_is_cut_and_still_differs(composed: Composed) -> None:
    def with_thresholds(last: int) -> Identity:
        thresholds = ",".join(str(n / 1000) for n in [*range(300), last])
        metric = f"{{_target_:keras.metrics.AUC,thresholds:[{thresholds}]}}"
        return identity_of(composed(AUC, f"compile.metrics=[{metric}]"))

    one = with_thresholds(500)
    assert len(str(one)) < 1000
    assert one == with_thresholds(500)
    assert one != with_thresholds(501)


def test_differences_are_said() -> None:
    one = Identity("min val_loss", loss="binary_crossentropy", validation="a file of its own")
    other = Identity("min val_loss", loss="mean_squared_error", validation="a file of its own")
    assert one.differences(other, "the champion's", "this one's") == [
        "the champion's loss is binary_crossentropy, this one's is mean_squared_error"
    ]
    assert differing({"a": one, "b": one}) == []
    assert differing({"a": one, "b": other, "c": one}) == [
        "their losses differ (a, c: binary_crossentropy, b: mean_squared_error)"
    ]
    assert differing({"a": one, "b": None})[0] == (
        "their objectives differ (a: min val_loss, b: unknown)"
    )
