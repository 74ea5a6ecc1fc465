"""Networks of other packages in our models: uv run --group networks pytest -m slow THIS_FILE."""

import pytest
import torch
from torch import nn

from genmech_fem.generative import Diffusion, FlowMatching
from genmech_fem.training import Recipe, fit, load_model, save_model


class OfDiffusers(nn.Module):
    """The U-Net of diffusers, whose times are numbers of steps."""

    def __init__(self):
        super().__init__()
        diffusers = pytest.importorskip("diffusers", reason="needs diffusers")
        self.net = diffusers.UNet2DModel(
            in_channels=1,
            out_channels=1,
            block_out_channels=(16, 32),
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            layers_per_block=1,
        )

    def forward(self, x, t, condition):
        return self.net(x, 1000 * t).sample


class OfMonai(nn.Module):
    """The U-Net of MONAI, which takes conditions as a sequence of one vector."""

    def __init__(self):
        super().__init__()
        networks = pytest.importorskip("monai.networks.nets", reason="needs monai")
        self.net = networks.DiffusionModelUNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=1,
            channels=(16, 32),
            norm_num_groups=8,
            attention_levels=(False, True),
            num_head_channels=8,
            num_res_blocks=1,
            with_conditioning=True,
            cross_attention_dim=1,
        )

    def forward(self, x, t, condition):
        return self.net(x, 1000 * t, context=condition[:, None])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "network", "condition"), [(FlowMatching, OfMonai, ("scalars", 1)), (Diffusion, OfDiffusers, None)]
)
def test_a_foreign_network_learns_the_mean(model, network, condition, tmp_path):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    c = 4 * torch.rand(256, 1, generator=generator) - 2 if condition else torch.ones(256, 1)
    data = {"x": c[:, :, None, None] + 0.5 * torch.randn(256, 1, 8, 8, generator=generator)}
    data |= {"condition": c} if condition else {}
    made = model((1, 8, 8), condition, network=network(), sampler=("ddim", 20))
    for _ in fit(made, data, Recipe(steps=200, batch_size=32, learning_rate=2e-3)):
        pass
    save_model(made, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors", network=network())[0]
    asked = torch.tensor([1.0]) if condition else None
    samples = again.sample(64, condition=asked, generator=torch.Generator().manual_seed(2))
    assert samples.mean().item() == pytest.approx(1.0, abs=0.25)
