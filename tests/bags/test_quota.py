from pathlib import Path

from joint_bags import START_NS

from adapt.bags.incident import Criterion, Incident, bless, list_incidents, make_card, write_incident
from adapt.bags.quota import folder_bytes, keep_within, least_informative
from adapt.bags.topic import describe_topic
from adapt.bags.trigger import Capture, Trigger
from adapt.robot.load import load_robot

SO101 = load_robot("so101")


def write(store: Path, number: int, kind: str, severity: str = "error", version: str = "v1") -> str:
    stamp_ns = START_NS + number * 10**9
    trigger = Trigger(kind=kind, severity=severity, stamp_ns=stamp_ns)
    card = make_card(Capture((trigger,), stamp_ns, stamp_ns), SO101, versions=[version])
    return write_incident(store, card, [describe_topic("/a", "std_msgs/msg/String")], []).card.id


def order_of_dropping(store: Path) -> list[str]:
    incidents, order = list_incidents(store), []
    while (spared := least_informative(incidents)) is not None:
        incidents.remove(spared)
        order.append(spared.card.id)
    return order


def test_what_later_ones_tell_again_goes_first_then_the_mildest_then_the_oldest(tmp_path: Path) -> None:
    first = write(tmp_path, 0, "fall")
    second = write(tmp_path, 1, "fall")
    other_version = write(tmp_path, 2, "fall", version="v0")
    mild = write(tmp_path, 3, "operator", "info")
    write(tmp_path, 4, "fall")
    assert order_of_dropping(tmp_path) == [first, second, mild, other_version]


def test_neither_the_newest_nor_a_blessed_one_goes(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, number, "fall")
    oldest, newest = list_incidents(tmp_path)[0], list_incidents(tmp_path)[-1]
    bless(oldest, Criterion(at_most=0.1, unit="rad"))
    dropped = keep_within(tmp_path, 0)
    assert len(dropped) == 2
    assert [each.card.id for each in list_incidents(tmp_path)] == [oldest.card.id, newest.card.id]
    assert not (tmp_path / "incidents.dropped").exists()


def test_no_more_goes_than_has_to(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, number, "fall")
    whole = folder_bytes(tmp_path / "incidents")
    assert keep_within(tmp_path, whole) == []
    assert len(keep_within(tmp_path, whole - 1)) == 1
    assert keep_within(tmp_path / "nothing", 0) == []


def test_what_a_kill_left_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "incidents.dropped" / "half").mkdir(parents=True)
    (tmp_path / "incidents.dropped" / "half" / "card.json").write_text("{}")
    assert keep_within(tmp_path, 10**9) == []
    assert not (tmp_path / "incidents.dropped").exists()


def test_nothing_can_be_spared_of_nothing() -> None:
    assert least_informative(list[Incident]()) is None
