"""Which OpenGL MuJoCo draws with: EGL where it works, else OSMesa. Import this before mujoco."""

import ctypes
import os


def choose() -> str:
    """Set MUJOCO_GL unless the user has; returns its value."""
    if "MUJOCO_GL" not in os.environ:
        os.environ["MUJOCO_GL"] = "egl" if _has_egl() else "osmesa"
    os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])
    return os.environ["MUJOCO_GL"]


def _has_egl() -> bool:
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    egl.eglGetDisplay.restype = ctypes.c_void_p
    egl.eglGetDisplay.argtypes = [ctypes.c_void_p]
    return egl.eglGetDisplay(None) is not None
