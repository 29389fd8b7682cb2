"""Which OpenGL MuJoCo draws with: EGL where there is a device, else OSMesa, else none. Import this before mujoco."""

import ctypes
import ctypes.util
import os

NONE = "disable"
HOW_TO_GET = "no OpenGL to draw with: install EGL (Ubuntu: libegl1 and libgl1-mesa-dri) or OSMesa (libosmesa6)"


def choose() -> str:
    """Set MUJOCO_GL unless the user has; returns its value. Physics runs without any."""
    if "MUJOCO_GL" not in os.environ:
        os.environ["MUJOCO_GL"] = "egl" if _egl_devices() else "osmesa" if ctypes.util.find_library("OSMesa") else NONE
    return os.environ["MUJOCO_GL"]


def _egl_devices() -> int:
    """How many devices MuJoCo could draw on: EGL_EXT_device_enumeration, as it does; Mesa's software counts as one."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return 0
    egl.eglGetProcAddress.restype, egl.eglGetProcAddress.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return 0
    prototype = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
    count = ctypes.c_int(0)
    return count.value if prototype(address)(0, None, ctypes.byref(count)) else 0
