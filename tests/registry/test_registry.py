import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_standing import history, last_fate, no_longer_counts
from versions import ROBOT, model_of

from adapt.errors import UserError
from adapt.model.checkpoint import load_card, load_weights, save_checkpoint
from adapt.registry.registry import DECISIONS, Registry, registry_of

MODELS = [model_of(seed) for seed in range(14)]


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path, ROBOT, lambda: 5)


def admitted(registry: Registry, seeds) -> list[str]:
    names: list[str] = []
    for seed in seeds:
        card = registry.add(model_of(seed), names[-1] if names else None, {"seed": seed})
        registry.admit(card.version, {"e_better": 40.0}, f"seed {seed} won")
        names.append(card.version)
    return names


def test_a_version_is_loaded_as_it_was_added(registry):
    model = model_of(0)
    card = registry.add(model, None, {"source": "test"})
    again, loaded = registry.load(card.version)
    assert loaded == card and registry.versions() == [card.version]
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)


def test_what_acts_at_once_does_not_drive_a_robot_with_a_dead_time(tmp_path):
    version = Registry(tmp_path, ROBOT.at_once(), lambda: 5).add(model_of(0), None, {}).version
    with pytest.raises(UserError, match="has dead_time_ticks: 1: give a robot file with 0"):
        Registry(tmp_path, ROBOT, lambda: 5).load(version)
    assert Registry(tmp_path, ROBOT.at_once(), lambda: 5).load(version)[1].acts_at_once


def test_a_version_is_never_overwritten(registry):
    first = registry.add(model_of(0), None, {"seed": 0})
    second = registry.add(model_of(0), "other", {"seed": 1})
    assert second == first == registry.card(first.version)
    assert [path.name for path in (registry.folder / "versions").iterdir()] == [first.version]


def test_rollbacks_return_step_by_step_and_admissions_go_on_from_there(registry, tmp_path):
    assert registry.current() is None
    first, second, third = admitted(registry, range(3))
    assert registry.current() == third
    assert registry.rollback("it wobbles") == second
    assert Registry(tmp_path, ROBOT, lambda: 6).current() == second
    registry.admit(third, {}, "it does not wobble")
    assert registry.rollback("it does") == second
    assert registry.rollback("all of it does") == first
    with pytest.raises(UserError, match="no earlier version"):
        registry.rollback("once more")
    assert registry.current() == first


def test_decisions_keep_their_evidence(registry):
    first, second = admitted(registry, range(2))
    registry.reject(first, {"e_worse": 50.0}, "worse")
    registry.rollback("it wobbles")
    kinds = [(each.kind, each.reason) for each in registry.decisions(first)]
    assert kinds == [("admitted", "seed 0 won"), ("rejected", "worse"), ("rolled_back", "it wobbles")]
    assert registry.decisions(second)[0].evidence == {"e_better": 40.0}
    assert registry.decisions(first)[-1].evidence == {"from": second}


def test_the_lineage_leads_back_to_the_first_version(registry):
    names = admitted(registry, range(3))
    assert [card.version for card in registry.lineage(names[-1])] == names[::-1]


def test_what_is_not_there_is_named(registry):
    registry.add(model_of(0), None, {})
    for use in (registry.load, registry.card, lambda name: registry.admit(name, {}, "")):
        with pytest.raises(UserError, match="no version 'nonsense'; there are: "):
            use("nonsense")


def test_weights_that_are_not_finite_leave_nothing_behind(registry):
    model = model_of(0)
    with torch.no_grad():
        next(iter(model.parameters()))[0] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        registry.add(model, None, {})
    assert list((registry.folder / "versions").iterdir()) == []


def test_two_processes_may_decide(registry, tmp_path):
    first, second = admitted(registry, range(2))
    person = Registry(tmp_path, ROBOT, lambda: 7)
    person.rollback("by hand")
    assert registry.current() == first
    registry.admit(second, {}, "again")
    assert person.current() == second


def test_a_checkpoint_is_adopted_with_its_card_as_it_is(registry, tmp_path):
    shipped = tmp_path / "elsewhere/so101.safetensors"
    card = save_checkpoint(shipped, model_of(0), ROBOT, "ancestor", {"seed": 3, "simulator": "mujoco"})
    shipped.with_suffix(".json").write_text(card.model_copy(update={"code_version": "0.0"}).model_dump_json())
    assert registry.adopt(shipped) == load_card(shipped) == registry.card(card.version)
    assert registry.add(model_of(0), None, {}) == load_card(shipped), "the learner finds it there"
    shipped.write_bytes(b"")
    with pytest.raises(UserError, match=r"elsewhere/so101\.safetensors: not a whole"):
        registry.adopt(shipped)
    assert registry.versions() == [card.version]


