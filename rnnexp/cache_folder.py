"""The project's folder in the user's cache: encoded data, compiled code, empty stores."""

from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return this project's folder in the user's cache folder, which need not be there yet."""
    return Path(platformdirs.user_cache_dir("rnnexp"))
