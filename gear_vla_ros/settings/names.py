"""Kinds of values that keys of a robot's YAML have."""

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Topic = Annotated[str, Field(pattern=r"^/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")]
Positive = Annotated[float, Field(gt=0)]
Vector3 = tuple[float, float, float]
