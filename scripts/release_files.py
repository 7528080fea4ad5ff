"""Checks that a folder holds a complete release, and copies each wheel's list of components (SBOM) out of it.

Complete: one sdist, and one abi3 wheel for each platform of ``PLATFORMS``, all of one version, each wheel with the SBOM that
maturin writes. .github/workflows/release.yml runs it before anything is published. Must not change the files. Needs only the
standard library. Cost: reading the wheels.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from pathlib import Path

PLATFORMS = {
    "manylinux_2_17_x86_64": "Linux, glibc, x86_64",
    "manylinux_2_17_aarch64": "Linux, glibc, ARM",
    "musllinux_1_2_x86_64": "Linux, musl, x86_64",
    "musllinux_1_2_aarch64": "Linux, musl, ARM",
    "macosx_x86_64": "macOS, Intel",
    "macosx_arm64": "macOS, Apple silicon",
    "win_amd64": "Windows, x86_64",
    "win_arm64": "Windows, ARM",
}


def platform_of(wheel: str) -> str:
    """The key in ``PLATFORMS`` for a wheel's name, or the name's own platform if there is none. macOS's versions are left out."""
    *_, python, abi, tags = wheel.removesuffix(".whl").split("-")
    if (python, abi) != ("cp311", "abi3"):
        return f"{python}-{abi}"
    for tag in tags.split("."):
        if tag in PLATFORMS:
            return tag
        if tag.startswith("macosx_"):
            return "macosx_" + tag.split("_", 3)[3]
    return tags


def sbom_of(wheel: Path) -> bytes:
    """The wheel's SBOM. Raises ValueError if there is none, or if it names no Rust crate."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        texts = [archive.read(name) for name in names]
    if len(texts) != 1 or not json.loads(texts[0]).get("components"):
        raise ValueError(f"{wheel.name} has no SBOM")
    return texts[0]


def faults(names: list[str]) -> list[str]:
    """What is missing from the release, and what does not belong to it."""
    wheels = [name for name in names if name.endswith(".whl")]
    sdists = [name for name in names if name.endswith(".tar.gz")]
    versions = {name.split("-")[1].removesuffix(".tar.gz") for name in wheels + sdists}
    platforms = [platform_of(name) for name in wheels]
    found = [f"no wheel for {PLATFORMS[missing]}" for missing in sorted(set(PLATFORMS) - set(platforms))]
    found += [f"a wheel for {other}" for other in sorted(set(platforms) - set(PLATFORMS))]
    found += [f"two wheels for {twice}" for twice in sorted({name for name in platforms if platforms.count(name) > 1})]
    found += [f"{len(sdists)} sdists"] * (len(sdists) != 1) + [f"versions {sorted(versions)}"] * (len(versions) != 1)
    return found + [f"not part of a release: {name}" for name in sorted(set(names) - set(wheels) - set(sdists))]


def main() -> int:
    """Checks the folder named on the command line."""
    parser = argparse.ArgumentParser(description="checks that a folder holds a complete release")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sboms", type=Path, required=True)
    options = parser.parse_args()
    found = faults([path.name for path in options.folder.iterdir()])
    if found:
        raise SystemExit("\n".join(found))
    options.sboms.mkdir(exist_ok=True)
    for wheel in sorted(options.folder.glob("*.whl")):
        (options.sboms / f"{wheel.stem}.cdx.json").write_bytes(sbom_of(wheel))
        print(f"{wheel.name}: {PLATFORMS[platform_of(wheel.name)]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
