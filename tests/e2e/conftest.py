import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World


@pytest.fixture
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="churn-e2e-"))
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)
