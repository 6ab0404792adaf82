"""Texts on disk, as the readers of files leave them."""

from collections.abc import Iterable

from rnnexp.data.stored_texts import StoredTexts, TextWriter


def stored(texts: Iterable[str]) -> StoredTexts:
    """Write texts into a file, and return them."""
    writer = TextWriter()
    for text in texts:
        writer.append(text)
    return writer.texts()
