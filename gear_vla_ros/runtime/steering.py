"""Velocity of a point that goes to another one within speed and acceleration limits; translation or rotation vector."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BRAKE_SHARE = 0.8
"""Share of the acceleration that the approach plans to brake with; the rest corrects the direction."""


def stopping_speed(distance: float, acceleration: float, dt: float) -> float:
    """Greatest speed from which ticks of `dt` at `acceleration` stop within `distance`, this tick's way included.

    n ticks of braking cover acceleration dt^2 n (n + 1) / 2; nearer than one such tick the point is met exactly.
    """
    step = acceleration * dt
    return min(distance / dt, 0.5 * (math.sqrt(step * step + 8.0 * acceleration * distance) - step))


def towards(velocity: Array, error: Array, feed: Array, speed: float, acceleration: float, dt: float) -> Array:
    """Next velocity `[3]`.

    error: what is left to the desired point at the end of the tick if only `feed`, its own velocity, were followed.
    The result is at most `acceleration` dt from `velocity`, and no faster than the greater of `speed` and what braking
    from `velocity` allows. One scale acts on each vector, so directions are kept.
    """
    distance = math.sqrt(float(error @ error))
    wanted = _shortened(feed, speed)
    if distance > 0.0:
        wanted = wanted + error * (stopping_speed(distance, BRAKE_SHARE * acceleration, dt) / distance)
    return velocity + _shortened(_shortened(wanted, speed) - velocity, acceleration * dt)


def stopping_point(position: Array, velocity: Array, acceleration: float) -> Array:
    """Farthest point that is passed if all later ticks brake, of any length."""
    length = math.sqrt(float(velocity @ velocity))
    return position + velocity * (length / (2.0 * acceleration))


def _shortened(vector: Array, length: float) -> Array:
    found = math.sqrt(float(vector @ vector))
    return vector * (length / found) if found > length else vector
