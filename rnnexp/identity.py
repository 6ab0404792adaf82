"""The identity of a best value: what the value is measured on, and by what.

Two values are compared, and a champion is replaced, only if their identities are equal. Two notions
are kept apart:

- An `Identity` says whether two values are comparable: the same rows and labels, the same part of
  them, the same objective, and the same loss or metric. How texts become numbers (``num_words``,
  ``maxlen``, ``split``) is not in it, so that a study can search these.
- The fingerprint of a `rnnexp.data.Dataset` says whether two runs were trained on the same numbers.
  A checkpoint is evaluated, and a run is trained again, only on the same dataset.

`digests_of` fingerprints the files that a config names, so that a change can be explained.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp.config_files import absolute_path, path_here
from rnnexp.objective import VALIDATION, is_loss, metric_in, objective_in, value_in

# Config keys of files; a relative path starts where the command was started.
FILES = (
    "data.train",
    "data.test",
    "data.validation",
    "fit.validation_data",
    "model.embedding_file",
    "checkpoint",
)
LONGEST = 400  # characters of a part of an identity
Digests = dict[str, dict[str, str]]  # fingerprints by config key and path

# Arguments of losses and metrics that do not change the number: a name; where the sigmoid or the
# softmax is; and Keras's defaults.
_NO_MATTER = ("name", "dtype", "from_logits", "_convert_", "_recursive_")
_DEFAULTS = {"label_smoothing": 0, "axis": -1, "reduction": "sum_over_batch_size", "threshold": 0.5}
_ALIASES = {
    "acc": "accuracy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "ce": "crossentropy",
    "sparse_categorical_crossentropy": "categorical_crossentropy",  # of labels in another form
}
_NOUNS = {  # of the fields, one and several
    "objective": ("objective", "objectives"),
    "loss": ("loss", "losses"),
    "metric": ("metric", "metrics"),
    "weights": ("weighting", "weightings"),
    "penalty": ("regularization", "regularizations"),
    "rows": ("set of rows", "sets of rows"),
    "validation": ("validation part", "validation parts"),
}


@dataclass(frozen=True)
class Identity:
    """What a best value is measured on, and by what.

    Attributes:
        objective: The monitored value and its mode, as `rnnexp.objective.Objective` writes it.
        loss: The loss, where the monitored value is the loss; else None.
        metric: The metric, where the monitored value is that of a metric; else None.
        weights: The weights of rows or classes, where they enter the monitored value; else None.
        penalty: The regularizers, which Keras adds to the loss; None if the value has none.
        rows: The rows that hold the validation part, and their labels.
        validation: Which of the rows are the validation part; and the number of folds, or of
            trainings with other seeds, whose mean the value is.
    """

    objective: str
    loss: str | None = None
    metric: str | None = None
    weights: str | None = None
    penalty: str | None = None
    rows: str | None = None
    validation: str | None = None

    def __str__(self) -> str:
        """Write the identity as it is stored, as JSON."""
        known = {name: text for name, text in asdict(self).items() if text is not None}
        return json.dumps(known, ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> "Identity":
        """Read an identity as `str` writes it."""
        return cls(**json.loads(text))

    def differences(self, other: "Identity", own: str, others: str) -> list[str]:
        """Describe where two identities differ.

        Args:
            other: The other identity.
            own: Whose this identity is, such as ``the champion's``.
            others: Whose the other one is, such as ``this one's``.
        """
        mine, its = asdict(self), asdict(other)
        return [
            f"{own} {noun} is {mine[name] or 'none'}, {others} is {its[name] or 'none'}"
            for name, (noun, _) in _NOUNS.items()
            if mine[name] != its[name]
        ]


def differing(identities: Mapping[str, Identity | None]) -> list[str]:
    """Describe where the identities of several runs differ; empty if they are equal.

    Args:
        identities: The identities by the names of the runs; None of a run that has stored none.
    """
    found = []
    for name, (_, nouns) in _NOUNS.items():
        runs: dict[str, list[str]] = {}  # by what they have
        for run, one in identities.items():
            text = "unknown" if one is None else getattr(one, name) or "none"
            runs.setdefault(text, []).append(run)
        if len(runs) > 1:
            each = ", ".join(f"{_shortened(names)}: {text}" for text, names in runs.items())
            found.append(f"their {nouns} differ ({each})")
    return found


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def identity_of(config: DictConfig, direction: str | None = None) -> Identity:
    """Return the identity of the best value that a config would lead to.

    Args:
        config: The composed config of a trial. Of another application's config, the objective
            alone is known.
        direction: The study's direction, for a config without an objective.
    """
    objective = objective_in(config, direction)
    monitor = objective.monitor
    is_the_loss = is_loss(monitor) and value_in(config, "compile.loss") is not None
    metric = None if is_the_loss else metric_in(config, monitor)
    rows, validation = _measured_on(config, monitor)
    return Identity(
        objective=str(objective),
        loss=_bounded(_weighted(config)) if is_the_loss else None,
        metric=None if metric is None else _bounded(_text(metric)),
        weights=_bounded(_weights(config, monitor, metric)),
        penalty=_bounded(_penalty(config)) if is_the_loss else None,
        rows=_bounded(rows),
        validation=validation,
    )


def measured(
    configs: Sequence[DictConfig], direction: str | None
) -> tuple[Identity, Digests, list[str]]:
    """Return what all configs of a study have in common; to be called where the files are.

    Args:
        configs: Composed configs of trials, at the ends of the search space.
        direction: The study's direction, for configs without an objective.

    Returns:
        The identity of the first config, the files of all configs, and a message for each searched
        value that would make the values of trials incomparable.
    """
    identities = [identity_of(config, direction) for config in configs]
    files = Digests()
    for config in configs:
        for key, found in digests_of(config).items():
            files.setdefault(key, {}).update(found)
    return identities[0], files, _search_problems(configs, identities)


def named_files(configs: Sequence[DictConfig]) -> dict[str, str]:
    """Return the files that configs name: the config key by the absolute path."""
    found = dict[str, str]()
    for config in configs:
        for key, path in files_of(config).items():
            found.setdefault(absolute_path(path), key)
    return found


def files_of(config: DictConfig) -> dict[str, str]:
    """Return the files that a config names and that this machine has: the path by config key."""
    paths = {key: value_in(config, key) for key in FILES}
    return {k: path for k, path in paths.items() if isinstance(path, str) and _is_here(path)}


def _is_here(path: str) -> bool:
    return path_here(path).is_file()


def digests_of(config: DictConfig) -> Digests:
    """Fingerprint the files that a config names.

    Returns:
        By config key and absolute path, the size and the digest of each file that exists.
    """
    found = Digests()
    for key, path in files_of(config).items():
        file = path_here(path)
        size = f"{file.stat().st_size:,} bytes"
        found[key] = {absolute_path(path): f"{size}, sha256 {digest(file)[:16]}"}
    return found


def changed_files(then: Digests, now: Digests) -> list[str]:
    """Describe the files that have changed since their fingerprints were stored.

    Args:
        then: The stored fingerprints, which may be those of several files a key.
        now: The fingerprints of today.
    """
    changed: dict[str, str] = {}  # by path, since two keys may name one file
    for key, before in then.items():
        for path, found in now.get(key, {}).items():
            if found not in before.values():
                was = before.get(path) or " or ".join(before.values())
                changed.setdefault(path, f"{key}={path} had {was}, now it has {found}")
    return list(changed.values())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file; a process reads an unchanged file once.

    Raises:
        OSError: If the file can't be read.
    """
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@cache
def _digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001, part of the cache's key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _search_problems(configs: Sequence[DictConfig], identities: Sequence[Identity]) -> list[str]:
    problems: dict[str, str] = {}
    usual = set(_overrides(configs[0]))
    for config, identity in zip(configs, identities, strict=True):
        found = identities[0].differences(identity, "in other trials the", "in these it")
        changed = [text for text in _overrides(config) if text not in usual]
        if found and changed:
            key = changed[-1].partition("=")[0].lstrip("+")
            problems.setdefault(
                key,
                f"{changed[-1]}: the values of trials could not be compared: {'; '.join(found)}; "
                f"give {key} one value{_alternative(config, identities[0], identity)}",
            )
    return list(problems.values())


