import pytest
import torch

from emage.devices import usable_device
from emage.errors import InputError


@pytest.mark.parametrize("name", ["cpu", "cpu:0", torch.device("cpu")])
def test_a_device_that_computes_is_returned(name):
    assert usable_device(name) == torch.device(name)


@pytest.mark.parametrize(
    "name", ["", " ", "xyz", "meta", "CPU", "cpu:x", "cuda:977", "gpu", torch.device("meta"), None]
)
def test_any_other_is_one_line_with_a_remedy(name):
    with pytest.raises(InputError, match="^device: .*choose cpu") as error:
        usable_device(name)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", 0])
def test_a_gpu_that_is_not_there_is_refused(name):
    with pytest.raises(InputError, match="cannot be used here: .*torch finds no GPU"):
        usable_device(name)
