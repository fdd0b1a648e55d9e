import sqlite3

import pytest

from adapt.errors import UserError
from adapt.learning.journal import Journal


def write(path, count: int) -> None:
    journal = Journal(path)
    for number in range(count):
        journal.append("fact", {"value": number}, b"ticks" * number)
    journal.close()


def test_facts_come_back_in_order_after_a_restart(tmp_path):
    write(tmp_path / "journal.sqlite", 3)
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append("fact", {"value": 3})
    entries = list(journal.entries())
    assert [entry.body["value"] for entry in entries] == [0, 1, 2, 3]
    assert journal.attachment(3) == b"ticksticks"
    assert journal.attachment(4) is None


@pytest.mark.parametrize(
    "mischief",
    [
        "UPDATE entry SET body = '{\"value\": 7}' WHERE number = 2",
        "DELETE FROM entry WHERE number = 2",
        "UPDATE entry SET number = 9 WHERE number = 2",
        "UPDATE entry SET kind = 'other' WHERE number = 2",
    ],
)
def test_an_altered_entry_is_named(tmp_path, mischief):
    path = tmp_path / "journal.sqlite"
    write(path, 4)
    with sqlite3.connect(path) as connection:
        connection.execute(mischief)
    with pytest.raises(UserError, match="entry 2 was altered"):
        list(Journal(path).entries())


def test_a_second_writer_is_refused_and_harms_nothing(tmp_path):
    path = tmp_path / "journal.sqlite"
    first, second = Journal(path), Journal(path)
    first.append("fact", {"value": 1})
    with pytest.raises(UserError, match="another process writes"):
        second.append("fact", {"value": 2})
    first.append("fact", {"value": 3})
    assert [entry.body["value"] for entry in Journal(path).entries()] == [1, 3]


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append("fact", {"value": 1})
    journal._connection.execute("PRAGMA max_page_count = 8")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.append("fact", {"value": 2}, b"x" * 200_000)
    journal._connection.execute("PRAGMA max_page_count = 100000")
    journal.append("fact", {"value": 3})
    assert [entry.body["value"] for entry in journal.entries()] == [1, 3]


def test_another_file_is_not_taken_for_a_journal(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_text("no database " * 100)
    with pytest.raises(UserError, match=r"journal\.sqlite: not a readable ledger"):
        Journal(path)


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    with pytest.raises(ValueError, match="JSON"):
        journal.append("fact", {"value": float("nan")})
    assert list(journal.entries()) == []
