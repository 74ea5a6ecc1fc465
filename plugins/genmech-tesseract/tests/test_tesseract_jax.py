"""JAX differentiates through the solver, in an environment that the test makes, since JAX is none of our packages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PLUGIN = Path(__file__).parents[1]
PACKAGES = ["jax", "tesseract-jax"]
OPTIMUM = "import json, example_jax; print(json.dumps(example_jax.main(32)))"
TRANSFORMS = """
import example_jax as e, jax, jax.numpy as jnp, json, numpy as np
model = e.solver(4)
client = e.Tesseract.from_tesseract_api(e.tesseract_api(model))
def compliance(k):
    return e.apply_tesseract(client, {"conductivity": k[None, :, None]}, vmap_method="sequential")["compliance"][0, 0]
k = np.random.default_rng(0).uniform(1, 2, (3, 4))
direct = model({"conductivity": k[:, :, None]})["compliance"][:, 0]
rows = model.vjp({"conductivity": k[:, :, None]}, {"compliance": np.ones((3, 1))})["conductivity"][:, :, 0]
by_jax = jax.vmap(compliance)(k), jax.jacrev(lambda x: jnp.stack([compliance(x), 2 * compliance(x)]))(k[1])
print(json.dumps([np.abs(by_jax[0] - direct).max(), np.abs(by_jax[1] - np.outer([1, 2], rows[1])).max()]))
"""


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=PLUGIN, timeout=900, **options)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a new environment with JAX and this plugin."""
    uv, path = shutil.which("uv"), tmp_path_factory.mktemp("environment") / "jax"
    if uv is None:
        pytest.skip("needs uv to make an environment with JAX")
    python = path / "bin" / "python"
    install = ["pip", "install", "--python", python, "-e", ".", *PACKAGES]
    for words in (["venv", path, "--python", sys.executable], install):
        done = run(uv, *words)
        if done.returncode:
            pytest.skip(f"uv {words[0]} could not make an environment with JAX: {done.stderr.strip()[-300:]}")
    return python


def told(python, code):
    done = run(python, "-c", code, env={**os.environ, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_jax_finds_the_known_optimum_through_the_solver(python):
    found = told(python, OPTIMUM)
    assert found["uniform"] == pytest.approx((1 - 1 / 32**2) / 12)  # bilinear elements, exactly
    np.testing.assert_allclose(found["found"], 1 / 16, rtol=1e-6)
    assert found["gradient error"] < 1e-6


@pytest.mark.slow
def test_vmap_and_jacrev_agree_with_the_solver(python):
    np.testing.assert_allclose(told(python, TRANSFORMS), 0.0, atol=1e-12)
