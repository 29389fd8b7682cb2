"""A network on disk: one folder with weights, sizes and statistics. Nothing is pickled.

spec.yaml           ModelSpec, embodiments included
weights.safetensors all weights and the action statistics
tokenizer.json ...  the parent's tokenizer, where the spec's is `qwen`
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.loading import load as load_yaml
from gear_vla_ros.settings.model import ModelSpec

SPEC, WEIGHTS = "spec.yaml", "weights.safetensors"
SHOWN = 3


def save(model: GearVla, folder: Path) -> None:
    """Write `model` into `folder`; each file appears whole or not at all; the tokenizer's are the caller's."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _own(model).items()}
    staged = folder / f".{WEIGHTS}"
    save_file(tensors, staged)
    staged.replace(folder / WEIGHTS)
    staged = folder / f".{SPEC}"
    staged.write_text(yaml.safe_dump(model.spec.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    staged.replace(folder / SPEC)


def load(folder: Path) -> GearVla:
    """The network of a folder.

    It has the precision that its weights were saved in. Raises FileNotFoundError naming the file that is missing,
    SettingsError for a wrong spec, ValueError naming every kind of weight that is missing, extra or of another shape.
    """
    for name in (SPEC, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"checkpoint {folder}: no {name}; it is a folder with {SPEC} and {WEIGHTS}")
    spec = load_yaml(ModelSpec, folder / SPEC)
    found = load_file(folder / WEIGHTS)
    model = _empty(spec, folder, found)
    own = _own(model)
    problems = [
        *(f"{name} is missing" for name in sorted(own.keys() - found.keys())),
        *(f"{name} is not of this network" for name in sorted(found.keys() - own.keys())),
        *(
            f"{name} has shape {list(found[name].shape)}, allowed {list(own[name].shape)}"
            for name in sorted(own.keys() & found.keys())
            if found[name].shape != own[name].shape
        ),
    ]
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ValueError(f"checkpoint {folder}: {'; '.join(problems[:SHOWN])}{more}")
    model.load_state_dict(found, strict=False)
    return model


def _empty(spec: ModelSpec, folder: Path, found: Mapping[str, Tensor]) -> GearVla:
    """A network in the precision of most of its weights."""
    before = torch.get_default_dtype()
    kinds = Counter({kind: 0 for kind in (torch.float32, torch.bfloat16, torch.float16)})
    for tensor in found.values():
        kinds[tensor.dtype] += tensor.numel() if tensor.dtype in kinds else 0
    torch.set_default_dtype(kinds.most_common(1)[0][0])
    try:
        return GearVla(spec, make_tokens(spec, folder))
    finally:
        torch.set_default_dtype(before)


def _own(model: GearVla) -> dict[str, Tensor]:
    """Weights by name, each once: tied ones under their first name."""
    seen: set[int] = set()
    own = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or not tensor.numel():
            own[name] = tensor
            seen.add(tensor.data_ptr())
    return own