def _alternative(config: DictConfig, usual: Identity, other: Identity) -> str:
    if usual.rows != other.rows or usual.validation != other.validation:
        return ""
    name = next(iter(value_in(config, "compile.metrics") or []), None)
    if usual.loss is None or not isinstance(name, str):
        return ""
    return f", or search by a metric that stays the same, such as objective.monitor=val_{name}"


def _overrides(config: DictConfig) -> list[str]:
    return list(value_in(config, "hydra.overrides.task") or [])


def _measured_on(config: DictConfig, monitor: str) -> tuple[str | None, str | None]:
    """Return the rows of the monitored value, and which of them are the validation part."""
    module, _, name = str(value_in(config, "data._target_")).rpartition(".")
    try:
        kind = getattr(import_module(module), name, None) if module else None
    except ImportError:
        kind = None
    if not hasattr(kind, "measured_on"):  # such as another application's data
        return None, None
    source = instantiate(config.data)
    split = value_in(config, "fit.validation_split")
    rows, which = source.measured_on(monitor.startswith(VALIDATION), split)
    repeats = value_in(config, "fit.repeats")
    return rows, which + (f", the mean of {repeats} trainings" if repeats else "")


def _weighted(config: DictConfig) -> str:
    weights = value_in(config, "compile.loss_weights")
    loss = _text(value_in(config, "compile.loss"))
    return loss if weights is None else f"{loss}, weighted by {_plain(weights)}"


