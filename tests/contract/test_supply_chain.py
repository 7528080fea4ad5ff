"""Requirements for the locked Rust dependencies: versions without known advisories, and no ring. Reads Cargo.lock only."""

import tomllib
from pathlib import Path

LOCK = tomllib.loads((Path(__file__).parents[2] / "Cargo.lock").read_text())
VERSIONS = {package["name"]: tuple(int(n) for n in package["version"].split(".")[:3]) for package in LOCK["package"]}


def test_pyo3_is_newer_than_its_advisories() -> None:
    """pyo3 0.29 or newer (RUSTSEC-2026-0176, -0177)."""
    assert VERSIONS["pyo3"] >= (0, 29, 0)


def test_bytes_is_newer_than_its_advisory() -> None:
    """``bytes`` 1.11.1 or newer."""
    assert VERSIONS["bytes"] >= (1, 11, 1)


def test_ring_is_not_used() -> None:
    """No ``ring`` (unmaintained, RUSTSEC-2025-0007)."""
    assert "ring" not in VERSIONS
