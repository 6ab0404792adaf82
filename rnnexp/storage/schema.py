"""Every name under which this project stores something, with the version of the whole.

Names in Optuna (user attributes of studies and trials), in MLflow (tags, metrics, params,
artifacts, tags of models) and on disk (files of a trial and of a sweep). A name that ends in a dot,
a colon or an underscore is a prefix. A test checks that no other module spells one of these names.
"""

from collections.abc import Mapping
from enum import StrEnum

from rnnexp.constraints import LATENCY, PARAMETERS
from rnnexp.objectives import OTHERS

# Raised when a stored name or its meaning changes. A study or a run of another version is refused.
VERSION = 1


class StudyAttrs:
    """User attributes of a study in Optuna."""

    SCHEMA = "schema_version"
    RUN_ID = "mlflow_run_id"
    DEFINITION = "definition"  # what must not change on resume, as texts by key
    DEFAULTS = "defaults"  # the config's own values of the searched keys, where those are searched
    OBJECTIVE = "objective"  # the first, as `str(Objective)`
    OBJECTIVES = "objectives"  # the others, and the constraints, as `Objectives.to_json`
    IDENTITY = "identity"  # what values are measured on and by, as `str(Identity)`
    DIGESTS = "digests"  # fingerprints of the config's files, as of `rnnexp.identity.digests_of`
    MODEL_NAME = "registered_model_name"  # the name in MLflow's registry; None for none
    FOLDER = "folder"  # Hydra's folder of the sweep
    UPLOADS = "uploads"  # whether trials upload their backups: not all machines see the folder
    SCRIPT = "script"  # the application, as it was started
    BUDGET = "budget"  # of the sweep that has ended the study's paused trials
    CHANGES = "search_changes"  # how resumes have changed the search space: trial and texts of each
    COPY_OF = "copy_of"  # of a copy that is not whole: the study that is copied, see `study_copy`
    GIT = "git:"  # prefix, before a sweep's id: the application's commit, as `Git.state`
    HEARTBEAT = "heartbeat:"  # prefix, before a sweep's id
    STEER = "steer:"  # prefix, before what an order is for, see `rnnexp.orders`


class StudyNames:
    """Names of studies in Optuna."""

    DRAFT = ".draft"  # end of the name of a study's copy, while the study is written anew


class TrialAttrs:
    """User attributes of a trial in Optuna."""

    RUN_ID = "mlflow_run_id"
    JOB = "job"  # id of the attempt that began last, see `rnnexp.execution.attempt`
    HOST = "host"  # the machine that runs it; missing in a SQLite file, which has one machine
    SWEEP = "sweep"  # id of the sweep that runs the trial; None once its sweep saw it pause
    ATTEMPT = "attempt"  # the number of earlier attempts, if a process died or was interrupted
    DEATHS = "deaths"  # the number of attempts whose process died, which uses up the retries
    CORES = "cores"  # that its process may use
    CLOCK = "clock"  # of a later attempt: its start, and the seconds of the earlier ones
    FOLDER = "folder"  # of the job, below the sweep's folder; missing where it is the number
    RESULT = "result"  # the `Result`, as JSON
    OTHERS = OTHERS  # with several objectives: the values of the others, by the reported epoch
    PAUSED = "paused"  # the `Result` of a paused trial, as JSON; None after the trial went on
    SLICE = "slice"  # of a trial that went on: first epoch, and the first that it may pause after
    REOPENS = "reopens"  # of a trial that a resume made: the earlier trials that it goes on from
    SLICES = "slices"  # of a trial that was paused: start and end of its slices, as ISO times


class Kind(StrEnum):
    """What a run in MLflow is."""

    STUDY = "study"
    TRIAL = "trial"
    RUN = "run"  # a single run, without a study
    REPLAY = "replay"
    CONTINUATION = "continuation"
    CONFIRMATION = "confirmation"


class Tags:
    """Tags of a run in MLflow."""

    SCHEMA = "rnnexp.schema"
    VERSION = "rnnexp.version"
    KIND = "rnnexp.kind"
    REQUEST = "rnnexp.request"  # id of the request that made the run, to find a lost answer
    STUDY = "study"
    TRIAL = "trial"
    STATE = "state"
    REASON = "reason"
    FOLDER = "folder"
    OBJECTIVE = "objective"
    OBJECTIVES = "objectives"  # of a study with several, or with constraints, as JSON
    FRONT = "pareto_front"  # true of a trial on the front
    FEASIBLE = "feasible"  # false of a trial that breaks a constraint
    SEED = "seed"
    BACKEND = "backend"  # of Keras
    HOST = "host"  # the machine
    WORKER = "worker"  # the slot of the sweep, or Dask's worker
    DEVICE = "device"  # CPU, or the GPUs that the process sees
    DATA = "data"  # fingerprint of the encoded data
    IDENTITY = "identity"  # what the best value is measured on and by, as `str(Identity)`
    DIGESTS = "digests"  # fingerprints of the config's files, as JSON
    ATTEMPT = "attempt"
    LENGTHS = "lengths"  # that batches are cut to
    JIT_COMPILE = "jit_compile"  # whether XLA compiled the training
    COMMIT = "mlflow.source.git.commit"
    DIRTY = "git.dirty"
    CHECKPOINT = "checkpoint"  # path of the best checkpoint among the artifacts
    BACKUP = "backup"  # name of the backup among the artifacts, while there is one
    CHECKPOINT_DELETED = "checkpoint_deleted"  # the rule by which the checkpoint was deleted
    CONTINUED_FROM = "continued_from"
    PRUNED = "pruned."  # prefix, before the fields of the pruner's verdict
    BUDGET = "budget."  # prefix, before n_trials, timeout, patience, epochs and core_hours
    CHANGES = "search_changes"  # how resumes have changed the search space, a line each
    STEER = "steer"  # an order that a user sets: stop, pause, resume or trials=40
    STEERED = "steered"  # the last order, by whom and when; or why it can't be obeyed
    REPLAY_OF = "replay_of"
    REPLAYED_BY = "replayed_by"
    CONFIRMS = "confirms"  # id of the trial's run that was trained again
    CONFIRM_TRIALS = "confirm.trials"
    CONFIRM_SURVIVES = "confirm.survives"
    CONFIRM_VERDICT = "confirm.verdict"


