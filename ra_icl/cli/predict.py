"""Commands of a model to use: train it on all subjects, write its card, and predict clips with it."""

import json
import logging
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_icl.cli import app, one_line_of
from ra_icl.cli.arguments import Classes, DataSource, FlowFolder, Indexes, Protocol, use_gpu
from ra_icl.errors import InputError

if TYPE_CHECKING:
    from ra_icl.recognition.model import Model
    from ra_icl.recognition.recognise import Recognition
    from ra_icl.recognition.typed import TypedClip

DetectorModel = Annotated[
    str | None, typer.Option(help="the face detector's model file, if the model was trained with one")
]


@app.command("final-model")
def final_model(
    out: Annotated[Path, typer.Option(help="file to write, .safetensors")],
    index: Indexes,
    flow: FlowFolder,
    crops: Annotated[Path, typer.Option(help="folder of the crops, whose options the model keeps")],
    metrics: Annotated[Path, typer.Option(help="metrics JSON of the same method, whose score the model quotes")],
    data_source: DataSource,
    protocol: Protocol = "cde",
    classes: Classes = "[]",
    method: Annotated[str, typer.Option(help="name of the method")] = "m6",
    title: Annotated[str, typer.Option(help="title of the method")] = "M6",
    seed: int = 0,
    threads: Annotated[int, typer.Option(help="CPU threads", min=1)] = 1,
    checkpoints: Annotated[Path | None, typer.Option(help="checkpoint folder; training resumes from it")] = None,
    options: Annotated[
        str | None, typer.Option(help="JSON object of the method's options; by default those of the metrics' folds")
    ] = None,
    choice: Annotated[
        list[Path] | None,
        typer.Option(help="choice of nested selection; given for each group, the candidate that most chose is taken"),
    ] = None,
) -> None:
    """Train a method on all subjects of a protocol, for use on other clips. `ra-icl model-card` writes its card.

    Example: ra-icl final-model --out m6.safetensors --index results/demo/index/casme2.csv
    --index results/demo/index/samm.csv --index results/demo/index/smic.csv
    --flow results/demo/flow/middle-4 --crops results/demo/crops --metrics results/demo/metrics/cde/m6.json
    --data-source twins
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: a model is a .safetensors file; name it so")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    from ra_icl.planning.code import code_digest
    from ra_icl.planning.options import json_list, parse
    from ra_icl.recognition.score import held_out_score, options_of_folds
    from ra_icl.training.method import MethodOptions

    options = options or json.dumps(options_of_folds(metrics))
    chosen, options = most_chosen(choice, options) if choice else ("", options)
    method_options = parse(MethodOptions, options, "options")
    use_gpu(method_options.training.device)
    import torch

    from ra_icl.recognition.model import prediction_code
    from ra_icl.training.final import ALL, Known, train_final
    from ra_icl.training.fold import Fold

    torch.set_num_threads(threads)
    wanted = json.loads(json.dumps(asdict(method_options)))
    score = held_out_score(metrics, protocol, method, data_source, wanted)
    known = Known(title, score, code_digest("ra_icl.training.final"), prediction_code, chosen)
    fold = Fold(protocol, method, ALL, seed, data_source, tuple(map(str, json_list(classes, "classes"))))
    train_final(out, fold, index, flow, crops, method_options, known, checkpoints=checkpoints)


def most_chosen(choices: list[Path], options: str) -> tuple[str, str]:
    """How a candidate of nested selection was chosen, in words, and `options`, a JSON object, with its overrides.

    The candidate is the one that most groups chose; of several, the first group's.
    """
    from collections import Counter

    from ra_icl.evaluation.choice import read_choice
    from ra_icl.planning.methods import merge
    from ra_icl.planning.options import json_object

    found = [read_choice(path) for path in choices]
    ((name, count),) = Counter(one["candidate"] for one in found).most_common(1)
    overrides = next(one["overrides"] for one in found if one["candidate"] == name)
    words = f"candidate {name}, which {count} of {len(found)} groups of subjects chose"
    return words, json.dumps(merge(json_object(options, "options"), overrides))


@app.command("model-card")
def model_card(
    model: Annotated[Path, typer.Argument(help="model to use, as the target final_model leaves it")],
    out: Annotated[Path, typer.Option(help="path without suffix; writes .md and .html")],
    detector_model: DetectorModel = None,
) -> None:
    """Write the card of a model: its data and counts, its score on held-out people, what it must not be used for.

    Example: ra-icl model-card results/demo/models/cde/m6.safetensors --out m6
    """
    from ra_icl.recognition.card import write_card
    from ra_icl.recognition.model import load_model

    write_card(load_model(model, detector_model), out)


@app.command()
def predict(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="videos or folders of frames, of one expression each; or a CSV with a row per expression, of clip, "
            "onset and offset (in seconds: onset_s, offset_s)"
        ),
    ],
    model: Annotated[Path, typer.Option(help="model to use, as the target final_model leaves it")],
    onset: Annotated[
        str, typer.Option(help="first frame of the expression, or its time such as 0.4s; by default the clip's first")
    ] = "",
    offset: Annotated[
        str, typer.Option(help="last frame of the expression, or its time; by default the clip's last")
    ] = "",
    apex: Annotated[str, typer.Option(help="strongest frame, for models that sample by the apex")] = "",
    fps: Annotated[str, typer.Option(help="frames per second at which it was filmed, if the file does not say")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV instead of a table")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="also draw frames, motion and attention; of several clips out-1.png, out-2.png")
    ] = None,
    detector_model: DetectorModel = None,
) -> None:
    """Say how probable each class is for clips of your own.

    A clip shows one expression, from a neutral face (onset) to its end; give --onset and --offset if it shows more. A
    clip that cannot be used is one line on standard error; the others go on, and the exit status is 2.

    Example: ra-icl predict results/demo/twins/smic/SMIC_all_raw/HS/s1/micro/*/* --model
    results/demo/models/cde/m6.safetensors
    """
    if as_json and as_csv:
        raise InputError("--json and --csv: give one of the two")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from ra_icl.recognition import output
    from ra_icl.recognition.model import load_model, unlike_here
    from ra_icl.recognition.typed import typed_clips

    typed = typed_clips(clips, onset, apex, offset, fps)
    if picture:
        from ra_icl.recognition.picture import require_picture

        require_picture(picture)  # once, not of every clip
    used = load_model(model, detector_model)
    for line in unlike_here(used):
        logging.getLogger(__name__).warning("note: %s", line)
    found, failed = _recognise_all(typed, used, picture)
    if as_json or as_csv:
        print((output.as_json if as_json else output.as_csv)(found, used), end="" if as_csv else "\n")
    elif found:
        print(f"\n{output.as_table(found, used)}\n")
    if not as_json and found:
        print("\n".join(output.notice(used)), file=sys.stderr if as_csv else sys.stdout)
    sys.exit(2 if failed else 0)


def _recognise_all(clips: list["TypedClip"], model: "Model", picture: Path | None) -> tuple[list["Recognition"], int]:
    """What is recognised, drawn if `picture` says where to, and how many clips could not be used."""
    from tqdm import tqdm

    from ra_icl.recognition.recognise import recognise

    found, failed = [], 0
    for number, typed in enumerate(tqdm(clips, unit="clip", disable=None), 1):
        try:
            one = recognise(model, typed.clip())
            if picture:
                from ra_icl.recognition.picture import draw

                draw(one, model, picture if len(clips) == 1 else picture.with_stem(f"{picture.stem}-{number}"))
        except (InputError, OSError, UnicodeError) as error:
            failed += 1
            line = one_line_of(error)
            place = "" if line.startswith(typed.place) else typed.place  # one list may name a video in many rows
            tqdm.write(f"ra-icl: error: {place}{line}", file=sys.stderr)
        else:
            # Without frames and maps, which of many clips would fill the memory; a view would keep all of them.
            emptied = {"crops": one.crops[:0].copy(), "maps": one.maps[:0].copy(), "inputs": one.inputs[:0].clone()}
            found.append(replace(one, **emptied))
    return found, failed
