"""What a release consists of: the workflows, the recipe, and the scripts that they run, as far as they can be tested anywhere.

`make workflows` checks the workflows' syntax. Must not start a build.
"""

import json
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from scripts import release_files, try_wheel
from scripts.docs_facts import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPLETE = [
    "kernelws-1.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    "kernelws-1.0-cp311-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    "kernelws-1.0-cp311-abi3-musllinux_1_2_x86_64.whl",
    "kernelws-1.0-cp311-abi3-musllinux_1_2_aarch64.whl",
    "kernelws-1.0-cp311-abi3-macosx_10_12_x86_64.whl",
    "kernelws-1.0-cp311-abi3-macosx_11_0_arm64.whl",
    "kernelws-1.0-cp311-abi3-win_amd64.whl",
    "kernelws-1.0-cp311-abi3-win_arm64.whl",
    "kernelws-1.0.tar.gz",
]
STEPS = [f"{protocol}_{step}" for protocol in ("v1", "legacy") for step in try_wheel.STEPS]
REPORT: dict[str, Any] = {"receive": {"way": "native"}, "checks": [{"name": name, "verdict": "OK"} for name in STEPS]}


# the workflows


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job.get("steps", ())]


def test_every_action_is_pinned_by_digest_with_its_version() -> None:
    found = [line for path in WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line and "./" not in line]
    assert len(found) > 20
    for line in found:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_the_same_action_has_one_digest() -> None:
    used = {tuple(step["uses"].split("@")) for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len(used) == len({name for name, _ in used})


def test_only_the_job_that_publishes_may_write() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}
        for name, job in workflow["jobs"].items():
            writes = {scope for scope, kind in job["permissions"].items() if kind == "write"}
            assert writes == ({"id-token", "attestations"} if name == "publish" else set())


def test_every_target_and_script_that_a_workflow_runs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = "\n".join(step["run"] for path in WORKFLOWS for step in steps(path) if "run" in step)
    made = [word for words in re.findall(r"^make ((?:[a-z-]+ ?)+)", scripts, re.MULTILINE) for word in words.split()]
    assert len(made) > 10
    assert set(made) <= targets
    run = re.findall(r"\bscripts/\w+(?:\.py)?", scripts)
    assert set(run) == {"scripts/try_wheel.py", "scripts/release_files.py", "scripts/check_tag"}
    assert all((ROOT / name).exists() for name in run)


def test_every_wheel_is_built_from_what_has_the_extension_of_the_browser() -> None:
    """The checkout does not have it. The Makefile builds it, and the sdist contains it."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "wheels.yml").read_text())["jobs"]
    built = {name: [step for step in job["steps"] if "maturin-action" in step.get("uses", "")] for name, job in jobs.items()}
    assert {name for name, found in built.items() if found} == {"musllinux", "macos", "windows"}
    for name, found in built.items():
        for step in found:
            assert jobs[name]["needs"] == ["sdist"]
            assert step["with"]["working-directory"] == "source"
            assert "-C source" in " ".join(one.get("run", "") for one in jobs[name]["steps"])


def test_no_wheel_is_built_for_one_free_threaded_python() -> None:
    assert "3.14t" not in (ROOT / ".github" / "workflows" / "wheels.yml").read_text()


def test_every_file_that_has_the_version_has_the_same() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    browser = [
        json.loads((ROOT / "labextension" / f"{name}.json").read_text())["version"] for name in ("package", "package-lock")
    ]
    crate = [package["version"] for package in locked if package["name"] == "kernelws"]
    assert [PROJECT["version"], *crate, *browser] == [cargo] * 4


# the files of a release


def test_a_complete_release_has_no_faults() -> None:
    assert release_files.faults(COMPLETE) == []


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (COMPLETE[1:], "no wheel for Linux, glibc, x86_64"),
        (COMPLETE[:-1], "0 sdists"),
        ([*COMPLETE, "kernelws-1.0-cp314-cp314t-win_amd64.whl"], "a wheel for cp314-cp314t"),
        ([*COMPLETE, "kernelws-1.0-cp311-abi3-linux_x86_64.whl"], "a wheel for linux_x86_64"),
        ([*COMPLETE, "kernelws-1.0-cp311-abi3-macosx_12_0_arm64.whl"], "two wheels for macosx_arm64"),
        ([*COMPLETE[:-1], "kernelws-1.1.tar.gz"], "versions ['1.0', '1.1']"),
        ([*COMPLETE, "notes.txt"], "not part of a release: notes.txt"),
    ],
)
def test_an_incomplete_release_is_refused(names: list[str], fault: str) -> None:
    assert release_files.faults(names) == [fault]


@pytest.mark.parametrize("components", [None, [], [{"name": "pyo3"}]])
def test_a_wheel_without_its_components_is_refused(tmp_path: Path, components: list[dict[str, str]] | None) -> None:
    wheel = tmp_path / COMPLETE[0]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("kernelws/__init__.py", "")
        if components is not None:
            archive.writestr("kernelws-1.0.dist-info/sboms/kernelws.cyclonedx.json", json.dumps({"components": components}))
    if components:
        assert json.loads(release_files.sbom_of(wheel))["components"] == components
    else:
        with pytest.raises(ValueError, match="has no SBOM"):
            release_files.sbom_of(wheel)


def test_a_tag_must_have_the_version_of_the_sources_and_a_date() -> None:
    def check(tag: str) -> str:
        command = [str(ROOT / "scripts" / "check_tag"), tag]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr  # noqa: S603 - ours

    assert "pyproject.toml does not have the version of the tag v9.9.9" in check("v9.9.9")
    told = check(f"v{PROJECT['version']}")
    unreleased = f"## {PROJECT['version']} (unreleased)" in (ROOT / "CHANGELOG.md").read_text()
    assert told == (f"CHANGELOG.md has no date for {PROJECT['version']}\n" if unreleased else "")


# the trial of a wheel


def test_a_wheel_that_works_as_expected_has_no_faults() -> None:
    assert try_wheel.faults(REPORT, "native") == []


def test_another_receive_path_or_a_step_that_failed_is_a_fault() -> None:
    assert try_wheel.faults(REPORT, "fallback") == ["the receive path is {'way': 'native'}, not fallback"]
    less = REPORT | {"checks": REPORT["checks"][1:]}
    assert try_wheel.faults(less, "native") == [f"{STEPS[0]} is missing"]
    worse = REPORT | {"checks": [{"name": STEPS[0], "verdict": "FAIL"}, *REPORT["checks"][1:]]}
    assert try_wheel.faults(worse, "native") == [f"{STEPS[0]} is FAIL"]


# the recipe


def test_the_recipe_needs_what_the_package_needs() -> None:
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    wanted = {str(Requirement(text)) for text in PROJECT["dependencies"]}
    assert {str(Requirement(text)) for text in recipe["requirements"]["run"] if text != "python"} == wanted
    assert recipe["build"]["python"]["entry_points"] == [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    context = recipe["context"]
    assert (context["version"], f">={context['python_min']}") == (PROJECT["version"], PROJECT["requires-python"])
    (build,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert str(Requirement(build)) in {str(Requirement(text)) for text in recipe["requirements"]["host"]}
