"""Hosts that share a network: network namespaces of this machine, linked to one with a bridge."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

# A name of its own, by which the product tells machines apart; and a folder that is empty there.
NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
ELSEWHERE = (
    "unshare", "--mount", "--uts", "sh", "-c",
    'mount -t tmpfs tmpfs "$0" && hostname "$1" && shift && exec "$@"',
)  # fmt: skip
BRIDGE = "bridge"


@dataclass(frozen=True)
class Network:
    """Hosts by name, and the switch between them.

    Attributes:
        namespaces: The network namespace of each host.
        switch: The network namespace of the switch, which has no address itself.
    """

    namespaces: dict[str, str]
    switch: str

    def address(self, host: str) -> str:
        return f"10.77.0.{1 + list(self.namespaces).index(host)}"

    def within(self, host: str, hidden: Path | None = None) -> tuple[str, ...]:
        """Return the command that runs another command on a host, which may not see a folder."""
        own = (*ELSEWHERE, str(hidden), host) if hidden else (*NAMED, host)
        return ("ip", "netns", "exec", self.namespaces[host], *own)

    def cut(self, host: str) -> None:
        """Cut the link of a host: what is sent is lost, and nobody hears of it."""
        self._at_switch("link", "set", "dev", host, "nomaster")

    def join(self, host: str) -> None:
        """Join the link of a host again."""
        self._at_switch("link", "set", "dev", host, "master", BRIDGE)

    def build(self) -> None:
        ip("netns", "add", self.switch)
        self._at_switch("link", "add", "name", BRIDGE, "type", "bridge")
        self._at_switch("link", "set", "dev", BRIDGE, "up")
        for host, namespace in self.namespaces.items():
            ip("netns", "add", namespace)
            peer = ("peer", "name", "eth0", "netns", namespace)
            self._at_switch("link", "add", "name", host, "type", "veth", *peer)
            self._at_switch("link", "set", "dev", host, "up")
            self.join(host)
            ip("-n", namespace, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-n", namespace, "link", "set", "dev", link, "up")

    def _at_switch(self, *arguments: str) -> None:
        ip("-n", self.switch, *arguments)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)  # noqa: S607


@contextmanager
def network(*hosts: str) -> Iterator[Network]:
    """Build a network, and remove it with the block; the test is skipped where it can't be built.

    Args:
        hosts: The names of the hosts, of at most 15 characters.
    """
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")
    tag = uuid4().hex[:8]
    built = Network({host: f"rnnexp-{tag}-{host}" for host in hosts}, f"rnnexp-{tag}")
    try:
        try:
            built.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces can be made here: {error.stderr.strip()}")
        yield built
    finally:
        for namespace in (*built.namespaces.values(), built.switch):
            subprocess.run(
                ["ip", "netns", "delete", namespace],  # noqa: S607
                check=False,
                capture_output=True,
            )
