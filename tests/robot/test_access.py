import pytest

from adapt.robot.access import Access, RefusedCallError, caller


def test_a_call_passes_only_if_allowed_and_with_a_caller_and_a_reason():
    access = Access(allow=("arm",))
    access.check("arm", "anna@desk", "first run")
    for call, who, why, words in [
        ("reset", "anna@desk", "first run", "reset is refused: .*'access.allow' does not name it"),
        ("arm", "", "first run", "gives no caller"),
        ("arm", "anna@desk", " ", "gives no reason"),
    ]:
        with pytest.raises(RefusedCallError, match=words):
            access.check(call, who, why)


def test_nothing_is_allowed_unless_the_file_says_so():
    with pytest.raises(RefusedCallError):
        Access().check("arm", "anna@desk", "first run")
    assert "@" in caller()
