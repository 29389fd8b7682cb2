"""From a checkpoint to an engine bundle: graphs, what stands between them, and the proof that they agree."""

import logging
import shutil
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gear_vla_ros.engines import parity
from gear_vla_ros.engines.bundle import (
    CHECKPOINT,
    EMBEDDING,
    FORMAT,
    OPSET,
    PARITY,
    TOKENIZER,
    Bundle,
    Manifest,
    PartRecord,
    SpecialIdsRecord,
    StatisticsRecord,
    TensorRecord,
    check_new,
    file_records,
    open_bundle,
    write_manifest,
)
from gear_vla_ros.engines.engine import SlowInput
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.graphs import Graph, graphs
from gear_vla_ros.engines.onnx_parts import OnnxParts
from gear_vla_ros.engines.parts import Parts, Value
from gear_vla_ros.engines.torch_engine import fingerprint
from gear_vla_ros.model.checkpoint import load
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.settings.runtime import SeamName

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MOST_INLINE_BYTES = 1_500_000_000
"""A protobuf file ends at 2 GB; beyond this the weights lie beside the graph."""
PARITY_SEED = 0

Say = Callable[[str], None]


class TorchParts:
    """The graphs' modules, eager: the reference that the exported graphs are measured against."""

    def __init__(self, modules: Mapping[str, Graph]) -> None:
        self._graphs = modules

    @property
    def about(self) -> str:
        """Backend and version."""
        return f"torch {torch.__version__}, eager"

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """Outputs as numpy arrays."""
        graph = self._graphs[part]
        with torch.inference_mode():
            made = graph.module(*(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in graph.inputs))
        outputs = made if isinstance(made, tuple) else (made,)
        return {name: value.numpy() for name, value in zip(graph.outputs, outputs, strict=True)}

    def put(self, value: NDArray[Any]) -> Value:
        """Stays where it is."""
        return value

    def close(self) -> None:
        """Nothing to release."""


def export(
    checkpoint: Path,
    folder: Path,
    robots: Mapping[str, str],
    samples: Sequence[SlowInput],
    *,
    dtype: str = "float32",
    text_tokens: int = 64,
    tasks: Sequence[str] = (),
    seam: SeamName | None = None,
    weights: bool = True,
    say: Say = lambda _: None,
) -> Bundle:
    """Make a bundle in `folder`, which must not exist or be empty; one that is cut short holds no manifest.

    robots: embodiment id by robot. samples: recorded inputs for the parity. tasks: what the network has learned. seam:
    how its chunks are to meet. Raises ValueError or FileExistsError.
    """
    check_new(folder)
    model = load(checkpoint)
    weights_are = fingerprint(model)
    reference = model.float().eval().requires_grad_(False)
    _fits(reference, robots, samples, text_tokens)
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(sorted(set(robots.values())))
    modules = graphs(reference, names, text_tokens)
    manifest = _manifest(weights_are, reference, modules, robots, tasks, seam, dtype, text_tokens)
    if (tokenizer := checkpoint / TOKENIZER).is_file():
        shutil.copy2(tokenizer, folder / TOKENIZER)
    _write_embedding(reference, folder / EMBEDDING, dtype)
    say(f"reference: {len(samples)} recorded inputs through PyTorch in float32")
    calls = _reference(Bundle(folder, manifest), modules, samples)
    np.savez_compressed(folder / PARITY, **parity.store(calls))  # type: ignore[arg-type]
    if dtype != "float32":
        modules = graphs(reference.to(DTYPES[dtype]), names, text_tokens)
    for name, graph in modules.items():
        say(f"{name}: {sum(p.numel() for p in graph.module.parameters()) / 1e6:.2f} M weights -> {name}.onnx")
        write_graph(graph, folder / f"{name}.onnx")
    if weights:
        shutil.copytree(checkpoint, folder / CHECKPOINT)
    manifest = manifest.model_copy(update={"files": file_records(folder)})
    bundle = Bundle(folder, manifest)
    # onnxruntime has no bfloat16 on a CPU: there the modules stand for the graphs, which a GPU checks at configure.
    parts: Parts = OnnxParts(bundle, list(modules)) if dtype == "float32" else TorchParts(modules)
    say(f"parity: {parts.about} against PyTorch in float32")
    write_manifest(folder, _with_parity(bundle, parts, say))
    parts.close()
    return open_bundle(folder)