def test_a_rollback_to_damaged_weights_is_refused_and_changes_nothing(registry):
    first, second = admitted(registry, range(2))
    path = registry.path(first)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=first):
        registry.rollback("it wobbles")
    assert registry.current() == second
    path.write_bytes(whole)
    assert registry.rollback("it wobbles") == first


def test_a_name_never_leads_out_of_the_registry(registry, tmp_path):
    save_checkpoint(tmp_path / "outside/model.safetensors", model_of(0), ROBOT)
    for name in ("../outside", str(tmp_path / "outside"), "", "."):
        with pytest.raises(UserError, match="no version"):
            registry.load(name)


def test_what_was_made_with_a_version_is_stale_once_it_is_replaced(registry):
    first, second = admitted(registry, range(2))
    registry.depend("settings", "planner.yaml", first, {"samples": 64})
    registry.depend("evaluation", "bench", second, {})
    candidate = registry.add(model_of(2), second, {}).version

    def stale() -> dict[str, str]:
        return {each.name: each.stale for each in registry.dependents()}

    assert stale() == {
        "planner.yaml": f"replaced by {second}",
        "bench": "",
        second: "",
        candidate: "",
    }
    assert [each.name for each in registry.dependents(candidate)] == []
    registry.rollback("it wobbles")
    assert stale() == {
        "planner.yaml": "",
        "bench": "rolled back",
        second: "rolled back",
        candidate: f"parent {second} was rolled back",
    }
    registry.depend("settings", "planner.yaml", second, {"samples": 32})
    (settings,) = (each for each in registry.dependents() if each.kind == "settings")
    assert (settings.version, settings.detail, settings.stale) == (second, {"samples": 32}, "rolled back")
    with pytest.raises(UserError, match="no version 'nonsense'"):
        registry.depend("settings", "planner.yaml", "nonsense", {})
    with pytest.raises(UserError, match="no version 'nonsense'"):
        registry.dependents("nonsense")


def test_a_damaged_card_hides_no_other_version(registry):
    first, second = admitted(registry, range(2))
    registry.path(second).with_suffix(".json").write_text("{")
    assert list(registry.cards()) == [first]
    assert registry.standings()[second].kind == "drives"
    assert registry.rollback("its card is damaged") == first


def test_a_checkpoint_knows_the_registry_that_it_lies_in(registry, tmp_path):
    version = registry.add(model_of(0), None, {}).version
    found = registry_of(registry.path(version), lambda: 9)
    assert found is not None
    found.depend("evaluation", "bench", version, {})
    assert [each.name for each in registry.dependents(version)] == ["bench"]
    found.close()
    alone = tmp_path / "alone.safetensors"
    save_checkpoint(alone, model_of(0), ROBOT)
    assert registry_of(alone, lambda: 9) is None


STEP = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["admit", "reject", "depend"]), st.integers(0, 5)),
    st.tuples(st.just("rollback"), st.just(0)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_a_registry_agrees_with_a_plain_model_of_it(steps):
    """The numbers pick a version among those that there are: as parent, or to decide on."""
    stamps = iter(range(100))
    parents: dict[str, str | None] = {}
    plain, made_with = [], {}
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder), ROBOT, lambda: next(stamps))
        for number, (kind, choice) in enumerate(steps):
            known = [*parents]
            chosen = known[choice % len(known)] if known else None
            if kind == "add":
                version = registry.add(MODELS[len(known)], chosen, {}).version
                parents[version] = chosen
            elif kind == "admit" and chosen:
                registry.admit(chosen, {}, "")
                plain.append(("admitted", chosen))
            elif kind == "reject" and chosen:
                registry.reject(chosen, {}, "")
                plain.append(("rejected", chosen))
            elif kind == "depend" and chosen:
                registry.depend("settings", str(number % 3), chosen, {})
                made_with[str(number % 3)] = chosen
            elif kind == "rollback":
                if len(history(plain)[1]) >= 2:
                    plain.append(("rolled_back", ""))
                    assert registry.rollback("") == history(plain)[1][-1]
                else:
                    with pytest.raises(UserError, match="no earlier version"):
                        registry.rollback("")
        again = Registry(Path(folder), None, lambda: 0)
        decisions, drove = history(plain)
        assert again.current() == (drove[-1] if drove else None)
        fates = {version: last_fate(version, decisions) for version in parents}
        stands = again.standings()
        assert {version: each.kind for version, each in stands.items()} == {
            version: kind for version, (kind, _) in fates.items()
        }
        stale = {version for version in parents if no_longer_counts(version, parents, fates)}
        assert {version for version, each in stands.items() if each.stale} == stale
        settings_now = {each.name: each for each in again.dependents() if each.kind == "settings"}
        assert {name: each.version for name, each in settings_now.items()} == made_with
        assert all(bool(each.stale) == (each.version in stale) for each in settings_now.values())


