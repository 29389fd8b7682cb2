"""Another machine on this one: a network namespace behind a pair of virtual interfaces."""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass

import pytest


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)


@dataclass(frozen=True)
class FarMachine:
    """near: this side's interface, `here` and `there` the two addresses."""

    space: str
    near: str
    here: str
    there: str

    def start(self, words, **options):
        """A shell command there, with its own /dev/shm and host name."""
        away = ["ip", "netns", "exec", self.space, "unshare", "--mount", "--uts", "sh", "-c"]
        command = f"mount -t tmpfs tmpfs /dev/shm && hostname far && exec {words}"
        return subprocess.Popen([*away, command], text=True, **options)


@contextlib.contextmanager
def far_machine(number):
    """number: 1 to 254, another one for each test file. Skips where namespaces are not allowed."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("needs root, iproute2 and unshare to make a network namespace")
    tag = os.getpid() % 100000
    space, near, far = f"gearvla{number}x{os.getpid()}", f"gva{number % 10}{tag}", f"gvb{number % 10}{tag}"
    machine = FarMachine(space, near, f"10.219.{number}.1", f"10.219.{number}.2")
    if ip("netns", "add", space).returncode:
        pytest.skip("this machine allows no network namespaces")
    try:
        steps = (
            ("link", "add", near, "type", "veth", "peer", "name", far),
            ("link", "set", far, "netns", space),
            ("addr", "add", f"{machine.here}/24", "dev", near),
            ("link", "set", near, "up"),
            ("-n", space, "addr", "add", f"{machine.there}/24", "dev", far),
            ("-n", space, "link", "set", far, "up"),
            ("-n", space, "link", "set", "lo", "up"),
        )
        for step in steps:
            if (done := ip(*step)).returncode:
                pytest.skip(f"this machine allows no veth pair: {done.stderr.strip()}")
        yield machine
    finally:
        ip("link", "del", near)
        ip("netns", "del", space)
