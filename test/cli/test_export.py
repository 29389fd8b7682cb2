"""What `gear-vla export` refuses before it begins."""

import pytest

from gear_vla_ros.cli.export import Wanted


def wanted(**changed):
    return Wanted(**{"to": "onnx", "dtype": "", "text_tokens": 64, "weights": True, "quantise": "", **changed})


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"to": "coreml"}, "--to: 'coreml', allowed onnx or tensorrt"),
        ({"dtype": "float8"}, "--dtype: 'float8', allowed float32 or bfloat16"),
        ({"quantise": "int4"}, "--quantise: 'int4', allowed int8"),
        ({"quantise": "int8", "dtype": "bfloat16"}, "--quantise int8: graphs of bfloat16, allowed --dtype float32"),
        ({"seam": "rct"}, "--seam: 'rct', allowed switch, blend, ensemble, rtc"),
    ],
)
def test_what_no_bundle_can_be_is_refused(changed, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        wanted(**changed)


def test_a_seam_need_not_be_said():
    assert wanted().seam == "" and wanted(seam="rtc").seam == "rtc"
