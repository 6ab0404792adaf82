"""Bad input ends before trial 0: every problem in one message, exit code 1, nothing left behind."""

from pathlib import Path

import pytest

from tests.helpers.commands import Command, Ended

THREE = "text,label\ngood film,a\nbad film,b\nso so,c\ngood one,a\nbad one,b\n"


def assert_refused(ended: Ended, *problems: str) -> None:
    assert ended.code == 1
    noun = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    assert f"{noun} in the input, nothing was started:" in ended.err
    for problem in problems:
        assert problem in ended.err
    assert "Traceback" not in ended.err
    left = {name for name in ended.files() if not name.endswith(".csv")}
    assert left <= {"outputs"}  # Hydra's own folder of a single run


def test_all_problems_are_in_one_message(command: Command) -> None:
    ended = command(
        "-m",
        "model.unitz=choice(32,64)",
        "fit.batch_size=choice(0,32)",
        "objective.monitor=val_acc",
        "fit.validation_split=1.5",
        "compile.optimizer.learning_rate=tag(log,interval(0,1))",
        "model.units=range(3,3)",
        "hydra.sweeper.n_trials=0",
        "hydra.sweeper.storage=sqlite:///nowhere/optuna.db",
        "tracking.uri=http://127.0.0.1:9",
    )
    assert_refused(
        ended,
        "model.unitz is not in the config: model has embedding_size, embedding_file, "
        "embedding_trainable, mask_zero, units, dropout, recurrent_dropout, unroll, input_dim, "
        "output_dim, output_activation, network, rnn; did you mean units?",
        "fit.batch_size=0: must be a whole number, at least 1",
        "objective.monitor=val_acc: no metric has this name; there are accuracy, loss, "
        "val_accuracy, val_loss",
        "fit.validation_split=1.5: must be a number between 0 and 1, both excluded, such as 0.2",
        "must begin above 0",
        "the range is empty",
        "hydra.sweeper.n_trials=0: must be a whole number, at least 1",
        "nowhere/optuna.db can't be written: No such file or directory",
        "tracking.uri: http://127.0.0.1:9 can't be reached: Connection refused",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fit.validation_split=0.0"], "fit.validation_split=0.0: must be a number between"),
        (["fit.validation_split=0.999"], "of 120 training reviews leaves none to train on"),
        (["deterministic=maybe"], "deterministic=maybe: must be true or false"),
        (["deterministic=choice(true,false)"], "deterministic is searched: a process that is"),
        (["backend=jaxx"], "backend=jaxx: must be tensorflow or jax; did you mean jax?"),
        (["backend=choice(tensorflow,jax)"], "backend is searched: a process keeps its backend"),
        (["fit.epochs=0"], "fit.epochs=0: must be a whole number"),
        (["~fit.epochs"], "fit.epochs is not in the config"),
        (["~compile.loss"], "compile.loss is not in the config"),
        (["fit.batch_size=1.5"], "fit.batch_size=1.5: must be a whole number"),
        (["data.maxlen=0"], "data.maxlen=0: must be a whole number"),
        (["data.noise=0.7"], "data.noise=0.7: must be a number from 0, below 0.5"),
        (["data=table", "~data.maxlen"], "data"),
        (["model=choice(simple_rnn,foo)"], "Could not find 'model/foo' Available options"),
        (["model.units=choice(-1,4)"], "expected a positive integer, got -1"),
        (["compile.loss=binary_crosentropy"], "did you mean binary_crossentropy"),
        (["compile.optimizer=sgdd"], "keras.optimizers has no sgdd; did you mean SGD"),
        (["callbacks.model_checkpoint.save_weights_only=true"], "must end in `.weights.h5`"),
        (["fit.class_weight=balanced", "data.task=regression", "compile=regression"],
         "data.task=regression has no classes"),
        (["fit.class_weight=balanced", "fit.sample_weight=w"], "Keras takes one of them"),
        (["fit.initial_epoch=2"], "fit.initial_epoch=2: must be a whole number from 0, below"),
        (["compile.optimizer.learning_rate={_target_:keras.optimizers.schedules.CosineDecay,"
          "initial_learning_rate:nan,decay_steps:5}", "hydra.sweeper.params=null",
          "model.units=choice(2,4)"], "the schedule gives nan at step 0 of "),
        (["callbacks=[learning_rate_scheduler]",
          "callbacks.learning_rate_scheduler.schedule=linear"], "must be one of exponential"),
        (["data.task=regression"], "use compile=regression"),
        (["model.embedding_file=none.txt"], "model.embedding_file=none.txt: there is no such file"),
        (["sampler._target_=optuna.samplers.NoSampler"], "hydra.sweeper.sampler: "),
        (["pruner=none", "pruner._target_=builtins.dict"], "{} is not an Optuna pruner"),
        (["objective.mode=up"], "objective.mode=up: must be one of auto, min, max"),
        (["objective.mode=max"], "objective.mode=max, but less val_loss is better; give "),
        (["objective.monitor=val_accuracy", "objective.mode=min"], "but more val_accuracy is"),
        (["hydra.sweeper.direction=maximize"], "hydra.sweeper.direction=maximize, but less "),
        (["objective.monitor=val_tp", "compile.metrics=[{_target_:keras.metrics.TruePositives,"
          "name:tp}]"], "whether less or more is better is unknown; give objective.mode="),
        # Searches whose trials could not be compared.
        (["compile.loss._target_=choice(keras.losses.BinaryCrossentropy,"
          "keras.losses.MeanSquaredError)"],
         "compile.loss._target_=keras.losses.MeanSquaredError: the values of trials could not be "
         "compared: in other trials the loss is binary_crossentropy, in these it is "
         "mean_squared_error; give compile.loss._target_ one value, or search by a metric that "
         "stays the same, such as objective.monitor=val_accuracy"),
        (["compile=choice(binary,categorical)"], "compile=categorical: the values of trials could"),
        (["fit.validation_split=choice(0.2,0.3)"], "give fit.validation_split one value"),
        (["fit.folds=choice(2,3)"], "in other trials the validation part is 2 folds of the rows"),
        (["fit.repeats=choice(2,3)"], "give fit.repeats one value"),
        (["fit.folds=100"], " training reviews, and each fold needs one; give fit.folds="),
        (["fit.folds=3", "fit.groups=writer"], "only data=table has a column to read it from"),
        (["fit.folds=3", "fit.validation_split=0.3"], "not fit.validation_split=0.3; remove one"),
        (["fit.folds=3", "fit.validation_split=choice(0.2,0.3)"], "remove one"),
        (["data.seed=choice(1,2)"], "in other trials the validation part is the last 0.2 of the"),
        (["data.n_train=choice(120,100)"], "give data.n_train one value"),
        (["objective.monitor=choice(val_loss,val_accuracy)"], "give objective.monitor one value"),
        (["+compile.loss.label_smoothing=choice(0.0,0.1)"], "compile.loss.label_smoothing one"),
        (["callbacks.model_checkpoint.save_best_only=false"], "put {epoch} into the file's name"),
        (["hydra.sweeper.params=null"], "nothing to search"),
        (["+hydra.sweeper.params.model.foo=3"], "hydra.sweeper.params.model={'foo': 3}: must be"),
        (["hydra.sweeper.storage='sqlite:///:memory:'"], "would have a study of its own"),
        (["seed=-1"], "seed=-1: must be a whole number"),
        (["data.seed=-1"], "data.seed=-1: must be a whole number"),
        (["~fit.validation_split"], "fit.validation_split=None: must be a number between"),
        (["+fit.foo=1"], "fit.foo: model.fit has no such argument"),
        (["tracking.uri=foo://bar"], "tracking.uri: foo://bar can't be used"),
        (
            ["tracking.uri=sqlite:///one.db", "hydra.sweeper.storage=sqlite:///one.db"],
            "hydra.sweeper.storage and tracking.uri are one file, ",
        ),
        (["tracking.uri=mlruns"], "is a store of files, which MLflow no longer takes"),
        (["callbacks.early_stopping.monitor=val_acc"],
         "callbacks.early_stopping.monitor=val_acc: no metric has this name"),
        (["callbacks.early_stopping.min_delta=much"],
         "callbacks.early_stopping.min_delta=much: must be a number, at least 0"),
        (["+callbacks.early_stopping.patiense=3"], "the callbacks can't be made"),
        (["hydra.sweep.subdir=all"], "every trial needs a folder of its own"),
        (["hydra.sweeper.max_failure_rate=2"], "must be a number from 0, up to 1"),
    ],
)  # fmt: skip
def test_a_bad_value(command: Command, arguments: list[str], problem: str) -> None:
    tiny = "data=table" not in arguments
    ended = command("-m", *arguments, tiny=tiny)
    assert ended.code == 1
    assert "in the input, nothing was started:" in ended.err
    assert problem in ended.err
    assert ended.files() == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (
            [
                "compile.loss._target_=keras.losses.BinaryCrossEntropie",
                "compile.optimizer._target_=keras.optimizers.Adan",
                "callbacks.early_stopping._target_=keras.callbacks.EarlyStoping",
                "+model.function=no.such.thing",
            ],
            [
                "keras.losses has no BinaryCrossEntropie; did you mean BinaryCrossentropy",
                "compile.optimizer._target_=keras.optimizers.Adan: keras.optimizers has no Adan; "
                "did you mean Adam",
                "keras.callbacks has no EarlyStoping; did you mean EarlyStopping",
                "model.function=no.such.thing: no.such can't be imported",
            ],
        ),
        (
            ["fit.class_weight={0:1.0,2:3.0}", "fit.validation_data=a.csv", "data.task=classes"],
            [
                "fit.class_weight={0: 1.0, 2: 3.0}: there is no class 0; there are 1, 2, 3, 4, 5",
                "fit.validation_data=a.csv: only data=table has files",
                "compile.loss=keras.losses.BinaryCrossentropy is for two classes",
            ],
        ),
        (
            ["fit.sample_weight=weight"],
            ["fit.sample_weight=weight: only data=table has files"],
        ),
        (
            [
                "callbacks=[model_checkpoint,csv_logger,learning_rate_scheduler]",
                "callbacks.model_checkpoint.filepath=/proc/none/best.keras",
                "callbacks.csv_logger.filename=/proc/none/a.csv",
                "callbacks.learning_rate_scheduler.decay=nan",
                "checkpoint=nothing",
            ],
            [
                "callbacks.model_checkpoint.filepath=/proc/none/best.keras: ",
                "callbacks.csv_logger.filename=/proc/none/a.csv: ",
                "callbacks.model_checkpoint.filepath=/proc/none/best.keras: every trial would",
                "callbacks.csv_logger.filename=/proc/none/a.csv: every trial would write it; begin",
                "callbacks.learning_rate_scheduler.schedule: gives nan at epoch 1",
                "checkpoint=nothing: neither a .keras file nor a run",
            ],
        ),
        (
            [
                "callbacks.early_stopping.patience=choice(-1,two)",
                "callbacks.early_stopping.baseline=low",
                "callbacks.early_stopping.mode=up",
                "callbacks.early_stopping.restore_best_weights=maybe",
                "compile.optimizer.learning_rate=interval(-0.5,0.5)",
            ],
            [
                "callbacks.early_stopping.patience=-1: must be a whole number, at least 0",
                "callbacks.early_stopping.patience=two: must be a whole number, at least 0",
                "callbacks.early_stopping.baseline=low: must be a number, or null",
                "callbacks.early_stopping.mode=up: must be one of auto, min, max",
                "callbacks.early_stopping.restore_best_weights=maybe: must be true or false",
                "compile.optimizer.learning_rate=-0.5: must be a number, at least 0",
            ],
        ),
        (
            [
                "callbacks=[model_checkpoint,tensorboard]",
                "callbacks.model_checkpoint.save_best_only=false",
                "callbacks.model_checkpoint.filepath='{epoch}-{val_loss:.2f}.keras'",
                "fit.validation_freq=choice(1,2)",
                "callbacks.tensorboard.log_dir=/proc/none",
            ],
            [
                "{val_loss:.2f}.keras: there is no val_loss to fill in; with fit.validation_freq",
                "callbacks.tensorboard.log_dir=/proc/none: ",
                "callbacks.tensorboard.log_dir=/proc/none: every trial would write it; begin it",
                "val_loss:.2f}.keras: every trial would write it; begin it with ",
            ],
        ),
        (
            ["callbacks.model_checkpoint.filepath='{epohc}.keras'"],
            [
                "callbacks.model_checkpoint.filepath={epohc}.keras: there is no epohc to fill in; "
                "there are epoch, accuracy, loss, val_accuracy, val_loss",
                "callbacks.model_checkpoint.filepath={epohc}.keras: every trial would write it",
            ],
        ),
        (
            [
                "callbacks=[reduce_lr_on_plateau]",
                "callbacks.reduce_lr_on_plateau.factor=choice(-0.5,2.0)",
            ],
            [
                "callbacks.reduce_lr_on_plateau.factor=-0.5: must be a number between 0 and 1, "
                "both excluded",
                "callbacks.reduce_lr_on_plateau.factor=2.0: must be a number between 0 and 1, "
                "both excluded",
            ],
        ),
        (
            ["model.dropout=interval(0.0,1.0)", "+callbacks.mine=own.Mine", "fit.epochs=3"],
            [
                "model.dropout=1.0: must be a number from 0, below 1",
                "callbacks.mine=own.Mine: is not a Keras callback; give the import path of one as "
                "callbacks.mine._target_",
            ],
        ),
        (
            [
                "compile.metrics=[acuracy,ce]",
                "compile.weighted_metrics=[presision]",
                "+model.function=mine",
            ],
            [
                "compile.metrics=acuracy: keras.metrics has no acuracy; did you mean accuracy",
                "compile.weighted_metrics=presision: keras.metrics has no presision; did you mean "
                "precision",
                "model.function=mine: must be an import path, such as my_module.mine",
            ],
        ),
        (["checkpoint=nothing.keras"], ["checkpoint=nothing.keras: there is no such file"]),
        (
            ["hydra/launcher=workers", "hydra.sweeper.n_jobs=-1"],
            ["hydra.sweeper.n_jobs=-1: must be a whole number, at least 1"],
        ),
    ],
)
def test_bad_choices(command: Command, arguments: list[str], problems: list[str]) -> None:
    assert_refused(command("-m", *arguments), *problems)


