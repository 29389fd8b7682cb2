"""Which engine runs a checkpoint or a bundle, and why not the one before it. Imports torch only where it is used."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gear_vla_ros.engines import parity
from gear_vla_ros.engines.bundle import BOTH, CHECKPOINT, Bundle, BundleError, Paths, is_bundle, open_bundle
from gear_vla_ros.engines.engine import THREADS, Engine
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.parts import Parts
from gear_vla_ros.settings.errors import did_you_mean
from gear_vla_ros.settings.paths import policy_folder

BACKENDS = ("tensorrt", "onnxruntime", "torch")
"""In the order of falling back."""
AUTO = "auto"


@dataclass(frozen=True)
class Opened:
    """The engine, and a line for each backend that was asked for or tried before it and refused."""

    engine: Engine
    refused: tuple[str, ...] = ()


def open_engine(
    source: str, robot: str, seed: int = 0, backend: str = AUTO, paths: Paths = BOTH, threads: int = THREADS
) -> Opened:
    """The engine of a bundle or checkpoint folder; with no `source` the tiny network with random weights of `seed`.

    A bundle's files, robot and parity are checked here; a backend that fails is passed over for the next one.
    Raises FileNotFoundError, SettingsError or ValueError (one line) when nothing can run it.
    """
    if backend not in (AUTO, *BACKENDS):
        hint = did_you_mean(backend, BACKENDS)
        raise ValueError(f"backend: found '{backend}'{hint}; allowed {AUTO}, {', '.join(BACKENDS)}")
    folder = policy_folder(source)
    if source and is_bundle(folder):
        return _open_bundle(open_bundle(folder), robot, backend, paths, threads)
    if backend not in (AUTO, "torch"):
        what = f"checkpoint {folder}" if source else "random weights"
        raise ValueError(f"backend: {backend} runs bundles, found {what}; make one with `gear-vla export`")
    return Opened(_torch(folder if source else None, seed, threads))


def open_parts(bundle: Bundle, backend: str, paths: Paths, threads: int = THREADS) -> Parts:
    """A bundle's graphs in one backend, files and parity checked. Raises BundleError, ImportError, OSError."""
    names = bundle.parts_of(paths)
    bundle.verify(names)
    parts = _make_parts(bundle, backend, names, threads)
    parity.check(parts, bundle, names)
    return parts


def _open_bundle(bundle: Bundle, robot: str, backend: str, paths: Paths, threads: int) -> Opened:
    bundle.embodiment(robot)
    first = backend if backend != AUTO else _best()
    refused: list[str] = []
    for name in BACKENDS[BACKENDS.index(first) :]:
        try:
            return Opened(_of_bundle(bundle, name, paths, threads), tuple(refused))
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            refused.append(f"{name}: {' '.join(str(error).split())}")
    raise BundleError(f"bundle {bundle.folder}: no backend can run it: {'; '.join(refused)}")


def _of_bundle(bundle: Bundle, backend: str, paths: Paths, threads: int) -> Engine:
    if backend != "torch":
        return GraphEngine(bundle, open_parts(bundle, backend, paths, threads))
    bundle.verify_weights()
    engine = _torch(bundle.folder / CHECKPOINT, 0, threads)
    if engine.fingerprint != bundle.manifest.weights:
        raise BundleError(f"{CHECKPOINT}: weights {engine.fingerprint}, the manifest says {bundle.manifest.weights}")
    return engine


def _best() -> str:
    return "tensorrt" if find_spec("tensorrt") is not None else "onnxruntime"


def _make_parts(bundle: Bundle, backend: str, names: tuple[str, ...], threads: int) -> Parts:
    if backend == "tensorrt":
        from gear_vla_ros.engines.tensorrt_parts import TensorRtParts

        return TensorRtParts(bundle, names)
    from gear_vla_ros.engines.onnx_parts import OnnxParts

    return OnnxParts(bundle, names, threads)


def _torch(folder: Path | None, seed: int, threads: int) -> Engine:
    import torch

    from gear_vla_ros.engines.torch_engine import TorchEngine, random_engine
    from gear_vla_ros.model.checkpoint import load

    torch.set_num_threads(threads)
    return random_engine(seed) if folder is None else TorchEngine(load(folder))
