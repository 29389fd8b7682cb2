"""Velocity of a target behind the velocity that is wanted of it, so that acceleration and jerk are limited as well."""

import math
from dataclasses import dataclass

import numpy as np

from gear_vla_ros.runtime.steering import Array

STANDSTILL = 1e-3
"""Share of jerk x dt^2 below which a velocity becomes zero at once."""


@dataclass(frozen=True)
class Motion:
    """Translation or rotation of one target.

    velocity `[3]`, and lead `[3]`: the velocity it is drawn to, so that (lead - velocity) / lag is its acceleration.
    landing: the last ticks of braking, when lead has come to zero and velocity follows.
    """

    velocity: Array
    lead: Array
    landing: bool = False


STILL = Motion(np.zeros(3), np.zeros(3))


class Smoother:
    """A lag of first order, which no length of ticks takes beyond the limits.

    While lead changes by at most acceleration x dt a tick, velocity' = velocity + (lead' - velocity) dt / (lag + dt)
    with lag = 2 acceleration / jerk keeps: velocity within what lead is within, its change within acceleration x dt,
    and the change of its acceleration within jerk x dt (docs/adr/0013). The point that moves with lead is at
    position + lag x velocity, and the target goes towards it.
    """

    def __init__(self, acceleration: float, jerk: float) -> None:
        self._acceleration, self._jerk = acceleration, jerk
        self.lag_s = 2.0 * acceleration / jerk

    def towards(self, motion: Motion, lead: Array, dt: float) -> Motion:
        """The next motion with that lead, at most acceleration x dt from the last one's."""
        velocity = motion.velocity + (lead - motion.velocity) * (dt / (self.lag_s + dt))
        return Motion(velocity, lead)

    def braked(self, motion: Motion, dt: float) -> Motion:
        """The next motion when stopping: lead goes to zero along itself, then velocity, as soon as limits let them."""
        if motion.landing:
            return self._landed(motion, dt)
        length = math.sqrt(float(motion.lead @ motion.lead))
        if length == 0.0:
            return self._landed(motion, dt)
        along = motion.lead / length
        left = self._least_lead(motion, along, length, dt)
        next_motion = self.towards(motion, along * left, dt)
        return next_motion if left > 0.0 else Motion(next_motion.velocity, next_motion.lead, landing=True)

    def _least_lead(self, motion: Motion, along: Array, length: float, dt: float) -> float:
        """The shortest lead in that direction which acceleration and jerk allow, each of them a ball of leads."""
        velocity, lag_s = motion.velocity, self.lag_s
        centre = motion.lead + (motion.lead - velocity) * (dt / lag_s)
        reach = 2.0 * self._acceleration * dt
        nearest = max(
            _entry(centre, reach * (1.0 + dt / lag_s), along),
            _entry(velocity, self._acceleration * (lag_s + dt), along),
        )
        return max(0.0, min(nearest, length - 0.5 * reach))

    def _landed(self, motion: Motion, dt: float) -> Motion:
        """One tick of coming to rest on a straight line, of which any later ticks can be the end.

        The deceleration b leaves a speed of b^2 / (2 jerk) or more, in which it can still be taken back.
        """
        speed = math.sqrt(float(motion.velocity @ motion.velocity))
        step = self._jerk * dt
        if speed == 0.0:
            return STILL
        along = motion.velocity / speed
        before = (speed - float(motion.lead @ along)) / self.lag_s
        braking = min(self._acceleration, before + step, math.sqrt(step * step + 2.0 * self._jerk * speed) - step)
        left = speed - braking * dt
        if speed <= STANDSTILL * step * dt:
            braking, left = speed / dt, 0.0
        return Motion(along * left, along * (left - self.lag_s * braking), landing=True)


def _entry(centre: Array, radius: float, along: Array) -> float:
    """Where a ray from the origin comes nearest inside of a ball: the smaller one of the places at its surface."""
    middle = float(centre @ along)
    aside = float(centre @ centre) - middle * middle
    return middle - math.sqrt(max(0.0, radius * radius - aside))
