"""Samplers of OptunaHub, Optuna's registry of packages: ``sampler=hub``, ``sampler=auto``."""

from typing import Any

from optuna.samplers import BaseSampler

from rnnexp.errors import RnnexpError, one_line

INSTALL = "the package optunahub is missing; install it (pip install 'rnnexp[optunahub]')"


def hub_sampler(
    package: str, name: str, ref: str = "main", registry: str | None = None, **arguments: Any
) -> BaseSampler:
    """Make a sampler of OptunaHub.

    The package is fetched once and kept in OptunaHub's cache. It is somebody's code, which runs in
    the sweep's process.

    Args:
        package: The name of the package, such as ``samplers/auto_sampler``.
        name: The name of the sampler's class in the package.
        ref: A branch, a tag or a commit of the registry.
        registry: The folder of a copy of the registry, ``package`` in Optuna's repository; None to
            fetch the package.
        **arguments: The arguments of the class.

    Returns:
        The sampler.

    Raises:
        RnnexpError: If OptunaHub is not installed, or if the package can't be had.
    """
    try:
        import optunahub
    except ImportError as error:
        raise RnnexpError(INSTALL) from error
    try:
        if registry:
            module = optunahub.load_local_module(package, registry_root=registry)
        else:
            module = optunahub.load_module(package, ref=ref)
    except ImportError:  # of a package that the sampler needs
        raise
    except Exception as error:  # whatever git and GitHub raise
        where = registry or f"OptunaHub, at {ref}"
        raise RnnexpError(f"{package} can't be had from {where}: {one_line(error)}") from error
    made = getattr(module, name, None)
    if made is None:
        names = ", ".join(n for n, value in vars(module).items() if isinstance(value, type))
        raise RnnexpError(f"{package} has no class {name}; it has {names}")
    sampler: BaseSampler = made(**arguments)
    return sampler
