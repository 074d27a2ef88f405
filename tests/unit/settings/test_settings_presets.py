"""Presets and what a caller may lay over them (agora-reference §3.3)."""

import dataclasses

import pytest

from service.errors import Code, ServiceError
from service.recording import Parameters
from service.settings import ParameterRules, Preset


def test_a_preset_covers_every_parameter_with_its_default():
    assert {field.name for field in dataclasses.fields(Parameters)} == set(ParameterRules.model_fields)
    assert Preset().parameters() == Parameters()


def test_a_wish_lies_over_the_preset():
    preset = Preset(video_width=640, video_height=360, video_fps=30)
    parameters = preset.parameters({"video_fps": 10, "av_file_type": ["hls"]})
    assert (parameters.video_width, parameters.video_fps, parameters.av_file_type) == (640, 10, ("hls",))


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"video_width": 239}, "/video_width"),
        ({"video_width": 1921}, "/video_width"),
        ({"video_height": 1921}, "/video_height"),
        ({"video_width": 1920, "video_height": 1081}, "/video_height"),
        ({"video_fps": 4}, "/video_fps"),
        ({"video_fps": 61}, "/video_fps"),
        ({"video_bitrate": 49}, "/video_bitrate"),
        ({"video_bitrate": 8001}, "/video_bitrate"),
        ({"audio_profile": 3}, "/audio_profile"),
        ({"max_recording_hour": 0}, "/max_recording_hour"),
        ({"max_recording_hour": 720}, "/max_recording_hour"),
        ({"max_video_duration": 29}, "/max_video_duration"),
        ({"max_video_duration": 241}, "/max_video_duration"),
        ({"ready_timeout": 61}, "/ready_timeout"),
        ({"ready_timeout": 1.5}, "/ready_timeout"),
        ({"av_file_type": ["mp4"]}, "/av_file_type"),
        ({"av_file_type": []}, "/av_file_type"),
        ({"av_file_type": ["avi"]}, "/av_file_type/0"),
        ({"private_params": "x"}, "/private_params"),
        ({"private_params": "[]"}, "/private_params"),
        ({"unknown": 1}, "/unknown"),
    ],
)
def test_a_wish_out_of_range_is_invalid_at_its_pointer(wish, pointer):
    with pytest.raises(ServiceError) as caught:
        Preset().parameters(wish)
    assert caught.value.code is Code.INVALID
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_a_wish_can_be_too_much_together_with_the_preset():
    with pytest.raises(ServiceError):
        Preset(video_width=1920, video_height=1080).parameters({"video_height": 1920})
    assert Preset(video_width=1920, video_height=1080).parameters({"video_width": 1080, "video_height": 1920})


def test_the_extinf_correction_joins_the_private_parameters():
    assert Preset(correct_extinf=True).parameters().private_params == '{"correctEXTINF": true}'
    both = Preset(correct_extinf=True, private_params='{"a": 1}').parameters()
    assert both.private_params == '{"a": 1, "correctEXTINF": true}'