WRITER = """
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_standing import history, last_fate, no_longer_counts
from versions import ROBOT, model_of
from adapt.registry.registry import Registry
registry = Registry(Path(sys.argv[1]), ROBOT, lambda: 5)
parent, number = None, 0
while True:
    version = registry.add(model_of(number), parent, {"segments": [number]}).version
    registry.depend("settings", "planner.yaml", version, {"number": number, "filling": "x" * 100_000})
    registry.admit(version, {}, str(number))
    parent, number = version, number + 1
    print(version, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 6])
def test_a_kill_leaves_everything_whole(tmp_path, lines):
    """The process is killed at whatever instant it reaches after it wrote a few versions."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
    registry = Registry(tmp_path, ROBOT, lambda: 6)
    versions = registry.versions()
    assert set(told) <= set(versions)
    for version in versions:
        assert load_weights(registry.path(version))[1].version == version
    assert set(told) <= {decision.version for decision in registry.decisions()} <= set(versions)
    (settings,) = (each for each in registry.dependents() if each.kind == "settings")
    assert registry.card(settings.version).lineage["segments"] == [settings.detail["number"]]
    assert len(settings.detail["filling"]) == 100_000
    registry.add(model_of(1000), None, {})
    assert not list((tmp_path / "versions").glob(".*")), "what the kill left behind is swept away"


def test_rollbacks_at_the_same_time_are_each_of_another_version(registry, tmp_path):
    names = admitted(registry, range(6))
    registries = [Registry(tmp_path, None, lambda: 6) for _ in range(4)]
    with ThreadPoolExecutor(len(registries)) as pool:
        returned = list(pool.map(lambda each: each.rollback("all at once"), registries))
    assert sorted(returned) == sorted(names[1:5])
    assert registry.current() == names[1]


def test_a_log_that_is_no_database_is_named(tmp_path):
    (tmp_path / DECISIONS).write_text("not a database, but long enough to be looked at" * 10)
    with pytest.raises(UserError, match=r"decisions\.sqlite: not readable"):
        Registry(tmp_path, ROBOT, lambda: 5)


def test_a_log_that_was_altered_is_named(registry, tmp_path):
    first, second = admitted(registry, range(2))
    registry.depend("settings", "planner.yaml", first, {})
    with closing(sqlite3.connect(tmp_path / DECISIONS)) as connection, connection:
        connection.execute("UPDATE decision SET evidence = '{' WHERE version = ?", (second,))
        connection.execute("UPDATE dependent SET detail = x'ff'")
    with pytest.raises(UserError, match=r"decisions\.sqlite: damaged .*: restore it"):
        registry.current()
    with closing(sqlite3.connect(tmp_path / DECISIONS)) as connection, connection:
        connection.execute("DELETE FROM decision WHERE version = ?", (second,))
    assert registry.current() == first
    with pytest.raises(UserError, match=r"decisions\.sqlite: damaged"):
        registry.dependents()


def test_a_log_with_a_damaged_page_is_named(registry, tmp_path):
    (first,) = admitted(registry, range(1))
    registry.admit(first, {"filling": "x" * 40_000}, "")
    registry.close()
    path = tmp_path / DECISIONS
    content = bytearray(path.read_bytes())
    assert len(content) > 4 * 4096
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"decisions\.sqlite: (damaged|not readable)"):
        Registry(tmp_path, ROBOT, lambda: 5).current()


def test_a_rollback_that_leads_nowhere_leaves_the_first_version(registry, tmp_path):
    (first,) = admitted(registry, range(1))
    with closing(sqlite3.connect(tmp_path / DECISIONS)) as connection, connection:
        row = (5, "rolled_back", first, "", "{}")
        connection.execute(
            "INSERT INTO decision (stamp_ns, kind, version, reason, evidence) VALUES (?, ?, ?, ?, ?)", row
        )
    assert registry.current() == first
    assert registry.standings()[first].kind == "drives"
