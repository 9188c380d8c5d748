"""What a machine of the cluster hands back: completions and failures as columns, and as values again. Ray is not needed."""

from __future__ import annotations

import numpy as np

from genair_engine.archetypes.backends import Completion, Failure, Sampling
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.cluster.model import _pair, _Writer
from genair_engine.settings import Settings
from tests.tiny_language_models import PROMPTS, save_model


def test_a_failure_travels_beside_completions(tmp_path) -> None:
    model = load_language_model(find_model(str(save_model(tmp_path / "short", "llama", positions=100)), tmp_path), "cpu")
    sampling = Sampling(max_new_tokens=5)
    block = {
        "index": np.array([30, 20, 10]),
        "prompt": np.array([PROMPTS[3], PROMPTS[1], PROMPTS[2]]),
        "seed": np.array([1, 2, 3]),
        "name": np.array(["item b04", "item b02", "item b03"]),
    }
    columns = _Writer(Settings(models_dir=tmp_path), "short", "cpu", None, model.revision, sampling, 2)(block)
    assert {len(column) for column in columns.values()} == {3}
    written = dict(_pair(columns, row) for row in range(3))
    here = model.generate([PROMPTS[1], PROMPTS[2]], [2, 3], sampling)
    assert isinstance(written[30], Failure) and "The prompt of item b04 has" in written[30].reason
    for index, expected in ((20, here[0]), (10, here[1])):
        completion = written[index]
        assert isinstance(completion, Completion) and (completion.text, completion.finish) == (expected.text, expected.finish)
        np.testing.assert_allclose(completion.decoding, expected.decoding, atol=1e-5)
