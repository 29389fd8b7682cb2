"""`pip install -e .`: the ROS-free core and the `gear-vla` command. The messages come from CMakeLists.txt (colcon)."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """The one in package.xml."""
    found = ElementTree.parse(HERE / "package.xml").findtext("version")
    if found is None:
        raise ValueError("package.xml: no <version>")
    return found


CONFIG = ("robots", "models", "training", "dds", "gazebo")


def policies() -> list[str]:
    """Folders of the shipped policies, relative to here."""
    found = sorted(path for path in (HERE / "config" / "policies").rglob("*") if path.is_dir())
    return [str(path.relative_to(HERE)) for path in found]


def requirements(name: str) -> list[str]:
    """Names in requirements/<name>.txt, with the pins of constraints.txt left to whoever installs."""
    lines = (HERE / "requirements" / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


setup(
    name="gear-vla-ros",
    version=version(),
    description="GEAR-VLA on robots: the model, and the ROS 2 stack that runs it",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["gear_vla_ros", "gear_vla_ros.*"]),
    data_files=[
        (f"share/gear_vla_ros/{folder}", [str(p.relative_to(HERE)) for p in sorted((HERE / folder).glob("*.*"))])
        for folder in (*(f"config/{kind}" for kind in CONFIG), *policies(), "urdf", "launch")
    ],
    install_requires=requirements("core"),
    extras_require={name: requirements(name) for name in ("ros", "sim", "cameras", "train", "dev")},
    entry_points={"console_scripts": ["gear-vla = gear_vla_ros.cli.main:main"]},
)
