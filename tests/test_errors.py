import pickle

import pytest

from ra_icl.errors import Fault, FaultKind, Faults, InputError, ManyFaultsError


@pytest.fixture
def kind(monkeypatch):
    monkeypatch.setattr(FaultKind, "all", {})
    return FaultKind(
        "gap", "{number} of {total} frames are missing", "restore them", {"where": "a", "number": 1, "total": 9}
    )


def test_a_kind_fills_its_templates(kind):
    fault = kind.at("casme2 sub01/EP02", number=3, total=12)
    assert fault == "casme2 sub01/EP02: 3 of 12 frames are missing; restore them"
    assert (fault.where, fault.what, fault.remedy) == (
        "casme2 sub01/EP02",
        "3 of 12 frames are missing",
        "restore them",
    )
    assert (fault.kind, fault.severity) == ("gap", "fault")
    assert kind.shown() == "a: 1 of 9 frames are missing; restore them"
    assert kind.error("b", number=1, total=2).faults == [kind.at("b", number=1, total=2)]


def test_a_fault_is_one_line_whatever_a_name_holds(kind):
    fault = kind.at("a\nb\u2028é 高", number="\x1b[31m", total=2)
    assert fault == "a\\nb\\u2028é 高: \\x1b[31m of 2 frames are missing; restore them"
    assert str(InputError("a\rb: c; d")) == "a\\rb: c; d"
    assert Fault.of("\udc80: c").where == "\\udc80"


def test_a_name_is_given_once(kind):
    with pytest.raises(ValueError, match="'gap' already"):
        FaultKind("gap", "x", "y", {})


def test_a_line_has_parts():
    fault = Fault.of("t.csv, row 3: onset: is 'x; y'; correct it")
    assert (fault.where, fault.what, fault.remedy) == ("t.csv, row 3", "onset: is 'x", "y'; correct it")
    key = Fault.of("config: base.epochs: is -1; give at least 1")
    assert (key.where, key.what, key.remedy) == ("config: base.epochs", "is -1", "give at least 1")
    assert Fault.of("config: public_flow is empty; name a clone: it helps").where == "config"
    assert Fault.of("nothing of the kind").what == "nothing of the kind"
    assert Fault.of(fault) is fault


def test_a_fault_keeps_its_parts_in_pickle(kind):
    fault = kind.at("b", number=1, total=2)
    again = pickle.loads(pickle.dumps(fault))
    assert again == fault
    assert (again.kind, again.remedy) == ("gap", "restore them")


def test_warnings_do_not_raise():
    faults = Faults([Fault("a", "b", "c", severity="warning"), Fault("a", "d", severity="note")])
    faults.raise_any()
    faults.append("e: f; g")
    with pytest.raises(ManyFaultsError, match=r"^e: f; g$"):
        faults.raise_any()


def test_errors_are_caught_as_faults():
    faults = Faults()
    with faults.catching():
        raise ManyFaultsError(["a: b; c", "d: e; f"])
    with faults.catching():
        raise InputError("g: h; i")
    assert [fault.where for fault in faults] == ["a", "d", "g"]