def _weights(config: DictConfig, monitor: str, metric: Any) -> str | None:
    """Return the weights in a monitored value: of rows on each part, of classes in training."""
    weighted = value_in(config, "compile.weighted_metrics") or []
    if metric is not None and metric not in weighted:
        return None
    column = value_in(config, "fit.sample_weight") or value_in(config, "data.weight")
    classes = None if monitor.startswith(VALIDATION) else value_in(config, "fit.class_weight")
    texts = [
        *([f"column {column}"] if column else []),
        *([f"of classes {_plain(classes)}"] if classes else []),
    ]
    return ", ".join(texts) or None


def _penalty(config: DictConfig) -> str | None:
    # Not resolved, since keys refer to each other: each regularizer is then found once.
    node = OmegaConf.select(config, "model")
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else None
    found = {key: value_in(config, f"model.{key}") for key in _regularizers(plain)}
    texts = [f"{key} {_text(value)}" for key, value in sorted(found.items()) if value is not None]
    return ", ".join(texts) or None


def _regularizers(node: Any, path: str = "") -> Iterator[str]:
    items = enumerate(node) if isinstance(node, list) else ()
    for key, value in node.items() if isinstance(node, dict) else items:
        below = f"{path}.{key}".lstrip(".")
        if str(key).endswith("regularizer"):
            yield below
        else:
            yield from _regularizers(value, below)


def _text(given: Any) -> str:
    """Write a loss or a metric, so that texts are equal where the numbers are."""
    if not isinstance(given, Mapping) or "_target_" not in given:
        return _name(given) if isinstance(given, str) else _plain(given)
    target = str(given["_target_"])
    name = _name(target.rpartition(".")[2]) if target.startswith("keras.") else target
    arguments = {
        key: value
        for key, value in given.items()
        if key not in ("_target_", *_NO_MATTER)
        and value is not None
        and not (key in _DEFAULTS and value == _DEFAULTS[key])
    }
    return name + (f" {_plain(arguments)}" if arguments else "")


def _name(name: str) -> str:
    """Return a name of Keras as its functions have it: ``BinaryCrossentropy`` is a class's."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name))
    return _ALIASES.get(words.lower(), words.lower())


def _bounded(text: str | None) -> str | None:
    """Cut a text that would be too long for a tag, such as one with many thresholds."""
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}... sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
