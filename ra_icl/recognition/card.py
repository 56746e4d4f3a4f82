"""The model card: what a model is, was trained on, is worth and must not be used for, as its own file tells it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from tabulate import tabulate

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.evaluation import pages
from ra_icl.recognition.model import Model
from ra_icl.recognition.score import percent, recalls

SYNTHETIC = "TRAINED ON SYNTHETIC FACES"
SYNTHETIC_NOTE = (
    f"{SYNTHETIC}, drawn by a program (twins). It shows how a model is used, on a twin's clip; what it says of a real "
    "person means nothing."
)
NO_LIE_DETECTOR = (
    "This is no lie detector. It names the class whose facial motion the clip resembles most; it sees neither feelings "
    "nor intentions."
)
UNCALIBRATED = "The probabilities are not calibrated: 0.9 does not mean right nine times in ten."

_LIMITS = (
    f"**{NO_LIE_DETECTOR}** Micro-expressions have not been shown to tell lies from truth (Burgoon 2018, Frontiers in "
    "Psychology 9:1672).",
    "**It always names one of its classes**: also for a blink, speech, a turn of the head, an ordinary expression or a "
    "face that does nothing. Finding an expression in a film is another task, which it does not do.",
    "It needs the expression's first frame (onset), with a neutral face that looks at the camera. A wrong onset or "
    "offset changes the answer.",
    f"{UNCALIBRATED} Compare clips, and look at the motion (`--picture`) before you believe one.",
    "The classes are what coders and questionnaires said of the clips that it was trained on. Whether anybody felt it "
    "is not known.",
    "Do not use it to decide about people: not in interrogations, at borders, in court, in hiring, at school, or in "
    "therapy. The EU's AI Act (Regulation 2024/1689, Article 5) forbids systems that infer emotions at work and in "
    "education, save for medical or safety reasons.",
)
_OF_DATA = {
    "datasets": (
        "It has seen volunteers in laboratories, filmed from the front in even light, at the frame rates above, and "
        "asked to keep a neutral face while they watched films: mostly young adults of few countries. Other ages, skin "
        "tones, cameras, glasses, beards, poses and spontaneous conversation were not tested.",
        "The datasets' licences may forbid passing on what was trained on them. Read them before you share this file.",
    ),
    "own": (
        "It has seen your clips and no others: people, cameras, light and situations that they lack were not tested.",
        "If those who were filmed have not agreed to it, do not share this file.",
    ),
    "twins": (
        "It has seen drawn faces with the motion that a program gave them, and no human being. **No number here can be "
        "compared with one measured on people.**",
    ),
}


def write_card(model: Model, out_stem: Path) -> None:
    """Write the card of a model as `out_stem`.md and, a page of the report, as `out_stem`.html."""
    text = card(model)
    with files.atomic(f"{out_stem}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    heading, _, body = text.partition("\n\n")
    # Titles come from the config: what looks like HTML in them is text.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(body)
    pages.write_page(Path(f"{out_stem}.html"), heading.removeprefix("# "), [html])


def card(model: Model) -> str:
    """The card of a model as Markdown."""
    about, training = model.about, model.about["training"]
    heading = f"# Model card: {about['title']}, protocol {training['protocol']}"
    loud = [f"> **{SYNTHETIC_NOTE}**"] if model.synthetic else []
    what = (
        f"A network that takes a clip of one facial micro-expression and gives a probability to each of "
        f"{len(model.classes)} classes: {', '.join(model.classes)}. It was trained on everybody in the data below. "
        f"{NO_LIE_DETECTOR}"
    )
    use = f"```\nra-icl predict clip.mp4 --model {model.path.name}\n```"
    parts = [heading, *loud, what, use, *_trained_on(model), *_worth(model), *_limits(model), *_details(model)]
    return "\n\n".join(parts) + "\n"


def _trained_on(model: Model) -> list[str]:
    data = model.about["data"]
    rows = [
        (_title(name, model), found["subjects"], found["clips"], _span(found["frames"]), _span(found["fps"]))
        for name, found in data.items()
    ]
    classes = []
    for name in model.classes:
        of_datasets = {dataset: found["classes"].get(name, {}) for dataset, found in data.items()}
        emotions = dict.fromkeys(emotion for found in of_datasets.values() for emotion in found)
        classes.append((name, sum(sum(found.values()) for found in of_datasets.values()), ", ".join(emotions)))
    # The index of own data holds classes alone.
    columns = 2 if "own" in data else 3
    return [
        "## Trained on",
        _table(("data", "people", "clips", "frames a clip", "frames per second"), rows),
        _table(("class", "clips", "annotated as")[:columns], [row[:columns] for row in classes]),
    ]


def _worth(model: Model) -> list[str]:
    score, training = model.about["score"], model.about["training"]
    interval = (
        "In brackets: 95 % interval over people." if score["intervals"] else "No interval: there are too few people."
    )
    seeds = f", {score['seeds']} trainings each" if score["seeds"] > 1 else ""
    clips, people = score["scores"]["composite"]["samples"], score["subjects"]
    text = (
        f"**UF1 {percent(score, 'uf1')}, UAR {percent(score, 'uar')}** on {people_of(model)} who were held out "
        f"({score['folds']} folds{seeds}, {clips} clips, {people} people). "
        f"{interval} Guessing gives a UAR of {100 / len(model.classes):.1f} %."
    )
    options = "the same options"
    if model.about["choice"]:
        options = "options chosen for each group of people on the others (this network has what most groups chose)"
    own = (
        f"That is the score of the same method with {options}, trained without the people that it was tested on. "
        "This network itself has nobody left to be tested on. It is right on "
        f"{100 * training['right_on_training']:.0f} % of the clips that it was trained on, which says how well it fits "
        "them and nothing else."
    )
    caveats = [f"Mind: {'; '.join(score['caveats'])}."] if score["caveats"] else []
    rows = [
        (_title(name, model), found["samples"], f"{100 * found['uf1']:.1f}", f"{100 * found['uar']:.1f}")
        for name, found in score["scores"].items()
        if name != "composite"
    ]
    shares = ["" if share is None else f"{100 * share:.0f} %" for share in recalls(score)]
    confusion = [
        (name, *row, share) for name, row, share in zip(model.classes, score["confusion"], shares, strict=True)
    ]
    counted = f" (clips of all {score['seeds']} trainings)" if score["seeds"] > 1 else ""
    return [
        "## How good it is",
        text,
        own,
        *caveats,
        _table(("tested on", "clips", "UF1", "UAR"), rows),
        _table((f"was, recognised as{counted}", *model.classes, "right"), confusion),
    ]


def people_of(model: Model) -> str:
    """What to call those who were filmed."""
    return "made-up people" if model.synthetic else "people"


def _limits(model: Model) -> list[str]:
    training = model.about["training"]
    source = "own" if training["protocol"] == "own" and not model.synthetic else training["data_source"]
    return ["## Limits", "\n".join(f"- {limit}" for limit in (*_LIMITS, *_OF_DATA[source]))]


def _details(model: Model) -> list[str]:
    about, training = model.about, model.about["training"]
    prepared, sampling = about["prepared"], model.sampling
    versions = [f"{name} {version}" for name, version in training["versions"].items()]
    versions += [f"OpenCV {prepared['opencv']}", prepared["version"]]
    rows = [
        ("method", f"{training['method']} ({about['title']}), seed {training['seed']}"),
        ("options", about["choice"] or "those of the config"),
        ("parameters", f"{sum(weight.numel() for weight in model.network.parameters()):,}, kept in half precision"),
        ("face", f"{prepared['detector']['name']}, crops of {model.faces.size} px"),
        ("frames", f"{sampling.name}; predicted from: {model.method.inference.instances}"),
        ("flow", f"TV-L1, backend {prepared['backend']}, schedule {model.flow.schedule}"),
        ("training", f"{training['steps']:,} steps, {training['seconds']:.0f} s on {training['device']}"),
        ("precision", training["precision"]),
        ("versions", ", ".join(dict.fromkeys(versions))),
        ("commit", training["commit"] or "unknown"),
        ("SHA-256 of the code that trained", about["code"]["training"]),
        ("SHA-256 of the code that predicts", about["code"]["prediction"]),
        ("SHA-256 of all flow", training["flow"]),
    ]
    return [
        "## Details",
        "All options are in the file's metadata.",
        _table(("what", ""), rows),
    ]


def _title(dataset: str, model: Model) -> str:
    return f"synthetic twin of {TITLES[dataset]}" if model.synthetic else TITLES[dataset]


def _span(ends: Sequence[float] | None) -> str:
    if ends is None:
        return "unknown"
    low, high = (f"{end:g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return tabulate(list(rows), header, tablefmt="pipe", disable_numparse=True)
