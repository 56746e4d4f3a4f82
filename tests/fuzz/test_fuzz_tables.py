"""Annotation tables with changed cells, headers and bytes: every row is in the index, as it says, or is named."""

import shutil
import zipfile
from io import BytesIO

import cv2
import numpy as np
import pandas as pd
import pytest
from fuzz_changes import as_text, changed, changes, csv_text, read_workbook, write_workbook
from fuzz_harness import attempt, check_line, content, damaged, damages, fuzz, look_at
from fuzz_tables import CLASSES, EXCLUDED, Table, check_index, record
from hypothesis import strategies as st

from ra_icl.datasets import public_flow
from ra_icl.datasets.index import read_index_csv
from ra_icl.datasets.public_flow import FOLDER, TABLE, PublishedOptions
from ra_icl.datasets.reading import DEFAULTS, survey
from ra_icl.errors import Faults
from ra_icl.files import write_csv

TITLES = {
    "casme2": ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion"),
    "samm": ("Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Estimated Emotion"),
    "casme3": ("Subject", "Filename", "Onset", "Apex", "Offset", "emotion"),
}
ROLES = ("subject", "clip", "onset", "apex", "offset", "emotion")
SHEET = {"casme3": "label"}
SMIC = {"subject": "Subject", "clip": "Filename", "onset": "OnsetF", "offset": "OffsetF", "emotion": "Emotion"}


def smic_table(root):
    """A spreadsheet of all clips of the SMIC twin, each a frame shorter at both ends than its folder is."""
    rows, _ = survey("smic", {"root": str(root)})
    cells = [
        (row.subject, row.sequence, None, row.onset + 1, row.offset - 1, row.emotion.title())
        for row in rows.itertuples()
    ]
    return Table("smic", (("Subject", "Filename", None, "OnsetF", "OffsetF", "Emotion"), *cells), 0, SMIC)


@pytest.fixture(scope="session")
def sheets(twins, tmp_path_factory):
    """{dataset: (options, path of its spreadsheet, table)}."""
    folder, found = tmp_path_factory.mktemp("sheets"), {}
    for name, root in twins.items():
        path = folder / (DEFAULTS[name]["annotation"] or "SMIC-HS-E_annotation.xlsx")
        if name == "smic":
            table = smic_table(root)
            write_workbook(path, table)
        else:
            shutil.copyfile(root / path.name, path)
            cells = read_workbook(path, SHEET.get(name))
            header = next(number for number, row in enumerate(cells) if row[0] == "Subject")
            table = Table(name, cells, header, dict(zip(ROLES, TITLES[name], strict=True)))
        found[name] = ({"root": str(root), "annotation": str(path)}, path, table)
    return found


def surveyed(dataset, options, names):
    """(index or None, what was said) of a dataset."""
    found, said = attempt(names, survey, dataset, options)
    if found is None:
        return None, said
    rows, faults = found
    found, refused = attempt(names, look_at, dataset, options)
    for line in (*faults, *(found[1] if found else refused)):
        check_line(line, [*names, f"{dataset} "])
    return rows, faults


@pytest.mark.parametrize("dataset", ["casme2", "samm", "smic", "casme3"])
def test_the_sound_spreadsheets_are_read_whole(sheets, dataset):
    options, _, table = sheets[dataset]
    rows, said = surveyed(dataset, options, [options["root"]])
    assert len(rows) > 5
    assert not Faults(said).serious
    check_index((table, rows), (table, rows, said))


@fuzz(
    40,
    dataset=st.sampled_from(["casme2", "samm", "smic", "casme3"]),
    operations=changes(),
    sheet=st.sampled_from(["Sheet1", "label", "Étiquettes"]),
    first=st.sampled_from([(), (), ("about",)]),
)
def test_changed_spreadsheets(sheets, dataset, operations, sheet, first):
    options, path, sound = sheets[dataset]
    before = survey(dataset, options)[0]
    table = changed(sound, operations)
    with content(path, path.read_bytes()):
        write_workbook(path, table, sheet, first if sheet == "label" else ())
        rows, said = surveyed(dataset, options, [path.name, f"datasets.{dataset}", options["root"]])
    check_index((sound, before), (table, rows, said))
    check_written(rows, said, path)


def check_written(rows, said, path):
    """An index without a fault is the same after it was written and read."""
    if rows is None or Faults(said).serious or not len(rows):
        return
    write_csv(path.with_name("index.csv"), rows)
    pd.testing.assert_frame_equal(read_index_csv(path.with_name("index.csv")), rows)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:openpyxl")
MEMBERS = (
    "[Content_Types].xml",
    "_rels/.rels",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/styles.xml",
    "xl/worksheets/sheet1.xml",
    "xl/sharedStrings.xml",
)


@fuzz(
    40,
    dataset=st.sampled_from(["casme2", "samm", "smic", "casme3"]),
    member=st.sampled_from([*MEMBERS, "", ""]),
    operations=damages(),
)
def test_damaged_workbooks(sheets, dataset, member, operations):
    """Of the file's bytes, which a ZIP's checksums guard, or of the bytes of a part inside, which nothing guards."""
    options, path, _ = sheets[dataset]
    before = survey(dataset, options)[0]
    data = path.read_bytes()
    spoiled = with_damaged_part(data, member, operations) if member else damaged(data, operations)
    with content(path, spoiled):
        rows, said = surveyed(dataset, options, [path.name])
    if not member and not said:
        pd.testing.assert_frame_equal(rows, before)


