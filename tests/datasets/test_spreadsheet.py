"""Spreadsheets as other programs, coders and disks leave them: every cell right, or one line that says why not."""

import zipfile
from datetime import datetime

import pytest
from openpyxl import Workbook as Written
from openpyxl import load_workbook

from ra_icl.datasets.spreadsheet import read_table
from ra_icl.datasets.workbook import Workbook, cell_name
from ra_icl.errors import InputError

COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Emotion")
ROWS = [
    ["sub01", "EP02_01f", 46, 59, "happiness"],
    ["sub02", "EP01_11f", 46.0, None, "Übelkeit"],
    ["3", 7, 1, "/", "joy :)"],
]
STYLES, SHEET, STRINGS = "xl/styles.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"


def written(path, *rows, header=COLUMNS, edit=lambda sheet: None, title="Codes"):
    book = Written()
    book.active.title = title
    for row in (header, *rows):
        book.active.append(row)
    edit(book.active)
    book.save(path)
    return path


def changed(path, member, edit):
    """Edit one part of a workbook as bytes."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts[member] = edit(parts[member])
    with zipfile.ZipFile(path, "w") as book:
        for name, data in parts.items():
            book.writestr(name, data)
    return path


def fault_of(path, columns=COLUMNS, sheet=None):
    """The one line that reading ends in."""
    with pytest.raises(InputError) as error:
        read_table(path, columns, sheet)
    (fault,) = error.value.faults
    assert "\n" not in fault
    assert fault.where.startswith(str(path))
    assert fault.remedy
    assert fault.kind != "other"
    return fault


def test_every_cell_is_what_openpyxl_reads(tmp_path):
    rows = [
        [f"s{n}", f"clip {n} é高", n, n + 0.5, n % 2 == 0, "  blanks ", None, f"<&>{n}", -n, 1e300] for n in range(40)
    ]
    path = tmp_path / "a.xlsx"
    book = Written()
    for row in rows:
        book.active.append(row)
    book.active["AB99"] = "far"
    book.save(path)
    found = Workbook(path.read_bytes()).sheet("Sheet").rows
    wanted = {
        number: {place: cell for place, cell in enumerate(row, 1) if cell is not None}
        for number, row in enumerate(load_workbook(path).active.iter_rows(values_only=True), 1)
    }
    assert {row: cells for row, cells in found.items() if cells} == {
        row: cells for row, cells in wanted.items() if cells
    }
    assert found[99] == {28: "far"}


def test_a_date_is_no_number_whatever_shows_it(tmp_path):
    """Numbers of days, in formats of the standard and of the workbook; other formats show numbers."""
    formats = {"yyyy-mm-dd": True, "m/d/yy h:mm": True, "[$-407]d. mmm": True, "[h]:mm": True, "mmm-yy": True}
    formats |= {"General": False, "0.00": False, '0 "days"': False, "[Red]0": False, "0_d": False, "0.00E+00": False}
    path = tmp_path / "a.xlsx"
    book = Written()
    for row, style in enumerate(formats, 1):
        book.active.cell(row, 1, 41767).number_format = style
    book.active.cell(20, 1, datetime(2014, 5, 8, 13, 30))
    book.active.cell(21, 1, 1e300).number_format = "yyyy-mm-dd"
    book.save(path)
    found = Workbook(path.read_bytes()).sheet("Sheet").rows
    wanted = ["2014-05-08 00:00:00" if is_date else 41767 for is_date in formats.values()]
    assert [found[row][1] for row in range(1, len(formats) + 1)] == wanted
    assert (found[20][1], found[21][1]) == ("2014-05-08 13:30:00", int(1e300))


@pytest.mark.parametrize(
    ("member", "edit"),
    [
        (STYLES, lambda data: data.replace(b"<fill>", b"<fill/><fill>", 1)),
        (STYLES, lambda data: data.replace(b"<patternFill", b'<patternFill extra="1"', 1)),
        (STYLES, lambda data: b"no styles at all"),
        (SHEET, lambda data: data.replace(b"<dimension ref=", b"<dimension no=")),
        (SHEET, lambda data: data.replace(b'<c r="A1"', b"<c").replace(b'<row r="2"', b"<row")),
        (
            SHEET,
            lambda data: data.replace(b"schemas.openxmlformats.org/spreadsheetml/2006/main", b"purl.oclc.org/strict"),
        ),
        (SHEET, lambda data: data.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"/></row></sheetData>')),
    ],
)
def test_workbooks_of_other_programs_are_read(tmp_path, member, edit):
    plain = read_table(written(tmp_path / "a.xlsx", *ROWS), COLUMNS)
    assert plain.to_numpy().tolist() == [["sub01", "EP02_01f", 46, 59, "happiness"], *ROWS[1:]]
    assert list(plain.index) == [2, 3, 4]
    other = changed(written(tmp_path / "b.xlsx", *ROWS), member, edit)
    assert read_table(other, COLUMNS).equals(plain)


def test_shared_strings_runs_and_how_they_are_spoken(tmp_path):
    strings = (
        '<sst xmlns="x"><si><t>Subject</t></si>'
        '<si><r><t>sub</t></r><r><rPr><b/></rPr><t xml:space="preserve">01 </t></r>'
        "<rPh><t>spoken</t></rPh></si><si><t>Filename</t></si><si><t>a_x005F_b_x000D_</t></si></sst>"
    )
    cells = (
        '<worksheet xmlns="x"><sheetData><row><c t="s"><v>0</v></c><c t="s"><v>2</v></c></row>'
        '<row><c t="s"><v>1</v></c><c t="s"><v>3</v></c></row></sheetData></worksheet>'
    )
    path = changed(written(tmp_path / "a.xlsx"), SHEET, lambda _: cells.encode())
    with zipfile.ZipFile(path, "a") as book:
        book.writestr(STRINGS, strings)
    assert read_table(path, ("Subject", "Filename")).to_numpy().tolist() == [["sub01 ", "a_b\r"]]


def test_a_column_twice_is_named_whatever_its_case(tmp_path):
    path = written(tmp_path / "a.xlsx", [*ROWS[0], "disgust"], header=(*COLUMNS, " emotion"))
    assert fault_of(path) == (
        f"{path}, row 1: the column 'Emotion' occurs 2 times (Emotion, emotion); "
        "remove or rename all but the one that holds"
    )
    unnamed = written(tmp_path / "b.xlsx", [*ROWS[0], 1, 2], header=(*COLUMNS, None, None, "Notes", "Notes"))
    assert read_table(unnamed, COLUMNS).to_numpy().tolist() == [ROWS[0]]  # nobody reads those


def test_formulas_that_were_never_computed_are_named_by_cell(tmp_path):
    def one(sheet):
        sheet["D3"] = "=C3+5"

    def many(sheet):
        for row in range(2, 5):
            sheet.cell(row, 3).value = sheet.cell(row, 4).value = f"=A{row}"

    path = written(tmp_path / "a.xlsx", *ROWS, edit=one)
    assert fault_of(path).startswith(f"{path}, row 3: cell D3 holds a formula without a stored value; open it")
    assert "row 2: cells C2, D2, C3 and 3 more hold a formula" in fault_of(written(path, *ROWS, edit=many))
    computed = changed(written(path, *ROWS, edit=one), SHEET, lambda data: data.replace(b"</f><v />", b"</f><v>51</v>"))
    assert read_table(computed, COLUMNS)["Apex"].tolist() == [59, 51, "/"]

    def beside(sheet):
        sheet["G3"] = "=C3+5"

    assert len(read_table(written(path, *ROWS, edit=beside), COLUMNS)) == 3  # no column of ours


def test_merged_cells_in_the_data_are_named_by_range(tmp_path):
    path = written(tmp_path / "a.xlsx", *ROWS, edit=lambda sheet: sheet.merge_cells("A2:A3"))
    assert fault_of(path).startswith(f"{path}, row 2: the cells A2:A3 are merged")
    path = written(tmp_path / "b.xlsx", *ROWS, edit=lambda sheet: sheet.merge_cells("C4:D4"))
    assert fault_of(path).where == f"{path}, row 4"

    def notes(sheet):
        sheet.merge_cells("G2:G4")
        sheet["A7"] = "a note over the whole width"
        sheet.merge_cells("A7:E9")

    assert len(read_table(written(path, *ROWS, edit=notes), COLUMNS)) == 3


def test_the_header_may_begin_in_any_column(tmp_path):
    rows = [[None, *row] for row in ROWS]
    path = written(tmp_path / "a.xlsx", *rows, header=(None, *COLUMNS))
    found = read_table(path, COLUMNS)
    assert found.to_numpy().tolist() == ROWS
    assert list(found.index) == [2, 3, 4]
    noted = written(tmp_path / "b.xlsx", COLUMNS, *ROWS, header=("Sheet of", "Subject"))
    assert list(read_table(noted, COLUMNS).index) == [3, 4, 5]  # a row that starts with it comes first


def test_a_sheet_of_another_name_is_read_if_it_has_the_header_or_all_are_listed(tmp_path):
    path = written(tmp_path / "a.xlsx", *ROWS)
    assert len(read_table(path, COLUMNS, sheet="label")) == 3
    book = load_workbook(path)
    book.create_sheet("About", 0).append(["Version", 2])
    book.save(path)
    assert fault_of(path, sheet="label") == (
        f"{path}: no header row with a column 'Subject' (in sheet 'About'; the file has the sheets About, Codes); "
        "move the sheet that has it to the front, or give the dataset's official annotation file"
    )
    assert len(read_table(path, COLUMNS, sheet=" codes ")) == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old .xls workbook, or one with a password"),
        (b"Subject,Filename\n1,a\n", "text, such as CSV"),
        ("Subject\tFilename\n".encode("utf-16"), "no workbook"),
        (b"", "it is empty"),
        (b"\0\0\0\0", "it is empty"),
        (b"PK\x03\x04 and no more", "it is damaged (File is not a zip file)"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, data, words):
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    assert words in fault_of(path)
    assert "open it in a spreadsheet program and save it again as .xlsx" in fault_of(path).remedy


def test_open_document_and_folders_are_named(tmp_path):
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("content.xml", "<x/>")
    assert "an OpenDocument file (.ods)" in fault_of(path)
    assert "cannot be read (Is a directory)" in fault_of(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data[:-400],
        lambda data: data.replace(b'r="A2"', b'r="A0"'),
        lambda data: data.replace(b'r="A2"', b'r="B2"'),
        lambda data: data.replace(b'r="A2"', b'r="B99999999999"'),
        lambda data: data.replace(b'<row r="2"', b'<row r="9999999999999999999999"').replace(b' r="A2"', b""),
        lambda data: data.replace(b't="inlineStr"', b't="s"').replace(b"<is><t>sub01</t></is>", b"<v>-1</v>"),
        lambda data: b'<?xml version="1.0" encoding="nonsense"?><x/>',
    ],
)
def test_damaged_sheets_are_one_line(tmp_path, edit):
    path = changed(written(tmp_path / "a.xlsx", *ROWS), SHEET, edit)
    fault = fault_of(path)
    assert fault.kind in ("spreadsheet-damaged", "header-missing")


def test_cells_are_named_as_spreadsheets_name_them():
    assert [cell_name(7, column) for column in (1, 5, 26, 27, 52, 703)] == ["A7", "E7", "Z7", "AA7", "AZ7", "AAA7"]
