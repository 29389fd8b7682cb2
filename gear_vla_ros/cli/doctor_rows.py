"""One row of `gear-vla doctor`, and those that every topic has which must keep coming."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gear_vla_ros.ros.probe import Heard

Verdict = Literal["pass", "warn", "fail"]

RATE_SHARE, SLOW_SHARE = 0.8, 0.5
"""Shares of the YAML's rate: below the first a warning, below the second a failure."""


@dataclass(frozen=True)
class Row:
    """One check. todo: what to do about it, empty when it passed."""

    verdict: Verdict
    what: str
    found: str
    todo: str = ""


def stream(heard: Heard, what: str, topic: str, rate_hz: float, limit_s: float, future_s: float) -> Iterator[Row]:
    """A topic that must keep coming: there, of its type, at its rate, with stamps of capture."""
    if heard.types_found and heard.type_name not in heard.types_found:
        yield Row("fail", what, f"{topic} is {', '.join(heard.types_found)}", f"publish {heard.type_name}")
        return
    if len(heard.times_ns) < 2:
        found = "no publisher" if not heard.types_found else f"a publisher, but {len(heard.times_ns)} messages"
        yield Row("fail", what, f"{topic}: {found}", "start its driver; check ROS_DOMAIN_ID, QoS and the YAML's topic")
        return
    hz = (len(heard.times_ns) - 1) / ((heard.times_ns[-1] - heard.times_ns[0]) * 1e-9)
    verdict: Verdict = "pass" if hz >= RATE_SHARE * rate_hz else "warn" if hz >= SLOW_SHARE * rate_hz else "fail"
    todo = "" if verdict == "pass" else "raise the driver's rate, or lower it in the YAML"
    yield Row(verdict, f"{what}: rate", f"{hz:.1f} Hz, YAML {rate_hz:g}", todo)
    yield _stamps(heard, what, limit_s, future_s)


def _stamps(heard: Heard, what: str, limit_s: float, future_s: float) -> Row:
    stamps, times = np.array(heard.stamps_ns), np.array(heard.times_ns)
    what = f"{what}: stamps"
    if (stamps == 0).any():
        return Row("fail", what, "zero", "the driver must stamp with the capture time")
    if (np.diff(stamps) < 0).any():
        return Row("fail", what, "go back", "two publishers on one topic, or a driver that mixes clocks")
    if (np.diff(stamps) == 0).all():
        return Row("fail", what, "never change: the picture is frozen", "restart the driver")
    ages = (times - stamps) * 1e-9
    age, least = float(np.median(ages)), float(ages.min())
    found = f"{age * 1e3:.1f} ms old at arrival"
    if least < -future_s:
        return Row("fail", what, f"{-least * 1e3:.0f} ms ahead of this machine's clock", "synchronise clocks (chrony)")
    if age > limit_s:
        return Row("fail", what, found, f"allowed {limit_s * 1e3:g} ms: synchronise clocks, or find the delay")
    return Row("pass", what, found)
