#!/usr/bin/env python3
"""Hold the IsaacLab adapters against IsaacLab's own sources, where none of it can be imported.

The sources are those of the wheels on PyPI, kept in the cache. pyright sees every call of ours
that they define; `isaaclab_stubs` stands for what they take from Isaac Sim, and has to bind
IsaacLab's own calls of the same names. Orders of quaternions and joints, and everything that is
a string, only a run would show.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path

from dexgrasp.objects.decomposition import cache_folder

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = ROOT / "src" / "dexgrasp" / "simulation" / "isaaclab"
STUBS = Path(__file__).with_name("isaaclab_stubs")
PACKAGES = ("isaaclab", "isaaclab_newton", "isaaclab_physx")
# What holds an object of a stub's class, in IsaacLab's code.
HOLDERS = {
    "SimulationContext": ("sim", "SimulationContext"),
    "_BodyView": ("root_physx_view",),
    "RigidContactView": ("contact_physx_view",),
}


class UnavailableError(Exception):
    """The sources are neither here nor to be had."""


@dataclass(frozen=True)
class Release:
    """A version of IsaacLab, and which of our files name it.

    root: the folder in the wheel that holds the package.
    """

    version: str
    python: str
    sha256: str
    root: str
    files: tuple[str, ...]


OLD = Release(
    version="2.3.2.post1",
    python="3.11",
    sha256="53f085b5c8377697d52cb404fb6ca0902771983f790f0839a13709a67cea1919",
    root="isaaclab/source/isaaclab",
    files=("kit.py", "stage23.py", "worlds23.py"),
)
NEW = Release(
    version="3.0.0",
    python="3.12",
    sha256="625f752c7dd912eb8efade85daeb7a8119d620266852380d17d8f9e701b80bca",
    root=".",
    files=("plant.py", "stage.py", "worlds.py"),
)


def sources(release: Release) -> Path:
    """The folder that holds IsaacLab's packages, in the cache.

    Raises UnavailableError where they cannot be loaded, ValueError for another wheel.
    """
    kept = cache_folder() / "isaaclab_sources" / f"{release.version}-{release.sha256[:8]}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as name:
            folder = Path(name) / "unpacked"
            _unpack(_download(release, Path(name)), folder)
            try:
                folder.rename(kept)
            except OSError:
                if not kept.exists():  # else another process was faster
                    raise
    return kept / release.root


def _download(release: Release, folder: Path) -> Path:
    wanted = f"isaaclab=={release.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--platform=manylinux_2_35_x86_64", f"--python-version={release.python}"]
    command += ["--quiet", "--disable-pip-version-check", "--retries=1", "--dest", folder, wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:]
        raise UnavailableError(f"{wanted} is not in the cache, and pip cannot load it: {words}")
    wheel = next(folder.glob("*.whl"))
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != release.sha256:
        raise ValueError(f"{wheel.name} has the sha256 {found}, not {release.sha256}")
    return wheel


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".py", ".pyi"))]
        archive.extractall(folder, names)


def wrong_calls(release: Release, folder: Path = ADAPTERS) -> list[str]:
    """What pyright says of the release's files in `folder`: none, or `file:line: words`.

    Raises as `sources`.
    """
    # Of torch and newton, too, where `make isaaclab` has brought them.
    installed = ROOT.glob(f".venv-isaaclab/lib/python{release.python}/site-packages")
    settings = {
        "include": list(release.files),
        "extraPaths": [str(path) for path in (STUBS, sources(release), ROOT / "src", *installed)],
        "pythonVersion": release.python,
        "typeCheckingMode": "basic",
        "reportMissingImports": False,  # what is not at hand
        "reportOptionalMemberAccess": False,  # what may be None says nothing of the call
        "reportOptionalSubscript": False,
    }
    with tempfile.TemporaryDirectory() as name:
        for file in release.files:
            shutil.copy(folder / file, name)
        (Path(name) / "pyrightconfig.json").write_text(json.dumps(settings))
        command = [sys.executable, "-m", "pyright", "--outputjson", "--project", name]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    said = json.loads(done.stdout)
    if said["summary"]["filesAnalyzed"] != len(release.files):
        raise ValueError(
            f"pyright has read {said['summary']['filesAnalyzed']} files: {done.stderr}"
        )
    return [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in said["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def wrong_options(release: Release, folder: Path = ADAPTERS) -> list[str]:
    """Options of our `AppLauncher`, which takes any, that IsaacLab does not know.

    Raises as `sources`.
    """
    source = (sources(release) / "isaaclab" / "app" / "app_launcher.py").read_text()
    table = re.search(r"_APPLAUNCHER_CFG_INFO: .*? = \{\n(.*?)\n    \}", source, re.DOTALL)
    known = re.findall(r'"(\w+)": ', table[1]) if table else []
    return [
        f"{file}:{node.lineno}: AppLauncher has no option {word.arg}"
        for file in release.files
        for node in ast.walk(ast.parse((folder / file).read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "AppLauncher"
        for word in node.keywords
        if word.arg not in known
    ]


def wrong_stubs(release: Release, stubs: Path = STUBS) -> list[str]:
    """Methods of the stubs that IsaacLab never calls, or calls with other arguments.

    Raises as `sources`.
    """
    calls = list(_calls(sources(release) / "isaaclab"))
    found = []
    for holder, name, signature in _methods(stubs):
        uses = [call for at, called, call in calls if called == name and at in HOLDERS[holder]]
        if not uses:
            found.append(f"{holder}.{name}: IsaacLab {release.version} never calls it")
        found += [
            f"{holder}.{name}{signature}: IsaacLab calls {ast.unparse(call)}"
            for call in uses
            if not _binds(signature, call)
        ]
    return found


def _methods(stubs: Path) -> Iterator[tuple[str, str, Signature]]:
    for path in sorted(stubs.rglob("*.pyi")):
        for made in ast.parse(path.read_text()).body:
            for part in made.body if isinstance(made, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef):
                    names = [argument.arg for argument in part.args.args[1:]]
                    parameters = [Parameter(one, Parameter.POSITIONAL_OR_KEYWORD) for one in names]
                    yield made.name, part.name, Signature(parameters)


def _calls(folder: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """What each method is called on, its name, and the call."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func.value).split(".")[-1], node.func.attr, node


def _binds(signature: Signature, call: ast.Call) -> bool:
    try:
        signature.bind(*call.args, **{word.arg or "**": word.value for word in call.keywords})
    except TypeError:
        return False
    return True


def main() -> int:
    """Print what is wrong; 1 where anything is."""
    found = [
        *(*wrong_calls(OLD), *wrong_options(OLD), *wrong_stubs(OLD)),
        *wrong_calls(NEW),
    ]
    print("\n".join(found) or "every call is one of IsaacLab's")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
