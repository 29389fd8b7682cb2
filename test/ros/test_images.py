"""Images become views and leave as arrays; what does not fit is refused."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros import images

PIXELS = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(images.ENCODINGS))
def test_there_and_back(height, width, encoding):
    pixels = np.random.default_rng(height * width).integers(0, 255, (height, width, 3), np.uint8)
    message = deserialize_message(serialize_message(images.fill(Image(), pixels, encoding)), Image)
    seen = images.view(message, width, height)
    np.testing.assert_array_equal(seen, pixels if encoding == "rgb8" else pixels[:, :, ::-1])


def test_a_view_shares_the_messages_memory():
    message = images.fill(Image(), PIXELS)
    assert isinstance(message.data, array.array)
    assert np.shares_memory(images.view(message), np.frombuffer(message.data, np.uint8))


def test_padded_rows_are_left_out():
    padded = np.zeros((12, 64), np.uint8)
    padded[:, :48] = PIXELS.reshape(12, 48)
    message = images.fill(Image(), PIXELS)
    message.step, message.data = 64, array.array("B", padded.tobytes())
    np.testing.assert_array_equal(images.view(message), PIXELS)


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("encoding", "mono8", "image.encoding: 'mono8', allowed rgb8, bgr8"),
        ("width", 0, "image.width: 0"),
        ("height", 2**31, "image.height: 2147483648, allowed 1 to 8192"),
        ("step", 3, "image.step: 3, allowed 48 or more"),
        ("data", array.array("B", b"short"), "image.data: 5 bytes, allowed 576"),
    ],
)
def test_what_does_not_fit_is_refused(field, value, line):
    message = images.fill(Image(), PIXELS)
    setattr(message, field, value)
    with pytest.raises(ContractError) as refused:
        images.view(message)
    assert line in str(refused.value)


def test_another_size_than_promised_is_refused():
    with pytest.raises(ContractError, match=r"image\.width: 16, allowed 640, as in the robot's YAML"):
        images.view(images.fill(Image(), PIXELS), 640, 480)