def with_damaged_part(data, member, operations):
    """A ZIP whose part `member` has damaged bytes and right checksums."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as book, zipfile.ZipFile(out, "w") as spoiled:
        for name in book.namelist():
            part = book.read(name)
            spoiled.writestr(name, damaged(part, operations) if name == member else part)
    return out.getvalue()


DIALECTS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from([",", ",", ";", "\t"]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([0, 1, 2]),
    },
)
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "utf-32")
DAMAGE = st.one_of(st.just([]), st.just([]), damages(1))


def is_known(text, encoding):
    """Whether the text survives an encoding that no mark at its start tells."""
    return text.isascii() or encoding not in ("latin-1", "cp1252")


@fuzz(
    25,
    operations=st.one_of(changes(), st.just([])),
    dialect=DIALECTS,
    encoding=st.sampled_from(ENCODINGS),
    damage=DAMAGE,
)
def test_changed_csv_of_own_data(own, operations, dialect, encoding, damage):
    options, path, sound = own
    before = survey("own", options)[0]
    table = as_text(changed(sound, operations))
    text, lines = csv_text(table, **{"lineterminator": "\n"} | dialect)
    with content(path, damaged(text.encode(encoding, "replace"), damage)):
        rows, said = surveyed("own", options, [path.name, "datasets.own", options["root"]])
    if not damage and is_known(text, encoding):
        check_index((as_text(sound), before), (table, rows, said), CLASSES, EXCLUDED, lines)
    if not operations and not damage and encoding.startswith("utf-8") and dialect.get("delimiter", ",") == ",":
        pd.testing.assert_frame_equal(rows, before)
        assert not Faults(said).serious
    check_written(rows, said, path)


# ---- published flow --------------------------------------------------------------------------------------------------


PUBLISHED = {"dataset": "dataset", "subject": "sub", "clip": "filename_o", "emotion": "label"}
LABELLED = {"0": "negative", "1": "positive", "2": "surprise"}


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """Options, path and table of a clone with a map for each of two sequences of three datasets."""
    root = tmp_path_factory.mktemp("clone")
    rows = [
        *(("casme2", "sub01", "EP02_01f", 1, 59), ("casme2", "sub02", "EP01_11f", 0, 31)),
        *(("samm", "006", "006_1_2", 0, 5588), ("samm", "011", "011_1_4", 2, 77)),
        *(("smic", "s03", "s03_sur_01", 2, ""), ("smic", "s1", "s1_ne_01", 0, "")),
    ]
    (root / FOLDER).mkdir(parents=True)
    for number, (_, subject, clip, *_) in enumerate(rows):
        maps = (np.arange(588).reshape(14, 14, 3) * (number + 3) % 251).astype(np.uint8)
        cv2.imwrite(str(root / FOLDER / f"{subject}_{clip} .png"), maps)
    table = Table("published", ((*PUBLISHED.values(), "apex"), *rows), 0, PUBLISHED)
    (root / TABLE).write_text(csv_text(table)[0], encoding="utf-8")
    return {"a": PublishedOptions(root=str(root))}, root, table


def published_index(sources):
    """The index of all datasets of a clone."""
    parts = [public_flow.read_index(sources, dataset) for dataset in public_flow.FRAMES_PER_SECOND]
    return pd.concat(parts, ignore_index=True)


@fuzz(12, operations=changes(), dialect=DIALECTS, encoding=st.sampled_from(ENCODINGS), damage=DAMAGE)
def test_changed_tables_of_published_flow(clone, operations, dialect, encoding, damage):
    sources, root, sound = clone
    before = published_index(sources)
    table = as_text(changed(sound, operations))
    text, lines = csv_text(table, **{"lineterminator": "\n"} | dialect)
    with content(root / TABLE, damaged(text.encode(encoding, "replace"), damage)):
        rows, said = attempt([TABLE, "public_flow.a"], published_index, sources)
    if not damage and is_known(text, encoding):
        check_index((as_text(sound), before), (table, rows, said), LABELLED, (), lines)


@fuzz(8, number=st.integers(0, 5), operations=damages())
def test_damaged_maps_of_published_flow(clone, number, operations):
    """A PNG guards its bytes by checksums: the map is as before, or named."""
    sources, root, _ = clone
    row = published_index(sources).iloc[number]
    path = root / FOLDER / f"{row.subject}_{row.sequence} .png"
    before = public_flow.read_maps(sources["a"], row.subject, row.sequence)
    with content(path, damaged(path.read_bytes(), operations)):
        maps, said = attempt([path.name], public_flow.read_maps, sources["a"], row.subject, row.sequence)
    if not said:
        np.testing.assert_array_equal(maps, before)


def test_a_record_of_an_index_compares(own):
    """The oracle's own comparison: what is missing is equal to what is missing."""
    rows = survey("own", own[0])[0]
    assert record(rows.assign(apex=pd.NA).iloc[0].to_dict()) == record(rows.assign(apex=None).iloc[0].to_dict())
