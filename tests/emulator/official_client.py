"""A whole recording by Agora's own Python client, as its users write it: run as a process by test_official_client.py.

Arguments: the emulator's port and the file of its authority. Only the host mapping is ours, as a line in /etc/hosts
and the port 443 would be. Prints what the client answered, as JSON.
"""

import json
import os
import socket
import sys
import time
import traceback
from typing import Any

from agora_rest_client.core.domain import Domain, EndpointRegion
from agora_rest_client.core.exceptions import ServiceResponseException
from agora_rest_client.services.cloud_recording.v1.api import ExtensionServiceName, StorageVendor
from agora_rest_client.services.cloud_recording.v1.web_recording import api_start, api_update
from agora_rest_client.services.cloud_recording.v1.web_recording.web_recording_client import WebRecordingClient

DEADLINE_SECONDS = 60.0
IN_PROGRESS = 5
resolve, resolve_name = socket.getaddrinfo, socket.gethostbyname


def map_hosts(port: int) -> None:
    """Agora's names are this machine, and their port 443 is the emulator's."""
    agora = (".agora.io", ".sd-rtn.com")
    socket.gethostbyname = lambda name: "127.0.0.1" if name.endswith(agora) else resolve_name(name)

    def here(host: Any, service: Any, *rest: Any, **named: Any) -> Any:
        mapped = str(host).endswith(agora) and int(service) == 443
        return resolve("127.0.0.1", port, *rest, **named) if mapped else resolve(host, service, *rest, **named)

    socket.getaddrinfo = here


def refusal(call: Any, *arguments: Any) -> list[Any]:
    """The status and the code of an answer that the client raises, waited for."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            call(*arguments)
        except ServiceResponseException as error:
            return [error.status_code, error.error_code]
        time.sleep(0.1)
    raise AssertionError("was not refused")


def wait(client: WebRecordingClient, rid: str, sid: str, slices: bool = False) -> Any:
    """query's answer once the task is in progress, and has a playlist where `slices` are waited for."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        answer = client.query(rid, sid).to_dict()
        (service,) = answer["serverResponse"]["extensionServiceState"][:1]
        if answer["serverResponse"]["status"] == IN_PROGRESS and (not slices or service["payload"].get("fileList")):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def record(known: dict[str, Any]) -> dict[str, Any]:
    client = (
        WebRecordingClient.new_builder()
        .with_app_id(known["app"])
        .with_credential_basic_auth(known["customer"], known["secret"])
        .with_domain(Domain(EndpointRegion.US.value))
        .build()
    )
    name, uid = "official", "527841"
    rid = client.acquire(name, uid, resource_expired_hour=4).resourceId
    storage = api_start.StorageConfig(
        vendor=StorageVendor.AMAZON_S3.value,
        region=0,
        bucket=known["bucket"],
        accessKey=known["access_key"],
        secretKey=known["secret_key"],
        fileNamePrefix=["official"],
    )
    page = api_start.ServiceParam(
        url="https://page.example.org/",
        audioProfile=0,
        videoWidth=1280,
        videoHeight=720,
        maxRecordingHour=1,
    )
    services = api_start.ExtensionServiceConfig(
        errorHandlePolicy="error_abort",
        extensionServices=[
            api_start.ExtensionServices(
                serviceName=ExtensionServiceName.WEB_RECORDER_SERVICE.value,
                errorHandlePolicy="error_abort",
                serviceParam=page,
            )
        ],
    )
    sid = client.start(rid, name, uid, storage, services).sid
    queried = wait(client, rid, sid, slices=True)
    client.update(rid, sid, name, uid, web_recording_config=api_update.WebRecordingConfig(onhold=True))
    held = client.query(rid, sid).to_dict()
    client.update(rid, sid, name, uid, web_recording_config=api_update.WebRecordingConfig(onhold=False))
    stopped = client.stop(rid, sid, name, uid).to_dict()
    return {
        "sid": sid,
        "queried": queried,
        "held": held,
        "stopped": stopped,
        "again": refusal(client.query, rid, sid),
        "uid 0": refusal(client.acquire, name, "0"),
    }


if __name__ == "__main__":
    map_hosts(int(sys.argv[1]))
    os.environ["REQUESTS_CA_BUNDLE"] = sys.argv[2]
    status = 1
    try:
        print(json.dumps(record(json.load(sys.stdin))), flush=True)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # The client looks its names up again each 30 s, on a thread that never ends.
