"""TensorRT plans: built from a bundle's ONNX, kept beside it, built again when they are of another machine.

Written against the documentation of TensorRT 10 and 11 (Python API: Builder, OnnxParser, Runtime). NOT RUN YET with the
real library; test/engines runs this code against a stand-in.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gear_vla_ros.engines.bundle import PLANS, Bundle, BundleError, sha256

WORKSPACE_BYTES = 4 * 1024**3
LOG = logging.getLogger("gear_vla.engines")


class Plans:
    """Plans of one bundle for one GPU. gpu: its name and compute capability."""

    def __init__(self, trt: Any, bundle: Bundle, gpu: Mapping[str, str]) -> None:
        self._trt, self._bundle = trt, bundle
        self._logger = trt.Logger(trt.Logger.WARNING)
        self._runtime = trt.Runtime(self._logger)
        self._here = {"tensorrt": str(trt.__version__), **gpu}
        self._folder = _writable(bundle)

    def engine(self, part: str) -> Any:
        """The part's deserialized engine. Raises BundleError when it can be neither read nor built."""
        file, about = self._folder / f"{part}.plan", self._folder / f"{part}.json"
        if (why := self._unusable(part, file, about)) is None:
            engine = self._runtime.deserialize_cuda_engine(file.read_bytes())
            if engine is not None:
                return engine
            why = "TensorRT refused it"
        LOG.warning("%s: TensorRT plan is built (%s); this takes minutes", part, why)
        begun = time.monotonic()
        plan = bytes(self._build(part))
        _replace(file, plan)
        record = {**self._here, "onnx": self._onnx(part), "sha256": sha256(file)}
        _replace(about, json.dumps(record, indent=1).encode())
        LOG.warning("%s: built in %.0f s, %.0f MB", part, time.monotonic() - begun, len(plan) / 1e6)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BundleError(f"tensorrt: {part}: the plan that was just built cannot be read")
        return engine

    def _unusable(self, part: str, file: Path, about: Path) -> str | None:
        """Why a stored plan cannot be used; None when it can."""
        if not file.is_file() or not about.is_file():
            return "there is none yet"
        try:
            record = json.loads(about.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return "its record is not readable"
        for name, here in {**self._here, "onnx": self._onnx(part)}.items():
            if (found := record.get(name) if isinstance(record, dict) else None) != here:
                return f"{name}: it is for '{found}', here is '{here}'"
        return None if record.get("sha256") == sha256(file) else "it was cut or changed"

    def _onnx(self, part: str) -> str:
        manifest = self._bundle.manifest
        return manifest.files[manifest.parts[part].file].sha256

    def _build(self, part: str) -> Any:
        """A strongly typed network: precision is that of the graph's weights; no builder flag changes it."""
        trt = self._trt
        flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # the only way from TensorRT 11 on
        builder = trt.Builder(self._logger)
        network = builder.create_network(0 if flag is None else 1 << int(flag))
        parser = trt.OnnxParser(network, self._logger)
        file = self._bundle.folder / self._bundle.manifest.parts[part].file
        if not parser.parse_from_file(str(file)):
            lines = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise BundleError(f"tensorrt: {file}: {lines[:300] or 'not parsed'}")
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise BundleError(f"tensorrt: {file}: no plan could be built; TensorRT's own lines above say why")
        return plan


def _writable(bundle: Bundle) -> Path:
    """Beside the bundle, or in the user's cache where that may not be written."""
    folder = bundle.folder / PLANS
    if not os.access(bundle.folder, os.W_OK):
        cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
        folder = cache / "gear_vla_ros" / PLANS / bundle.manifest.weights
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _replace(file: Path, content: bytes) -> None:
    staged = file.with_name(f".{file.name}")
    staged.write_bytes(content)
    staged.replace(file)
