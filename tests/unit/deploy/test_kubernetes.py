"""The Kubernetes overlays: rendered by a real kubectl, strictly valid; every pod boots on what it mounts."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings

ROOT = Path(__file__).parents[3]
OVERLAYS = ("one-process", "postgres")
SECRETS = "/run/secrets/pagereel/"


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    """Every object that `kubectl apply -k` would send."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(ROOT / "deploy/kubernetes" / overlay)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == "", done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """The pod of every workload, by the workload's name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in rendered(overlay)
        if each["kind"] in ("Deployment", "Job")
    }


def settings_of(overlay: str, pod: dict[str, Any], tmp_path: Path) -> Path:
    """The settings file that a pod sees, with the secrets that it mounts as files below `tmp_path`."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (text,) = next(
        each["data"].values()
        for each in rendered(overlay)
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == volumes["settings"]["configMap"]["name"]
    )
    items = volumes["secrets"]["secret"].get("items")
    for name in set(re.findall(rf"{SECRETS}([a-z-]+)", text)):
        if items is None or name in {item["path"] for item in items}:
            token = name == "bootstrap-token"
            (tmp_path / name).write_text("prl_bootstrap_x" if token else "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    path = tmp_path / "pagereel.toml"
    path.write_text(text.replace(SECRETS, f"{tmp_path}/"))
    return path


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_strictly_valid(overlay: str) -> None:
    for each in rendered(overlay):
        kubernetes_validate.validate(each, "1.37", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_hardened(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_boots_on_the_settings_and_secrets_it_mounts(overlay: str, tmp_path: Path) -> None:
    for name, pod in pods(overlay).items():
        (container,) = pod["containers"]
        place = tmp_path / name
        place.mkdir()
        settings = Settings.load(
            settings_of(overlay, pod, place), {}, callbacks_only="--callbacks-only" in container["args"]
        )
        assert settings.database.url.startswith("sqlite:////" if overlay == "one-process" else "postgresql://"), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_finds_its_pods(overlay: str) -> None:
    workloads = [each for each in rendered(overlay) if each["kind"] == "Deployment"]
    services = [each for each in rendered(overlay) if each["kind"] == "Service"]
    assert {service["metadata"]["name"] for service in services} == {"pagereel-api", "pagereel-callbacks"}
    for service in services:
        selector = service["spec"]["selector"].items()
        found = [each for each in workloads if selector <= each["spec"]["template"]["metadata"]["labels"].items()]
        assert len(found) == 1, service["metadata"]["name"]
        ports = {port["name"] for port in found[0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_what_the_world_reaches_holds_no_key_to_agora_or_the_bucket(tmp_path: Path) -> None:
    pod = pods("postgres")["pagereel-callbacks"]
    text = settings_of("postgres", pod, tmp_path).read_text()
    assert not re.search(r"customer_secret|write|read", text)
    assert {path.name for path in tmp_path.iterdir()} == {
        "pagereel.toml", "database-password", "sealing-key", "agora-ncs-secret"
    }  # fmt: skip


def test_one_process_never_meets_its_successor() -> None:
    (deployment,) = (each for each in rendered("one-process") if each["kind"] == "Deployment")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["spec"]["replicas"] == 1


def test_no_secret_is_among_the_objects() -> None:
    assert not [each for overlay in OVERLAYS for each in rendered(overlay) if each["kind"] == "Secret"]
