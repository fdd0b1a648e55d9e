from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from test_generation import PLAN, content, make
from test_workers import check, name_of, three_dies

from adapt.errors import UserError
from adapt.sim.workers import RayWorkers, run_jobs

pytest.importorskip("ray", reason="ray is not installed: pip install 'adapt[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayWorkers]:
    """A local cluster of two workers that find the tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with RayWorkers("local", 2) as workers:
            yield workers


def test_a_cluster_of_two_does_the_jobs_and_names_what_fails(cluster: RayWorkers) -> None:
    assert cluster.slots == 2
    check(cluster)


def test_a_worker_that_dies_each_time_names_its_shard(cluster: RayWorkers) -> None:
    with pytest.raises(UserError, match="shard 3: its worker failed"):
        list(run_jobs(cluster, three_dies, [3, 4]))
    assert dict(run_jobs(cluster, name_of, [3])) == {3: b"3"}


def test_a_cluster_makes_the_same_bits(cluster: RayWorkers, tmp_path: Path) -> None:
    make(tmp_path / "here", PLAN)
    make(tmp_path / "cluster", PLAN, workers=lambda: nullcontext(cluster))
    assert content(tmp_path / "cluster") == content(tmp_path / "here")


def test_an_address_where_nothing_answers_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="nothing answers"):
        RayWorkers("127.0.0.1:9", 1)
    with pytest.raises(UserError, match="not an address"):
        RayWorkers("nowhere", 1)