def write_graph(graph: Graph, file: Path) -> None:
    """One part as ONNX, without the paths and stack traces of the machine that made it."""
    size = sum(p.numel() * p.element_size() for p in graph.module.parameters())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    program.save(str(file), external_data=size > MOST_INLINE_BYTES)


def _fits(model: GearVla, robots: Mapping[str, str], samples: Sequence[SlowInput], text_tokens: int) -> None:
    most, known = model.spec.max_text_tokens, model.spec.embodiments
    if not 2 <= text_tokens <= most:
        raise ValueError(f"text_tokens: {text_tokens}, allowed 2 to {most} for this network")
    for robot, embodiment in robots.items():
        if embodiment not in known:
            raise ValueError(f"robot {robot}: state_projector.embodiment '{embodiment}', the network knows {known}")
    if without := set(robots.values()) - {sample.state.embodiment for sample in samples}:
        raise ValueError(f"samples: no recorded input of {', '.join(sorted(without))}")


def _manifest(
    weights_are: str,
    reference: GearVla,
    modules: Mapping[str, Graph],
    robots: Mapping[str, str],
    tasks: Sequence[str],
    seam: SeamName | None,
    dtype: str,
    text_tokens: int,
) -> Manifest:
    tokens = reference.tokens
    return Manifest(
        format=FORMAT,
        weights=weights_are,
        spec=reference.spec,
        robots=dict(robots),
        tasks=tuple(tasks),
        seam=seam,
        dtype=dtype,  # type: ignore[arg-type]
        opset=OPSET,
        text_tokens=text_tokens,
        special_ids=SpecialIdsRecord(
            pad=tokens.pad,
            vision_start=tokens.vision_start,
            vision_end=tokens.vision_end,
            begin_action=tokens.begin_action,
        ),
        statistics=StatisticsRecord(
            centre=_rows(reference.statistics.centre),
            half_range=_rows(reference.statistics.half_range),
        ),
        parts={name: _part(name, graph) for name, graph in modules.items()},
        files={},
        made_with={name: version(name) for name in ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")},
    )


def _rows(values: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())


def _part(name: str, graph: Graph) -> PartRecord:
    with torch.inference_mode():
        made = graph.module(*graph.inputs.values())
    outputs = made if isinstance(made, tuple) else (made,)
    return PartRecord(
        file=f"{name}.onnx",
        inputs={key: _tensor(value) for key, value in graph.inputs.items()},
        outputs={key: _tensor(value) for key, value in zip(graph.outputs, outputs, strict=True)},
    )


def _tensor(value: Tensor) -> TensorRecord:
    return TensorRecord(dtype=str(value.dtype).removeprefix("torch."), shape=tuple(value.shape))  # type: ignore[arg-type]


def _write_embedding(model: GearVla, file: Path, dtype: str) -> None:
    table = model.qwen.get_input_embeddings().weight.detach().to(DTYPES[dtype])
    np.save(file, table.view(torch.uint16).numpy() if dtype == "bfloat16" else table.numpy())


def _reference(
    bundle: Bundle, modules: Mapping[str, Graph], samples: Sequence[SlowInput]
) -> dict[str, list[parity.Call]]:
    """Every part's inputs and outputs when the recorded inputs go through both paths."""
    calls: dict[str, list[parity.Call]] = {}
    recorder = parity.Recorder(TorchParts(modules))
    engine = GraphEngine(bundle, recorder)
    random = np.random.default_rng(PARITY_SEED)
    for sample in samples:
        recorder.begin()
        expert = bundle.manifest.spec.expert
        noise = random.standard_normal((expert.steps, bundle.manifest.spec.action_numbers), dtype=np.float32)
        engine.act(engine.think(sample).cache, sample.state, noise)
        for part, call in recorder.calls.items():
            calls.setdefault(part, []).append(call)
    return calls


def _with_parity(bundle: Bundle, parts: Parts, say: Say) -> Manifest:
    found = parity.check(parts, bundle, list(bundle.manifest.parts), say)
    records = {
        name: record.model_copy(update={"parity": found[name]}) for name, record in bundle.manifest.parts.items()
    }
    return bundle.manifest.model_copy(update={"parts": records})
