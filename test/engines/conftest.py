"""Bundles, made once a worker."""

import pytest
from bundles import make


@pytest.fixture(scope="session", params=["autoregressive", "parallel"])
def bundle(request, tmp_path_factory):
    return make(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def one_bundle(tmp_path_factory):
    return make(tmp_path_factory.mktemp("one"), "parallel")
