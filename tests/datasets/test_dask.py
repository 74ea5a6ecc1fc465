"""Campaigns on a Dask cluster of two real processes on this machine."""

from dataclasses import replace

import numpy as np
import pytest
from campaigns import BAD, fingerprint, first_entries
from distributed import Client, LocalCluster
from fem_campaigns import FIBRES, PIXELS

from genmech_fem.datasets import generate
from genmech_fem.datasets.dask import Dask
from genmech_fem.errors import GenmechError

# Dask and its event loop leave sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("campaign", [pytest.param(FIBRES, marks=pytest.mark.slow), PIXELS], ids=["fibres", "pixels"])
def test_a_cluster_gives_the_data_of_the_serial_engine_bit_for_bit(tmp_path, client, campaign):
    generate(campaign, tmp_path / "serial")
    report = generate(campaign, tmp_path / "dask", engine=Dask(client))
    assert report.computed == campaign.size
    assert fingerprint(tmp_path / "serial") == fingerprint(tmp_path / "dask")


def test_crashes_and_hangs_on_a_cluster_cost_one_sample_and_no_worker(tmp_path, client):
    before = set(client.scheduler_info()["workers"])
    report = generate(BAD, tmp_path, engine=Dask(client, time_limit=0.7, batch=5))
    x = first_entries(BAD.size, BAD.seed)
    words = ["crashed", "timed out", "ArithmeticError", "not finite"]
    kinds = np.select([x > 0.93, x > 0.88, x > 0.8, x > 0.75], words, "")
    assert {i: f.kind for i, f in report.failures.items()} == {i: k for i, k in enumerate(kinds) if k}
    assert set(client.scheduler_info()["workers"]) == before


def test_short_samples_share_a_task_and_long_ones_do_not(tmp_path, client):
    engine = Dask(client)
    sizes = [engine._batch(seconds) for seconds in (0.0, 0.001, 0.1, 30.0)]
    assert sizes == [1, 64, 10, 1]
    generate(replace(PIXELS, size=40), tmp_path / "dask", engine=replace(engine, shared=True))
    generate(replace(PIXELS, size=40), tmp_path / "serial")
    assert fingerprint(tmp_path / "serial") == fingerprint(tmp_path / "dask")


def test_a_cluster_without_workers_is_named(tmp_path):
    with (
        LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        Client(cluster) as client,
        pytest.raises(GenmechError, match="expected a cluster with workers, got none"),
    ):
        generate(PIXELS, tmp_path, engine=Dask(client))
