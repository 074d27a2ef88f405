"""What is said to Agora, field for field (agora-reference §2 to §6)."""

from dataclasses import replace

from service.agora import bodies
from service.agora.bodies import StartOrder, Storage, Task
from service.recording import Location, Parameters
from service.settings import Credentials

PLACE = Location(1, 7, "class-archive", None, False, ("rec2025", "01jabc"))
STORAGE = Storage(PLACE, "rec2025/01jabc/a1/", Credentials("AK", "SK"))
ORDER = StartOrder("https://class.example.org/room?recorder=1", Parameters(video_bitrate=2000), STORAGE)
TASK = Task("r-x", 527841, "RID", "ab12")


def test_acquire_asks_for_web_mode_and_control_a_day_longer_than_the_recording():
    assert bodies.acquire_body("c", 4294967295, 3, None) == {
        "cname": "c",
        "uid": "4294967295",
        "clientRequest": {"scene": 1, "resourceExpiredHour": 27},
    }
    assert bodies.acquire_body("c", 1, 719, "EU")["clientRequest"] == {
        "scene": 1,
        "resourceExpiredHour": 720,
        "region": "EU",
    }


def test_start_says_what_the_reference_sample_says():
    assert bodies.start_body("c", 7, ORDER) == {
        "cname": "c",
        "uid": "7",
        "clientRequest": {
            "extensionServiceConfig": {
                "errorHandlePolicy": "error_abort",
                "extensionServices": [
                    {
                        "serviceName": "web_recorder_service",
                        "errorHandlePolicy": "error_abort",
                        "serviceParam": {
                            "url": "https://class.example.org/room?recorder=1",
                            "audioProfile": 0,
                            "videoWidth": 1280,
                            "videoHeight": 720,
                            "videoBitrate": 2000,
                            "videoFps": 15,
                            "maxRecordingHour": 3,
                            "maxVideoDuration": 120,
                            "mobile": False,
                            "onhold": False,
                            "readyTimeout": 0,
                        },
                    }
                ],
            },
            "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
            "storageConfig": {
                "vendor": 1,
                "region": 7,
                "bucket": "class-archive",
                "accessKey": "AK",
                "secretKey": "SK",
                "fileNamePrefix": ["rec2025", "01jabc", "a1"],
            },
        },
    }


def test_start_with_a_push_adds_the_service_that_may_fail_alone():
    request = bodies.start_body("c", 7, replace(ORDER, rtmp_url="rtmp://live.example.org/app/key1"))["clientRequest"]
    assert request["extensionServiceConfig"]["extensionServices"][1] == {
        "serviceName": "rtmp_publish_service",
        "errorHandlePolicy": "error_ignore",
        "serviceParam": {"outputs": [{"rtmpUrl": "rtmp://live.example.org/app/key1"}]},
    }


def test_what_is_not_asked_for_is_not_said():
    order = replace(ORDER, parameters=Parameters(av_file_type=("hls",)))
    request = bodies.start_body("c", 7, order)["clientRequest"]
    said = request["extensionServiceConfig"]["extensionServices"][0]["serviceParam"]
    assert not {"videoBitrate", "maxVideoDuration"} & said.keys()
    assert not {"recordingConfig", "token"} & request.keys()


def test_private_parameters_travel_as_the_string_they_are():
    order = replace(ORDER, parameters=Parameters(private_params='{"correctEXTINF": true}'))
    assert bodies.start_body("c", 7, order)["clientRequest"]["recordingConfig"] == {
        "privateParams": '{"correctEXTINF": true}'
    }


def test_an_s3_compatible_endpoint_goes_without_its_scheme():
    place = replace(PLACE, vendor=11, region=0, endpoint="https://s3.example.org:9000")
    config = bodies.storage_config(replace(STORAGE, location=place))
    assert config["extensionParams"] == {"endpoint": "s3.example.org:9000"}


def test_an_endpoint_of_another_vendor_is_ours_alone():
    place = replace(PLACE, endpoint="https://s3.eu-central-1.amazonaws.com")
    assert "extensionParams" not in bodies.storage_config(replace(STORAGE, location=place))


def test_encryption_and_tag_go_into_the_extra_parameters():
    assert bodies.storage_config(replace(STORAGE, sse="kms", tag="lesson"))["extensionParams"] == {
        "sse": "kms",
        "tag": "lesson",
    }


def test_temporary_keys_say_when_they_end_in_seconds():
    config = bodies.storage_config(replace(STORAGE, credentials=Credentials("A", "S", "T", 1735689611.9)))
    assert (config["stsToken"], config["stsExpiration"]) == ("T", 1735689611)


def test_an_update_says_one_block_only():
    assert bodies.update_onhold_body(TASK, False)["clientRequest"] == {"webRecordingConfig": {"onhold": False}}
    assert bodies.update_rtmp_body(TASK, "rtmp://x/y")["clientRequest"] == {
        "rtmpPublishConfig": {"outputs": [{"rtmpUrl": "rtmp://x/y"}]}
    }
    assert bodies.update_storage_body(TASK, STORAGE)["clientRequest"].keys() == {"storageConfig"}


def test_stop_does_not_wait_for_the_upload():
    assert bodies.stop_body(TASK) == {"cname": "r-x", "uid": "527841", "clientRequest": {"async_stop": True}}


def test_an_identifier_cannot_leave_its_place_in_the_path():
    task = Task("c", 1, "../x?y", "a/b")
    assert bodies.path_task("app", task, "stop") == (
        "/v1/apps/app/cloud_recording/resourceid/..%2Fx%3Fy/sid/a%2Fb/mode/web/stop"
    )
    assert bodies.path_start("app", "R") == "/v1/apps/app/cloud_recording/resourceid/R/mode/web/start"
    assert bodies.path_acquire("app") == "/v1/apps/app/cloud_recording/acquire"


def test_no_repr_shows_a_secret():
    order = StartOrder("https://p/?canary", Parameters(), replace(STORAGE, credentials=Credentials("canary", "canary")))
    assert "canary" not in repr(order)
