"""The config group ``sweeps``: ``sweeps=NAME`` selects a file of the folder ``sweeps/``.

The folder is next to the application's config folder. It has a config source of its own, since a
search path to the folder above would offer every folder there (tests, results) as a config group.
"""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

GROUP = "sweeps"
SCHEME = "sweeps"


class SweepsSource(ConfigSource):
    """A folder of YAML files as the config group ``sweeps``."""

    @staticmethod
    def scheme() -> str:
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found: {file}")
        header = self._get_header_dict(file.read_text(encoding="utf-8"))
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.load(file),
            header=header,
        )

    def available(self) -> bool:
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", GROUP)

    def is_config(self, config_path: str) -> bool:
        return Path(config_path).parts[:1] == (GROUP,) and self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [GROUP]
        if config_path != GROUP or results_filter == ObjectType.GROUP:
            return []
        return sorted(file.stem for file in Path(self.path).glob("*.yaml"))

    def _file(self, config_path: str) -> Path:
        return Path(self.path, *Path(self._normalize_file_name(config_path)).parts[1:])


class SweepsSearchPath(SearchPathPlugin):
    """Adds ``sweeps/`` next to the application's config folder, where there is such a folder."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for element in search_path.get_path():
            folder = Path(element.path.removeprefix("file://")).parent / GROUP
            if element.provider == "main" and folder.is_dir():
                search_path.append("rnnexp", f"{SCHEME}://{folder}")
                return
