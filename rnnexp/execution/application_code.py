"""The application's own modules, which a sweep sends to machines that may not have them."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnexp.atomic import atomic_folder
from rnnexp.errors import ConfigError

MOST = 20 * 2**20  # bytes; more is no application's code
TOO_LARGE = (
    f"its modules are more than {MOST // 2**20} MB, too much to be sent to Dask's workers; move "
    "the script to a folder with its own modules alone"
)
# Folders without modules of the application; and this package, which every worker has installed.
LEFT_OUT = {"mlruns", "multirun", "outputs", "node_modules", "__pycache__", "rnnexp"}


@dataclass(frozen=True)
class Code:
    """The modules in the folder of a script, and below.

    Attributes:
        folder: The folder, as it is called on the sweep's machine.
        digest: The digest of the modules.
        archive: The modules as a ZIP file.
    """

    folder: str
    digest: str
    archive: bytes

    @classmethod
    def of(cls, folder: Path) -> "Code":
        """Read the modules of a folder.

        Raises:
            ConfigError: If the modules are too large to be sent.
        """
        file, digest = io.BytesIO(), hashlib.sha256()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for module in _modules(folder):
                name, content = module.relative_to(folder).as_posix(), module.read_bytes()
                digest.update(name.encode() + b"\0" + content)
                archive.writestr(name, content)
                if file.tell() > MOST:
                    raise ConfigError([f"{folder}: {TOO_LARGE}"])
        return cls(str(folder), digest.hexdigest()[:32], file.getvalue())

    def unpack(self, scratch: Path) -> Path:
        """Return a folder that has the modules, which is made if it is not there yet.

        Args:
            scratch: A folder of this machine, below which the modules may be unpacked.
        """
        folder = scratch / f"rnnexp-code-{self.digest}"
        with atomic_folder(folder) as draft, zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            archive.extractall(draft)
        return folder


def _modules(folder: Path) -> Iterator[Path]:
    """Yield the modules in a folder and below, but for environments and hidden folders."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue
        if path.is_file() and path.suffix == ".py":
            yield path
        elif path.is_dir() and path.name not in LEFT_OUT and not (path / "pyvenv.cfg").exists():
            yield from _modules(path)
