"""Steps on a GPU: every method's is recorded, and recorded steps compute what a CPU computes. Needs no pydantic."""

import pytest
import torch
from config_methods import small_methods
from fold_data import CLASSES, changed, moving_blobs

from ra_icl.model.siamese import Siamese
from ra_icl.training.device import fix_kernels, on_stream, stream_of
from ra_icl.training.step import WARM_STEPS, Stepper

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
METHODS = small_methods()


def stepper_on(device, options, instances):
    """A step of seed 0 on ten sequences."""
    torch.manual_seed(0)
    model = Siamese(CLASSES, options.model, options.loss.regions > 0).to(device).train()
    data = moving_blobs(10, instances, seed=1, device=device)
    return Stepper(model, data, CLASSES, options, torch.Generator(device).manual_seed(0))


@pytest.mark.parametrize("name", METHODS)
def test_a_step_of_every_method_is_recorded_on_a_gpu(name):
    fix_kernels()
    with on_stream(stream_of("cuda")):
        stepper = stepper_on("cuda", changed(METHODS[name], training={"precision": "auto"}), 3)
        for _ in range(2 * WARM_STEPS):
            stepper(torch.arange(10, device="cuda"))
        means = stepper.take_means()
    assert stepper._recorded
    assert means["loss"] == means["loss"]  # no NaN


def test_recorded_steps_on_a_gpu_are_the_steps_taken_one_by_one():
    """In fp32, of two batch sizes: recorded steps draw new pairs, augmentation and dropout, and see rate and tau."""
    fix_kernels()
    found = {}
    options = METHODS["m6_cited"]
    for recorded in (False, True):
        with on_stream(stream_of("cuda")):
            stepper = stepper_on("cuda", options, 3)
            step, losses = stepper if recorded else taken_one_by_one(stepper), []
            for number in range(4 * WARM_STEPS):
                stepper.optimiser.set_rate(0.001 * 0.9**number)
                stepper.decay.fill_(0.9 + 0.005 * number)
                for rows in torch.arange(10, device="cuda").roll(number).tensor_split([6]):
                    step(rows)
                losses.append(stepper.take_means()["loss"])
            drawn = torch.rand(3, generator=stepper.generator, device="cuda").tolist()
        assert bool(stepper._recorded) is recorded
        found[recorded] = losses, drawn
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-3)
    assert found[True][1] == found[False][1]  # both have drawn as many numbers


def taken_one_by_one(stepper):
    def step(rows):
        stepper.steps += 1
        stepper.step(rows)

    return step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_steps_on_a_gpu_follow_the_steps_of_a_cpu(small_method, precision):
    """The same start and the same order of sequences; draws differ, so there is one instance and no augmentation."""
    method = changed(small_method, training={"precision": precision})
    losses = {}
    fix_kernels()
    for device in ("cpu", "cuda"):
        losses[device] = []
        with on_stream(stream_of(device)):
            stepper = stepper_on(device, method, 1)
            for step in range(2 * WARM_STEPS):  # more of them, and roundings in bf16 have grown too far
                stepper(torch.arange(10, device=device).roll(3 * step)[:6])
                losses[device].append(stepper.take_means()["loss"])
    assert stepper._recorded
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.06 if precision == "bf16" else 2e-3)
