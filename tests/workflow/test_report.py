"""The report in one HTML file: what is in it, and what a person sees who opens it in a browser without a network."""

import base64
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from workflow_runs import ROOT, run

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SEEN = {"image/png", "application/pdf", "text/html"}  # what the report shows; anything else it hands out as a file
PATIENCE = 30  # seconds


@pytest.fixture(scope="module")
def report(clone, results):
    """The report of the tests' run; one start of Snakemake makes its pages and puts them together.

    There are a table that was made on request, a page that no rule of this config makes, and a table from networks
    that it does not keep.
    """
    pytest.importorskip("pygments")
    there = [results / f"tables/{name}.html" for name in ("ablation_m1", "of_another_config", "attention")]
    for path in there:
        path.write_text("old")
    style = ("--report-stylesheet", "workflow/report/report.css")
    run(clone, "report", "--report", "report.html", "--report-after-run", *style)
    yield clone / "report.html"
    for path in (*there, *there[0].parent.glob("ablation_m1.*")):
        path.unlink(missing_ok=True)


def parts(report, name):
    """A variable of the report's script: what it shows."""
    return json.loads(re.search(rf"^ *var {name} = ({{.*}});$", report.read_text(encoding="utf-8"), re.M)[1])


@pytest.mark.workflow
def test_everything_is_seen_under_words_and_explained(report):
    shown = parts(report, "results")
    assert {one["mime_type"] for one in shown.values()} == SEEN
    for path, one in shown.items():
        assert list(one["labels"]) == ["Result"], path
        assert not re.search(r"[/_]|\.[a-z]|^[a-z]", one["labels"]["Result"]), one["labels"]
        assert len(one["caption"]) > 40, path
    captions = " ".join(one["caption"] for one in shown.values())
    for words in ("composite database evaluation", "Ablation of MIR", "counted from the annotation"):
        assert words in captions


@pytest.mark.workflow
def test_every_heading_is_on_the_start_page_and_has_something(report):
    headings = parts(report, "categories")
    asked = {"Scores", "Methods", "Confusion matrices", "Differences", "Cost", "Data", "Quality control", "Run"}
    assert asked <= headings.keys()
    assert headings.keys() <= set(
        re.findall(r'^  "(.+?)": ', (ROOT / "workflow/report/workflow.rst").read_text(), re.M)
    )
    of_quality = headings["Quality control"]
    assert set(of_quality) == {"CASME II", "SAMM", "SMIC-HS", "CAS(ME)³"}
    assert sorted(Path(path).name for path in of_quality["SMIC-HS"]) == ["s01.png", "s02.png", "smic.html", "smic.png"]
    tables = {Path(path).stem for path in headings["Scores"]["Other"]}
    assert tables == {"table1", "table2", "table3", "ablation_m1"}
    methods = {Path(path).relative_to("results/demo/pages") for path in headings["Methods"]["Other"]}
    assert methods == {Path("cde/m1.html"), Path("cde/m6.html"), Path("casme3_4/m6.html")}


