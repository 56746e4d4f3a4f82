"""A clip through a model to use gives what the workflow gives for the same clip and network."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from recognition_world import write_video

from ra_icl.errors import InputError
from ra_icl.files import load_tensors
from ra_icl.flow.sampling import Sampling
from ra_icl.recognition import recognise as recognise_module
from ra_icl.recognition.clips import Clip
from ra_icl.recognition.model import load_model
from ra_icl.recognition.recognise import recognise
from ra_icl.training.network import load_network, save_network


def rows_of(world, table):
    """The index rows of a table of predictions, with their probabilities."""
    merged = table.drop(columns="frames", errors="ignore").merge(world.index, on=["dataset", "subject", "sequence"])
    assert len(merged) == len(table) > 0
    return merged.itertuples()


def clip_of(world, row):
    return Clip(world.frames(row), row.onset, offset=row.offset)


def test_the_network_of_a_fold_gives_the_folds_probabilities(world, tmp_path):
    """Of clips that it has not seen; the same network, kept by the fold and by a model to use."""
    made = world.model()
    for subject in ("sub01", "sub02"):
        fold = world.folder / f"folds/cde/m6/seed0/casme2-{subject}.csv"
        network, out = load_network(fold.with_suffix(".safetensors")), tmp_path / f"{subject}.safetensors"
        save_network(out, network, made.classes, made.method, {}, {"model": made.about})
        model, wanted = load_model(out), pd.read_csv(fold)
        for row in rows_of(world, wanted):
            found = recognise(model, clip_of(world, row))
            values = list(found.probabilities.values())
            np.testing.assert_allclose(values, [row.p0, row.p1, row.p2], atol=5e-3)
            assert list(found.probabilities)[row.prediction] == found.prediction


def test_crops_flow_and_probabilities_are_the_workflows(world):
    model = world.model()
    for row in rows_of(world, world.fitted):
        found = recognise(model, clip_of(world, row))
        crops, made = load_tensors(world.folder / f"crops/casme2/{row.subject}.safetensors")
        flow, shown = load_tensors(world.folder / f"flow/middle-4/casme2/{row.subject}.safetensors")
        np.testing.assert_array_equal(found.crops, crops[row.sequence])
        np.testing.assert_array_equal(found.maps, flow[row.sequence])
        assert found.numbers == made["sequences"][row.sequence]["frames"]
        assert found.positions == shown["sequences"][row.sequence]["positions"]
        values = list(found.probabilities.values())
        # The network is kept in half precision.
        np.testing.assert_allclose(values, [row.p0, row.p1, row.p2], atol=5e-3)
    everything = world.fitted[["p0", "p1", "p2"]].to_numpy()
    assert np.ptp(everything, axis=0).max() > 0.1  # the network tells clips apart, or the test could not fail


def test_an_apex_that_is_not_given_is_said_where_the_model_looks_at_it(world, caplog):
    model, row = world.model(), next(rows_of(world, world.fitted))
    at_apex = replace(model, sampling=Sampling("apex"))
    found = recognise(at_apex, replace(clip_of(world, row), apex=int(row.apex)))
    assert [found.numbers[position] for position in found.positions] == [row.apex]
    assert not caplog.records
    found = recognise(at_apex, clip_of(world, row))
    assert found.positions == [(len(found.numbers) - 1) // 2]
    assert "the middle frame stands for it" in caplog.text


def test_a_video_gives_what_its_frames_give(world, tmp_path):
    row = next(rows_of(world, world.fitted))
    numbers = range(row.onset, row.offset + 1)
    images = [cv2.imread(str(world.frames(row) / f"img{n}.jpg"), cv2.IMREAD_GRAYSCALE) for n in numbers]
    (tmp_path / "frames").mkdir()
    for number, image in zip(numbers, images, strict=True):
        cv2.imwrite(str(tmp_path / f"frames/{number}.png"), image)
    of_folder = recognise(world.model(), tmp_path / "frames")
    of_video = recognise(world.model(), write_video(tmp_path / "clip.mkv", images))
    np.testing.assert_array_equal(of_video.crops, of_folder.crops)
    assert of_video.probabilities == of_folder.probabilities
    assert of_video.numbers == [number - row.onset + 1 for number in of_folder.numbers]


def test_what_is_odd_about_a_clip_is_said_and_kept(world, tmp_path, caplog):
    row = next(rows_of(world, world.fitted))
    folder = shutil.copytree(world.frames(row), tmp_path / "frames")
    (folder / f"img{row.onset + 3}.jpg").unlink()
    found = recognise(world.model(), replace(clip_of(world, row), path=folder))
    total = row.offset - row.onset + 1
    missing = f"1 of the {total} frames {row.onset} to {row.offset} are missing"
    assert found.face["marks"] == [missing]
    assert f"{folder}: {missing}" in caplog.text
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())]
    video = write_video(tmp_path / "clip.mkv", images)
    video.write_bytes(video.read_bytes()[: int(0.7 * video.stat().st_size)])
    mark, *_ = recognise(world.model(), video).face["marks"]
    assert mark.startswith("is cut off after 0.")
    assert "cut off" in caplog.text


def test_a_face_that_only_a_looser_search_finds_is_said(world, caplog):
    row = next(rows_of(world, world.fitted))
    image = cv2.imread(str(world.frames(row) / f"img{row.onset}.jpg"), cv2.IMREAD_GRAYSCALE)
    for turned, said in ((image, False), (np.rot90(image), True)):
        caplog.clear()
        recognise_module._find_face(np.ascontiguousarray(turned), world.model().faces, "clip")
        assert ("by a looser search" in caplog.text) == said


def test_a_face_without_eyes_is_said(world, caplog, monkeypatch):
    monkeypatch.setattr("ra_icl.faces.haar.detect_eyes", lambda grey, box: None)
    row = next(rows_of(world, world.fitted))
    image = cv2.imread(str(world.frames(row) / f"img{row.onset}.jpg"), cv2.IMREAD_GRAYSCALE)
    recognise_module._find_face(image, world.model().faces, "clip")
    assert caplog.messages == ["clip: no plausible pair of eyes; look at the crop (--picture): is it a face, upright?"]


def write_frames(folder, image, count=3):
    folder.mkdir()
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def test_a_clip_without_a_face_is_one_line_about_the_clip(world, tmp_path, caplog):
    """Neither config nor dataset are named, which whoever predicts a clip has not."""
    model, path = world.model(), write_frames(tmp_path / "wall", np.full((120, 160), 90, np.uint8))
    with pytest.raises(
        InputError, match=f"{path}: no face is found on the onset frame; .* or give an --onset"
    ) as caught:
        recognise(model, path)
    assert "faces." not in str(caught.value)
    whole = replace(model, faces=replace(model.faces, fallback="whole_frame"))
    assert recognise(whole, path).face["found"] == "whole_frame"
    assert "the whole frame is used" in caplog.text


def test_of_several_faces_it_says_which_is_taken(world, tmp_path, caplog):
    row = next(rows_of(world, world.fitted))
    frame = cv2.imread(str(world.frames(row) / f"img{row.onset}.jpg"))
    small = cv2.resize(frame, None, fx=0.8, fy=0.8)
    beside = np.vstack([small, np.full((len(frame) - len(small), *small.shape[1:]), 128, np.uint8)])
    found = recognise(world.model(), write_frames(tmp_path / "pair", np.hstack([frame, beside])))
    assert len(found.face["others"]) == 1
    assert f"2 faces are found on the onset frame, of which one {found.face['box'][2]:.0f} px wide" in caplog.text
    assert "faces.choose" not in caplog.text
