"""Where texts and labels come from: files, if there are any, and the names of their columns."""

from pathlib import Path

from rnnexp.data.columns import Format

TEXT, LABEL = "text", "label"  # columns of sources that have no names for them


class Origin:
    """The origin of a source's texts; this base is that of a source without files."""

    def files(self) -> dict[str, Path]:
        """Return the file of each part that has one, with the path that messages name."""
        return {}

    def column_names(self) -> tuple[tuple[str, ...], str]:
        """Return the names of the columns of the texts, and that of the labels."""
        return (TEXT,), LABEL

    @property
    def form(self) -> Format:
        """What files like those of the source do not say by themselves."""
        return Format()
