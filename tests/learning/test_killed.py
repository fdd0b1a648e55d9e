import math
import multiprocessing
import os
import random

import pytest
from deployment import LONG_LIVED, learn_until_killed
from small_arm import START_NS

from adapt.learning.ledger import Ledger
from adapt.learning.splits import Split
from adapt.learning.verification import verify_ledger
from adapt.model.checkpoint import content_hash
from adapt.registry.registry import Registry

KILLS = int(os.environ.get("ADAPT_KILLS", "10"))
"""A release is tried with 200."""
LIVES = 10
"""Of one deployment: each training needs twice the data of the last, so that later lives see ever fewer."""


@pytest.mark.parametrize("deployment", range(math.ceil(KILLS / LIVES)))
def test_a_learner_killed_at_any_instant_goes_on_with_whole_files(tmp_path, deployment):
    generator = random.Random(deployment)
    context = multiprocessing.get_context("fork")  # so that torch is not imported anew in every life
    path = tmp_path / "ledger.sqlite"
    whole: set[str] = set()
    for life in range(LIVES):
        heard, told = context.Pipe(duplex=False)
        process = context.Process(target=learn_until_killed, args=(tmp_path, told, life))
        process.start()
        told.close()
        for _ in range(generator.randint(1, 25)):
            heard.recv()
        process.join(generator.uniform(0, 0.05))
        assert process.exitcode is None
        process.kill()
        process.join()
        assert verify_ledger(path) == []
        registry = Registry(tmp_path / "registry", LONG_LIVED, lambda: 0)
        for version in set(registry.versions()) - whole:
            assert content_hash(registry.load(version)[0].state_dict()) == version
            whole.add(version)
        assert registry.current() in registry.versions()
        registry.close()
    ledger = Ledger(path, LONG_LIVED, lambda: START_NS)
    records = ledger.records
    for split in (Split.ADAPT, Split.GATE):
        ticks = [ledger.ticks_of(segment).stamp_ns for segment in ledger.segments(split)]
        stamps = [stamp for each in ticks for stamp in each]
        assert len(set(stamps)) == len(stamps) == records.used(split)
    assert len(records.segments) > 2 * LIVES
    assert len(records.trainings) >= LIVES / 2 and len(records.judgements) >= LIVES / 2
