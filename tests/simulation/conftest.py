"""The ground that the simulations of one module stand on."""

from collections.abc import Iterator

import pytest

from tests.simulation.ground import Ground


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground() as ground:
        yield ground