class Reader:
    """A person with a browser that reaches no network."""

    def __init__(self, driver, report):
        self.driver, self.clicks = driver, 0
        driver.get(report.as_uri())
        self.wait("nav li a")

    def wait(self, selector):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, PATIENCE).until(lambda driver: self.all(selector))

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def click(self, element):
        element.click()
        self.clicks += 1

    def open(self, heading, label=None):
        """Click on a heading, then on the eye beside a label."""
        (link,) = [one for one in self.all("nav li a") if one.text.strip() == heading]
        self.click(link)
        if label:
            rows = [one for one in self.wait("nav tbody tr") if one.text.strip() == label]
            assert len(rows) == 1, [one.text for one in self.all("nav tbody tr")]
            self.click(rows[0].find_elements("css selector", "a")[0])

    def page(self, heading, label):
        """The page beside a label, as the place where elements are found."""
        self.open(heading, label)
        self.driver.switch_to.frame(self.wait("iframe")[0])
        self.wait("main h1")
        return self

    def cells(self):
        return [
            [cell.text for cell in row.find_elements("css selector", "th, td")]
            for row in self.all("table")[:1]
            for row in row.find_elements("css selector", "tr")
        ]

    def errors(self):
        return [line for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def driver():
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # A container's root has no sandbox and little shared memory; no name has an address.
    given = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"]
    for argument in (*given, "--window-size=1500,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield started
    started.quit()


@pytest.fixture
def reader(driver, report):
    """Somebody who opens the report; a console error on the way fails the test."""
    person = Reader(driver, report)
    yield person
    assert person.errors() == []


@pytest.mark.workflow
def test_the_start_page_says_what_the_run_was(reader):
    text = " ".join(reader.wait("#app main.page")[0].text.split())  # a heading over numbers is broken into two lines
    for words in (
        "SYNTHETIC TWINS",
        "synthetic twins",
        "CASME II, SAMM, SMIC-HS (CDE)",
        "Ra-ICL (M6)",
        "negative",
        "Seed numbers",
    ):
        assert words in text
    for words in ("Commit that trained the folds", "Versions that trained", "torch", "Run times", "The whole config"):
        assert words in text
    assert "twins:" in reader.all("#app main.page pre")[0].get_attribute("textContent")
    heading = reader.all("#app h1")[0]
    assert heading.location["y"] >= 0  # not out of reach above the window


@pytest.mark.workflow
def test_table_1_has_the_cells_of_its_csv(reader, results):
    header, *rows = reader.page("Scores", "Table 1: three datasets together (CDE)").cells()
    table = pd.read_csv(results / "tables/table1.csv")
    assert [row[0] for row in rows] == table["title"].tolist() == ["Ra-ICL (M6)"]
    columns = [" ".join(title.split()) for title in header]
    names = {"Composite": "composite", "CASME II": "casme2", "SAMM": "samm", "SMIC-HS": "smic"}
    wanted = {
        f"{title} {score.upper()}": f"{name}_{score}" for title, name in names.items() for score in ("uf1", "uar")
    }
    assert set(columns) - set(wanted) == {"Method", "Source", "Data"}
    for row, values in zip(rows, table.to_dict("records"), strict=True):
        found = dict(zip(columns, row, strict=True))
        assert (found["Source"], found["Data"]) == (values["source"], values["data"])
        assert {title: float(found[title]) for title in wanted} == {
            title: pytest.approx(values[column], abs=0.00501) for title, column in wanted.items()
        }
    link = reader.all('a[download="table1.csv"]')[0].get_attribute("href")
    assert base64.b64decode(link.partition("base64,")[2]) == (results / "tables/table1.csv").read_bytes()


@pytest.mark.workflow
def test_a_method_on_a_dataset_is_two_clicks_away(reader, results):
    page = reader.page("Methods", "M1: CASME II, SAMM, SMIC-HS (CDE)")
    assert reader.clicks == 2
    metrics = json.loads((results / "metrics/cde/m1.json").read_text())
    scores = {row[0]: row[1:] for row in page.cells()}
    assert float(scores["SAMM"][1]) == pytest.approx(100 * metrics["scores"]["samm"]["uf1"]["mean"], abs=0.00501)
    (samm,) = [part for part in page.all("section") if part.text.startswith("SAMM")]
    counts = [int(cell.text.split("(")[1][:-1]) for cell in samm.find_elements("css selector", "td")]
    assert counts == [count for row in metrics["confusion"]["samm"] for count in row]


@pytest.mark.workflow
def test_the_confusion_matrices_and_quality_control_are_seen(reader):
    reader.open("Confusion matrices", "Figure 4: three datasets (CDE), Ra-ICL (M6)")
    (picture,) = reader.wait("div.p-3 > img")
    sides = "return [arguments[0].naturalWidth, arguments[0].naturalHeight, arguments[0].getBoundingClientRect().top]"
    width, height, top = reader.driver.execute_script(sides, picture)
    assert min(width, height) > 500
    assert top >= 0
    reader.click(reader.all("nav nav ol a")[0])  # home
    reader.open("Quality control")
    page = reader.page("SAMM", "All sequences, oddest first")
    assert len(page.cells()) == 1 + 6
