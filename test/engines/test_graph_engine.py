"""A bundle through onnxruntime against the model in PyTorch, and what it refuses."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from bundles import TEXT_TOKENS, given

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.engines.opening import open_engine

CLOSE = 1e-4


@pytest.fixture(scope="module")
def engine(bundle):
    opened = open_engine(str(bundle.folder), "franka")
    assert opened.refused == () and "onnxruntime" in opened.engine.about
    return opened.engine


@pytest.fixture(scope="module")
def reference(bundle):
    return open_engine(str(bundle.folder), "franka", backend="torch").engine


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"present": (True, False, False)},
        {"present": (True, True, False), "text": "x" * (TEXT_TOKENS - 1)},
        {"robot": "agilex", "arms": (True, True), "text": "é"},
        {"robot": "agilex", "arms": (True, False), "present": (True, False, True)},
    ],
    ids=["usual", "head alone", "longest text", "two arms", "an arm and a camera missing"],
)
@pytest.mark.parametrize("known", [0, 3], ids=["free", "with a prefix"])
def test_it_computes_what_pytorch_computes(engine, reference, kind, known):
    random, what = np.random.default_rng(3), given(5, **kind)
    made, wanted = engine.think(what), reference.think(what)
    np.testing.assert_array_equal(made.ids, wanted.ids)
    np.testing.assert_allclose(made.cache.keys, wanted.cache.keys, atol=CLOSE)
    np.testing.assert_allclose(made.cache.values, wanted.cache.values, atol=CLOSE)
    noise = random.standard_normal((30, 20)).astype(np.float32)
    prefix = 0.02 * random.standard_normal((known, 20)).astype(np.float32) if known else None
    there = np.repeat(what.state.present, 10)
    actions = engine.act(made.cache, what.state, noise, prefix)
    np.testing.assert_allclose(
        actions[:, there], reference.act(wanted.cache, what.state, noise, prefix)[:, there], atol=CLOSE
    )
    if prefix is not None:
        np.testing.assert_allclose(actions[:known, there], prefix[:, there], atol=1e-6)


def test_both_engines_have_one_identity(engine, reference):
    assert engine.fingerprint == reference.fingerprint
    assert set(engine.think(given()).latency_ns) == {"vision", "prefill", "latents"}


def test_what_a_missing_camera_or_arm_would_have_said_has_no_influence(engine):
    what, other = given(1, present=(True, False, True)), given(2)
    views = what.views.copy()
    views[1] = other.views[1]
    state = what.state.state.copy()
    state[0] = np.nan
    changed = dataclasses.replace(what, views=views, state=dataclasses.replace(what.state, state=state))
    made, wanted = engine.think(changed), engine.think(what)
    np.testing.assert_array_equal(made.cache.keys, wanted.cache.keys)
    noise = np.ones((30, 20), np.float32)
    np.testing.assert_array_equal(
        engine.act(made.cache, changed.state, noise), engine.act(wanted.cache, what.state, noise)
    )


def test_bad_input_is_named(engine):
    with pytest.raises(ValueError, match=rf"instruction: 'x+' is 32 tokens, allowed 1 to {TEXT_TOKENS - 1}"):
        engine.accepts("x" * TEXT_TOKENS)
    with pytest.raises(ValueError, match=r"is 2 tokens, allowed 1 to"):
        engine.think(given(text="  "))
    what = given()
    broken = dataclasses.replace(what.state, state=np.full_like(what.state.state, np.inf))
    with pytest.raises(ValueError, match="state: holds NaN or infinity"):
        engine.think(dataclasses.replace(what, state=broken))
    foreign = dataclasses.replace(what.state, embodiment="ldt01_dual_arm")
    with pytest.raises(ValueError, match="embodiment 'ldt01_dual_arm' has no state projector in the bundle; there are"):
        engine.think(dataclasses.replace(what, state=foreign))
    with pytest.raises(ValueError, match=r"vision\.views: uint8 \[3, 56, 56, 3\], allowed uint8 \[3, 112, 112, 3\]"):
        engine.think(dataclasses.replace(what, views=what.views[:, ::2, ::2]))
    cache = engine.think(what).cache
    noise = np.zeros((30, 20), np.float32)
    with pytest.raises(ValueError, match=r"cache: float32 \[2, 2, 7, 32\], allowed float32 \[2, 2, 8, 32\]"):
        engine.act(KvCache(cache.keys[:, :, 1:], cache.values[:, :, 1:]), what.state, noise)
    with pytest.raises(ValueError, match=r"prefix: \[31, 20\], allowed \[up to 30, 20\]"):
        engine.act(cache, what.state, noise, np.zeros((31, 20), np.float32))


def test_a_bundle_runs_without_torch(one_bundle):
    code = (
        "import sys; from gear_vla_ros.settings import load_robot\n"
        "from gear_vla_ros.policies.registry import make_policy\n"
        "from gear_vla_ros.policies.options import PolicyOptions\n"
        f"options = PolicyOptions(checkpoint={str(one_bundle.folder)!r})\n"
        "policy = make_policy('gear_vla', load_robot('franka'), options)\n"
        "policy.warm_up(); print(policy.about['engine'], {'torch', 'transformers', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("onnxruntime") and done.stdout.strip().endswith("set()"), done.stdout


def test_a_path_loads_only_its_own_parts(one_bundle):
    fast = set(one_bundle.parts_of(frozenset({"fast"})))
    assert fast == {"expert", "state_agilex_dual_arm", "state_franka_single_arm"}
    assert "expert" not in one_bundle.parts_of(frozenset({"slow"}))
    engine = open_engine(str(one_bundle.folder), "franka", paths=frozenset({"fast"})).engine
    with pytest.raises(ValueError, match="vision: not loaded here, only expert"):
        engine.think(given())
