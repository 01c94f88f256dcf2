"""The fiqa runner does what the engine takes for granted of every runner."""

import pytest
from orchestra_fiqa_runner import plugin as fiqa

from orchestra_core.testing import RunnerConformance


class TestConformance(RunnerConformance):
    """On the bundled fiqa-mini, over a space with one of every kind of configuration."""

    @pytest.fixture
    def plugin(self) -> object:
        return fiqa

    @pytest.fixture
    def experiment(self) -> dict[str, object]:
        return {
            "space": {
                "collection": ["fiqa_para", "fiqa_sent"],
                "alpha": [0.0, 0.5, 1.0],
                "top_k": [10, 30],
                "mmr": ["off", 0.3],
            }
        }

    @pytest.fixture
    def configurations_asked(self) -> int:
        return 30  # all of them
