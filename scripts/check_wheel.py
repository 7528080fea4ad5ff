"""Tests a built wheel in an empty environment: installs it, uses it with a server and with JupyterLab, and uninstalls it.

Checks with auditwheel that the wheel matches its platform tag; that the wheel's own file enables the extension; that a kernel
computes 1 + 1 over a WebSocket in both subprotocols; that the server logs that kernelws is active; that `jupyter kernelws doctor`
finds no failure; and that uninstalling leaves nothing. Must not install anything from the checkout but the wheel; other packages
are installed as locked. Must leave no process behind. Cost: a minute, mostly for pip.
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
"""manylinux2014, which includes all distributions with Python 3.11 or newer."""


BUNDLE = ("package.json", "install.json", "schemas/kernelws/plugin.json", "static/remoteEntry.")
BUNDLE_IN_WHEEL = "data/share/jupyter/labextensions/kernelws/"


def check_tag(wheel: Path, auditwheel: Path) -> None:
    """Checks that the wheel's name and contents are for Python 3.11 or newer and glibc 2.17 or newer."""
    *_, python, abi, platforms = wheel.stem.split("-")
    if (python, abi) != ("cp311", "abi3") or not any(name.startswith(OLDEST_GLIBC) for name in platforms.split(".")):
        raise SystemExit(f"not a cp311-abi3-{OLDEST_GLIBC} wheel: {wheel.name}")
    done = subprocess.run([str(auditwheel), "show", "--json", str(wheel)], check=True, capture_output=True, text=True)
    audit = json.loads(done.stdout)
    if audit["overall_tag"] not in platforms.split(".") or audit["external_libs"]:
        raise SystemExit(f"the wheel does not match the platform in its name:\n{done.stdout}")
    symbols = sorted({symbol for used in audit["versioned_symbols"].values() for symbol in used})
    print(f"{wheel.name}: {audit['overall_tag']}, needs {', '.join(symbols)}", flush=True)


def check_contents(wheel: Path) -> None:
    """Checks for the licence, py.typed, the file that enables the extension, the browser extension, and the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        licence = [archive.read(name) for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    wanted = ("kernelws/py.typed", "kernelws/_core.pyi", "kernelws/_core.abi3.so")
    missing = [name for name in wanted if name not in names]
    if not any(name.endswith("data/etc/jupyter/jupyter_server_config.d/kernelws.json") for name in names):
        missing.append("jupyter_server_config.d/kernelws.json")
    missing += sorted(
        f"the browser extension's {name}" for name in BUNDLE if not any(BUNDLE_IN_WHEEL + name in one for one in names)
    )
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
    """Checks that the wheel's own file enables the extension, and that the extension can be imported."""
    listing = environment.run("-m", "jupyter_server.extension.serverextension", "list")
    lines = [line for line in listing.splitlines() if "kernelws" in line]
    if not any("enabled" in line for line in lines) or any("X" in line.split() for line in lines):
        raise SystemExit(f"the wheel does not enable the extension:\n{listing}")
    print("\n".join(lines), flush=True)


def check_labextension(environment: Environment) -> None:
    """Checks that JupyterLab finds the browser extension and would load it."""
    listing = environment.run("-m", "jupyterlab.labextensions", "list")
    lines = [line for line in listing.splitlines() if "kernelws" in line]
    if len(lines) != 1 or "enabled" not in lines[0] or "OK" not in lines[0]:
        raise SystemExit(f"JupyterLab does not load the browser extension:\n{listing}")
    print(lines[0].strip(), flush=True)


def check_server(environment: Environment, application: str) -> None:
    """Checks that a kernel answers in both subprotocols, that kernelws is active, and that JupyterLab serves its page."""
    with environment.server(application) as server:
        if application == "jupyterlab" and b"jupyter-config-data" not in server.address.fetch("GET", "/lab"):
            raise SystemExit("JupyterLab serves no page")
        print(server.one_plus_one(), end="", flush=True)
        if not server.log_lines("kernelws", "is active"):
            raise SystemExit(f"no log line says that kernelws is active:\n{server.log()}")
        print(f"{application}: {server.log_lines('kernelws', 'is active')[0]}", flush=True)


def check_uninstalled(environment: Environment) -> None:
    """Uninstalls kernelws, and checks that no file is left, and that a server works without it and does not log its name."""
    environment.uninstall("kernelws")
    left = [str(path) for path in environment.folder.glob("venv/**/*kernelws*")]
    with environment.server("jupyterlab") as server:
        print(server.one_plus_one(), end="", flush=True)
        left += server.log_lines("kernelws")
    if left:
        raise SystemExit("left after pip uninstall:\n" + "\n".join(left))
    print("uninstalled: 1 + 1 is 2 through jupyter_server's own class, and nothing of kernelws is left", flush=True)


def check_doctor(environment: Environment) -> None:
    """Checks that `jupyter kernelws doctor` is installed and finds no failure."""
    script = environment.folder / "venv" / "bin" / "jupyter-kernelws"
    lines = environment.run(str(script), "doctor").splitlines()
    print("doctor:", *(line for line in lines if line.startswith(("OK: ", "WARN: "))), flush=True)


def main() -> int:
    """Checks the wheel named on the command line."""
    parser = argparse.ArgumentParser(description="installs a wheel in an empty environment, and runs a kernel through it")
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
        check_labextension(environment)
        check_server(environment, "jupyterlab")
        check_uninstalled(environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())
