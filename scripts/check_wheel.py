"""Takes a built wheel through its life in an empty environment: installed, used, used by JupyterLab, uninstalled.

It must not install anything of the checkout but the wheel, locked packages beside it, and must leave no process behind.
Strategy: auditwheel says whether the wheel is what its name promises; the extension has to be enabled by the wheel's own
file alone; servers are real ones, their kernels are started over REST and compute 1 + 1 over a WebSocket in both
subprotocols; the servers' logs must say that kernelws is active, `jupyter kernelws doctor` agrees, and, once it is
uninstalled, nothing of it is said.
Cost: a minute, most of it pip.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scripts.environment import ROOT, Environment

OLDEST_GLIBC = "manylinux_2_17"
"""manylinux2014: every distribution that has a Python of 3.11 or newer."""


def check_tag(wheel: Path, auditwheel: Path) -> None:
    """One wheel for every Python from 3.11 on and every glibc from 2.17 on, which is what its name says."""
    *_, python, abi, platforms = wheel.stem.split("-")
    if (python, abi) != ("cp311", "abi3") or not any(name.startswith(OLDEST_GLIBC) for name in platforms.split(".")):
        raise SystemExit(f"not a cp311-abi3-{OLDEST_GLIBC} wheel: {wheel.name}")
    done = subprocess.run([str(auditwheel), "show", "--json", str(wheel)], check=True, capture_output=True, text=True)
    audit = json.loads(done.stdout)
    if audit["overall_tag"] not in platforms.split(".") or audit["external_libs"]:
        raise SystemExit(f"the wheel is not what its name says:\n{done.stdout}")
    symbols = sorted({symbol for used in audit["versioned_symbols"].values() for symbol in used})
    print(f"{wheel.name}: {audit['overall_tag']}, needs {', '.join(symbols)}", flush=True)


def check_contents(wheel: Path) -> None:
    """The licence, the mark of a typed package, the file that enables the extension, and what a package index shows."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        licence = [archive.read(name) for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    wanted = ("kernelws/py.typed", "kernelws/_core.pyi", "kernelws/_core.abi3.so")
    missing = [name for name in wanted if name not in names]
    if not any(name.endswith("data/etc/jupyter/jupyter_server_config.d/kernelws.json") for name in names):
        missing.append("jupyter_server_config.d/kernelws.json")
    if licence != [(ROOT / "LICENSE").read_bytes()]:
        missing.append("LICENSE")
    head, _, description = metadata.decode().partition("\n\n")
    if description.strip() != (ROOT / "README.md").read_text(encoding="utf-8").strip():
        missing.append("README.md")
    fields = ("License-Expression: BSD-3-Clause", "Requires-Python: >=3.11", "Classifier: Typing :: Typed")
    missing += [field for field in fields if field not in head.splitlines()]
    if missing:
        raise SystemExit(f"{wheel.name} lacks {', '.join(missing)}")


def check_enabled(environment: Environment) -> None:
    """The wheel's own file enables the extension, and the extension can be imported."""
    listing = environment.run("-m", "jupyter_server.extension.serverextension", "list")
    lines = [line for line in listing.splitlines() if "kernelws" in line]
    if not any("enabled" in line for line in lines) or any("X" in line.split() for line in lines):
        raise SystemExit(f"the wheel does not enable the extension:\n{listing}")
    print("\n".join(lines), flush=True)


def check_server(environment: Environment, application: str) -> None:
    """A kernel answers over both subprotocols, and the log says through what. JupyterLab serves its page too."""
    with environment.server(application) as server:
        if application == "jupyterlab" and b"jupyter-config-data" not in server.address.fetch("GET", "/lab"):
            raise SystemExit("JupyterLab serves no page")
        print(server.one_plus_one(), end="", flush=True)
        if not server.said("kernelws", "is active"):
            raise SystemExit(f"no log line says that kernelws is active:\n{server.log()}")
        print(f"{application}: {server.said('kernelws', 'is active')[0]}", flush=True)


def check_uninstalled(environment: Environment) -> None:
    """Nothing is left: the server of before works without it, and its log does not know it."""
    environment.uninstall("kernelws")
    left = [str(path) for path in environment.folder.glob("venv/**/*kernelws*")]
    with environment.server("jupyterlab") as server:
        print(server.one_plus_one(), end="", flush=True)
        left += server.said("kernelws")
    if left:
        raise SystemExit("after pip uninstall there is still:\n" + "\n".join(left))
    print("uninstalled: 1 + 1 is 2 through jupyter_server's own class, nothing of kernelws is left", flush=True)


def check_doctor(environment: Environment) -> None:
    """The script that `jupyter kernelws` runs is there, and finds nothing that fails."""
    script = environment.folder / "venv" / "bin" / "jupyter-kernelws"
    lines = environment.run(str(script), "doctor").splitlines()
    print("doctor:", *(line for line in lines if line.startswith(("OK: ", "WARN: "))), flush=True)


def main() -> int:
    """Check the wheel named on the command line."""
    parser = argparse.ArgumentParser(description="a wheel, an empty environment, a kernel that answers")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--auditwheel", type=Path, required=True)
    options = parser.parse_args()
    wheel = options.wheel.resolve(strict=True)
    if sys.platform == "linux":
        check_tag(wheel, options.auditwheel)
    check_contents(wheel)
    with tempfile.TemporaryDirectory(prefix="check-wheel-") as folder:
        environment = Environment(Path(folder))
        environment.install(wheel, "ipykernel")
        check_enabled(environment)
        check_server(environment, "jupyter_server")
        check_doctor(environment)
        environment.install("jupyterlab")
        check_server(environment, "jupyterlab")
        check_uninstalled(environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())
