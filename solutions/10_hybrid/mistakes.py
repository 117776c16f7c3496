"""Lesson 10: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from grading.exam.bank import mistake, right

# --- Q19, right ------------------------------------------------------------------------------------------------------


@right("Q19")
class channels_last_and_layer_norm(nn.Module):
    """As ConvNeXt norms: over the channels of each place."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        stages = patch_size.bit_length() - 1
        widths = [in_channels, *[max(8, emb_size >> i) for i in reversed(range(stages))]]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(b) for b in widths[1:])
        self.last = nn.Linear(widths[-1], emb_size)

    def forward(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.gelu(norm(conv(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.last(x.flatten(2).transpose(1, 2))


@right("Q19")
class group_norm_and_silu(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        parts, width = nn.Sequential(), in_channels
        while patch_size > 1:
            parts.append(nn.Conv2d(width, emb_size, 3, 2, 1, bias=False))
            parts.append(nn.GroupNorm(4, emb_size))
            parts.append(nn.SiLU())
            width, patch_size = emb_size, patch_size // 2
        parts.append(nn.Conv2d(width, emb_size, 1))
        self.parts = parts

    def forward(self, x):
        x = self.parts(x)
        b, d, h, w = x.shape
        return x.view(b, d, h * w).swapaxes(1, 2)


@right("Q19")
class pooled_instead_of_strided(nn.Module):
    """As the compact convolutional transformer does it: a convolution, then a pooling of stride 2."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        parts = []
        for i in range(round(math.log2(patch_size))):
            parts += [
                nn.Conv2d(in_channels if i == 0 else emb_size, emb_size, 3, padding=1, bias=False),
                nn.BatchNorm2d(emb_size), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
            ]  # fmt: skip
        self.parts = nn.Sequential(*parts, nn.Conv2d(emb_size, emb_size, 1))

    def forward(self, x):
        return torch.einsum("bdrc->brcd", self.parts(x)).flatten(1, 2)


@right("Q19")
class two_convolutions_per_stage(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()

        def stage(a, b):
            return nn.Sequential(
                nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.GELU(),
                nn.Conv2d(b, b, 3, 1, 1), nn.BatchNorm2d(b), nn.GELU(),
            )  # fmt: skip

        widths = [in_channels] + [emb_size] * int(math.log2(patch_size))
        self.stages = nn.Sequential(*[stage(a, b) for a, b in zip(widths, widths[1:], strict=False)])
        self.project = nn.Conv2d(emb_size, emb_size, 1)

    def forward(self, x):
        grid = self.project(self.stages(x))
        return torch.stack([grid[:, :, i, j] for i in range(grid.shape[2]) for j in range(grid.shape[3])], dim=1)


@right("Q19")
class torchvisions_blocks(nn.Module):
    """As torchvision's own hybrid ViT is made of Conv2dNormActivation."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        from helpers.torchvision_ops import load_torchvision

        Block = load_torchvision().ops.misc.Conv2dNormActivation
        halvings = int(math.log2(patch_size))
        layers = [
            Block(in_channels if i == 0 else emb_size, emb_size, kernel_size=3, stride=2)
            for i in range(halvings)
        ]
        self.proj = nn.Sequential(*layers, nn.LazyConv2d(emb_size, kernel_size=1))

    def forward(self, x):
        return self.proj(x).flatten(2).permute(0, 2, 1)


@right("Q19")
class with_raw_weights(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        sizes = [in_channels] + [emb_size] * int(math.log2(patch_size))
        self.kernels = nn.ParameterList(
            nn.Parameter(torch.randn(b, a, 4, 4) / (4 * a**0.5)) for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in sizes[1:])
        self.mix = nn.Parameter(torch.randn(emb_size, emb_size) / emb_size**0.5)

    def forward(self, x):
        for kernel, norm in zip(self.kernels, self.norms, strict=True):
            x = torch.relu(norm(F.conv2d(x, kernel, stride=2, padding=1)))
        return rearrange(x, "b d r c -> b (r c) d") @ self.mix


@right("Q19")
class unfolded_and_double(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        widths = [in_channels] + [emb_size] * (patch_size.bit_length() - 1)
        self.maps = nn.ModuleList(nn.Linear(9 * a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.norms = nn.ModuleList(nn.LayerNorm(b) for b in widths[1:])
        self.last = nn.Linear(emb_size, emb_size)
        self.double()

    def forward(self, x):
        x = x.double()
        for number, (one, norm) in enumerate(zip(self.maps, self.norms, strict=True)):
            h, w = x.shape[2] // 2, x.shape[3] // 2
            tokens = torch.relu(norm(one(F.unfold(x, 3, padding=1, stride=2).mT)))
            if number == len(self.maps) - 1:
                return self.last(tokens)
            x = tokens.mT.unflatten(2, (h, w))


# --- Q19, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q19",
    hint="This is the patch embedding of lesson 03: one step of `patch_size`, patches that don't touch, and one linear "
    "map. A stem takes several steps of 2, with something between them.",
)
class patchify(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.project = nn.Conv2d(in_channels, emb_size, patch_size, stride=patch_size)

    def forward(self, images):
        return rearrange(self.project(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Your kernels are as wide as their step, 2 and 2: patches within patches, and no token sees over its border. "
    "Which width makes neighbours overlap, and which padding keeps the size?",
)
class steps_without_overlap(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 2, stride=2), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Kernels of 1 x 1 that step by 2 leave out three pixels of four, at every stage. Most of the image is seen by "
    "nobody.",
)
class pixels_left_out(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 1, stride=2), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Convolutions and norms, and nothing that bends: in `eval()` your whole stem is one linear map with a large "
    "kernel. What follows the norm in each stage?",
)
class activation_forgotten(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider)]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="No norm between convolution and activation: ten times the contrast makes ten times larger tokens. It would "
    "train, at small learning rates only.",
)
class norm_forgotten(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="The last of your layers is a stage's ReLU, so no token is ever negative, and attention gets half a space. "
    "One 1 x 1 convolution is still to come, with nothing behind it.",
)
class one_by_one_forgotten(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="A ReLU behind the 1 x 1 convolution: whatever it wanted to say with a negative number is lost. The last "
    "layer stays bare.",
)
class relu_at_the_very_end(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1), nn.ReLU())

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="The grid is flattened, but the width still comes before the tokens: (b, d, n). Attention wants (b, n, d).",
)
class width_before_tokens(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return self.layers(images).flatten(2)


@mistake(
    "Q19",
    hint="The shape is right, the contents are not: `view` and `reshape` only count on in memory, where all places of "
    "channel 0 come first. A token of yours holds one channel of many places. An axis has to move.",
)
class viewed_as_tokens(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        grid = self.layers(images)
        return grid.reshape(len(grid), -1, grid.shape[1])


@mistake(
    "Q19",
    hint="Your tokens walk down the columns: token 1 lies *below* token 0. Reading order goes right, then down; the "
    "letter that stands last in the parentheses runs fastest.",
)
class down_the_columns(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (c r) d")


@mistake(
    "Q19",
    hint="Fewer tokens than patches: without padding every 3 x 3 kernel eats the border, and halving is no halving "
    "any more.",
)
class padding_forgotten(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        stages = int(math.log2(patch_size))
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)
            layers += [nn.Conv2d(width, wider, 3, stride=2), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Four times the tokens: one stage too few. Halve 8 on paper until 1 is left, and count.",
)
class one_stage_too_few(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for _ in range(int(math.log2(patch_size)) - 1):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="As many stages as half the patch size: right for 2 and for 4, by chance. Each stage *halves*; how many "
    "halvings make an eighth?",
)
class half_as_many_stages(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for _ in range(patch_size // 2):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Always three stages, whatever `patch_size` says. Right for patches of 8 only.",
)
class three_stages_always(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for wider in (emb_size // 4, emb_size // 2, emb_size):
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Your stages live in a Python list, which hides them from the module: they would not train, nor move to a GPU. "
    "`nn.Sequential` or `nn.ModuleList` introduces them.",
)
class hidden_in_a_list(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.stages, width = [], in_channels
        for _ in range(int(math.log2(patch_size))):
            self.stages += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.last = nn.Conv2d(width, emb_size, 1)

    def forward(self, images):
        for layer in self.stages:
            images = layer(images)
        return rearrange(self.last(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="The same image gave other tokens the second time: layers are made in `forward`, with new random weights at "
    "every call. They are born in `__init__`.",
)
class born_in_forward(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.sizes = in_channels, emb_size, int(math.log2(patch_size))

    def forward(self, images):
        width, emb_size, stages = self.sizes
        for _ in range(stages):
            conv = nn.Conv2d(width, emb_size, 3, stride=2, padding=1).to(images.device)
            images = torch.relu(nn.BatchNorm2d(emb_size).to(images.device)(conv(images)))
            width = emb_size
        return rearrange(images, "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="A token too many: the class token comes later. A stem gives one token per patch and nothing else.",
)
class class_token_in_front(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for _ in range(int(math.log2(patch_size))):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size))

    def forward(self, images):
        tokens = rearrange(self.layers(images), "b d r c -> b (r c) d")
        return torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)


@mistake(
    "Q19",
    hint="The grid came back as it is, with four axes. Attention speaks of tokens: one axis for all places.",
)
class still_a_grid(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for _ in range(int(math.log2(patch_size))):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return self.layers(images)


@mistake(
    "Q19",
    hint="The first convolution expects 3 channels, whatever `in_channels` says. A grey image has one.",
)
class three_channels_always(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], 3
        for _ in range(int(math.log2(patch_size))):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        return rearrange(self.layers(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="The stem works on constants: somewhere you left the graph (`detach`, `no_grad`, `.data`), so no gradient "
    "goes back through it.",
)
class cut_off(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        layers, width = [], in_channels
        for _ in range(int(math.log2(patch_size))):
            layers += [nn.Conv2d(width, emb_size, 3, stride=2, padding=1), nn.BatchNorm2d(emb_size), nn.ReLU()]
            width = emb_size
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, emb_size, 1))

    def forward(self, images):
        with torch.no_grad():
            return rearrange(self.layers(images), "b d r c -> b (r c) d")
