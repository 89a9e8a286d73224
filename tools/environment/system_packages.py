"""System packages that pip cannot bring: found by what they provide, installed when root."""

from __future__ import annotations

import ctypes
import glob
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from environment.interpreter import Interpreter
from environment.layout import SetupError
from environment.steps import run

EGL_VENDORS = ("/usr/share/glvnd/egl_vendor.d/*.json", "/etc/glvnd/egl_vendor.d/*.json")
MESA_DRIVERS = ("/usr/lib/*/dri/*_dri.so", "/usr/lib/dri/*_dri.so", "/usr/lib64/dri/*_dri.so")


def missing_packages(python: Interpreter) -> list[str]:
    """Names of the Debian packages whose contents this machine lacks."""
    suffix = f"python{python.version[0]}.{python.version[1]}"
    present: dict[str, Callable[[], bool]] = {
        "cmake": lambda: shutil.which("cmake") is not None,
        "g++": lambda: shutil.which("g++") is not None,
        "make": lambda: shutil.which("make") is not None,
        f"{suffix}-venv": lambda: python.can_import("ensurepip"),
        f"{suffix}-dev": lambda: (python.include / "Python.h").is_file(),
        # Open3D links libusb, libgomp and libX11 for its cameras, threads and windows.
        "libusb-1.0-0": lambda: _loads("libusb-1.0.so.0"),
        "libgomp1": lambda: _loads("libgomp.so.1"),
        "libx11-6": lambda: _loads("libX11.so.6"),
        # MuJoCo renders through EGL: the dispatcher, a vendor and, for Mesa, its drivers.
        "libegl1": lambda: _loads("libEGL.so.1"),
        "libegl-mesa0": lambda: _any_file(EGL_VENDORS),
        "libgl1-mesa-dri": lambda: _any_file(MESA_DRIVERS) or _has_other_vendor(),
    }
    return [package for package, probe in present.items() if not probe()]


def ensure_packages(python: Interpreter, log: Path) -> None:
    """Install what is missing when root. Raises SetupError naming the apt command otherwise."""
    missing = missing_packages(python)
    if not missing:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"system packages are missing; run: sudo {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], log, environment)
    run(command.split(), log, environment)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _any_file(patterns: tuple[str, ...]) -> bool:
    return any(glob.glob(pattern) for pattern in patterns)


def _has_other_vendor() -> bool:
    vendors = [Path(path).name for pattern in EGL_VENDORS for path in glob.glob(pattern)]
    return any("mesa" not in vendor for vendor in vendors)