@pytest.mark.parametrize(
    ("train", "options", "problem"),
    [
        (THREE, [], "data.task=binary, but data.label has 3 classes ('a', 'b', 'c')"),
        (THREE, ["data.task=classes"], "is for two classes, but data.label has 3 (a, b, c)"),
        (THREE, ["data.task=regression"], "rows whose label 'label' is not a finite number"),
        (THREE, ["data.task=class"], "data.task=class: must be one of binary, classes, regression"),
        (THREE, ["fit.validation_data=no.csv"], "no.csv does not exist"),
        (THREE, ["fit.sample_weight=weight"], "has no column 'weight'; it has: text, label"),
        ("text,label\ngood,1\nfine,1\n", [], "every training label is 1"),
        ("text,label\n", [], "has no rows"),
        ("", [], "can't be read"),
        (THREE, ["data.text=review"], "has no column 'review'; it has: text, label"),
        (THREE, ["model.network.layers.3.units=2", "compile.loss=sparse_categorical_crossentropy",
                 "data.task=classes"],
         "the model has 2 outputs for 3 classes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", [["-m"], []])
def test_a_bad_table(
    command: Command, tmp_path: Path, mode: list[str], train: str, options: list[str], problem: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(train)
    ended = command(
        *mode, "data=table", f"data.train={file}", f"data.test={file}", *options, tiny=False,
        path=tmp_path,
    )  # fmt: skip
    assert ended.code == 1
    assert problem in ended.err
    assert ended.files() <= {"a.csv", "outputs"}


def test_every_file_and_column_that_is_searched_is_checked(
    command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,label,w\n" + "good film,a,1\nbad film,b,2\n" * 5)
    ended = command(
        "-m", "data=table", f"data.train={file}", f"data.test={file}",
        "fit.sample_weight=choice(w,v)", tiny=False, path=tmp_path,
    )  # fmt: skip
    assert_refused(ended, f"data.train={file} has no column 'v'; it has: text, label, w")


def test_files_that_are_not_given(command: Command) -> None:
    ended = command("-m", "data=table", tiny=False)
    assert_refused(ended, "data.train is not given", "data.test is not given")


def test_a_single_run_is_checked_in_the_same_way(command: Command) -> None:
    ended = command(
        "objective.monitor=val_acc", "fit.batch_size=0", "tracking.uri=http://127.0.0.1:9"
    )
    assert_refused(ended, "objective.monitor=val_acc", "fit.batch_size=0", "Connection refused")
