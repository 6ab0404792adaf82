"""Whether Dask's workers have what the sweep has: the versions of Python and of packages."""

from collections.abc import Mapping
from typing import Any

from distributed import Client

NEEDED = ("Python", "rnnexp", "keras")
WHERE_INSTALLED = ("distributed", "tensorflow", "jax", "hydra-core", "optuna", "mlflow")
PACKAGES = (*NEEDED[1:], *WHERE_INSTALLED)


def version_problems(client: Client) -> list[str]:
    """Return which workers have other versions than this process; empty if none has.

    Dask itself asks the workers: a function of ours could not be sent to another Python.

    Args:
        client: A client of the cluster.
    """
    found: Any = client.get_versions(packages=PACKAGES)
    workers = {name: _versions(worker) for name, worker in found["workers"].items()}
    return differences(_versions(found["client"]), workers)


def differences(own: Mapping[str, str], workers: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a message for each version that is not that of this process.

    Args:
        own: The versions by package; a package that is not installed is missing.
        workers: The versions that each worker has.
    """
    problems = []
    for name, mine in own.items():
        others: dict[str, list[str]] = {}
        for worker, versions in workers.items():
            theirs = versions.get(name)
            if theirs != mine and (theirs or name in NEEDED):
                others.setdefault(f"{name} {theirs}" if theirs else f"no {name}", []).append(worker)
        for other, which in others.items():
            problems.append(
                f"Dask's worker{'s' if len(which) > 1 else ''} {', '.join(sorted(which))} "
                f"ha{'ve' if len(which) > 1 else 's'} {other}, but this sweep has {name} {mine}; "
                "install the same version on all machines"
            )
    return problems


def _versions(found: Mapping[str, Mapping[str, str | None]]) -> dict[str, str]:
    """Return the versions by name, as Dask has found them; of Python the first two numbers."""
    packages = found["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"Python": python} | {n: v for n in PACKAGES if (v := packages.get(n))}
