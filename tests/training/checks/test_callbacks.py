"""Which checkpoint callbacks keep the best epoch's model; nothing is trained."""

from collections.abc import Callable

import keras
import pytest
from omegaconf import DictConfig

from rnnexp.objective import settle_mode
from rnnexp.training.checks.callbacks import callback_problems

CHECKPOINT = "callbacks.model_checkpoint"
EACH = f"{CHECKPOINT}.save_best_only=false"
SECOND = (
    "+callbacks.second={_target_:rnnexp.training.callbacks.ModelCheckpoint,filepath:second.keras,"
    "%s}"
)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ([], None),
        (["objective.monitor=val_accuracy"], None),
        ([f"{CHECKPOINT}.mode=auto"], None),
        ([f"{CHECKPOINT}.filepath='{{epoch}}-{{val_loss:.1f}}.keras'"], None),
        ([EACH, f"{CHECKPOINT}.filepath='{{epoch:02d}}.keras'"], None),
        ([EACH, f"{CHECKPOINT}.filepath='{{epoch}}.keras'", f"{CHECKPOINT}.monitor=loss"], None),
        ([EACH, "fit.epochs=1"], None),
        (["callbacks=[early_stopping]"], None),
        ([EACH], "model_checkpoint.save_best_only=false: later epochs would be saved over the"),
        ([EACH, f"{CHECKPOINT}.filepath='{{val_loss:.2f}}.keras'"], "put {epoch} into the file's"),
        ([EACH, f"{CHECKPOINT}.filepath='{{epoch}}/best.keras'"], "put {epoch} into the file's"),
        ([EACH, "fit.epochs=20", f"{CHECKPOINT}.filepath='{{epoch:.0e}}.keras'"], "put {epoch}"),
        ([f"{CHECKPOINT}.monitor=val_accuracy", f"{CHECKPOINT}.mode=max"],
         "model_checkpoint.monitor=val_accuracy with mode=max would not keep the best epoch's "
         "model by val_loss, which is evaluated and published (min val_loss); leave both out"),
        ([f"{CHECKPOINT}.monitor=loss"], "monitor=loss with mode=min would not keep"),
        ([f"{CHECKPOINT}.mode=max"], "monitor=val_loss with mode=max would not keep"),
        ([f"+{CHECKPOINT}.save_freq=10"], "model_checkpoint.save_freq=10: must be epoch"),
        ([f"+{CHECKPOINT}.initial_value_threshold=0.3"], "initial_value_threshold=0.3: a trial"),
        ([f"{CHECKPOINT}._target_=keras.callbacks.ModelCheckpoint"],
         "callbacks.model_checkpoint: a ModelCheckpoint of Keras doesn't find the best epoch's"),
        # Next to a callback that keeps the best epoch's model, another one may do as it likes.
        ([SECOND % "monitor:val_accuracy,mode:max,save_best_only:true"], None),
        ([SECOND % "save_best_only:false"], None),
        ([SECOND % "save_freq:10"], None),
        ([EACH, SECOND % "save_best_only:true,monitor:val_loss"], None),
        ([EACH, SECOND % "save_best_only:false"], "callbacks.second.save_best_only=false"),
        ([SECOND % "save_best_only:true", f"{CHECKPOINT}.filepath=there/second.keras"],
         "callbacks.second.filepath=second.keras: another callback saves to a file of this name"),
        (["callbacks.early_stopping.mode=auto"], None),
        (["callbacks.early_stopping.monitor=val_accuracy", "callbacks.early_stopping.mode=max"],
         None),
        (["callbacks.early_stopping.monitor=val_accuracy"],  # with the mode of val_loss
         "callbacks.early_stopping.mode=min, but more val_accuracy is better; give callbacks"),
        ([f"{CHECKPOINT}.mode=max"], "model_checkpoint.mode=max, but less val_loss is better"),
        (["callbacks.early_stopping.mode=auto", "callbacks.early_stopping.monitor=val_quality"],
         "callbacks.early_stopping.mode=auto: whether less or more val_quality is better is"),
    ],
)  # fmt: skip
def test_the_best_epochs_model_is_kept(
    composed: Callable[..., DictConfig], overrides: list[str], problem: str | None
) -> None:
    config = composed(*overrides)
    settle_mode(config)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile()
    names = ["accuracy", "loss", "quality"]
    found = [text for text in callback_problems(config, model, names) if "written" not in text]
    assert [bool(problem and problem in text) for text in found].count(True) == bool(problem), found
    assert bool(found) == bool(problem), found
