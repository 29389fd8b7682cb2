"""Data and a network that several tests of training share."""

import pytest
from lifting import lifting

from gear_vla_ros.training.prepared import prepare


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return lifting(tmp_path_factory.mktemp("lifting"))


@pytest.fixture(scope="session")
def samples(dataset):
    return prepare(dataset, 96)