class Metrics:
    """Metrics of a run in MLflow, next to those that Keras names."""

    BEST_VALUE = "best_value"
    BEST_EPOCH = "best_epoch"
    MEASURE = "best."  # prefix of what else was measured of a trial, see `measure_metric`
    BEST_STD = "best_value_std"  # of the values whose mean the best value is
    TRAININGS = "trainings"  # the number of these values
    FOLD = "fold_"  # prefix, before the number of a fold, a slash and a metric of its epochs
    REPEAT = "repeat_"  # the same for a training with another seed
    REFIT = "refit"  # the same, without a number, for the training on the whole training part
    BEST_TRIAL = "best_trial"
    EPOCHS = "epochs"
    SECONDS = "seconds"  # of all attempts of a run together
    LEARNING_RATE = "learning_rate"
    TEST = "test_"  # prefix of metrics on the test part
    TRIALS = "trials_"  # prefix, before a state in lower case
    CONFIRM = "confirm."  # prefix of the three below
    CONFIRM_MEAN = "confirm.mean"
    CONFIRM_STD = "confirm.std"
    CONFIRM_SEEDS = "confirm.seeds"
    SYSTEM = "system/"  # prefix of MLflow's system metrics


class Params:
    """Params of a study's run in MLflow; those of a trial are the searched keys."""

    SEARCH = "search."  # prefix, before a searched key
    SAMPLER = "sampler"
    PRUNER = "pruner"
    FIXED = "fixed"


class Artifacts:
    """Artifacts of a run in MLflow."""

    CONFIG = "config.yaml"
    OVERRIDES = "overrides.yaml"
    ENVIRONMENT = "environment.json"
    DIFF = "uncommitted.diff"
    TRACEBACK = "traceback.txt"
    REPORT = "report.html"
    CHECKPOINT = "checkpoint"  # folder
    BACKUP = "backup.zip"  # the trial's folder, for a machine that can't see it
    EVALUATION = "evaluation"  # folder, of the best model on the test part


class EvaluationFiles:
    """Artifacts of an evaluation, in its folder."""

    PAGE = "evaluation.html"
    MEASURES = "evaluation.json"
    PREDICTIONS = "predictions.csv"
    MISTAKES = "mistakes.csv"
    CONFUSION = "confusion_matrix.csv"
    CLASSES = "by_class.csv"


class ModelTags:
    """Tags of a logged model and of its registered version in MLflow."""

    RUN = "run"
    DATA = "data"
    IDENTITY = "identity"
    OBJECTIVE = "objective"
    BEST_VALUE = "best_value"
    STUDY = "study"
    TRIAL = "trial"
    NEEDS = "needs"  # import paths of the model's own classes and functions


class Files:
    """Files in the folder of a trial, or of a sweep."""

    TRIAL = "trial.json"  # trial: whose folder it is
    BACKUP = "backup.npz"  # trial: what a retry goes on from
    MARK = "mark"  # sweep, with an id and a dot before: a machine that finds it sees the folder
    OUTBOX = "mlflow.outbox"  # trial, and sweep with its id and a dot before: queued writes
    REFUSED = "mlflow.refused"  # next to the one above: writes that MLflow has refused
    OUTPUT = "output.log"  # trial: what a worker and its libraries print
    REPORT = "report"  # sweep: folder of the report
    RESULTS = "optimization_results.yaml"  # sweep
    UNREADABLE = ".unreadable"  # end of the name of a file that was torn and is set aside


def measure_metric(name: str) -> str:
    """Return the metric that a measure of a trial is stored as, next to the best value."""
    return name if name in (PARAMETERS, LATENCY) else f"{Metrics.MEASURE}{name}"


def version_problem(found: object) -> str | None:
    """Return why a store of this schema version can't be read.

    Args:
        found: The version as it is stored, as a number or as text; None in a store that is not
            this project's, on which this rule has nothing to say.

    Returns:
        Half a sentence, to follow the name of a study or a run; None if there is no problem.
    """
    if found is None or str(found) == str(VERSION):
        return None
    return (
        f"has schema version {found}, but this rnnexp reads version {VERSION}: use the rnnexp "
        "that wrote it, or start a new study"
    )


def run_problem(tags: Mapping[str, str]) -> str | None:
    """Return why a run can't be read, by its tags; see `version_problem`."""
    return version_problem(tags.get(Tags.SCHEMA))
