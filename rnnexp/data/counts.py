"""Counts of the rows of encoded data, and the sentences in which a sweep reports the counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnexp.data.stored_texts import digests

if TYPE_CHECKING:
    from rnnexp.data.dataset import Label
    from rnnexp.data.source import Corpus

PARTS = {"train": "training", "validation": "validation", "test": "test"}  # name: adjective
SHOWN = 10  # classes in a sentence


@dataclass(frozen=True)
class Counts:
    """The rows that are trained on, validated on and tested on.

    Attributes:
        files: The number of rows and of lines of each file that was read, by part; the lines are
            None for a file that is not a text.
        rows: The number of rows by part: ``train``, ``validation`` if there is one, and ``test``.
        classes: The number of rows of each class, by part; empty for a regression.
        repeated: The number of validation rows whose text is trained on, and of test rows whose
            text is trained on or validated on.
    """

    files: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    repeated: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        corpora: "Mapping[str, Corpus]",
        trained: int,
        classes: "Sequence[Label]",
        *,
        repeated: bool,
    ) -> "Counts":
        """Count the rows of texts and labels.

        Args:
            corpora: The texts and labels by part; the training part in the order of training.
            trained: The number of rows of the training part that are trained on.
            classes: The labels; empty for a regression.
            repeated: Whether to count the texts that are in two parts.
        """
        train = corpora["train"]
        rows = range(len(train.texts))
        parts = {
            "train": train.rows(rows[:trained]),
            "validation": corpora.get("validation") or train.rows(rows[trained:]),
            "test": corpora["test"],
        }
        if not parts["validation"].texts:  # as with folds
            del parts["validation"]
        found = {name: digests(part.texts) for name, part in parts.items()} if repeated else {}
        return cls(
            files={name: corpus.file for name, corpus in corpora.items() if corpus.file},
            rows={name: len(part.texts) for name, part in parts.items()},
            classes={
                name: _by_class(part.labels, classes) for name, part in parts.items() if classes
            },
            repeated=_repeated(**found) if found else {},
        )

    def lines(self, classes: "Sequence[Label]") -> list[str]:
        """Return what is worth knowing of any data: the rows by file, and by part and class.

        Args:
            classes: The labels; empty for a regression.
        """
        files = ", ".join(
            f"{rows} rows of data.{name}" + ("" if lines is None else f" ({lines} lines)")
            for name, (rows, lines) in self.files.items()
        )
        parts = ", ".join(f"{count} {PARTS[name]}" for name, count in self.rows.items())
        shown = ", ".join(
            f"{label}: {'/'.join(str(counts[k]) for counts in self.classes.values())}"
            for k, label in enumerate(classes[:SHOWN])
        )
        by_class = f"; by class {shown}" if shown else ""
        more = f", and {len(classes) - SHOWN} more classes" if len(classes) > SHOWN else ""
        return [f"data: read {files}"] * bool(files) + [f"data: {parts} rows{by_class}{more}"]

    def warnings(self, classes: "Sequence[Label]") -> list[str]:
        """Return what may be a mistake: texts in two parts, and classes that are not trained.

        Args:
            classes: The labels; empty for a regression.
        """
        where = {"validation": "trained on", "test": "trained on or validated on"}
        warnings = [
            f"{'all' if count == self.rows[name] else f'{count} of the'} {self.rows[name]} "
            f"{PARTS[name]} rows have a text that is {where[name]} too, so the {PARTS[name]} score "
            "is too good for new texts; remove the duplicates before you split"
            for name, count in self.repeated.items()
            if count
        ]
        trained = self.classes.get("train", ())
        untrained = [
            str(label) for label, count in zip(classes, trained, strict=False) if not count
        ]
        if untrained:
            names = ", ".join(untrained[:SHOWN]) + (", ..." if len(untrained) > SHOWN else "")
            warnings.append(
                f"{len(untrained)} of the {len(classes)} classes have no row to train on, since "
                f"all their rows are in the validation part: {names}; give more rows of them, "
                "another data.seed or fit.validation_data"
            )
        return [f"check the data: {text}" for text in warnings]


def _by_class(labels: "Sequence[Label]", classes: "Sequence[Label]") -> list[int]:
    counts = Counter(labels)
    return [counts[label] for label in classes]


def _repeated(
    train: Sequence[bytes], test: Sequence[bytes], validation: Sequence[bytes] = ()
) -> dict[str, int]:
    trained = set(train)
    used = trained.union(validation)
    return {
        "validation": sum(text in trained for text in validation),
        "test": sum(text in used for text in test),
    }
