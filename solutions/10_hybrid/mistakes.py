"""Lesson 10: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from grading.judging.bank import edited, mistake, reference, right
from helpers.questions.hybrid_attention import attention_kernels


@reference("Q20")
def attention_slips(case):
    """What the layer gives with the two slips that have criteria of their own, and with both."""
    x, k = torch.as_tensor(case["x"]), case["kernel"]
    kernels = {role: torch.as_tensor(kernel) for role, kernel in attention_kernels(case).items()}
    q, keys, values = (F.conv2d(x, kernels[role], padding=k // 2).flatten(2) for role in ("query", "key", "value"))
    scores = q.mT @ keys
    scaled, unscaled = (scores / math.sqrt(case["out"])).softmax(-1), scores.softmax(-1)

    def laid(mixed):
        return mixed.unflatten(2, x.shape[2:])

    return {
        "columns": laid(values @ scaled),  # the sum runs over the positions of the queries
        "unscaled": laid(values @ unscaled.mT),
        "columns unscaled": laid(values @ unscaled),
    }


# --- Q19, right ------------------------------------------------------------------------------------------------------


@right("Q19")
class channels_last_and_layer_norm(nn.Module):
    """As ConvNeXt norms: over the channels of each place."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        stages = patch_size.bit_length() - 1
        widths = [in_channels, *[max(8, emb_size >> i) for i in reversed(range(stages))]]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(widths[:-1], widths[1:], strict=True))
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
class norms_called_in_forward(nn.Module):
    """No norm is a module: one over groups, one over each image, called as functions."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.stages = nn.ModuleList()
        for _ in range(int(math.log2(patch_size))):
            self.stages.append(nn.Conv2d(in_channels, emb_size, 3, stride=2, padding=1))
            in_channels = emb_size
        self.last = nn.Conv2d(emb_size, emb_size, 1)

    def forward(self, x):
        for number, stage in enumerate(self.stages):
            x = stage(x)
            x = F.group_norm(x, 4) if number % 2 else torch.instance_norm(
                x, None, None, None, None, True, 0.1, 1e-5, False
            )  # fmt: skip
            x = torch.nn.functional.leaky_relu(x, 0.1)
        return self.last(x).flatten(2).mT


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
            Block(in_channels if i == 0 else emb_size, emb_size, kernel_size=3, stride=2) for i in range(halvings)
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
    hint="This is the patch embedding of lesson 03: one step of `patch_size`, patches that do not overlap, "
    "and one linear map. A stem takes several steps of 2, with an activation between them.",
)
class patchify(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.project = nn.Conv2d(in_channels, emb_size, patch_size, stride=patch_size)

    def forward(self, images):
        return rearrange(self.project(images), "b d r c -> b (r c) d")


@mistake(
    "Q19",
    hint="Your kernels are as wide as their stride, 2, so no token depends on pixels beyond its patch. A "
    "kernel of 3 overlaps; a padding of 1 then keeps the size exact.",
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
    hint="Kernels of 1 x 1 with stride 2 leave out three pixels of four at every stage, so most of the "
    "image is never used.",
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
    hint="There are convolutions and norms and no activation: in `eval()` the whole stem is one linear "
    "map. Put an activation into each stage.",
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
    hint="There is no norm between convolution and activation: ten times the contrast makes tokens ten times as large.",
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
    hint="The last layer is a stage's activation, so no token is ever negative. A 1 x 1 convolution "
    "without an activation is still missing.",
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
    hint="An activation follows the 1 x 1 convolution and cuts off negative numbers. The last layer has none.",
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
    hint="The grid is flattened, and the width still stands before the tokens: (b, d, n). Attention needs (b, n, d).",
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
    hint="The shape is right and the content is not: `view` and `reshape` keep the order in memory, where "
    "all positions of channel 0 come first. A token of yours holds one channel of many positions. "
    "Exchange the axes first.",
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
    hint="Your tokens run down the columns: token 1 lies *below* token 0. The column should change "
    "fastest, so its letter stands on the right in the bracket.",
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
    hint="There are fewer tokens than patches: without padding a 3 x 3 kernel shortens each side, and the "
    "map is not exactly halved.",
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
    hint="There are four times as many tokens as patches: one stage is missing. Count how often 8 can be "
    "halved until 1 is left.",
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
    hint="The number of stages is half the patch size, which is right for 2 and for 4 by chance. Each "
    "stage *halves*, so it is the logarithm to base 2.",
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
    hint="There are always three stages, which is right for patches of 8 only. Compute the number from `patch_size`.",
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
    hint="Your stages are in a plain Python list, which a module does not look into: they are not trained "
    "and do not move to a GPU. Use `nn.Sequential` or `nn.ModuleList`.",
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
    hint="The same image gave other tokens the second time: layers are made in `forward`, with new random "
    "weights at every call. Make them in `__init__`.",
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
    hint="There is one token too many. A stem gives one token per patch; the class token is added later.",
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
    hint="The result has four axes: the grid was not turned into tokens. Merge its two axes into one.",
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
    hint="The first convolution expects 3 channels, whatever `in_channels` says.",
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
    hint="No gradient reaches the images: something takes the stem out of the graph (`detach`, `no_grad`, `.data`).",
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


# --- Q20, right ------------------------------------------------------------------------------------------------------


@right("Q20")
class batched_matrix_products(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.transpose(1, 2), k) * q.shape[1] ** -0.5, dim=-1)
        return torch.bmm(v, weights.transpose(1, 2)).view(b, -1, h, w)


@right("Q20")
class torch_has_it_fused(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        out = F.scaled_dot_product_attention(q.mT, k.mT, v.mT)
        return out.mT.unflatten(2, x.shape[2:])


@right("Q20")
class one_convolution_for_all_three(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.qkv = nn.Conv2d(in_channels, 3 * out_channels, kernel_size, padding="same", bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=1)  # b d h w
        energy = torch.einsum("bdhw,bdyx->bhwyx", q, k) / q.shape[1] ** 0.5
        weights = energy.flatten(3).softmax(-1).view_as(energy)
        return torch.einsum("bhwyx,bdyx->bdhw", weights, v)


@right("Q20")
class place_by_place(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.to_v = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.to_k = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.to_q = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)
        out = torch.zeros_like(v)
        for i in range(h):
            for j in range(w):
                energy = (q[:, :, i, j, None, None] * k).sum(1) / math.sqrt(k.shape[1])
                weights = energy.exp() / energy.exp().sum((1, 2), keepdim=True)
                out[:, :, i, j] = (weights[:, None] * v).sum((2, 3))
        return out


@right("Q20")
class unfolded_into_linear_layers(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.size = kernel_size
        self.query = nn.Linear(in_channels * kernel_size**2, out_channels)
        self.key = nn.Linear(in_channels * kernel_size**2, out_channels)
        self.value = nn.Linear(in_channels * kernel_size**2, out_channels)

    def forward(self, x):
        seen = F.unfold(x, self.size, padding=self.size // 2).mT  # b n (c k k)
        query, key, value = self.query(seen), self.key(seen), self.value(seen)
        energy = query / key.shape[-1] ** 0.25 @ (key / key.shape[-1] ** 0.25).mT
        return rearrange(energy.softmax(-1) @ value, "b (r c) d -> b d r c", r=x.shape[2])


@right("Q20")
class raw_weights_in_double(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.wq = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.wk = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.wv = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))

    def forward(self, x):
        x, m = x.double(), self.wq.shape[-1] // 2
        q, k, v = (F.conv2d(x, weight.double(), padding=m).flatten(2) for weight in (self.wq, self.wk, self.wv))
        weights = torch.softmax(torch.matmul(k.mT, q) / len(self.wq) ** 0.5, dim=1)  # b j i
        return torch.matmul(v, weights).unflatten(-1, x.shape[2:])


# --- Q20, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q20",
    hint="Your weights are right and summed over the wrong axis: row i of the weights belongs to query i "
    "and adds up to one, but `bmm(value, weights)` sums over the queries. Write the letters i (query) "
    "and j (key) under both factors.",
)
class summed_over_queries(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Two things are wrong, both as in a lecture's code: the sum runs over the queries instead of the "
    "keys, and the scores have no scale.",
)
class the_lectures_line(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        attention_weights = F.softmax(torch.bmm(q.mT, k), dim=-1)
        return torch.bmm(v, attention_weights).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="One channel is right; with more the weights are too sharp. Divide the scores by the root of "
    "out_channels, the length of a query.",
)
class scale_forgotten(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k), dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Your softmax makes the *columns* of the scores add up to one. For each query the weights of the "
    "keys should add up to one, so the rows should.",
)
class softmax_over_those_who_ask(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Your scores are channels by channels, (b, d, d). They should be positions by positions, h·w by h·w.",
)
class channels_look_at_channels(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q, k.mT) / q.shape[1] ** 0.5, dim=-1)  # b d d
        return torch.bmm(weights, v).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="You divide by the root of h·w, the number of positions. A score is a sum over the channels of a "
    "query: divide by the root of their number.",
)
class scaled_by_the_places(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / (h * w) ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="You divide by the root of in_channels. After the convolution a query has out_channels numbers.",
)
class scaled_by_what_comes_in(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / x.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="You divide by d where the formula divides by its root, so the weights are too even.",
)
class divided_without_a_root(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1], dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="You scale after the softmax, so the weights stay as sharp as they were and no longer add up to "
    "one. Scale the scores.",
)
class scaled_after_the_softmax(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k), dim=-1) / q.shape[1] ** 0.5
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="The scores are used as weights as they are. The softmax is missing.",
)
class softmax_left_out(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        energy = torch.bmm(q.mT, k) / q.shape[1] ** 0.5
        return torch.bmm(v, energy.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Your queries come from `view` or `reshape` to (b, n, d). With more than one channel a query then "
    "holds numbers of other positions. Exchange the axes instead.",
)
class viewed_instead_of_turned(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = self.query_conv(x), self.key_conv(x).flatten(2), self.value_conv(x).flatten(2)
        weights = F.softmax(torch.bmm(q.reshape(b, h * w, -1), k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="The weighted sum is right, and (b, n, d) is then viewed as (b, d, h, w), which mixes channels "
    "and positions. Move the channels to the front first.",
)
class channels_left_at_the_end(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(weights, v.mT).reshape(b, -1, h, w)


@mistake(
    "Q20",
    hint="Height and width are exchanged in the last line.",
)
class rows_and_columns_swapped(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, w, h)


@mistake(
    "Q20",
    hint="The positions are still in one axis: (b, d, n). The result should be a map with height and width.",
)
class still_in_a_row(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT)


@mistake(
    "Q20",
    hint="You average the keys. The weights average the values.",
)
class keys_given_as_values(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(k, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Queries are compared with queries, so the key convolution is not used.",
)
class queries_with_queries(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, q) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Keys and queries are exchanged in the scores: row i should belong to query i.",
)
class question_and_answer_swapped(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(k.mT, q) / q.shape[1] ** 0.5, dim=-1)
        return torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="Something is added to the weighted sum. A residual connection may stand around this layer; it is "
    "not part of it.",
)
class added_to_what_came_in(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return v.view(b, -1, h, w) + torch.bmm(v, weights.mT).view(b, -1, h, w)


@mistake(
    "Q20",
    hint="The positions of all images are in one axis, so images attend to each other. Keep the batch as "
    "an axis of its own.",
)
class images_of_a_batch_mixed(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (
            rearrange(conv(x), "b d h w -> (b h w) d") for conv in (self.query_conv, self.key_conv, self.value_conv)
        )
        weights = F.softmax(q @ k.mT / q.shape[1] ** 0.5, dim=-1)
        return rearrange(weights @ v, "(b h w) d -> b d h w", b=b, h=h)


@mistake(
    "Q20",
    hint="The map shrank: a kernel of 3 without padding loses one row and one column at each side.",
)
class nothing_around_the_map(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size)

    def forward(self, x):
        q, k, v = (conv(x) for conv in (self.query_conv, self.key_conv, self.value_conv))
        h = q.shape[2]
        q, k, v = (t.flatten(2) for t in (q, k, v))
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return rearrange(torch.bmm(v, weights.mT), "b d (h w) -> b d h w", h=h)


@mistake(
    "Q20",
    hint="A padding of 1 keeps the size for kernels of 3 only. Compute it from `kernel_size`.",
)
class padding_of_one_always(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=1)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=1)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=1)

    def forward(self, x):
        q, k, v = (conv(x) for conv in (self.query_conv, self.key_conv, self.value_conv))
        h = q.shape[2]
        q, k, v = (t.flatten(2) for t in (q, k, v))
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return rearrange(torch.bmm(v, weights.mT), "b d (h w) -> b d h w", h=h)


@mistake(
    "Q20",
    hint="`kernel_size` is not used: your convolutions are 1 x 1, which is ordinary attention over pixels.",
)
class one_by_one_always(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.query_conv = nn.Conv2d(in_channels, out_channels, 1)
        self.key_conv = nn.Conv2d(in_channels, out_channels, 1)
        self.value_conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        q, k, v = (conv(x) for conv in (self.query_conv, self.key_conv, self.value_conv))
        h = q.shape[2]
        q, k, v = (t.flatten(2) for t in (q, k, v))
        weights = F.softmax(torch.bmm(q.mT, k) / q.shape[1] ** 0.5, dim=-1)
        return rearrange(torch.bmm(v, weights.mT), "b d (h w) -> b d h w", h=h)


# --- Q21, right ------------------------------------------------------------------------------------------------------


@right("Q21")
class as_the_paper_names_it(nn.Module):
    """With the paper's batch norm behind W_z, whose factor starts at zero."""

    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.g = nn.Conv2d(channels, inner, 1)
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.W[1].weight)

    def forward(self, x):
        b, _, h, w = x.shape
        theta = self.theta(x).view(b, -1, h * w).permute(0, 2, 1)
        phi = self.phi(x).view(b, -1, h * w)
        g = self.g(x).view(b, -1, h * w).permute(0, 2, 1)
        y = torch.matmul(F.softmax(torch.matmul(theta, phi), dim=-1), g)
        return self.W(y.permute(0, 2, 1).reshape(b, -1, h, w)) + x


@right("Q21")
class fused_with_a_scale_of_one(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = inner or channels // 2
        self.q, self.k, self.v = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        for p in self.out.parameters():
            p.data.zero_()

    def forward(self, x):
        q, k, v = (conv(x).flatten(2).mT for conv in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return x + self.out(y.mT.unflatten(2, x.shape[2:]))


@right("Q21")
class linear_layers_on_tokens(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = inner if inner else channels // 2
        self.theta, self.phi, self.g = (nn.Linear(channels, inner) for _ in range(3))
        self.w_z = nn.Linear(inner, channels)
        nn.init.constant_(self.w_z.weight, 0)
        nn.init.constant_(self.w_z.bias, 0)

    def forward(self, x):
        tokens = rearrange(x, "b c h w -> b (h w) c")
        energy = self.theta(tokens) @ self.phi(tokens).mT
        y = self.w_z(energy.softmax(2) @ self.g(tokens))
        return x + rearrange(y, "b (h w) c -> b c h w", h=x.shape[2])


@right("Q21")
class a_gate_that_starts_shut(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.all_three = nn.Conv2d(channels, 3 * inner, 1)
        self.W_z = nn.Conv2d(inner, channels, 1)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        t, p, g = torch.tensor_split(self.all_three(x).flatten(2), 3, dim=1)
        shares = torch.exp(torch.einsum("bei,bej->bij", t, p))
        y = torch.einsum("bij,bej->bei", shares / shares.sum(2, keepdim=True), g)
        return torch.add(x, self.gate * self.W_z(y.reshape(len(x), -1, *x.shape[2:])))


@right("Q21")
class raw_matrices(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta = nn.Parameter(torch.randn(inner, channels) / channels**0.5)
        self.phi = nn.Parameter(torch.randn(inner, channels) / channels**0.5)
        self.g = nn.Parameter(torch.randn(inner, channels) / channels**0.5)
        self.W_z = nn.Parameter(torch.zeros(channels, inner))

    def forward(self, x):
        flat = x.flatten(2)  # b c n
        energy = (self.theta @ flat).mT @ (self.phi @ flat)
        y = (self.g @ flat) @ torch.softmax(energy, -1).mT
        return (flat + self.W_z @ y).view_as(x)


@right("Q21")
class one_place_after_the_other(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        t, p, g = self.theta(x), self.phi(x), self.g(x)
        y = torch.stack(
            [
                torch.stack(
                    [
                        ((t[:, :, i, j, None, None] * p).sum(1).flatten(1).softmax(-1)[:, None] * g.flatten(2)).sum(2)
                        for j in range(x.shape[3])
                    ],
                    -1,
                )
                for i in range(x.shape[2])
            ],
            -2,
        )
        return x + self.W_z(y)


# --- Q21, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q21",
    hint="A new block of yours gives zeros, so the input is lost. The formula ends with `+ x`.",
)
class shortcut_forgotten(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="Inserted into a trained network, your new block changes the output: W_z starts with random "
    "weights. It should start at zero.",
)
class last_layer_as_born(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The new block adds a small constant to each channel: the bias of W_z is not zero. Weight and "
    "bias should both start at zero.",
)
class only_the_weight_is_zero(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="All four convolutions are zero. The gradient of W_z's weight depends on g's output, which is "
    "zero, and the gradient of g on W_z, which is zero as well. Only W_z should start at zero.",
)
class everything_is_zero(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The scores are divided by a root. The formula of this block, which is older than ViT, has no scale.",
)
class scaled_as_in_a_transformer(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi / theta.shape[1] ** 0.5).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="Your softmax runs over the queries: the columns add up to one. The rows should.",
)
class softmax_over_the_askers(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The weights are right and summed over the wrong axis: position i receives the values that belong "
    "to other queries. Transpose one factor.",
)
class summed_over_the_askers(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="phi and theta are exchanged in the scores: theta gives the queries and phi the keys.",
)
class phi_asks_theta_answers(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (phi.mT @ theta).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The weights average phi. They should average g, the third convolution.",
)
class keys_are_collected(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = phi @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The scores are used as weights as they are. The softmax is missing.",
)
class softmax_forgotten(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = theta.mT @ phi
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="This is the paper's other version, the dot product divided by the number of positions. The "
    "question asks for the softmax.",
)
class divided_by_the_places(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = theta.mT @ phi / theta.shape[2]
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="Your weights are (b, inner, inner): channels attend to channels. Positions should attend to positions.",
)
class channels_ask_channels(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta @ phi.mT).softmax(-1)
        y = weights @ g
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="(b, n, e) was viewed as (b, e, h, w), so the numbers stand at wrong positions. Exchange the axes "
    "before the view.",
)
class width_left_behind(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        b, _, h, w = x.shape
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = weights @ g.mT  # b n e
        return x + self.W_z(y.reshape(b, -1, h, w))


@mistake(
    "Q21",
    hint="`+=` changed the tensor that the caller still holds. `x + …` makes a new one.",
)
class written_into_the_callers_x(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        with torch.no_grad():
            x += self.W_z(y.unflatten(2, x.shape[2:]))
        return x


@mistake(
    "Q21",
    hint="x is added twice: a new block doubles its input.",
)
class adds_to_the_weights_twice(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        out = x + self.W_z(y.unflatten(2, x.shape[2:]))
        return x + out


@mistake(
    "Q21",
    hint="Without an argument, `inner` equals the number of channels. The paper uses half of them, which "
    "halves the cost.",
)
class as_wide_inside_as_outside(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = inner or channels
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="The argument `inner` is overwritten. Compute the default only where no number was given.",
)
class inner_never_used(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


@mistake(
    "Q21",
    hint="Your convolutions are 3 x 3. Here they are 1 x 1: positions are mixed by attention alone.",
)
class three_by_three(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = channels // 2 if inner is None else inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 3, padding=1) for _ in range(3))
        self.W_z = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(-1)
        y = g @ weights.mT
        return x + self.W_z(y.unflatten(2, x.shape[2:]))


# --- Q21b, the blank page --------------------------------------------------------------------------------------------


@reference("Q21b")
def every_order_of_kernels(case):
    """Output and input gradient for every order of queries, keys and values."""
    import itertools

    outs, slopes = [], []
    back, k = torch.from_numpy(case["back"]).double(), case["kernel_size"]
    for order in itertools.permutations(range(3)):
        x = torch.from_numpy(case["x"]).double().requires_grad_()
        kernels = [torch.from_numpy(case["kernels"][i]).double() for i in order]
        q, key, v = (F.conv2d(x, kernel, padding=k // 2).flatten(2).mT for kernel in kernels)
        attended = F.scaled_dot_product_attention(q, key, v) @ back.T
        out = x + attended.mT.reshape(x.shape)
        outs.append(out.detach())
        slopes.append(torch.autograd.grad((out * torch.from_numpy(case["aim"]).double()).sum(), x)[0])
    return {"ways": torch.stack(outs).float().numpy(), "slopes": torch.stack(slopes).float().numpy()}


THREE = "q, k, v = (conv(x).flatten(2).mT for conv in (self.q, self.k, self.v))"
WEIGHTS = "weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)"
ADD = "return x + self.back((weights @ v).mT.unflatten(2, x.shape[2:]))"
MADE = "self.q, self.k, self.v = (nn.Conv2d(channels, inner, kernel_size, padding=kernel_size // 2) for _ in range(3))"
ZERO = "nn.init.zeros_(self.back.weight)"

edited("Q21b", "values_first", {MADE: MADE.replace("self.q, self.k, self.v", "self.v, self.q, self.k")})
edited("Q21b", "one_fused_convolution", {
    MADE: "self.qkv = nn.Conv2d(channels, 3 * inner, kernel_size, padding=kernel_size // 2)",
    THREE: "q, k, v = self.qkv(x).flatten(2).mT.chunk(3, -1)"})  # fmt: skip
edited("Q21b", "library_attention", {WEIGHTS: "out = F.scaled_dot_product_attention(q, k, v)", "(weights @ v)": "out"})
edited("Q21b", "padding_same", {MADE: MADE.replace("padding=kernel_size // 2", 'padding="same"')})
edited("Q21b", "with_einsum", {
    THREE: "q, k, v = (conv(x).flatten(2) for conv in (self.q, self.k, self.v))",
    WEIGHTS: 'weights = torch.softmax(torch.einsum("bdi,bdj->bij", q, k) * q.shape[1] ** -0.5, 2)',
    "(weights @ v).mT": 'torch.einsum("bij,bdj->bdi", weights, v)'})  # fmt: skip
edited("Q21b", "no_biases", {MADE: MADE.replace("padding=", "bias=False, padding=")})
for name, changes, hint in (
    (
        "hybrid_no_residual",
        {ADD: ADD.replace("x + ", "")},
        "Your layer returns the attention alone: the residual connection is missing.",
    ),
    (
        "hybrid_no_scale",
        {WEIGHTS: "weights = (q @ k.mT).softmax(-1)"},
        "Your scores are not divided by the root of their width.",
    ),
    (
        "hybrid_scale_of_channels",
        {WEIGHTS: "weights = (q @ k.mT / x.shape[1] ** 0.5).softmax(-1)"},
        "Your scale uses `channels`. A score sums over `inner` numbers.",
    ),
    (
        "hybrid_softmax_over_queries",
        {WEIGHTS: "weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2)"},
        "Your weights add up to 1 over the queries. The softmax runs over the keys.",
    ),
    (
        "hybrid_sum_over_queries",
        {"(weights @ v)": "(weights.mT @ v)"},
        "Your sum runs over the queries: the weights are transposed.",
    ),
    (
        "hybrid_scale_after_softmax",
        {WEIGHTS: "weights = (q @ k.mT).softmax(-1) / q.shape[-1] ** 0.5"},
        "You scale after the softmax.",
    ),
    (
        "hybrid_view_for_transpose",
        {"(weights @ v).mT.unflatten(2, x.shape[2:])": "(weights @ v).reshape(len(x), -1, *x.shape[2:])"},
        "The output is reshaped without exchanging the axes of positions and channels.",
    ),
    (
        "hybrid_square_maps_only",
        {"unflatten(2, x.shape[2:])": "unflatten(2, x.shape[:1:-1])"},
        "Rows and columns of the map are exchanged on the way back.",
    ),
    (
        "hybrid_starts_at_random",
        {ZERO: "pass"},
        "A new layer already changes x: the last convolution does not start at zero.",
    ),
    (
        "hybrid_bias_not_zero",
        {"nn.init.zeros_(self.back.bias)": "nn.init.ones_(self.back.bias)"},
        "A new layer adds a constant to x: the bias of the last convolution does not start at zero.",
    ),
    (
        "hybrid_keys_are_queries",
        {WEIGHTS: "weights = (q @ q.mT / q.shape[-1] ** 0.5).softmax(-1)"},
        "Queries are compared with themselves; the keys are not used.",
    ),
    (
        "hybrid_relu_on_values",
        {"(weights @ v)": "(weights @ v.relu())"},
        "An activation was applied to the values, and none was asked for.",
    ),
    (
        "hybrid_detached",
        {ADD: "return x + self.back((weights @ v).mT.unflatten(2, x.shape[2:]).detach())"},
        "The numbers are right, and no gradient flows through the attention: something is detached.",
    ),
    (
        "hybrid_attention_of_the_first_image",
        {"(weights @ v)": "(weights[:1] @ v)"},
        "All images use the weights of the first one.",
    ),
):
    edited("Q21b", name, changes, hint=hint)


# --- Q21c, stretch ---------------------------------------------------------------------------------------------------

LOOK = "self.look = nn.Conv2d(in_channels, emb_size, kernel_size, stride, padding)"
GRID = "grid = self.look(x)"
RETURN = "return self.norm(grid.flatten(2).mT), tuple(grid.shape[2:])"

edited("Q21c", "with_rearrange", {RETURN: 'return self.norm(rearrange(grid, "b d h w -> b (h w) d")), grid.shape[-2:]'})
edited("Q21c", "channels_last_first", {RETURN: "y = self.norm(grid.permute(0, 2, 3, 1))\n"
                                       "        return y.flatten(1, 2), (y.shape[1], y.shape[2])"})  # fmt: skip
edited(
    "Q21c", "functional_norm",
    {
        RETURN: "tokens = grid.flatten(2).transpose(1, 2)\n"
        "        norm = self.norm\n"
        "        tokens = F.layer_norm(tokens, tokens.shape[-1:], norm.weight, norm.bias)\n"
        "        return tokens, (grid.size(2), grid.size(3))"
    },
)  # fmt: skip
edited("Q21c", "a_list_for_the_grid", {RETURN: "return self.norm(grid.flatten(2).mT), list(grid.shape[2:])"})
edited("Q21c", "named_proj", {"self.look": "self.proj"})
edited(
    "Q21c", "contiguous_first",
    {
        RETURN: "b, d, h, w = grid.shape\n"
        "        return self.norm(grid.reshape(b, d, h * w).mT.contiguous()), (h, w)"
    },
)  # fmt: skip
for name, changes, hint in (
    ("no_norm_at_all", {"self.norm(grid.flatten(2).mT)": "grid.flatten(2).mT"}, "Your tokens are not normalised."),
    (
        "padding_ignored",
        {LOOK: "self.look = nn.Conv2d(in_channels, emb_size, kernel_size, stride)"},
        "Your convolution has no padding, so the grid is smaller.",
    ),
    (
        "patches_without_overlap",
        {LOOK: "self.look = nn.Conv2d(in_channels, emb_size, stride, stride)"},
        "Your kernel is as wide as the stride, so patches do not overlap.",
    ),
    (
        "stride_one",
        {LOOK: "self.look = nn.Conv2d(in_channels, emb_size, kernel_size, 1, padding)"},
        "Your convolution moves by one pixel; the stride is ignored.",
    ),
    (
        "padding_and_stride_exchanged",
        {LOOK: "self.look = nn.Conv2d(in_channels, emb_size, kernel_size, padding or 1, stride)"},
        "Stride and padding are exchanged.",
    ),
    (
        "reshaped_without_move",
        {"grid.flatten(2).mT": "grid.reshape(len(x), -1, grid.shape[1])"},
        "The tokens are reshaped without exchanging channels and positions.",
    ),
    (
        "tokens_column_by_column",
        {"grid.flatten(2).mT": "grid.mT.flatten(2).mT"},
        "Your tokens run column by column. They should run row by row.",
    ),
    ("grid_exchanged", {"tuple(grid.shape[2:])": "(grid.shape[3], grid.shape[2])"}, "Your grid is (columns, rows)."),
    (
        "grid_of_the_image",
        {"tuple(grid.shape[2:])": "tuple(x.shape[2:])"},
        "Your grid is the size of the image, not that of the tokens.",
    ),
    (
        "norm_over_the_whole_image",
        {
            "self.norm(grid.flatten(2).mT)": "F.layer_norm(grid.flatten(2).mT, (grid[0, 0].numel(), grid.shape[1])) "
            "* self.norm.weight + self.norm.bias"
        },
        "Your norm runs over all tokens of an image. Each token is normalised by itself.",
    ),
    (
        "an_activation_between",
        {GRID: "grid = self.look(x).relu()"},
        "There is an activation between the convolution and the norm, and none was asked for.",
    ),
    (
        "norm_detached",
        {"self.norm(grid.flatten(2).mT)": "self.norm(grid.flatten(2).mT.detach())"},
        "The numbers are right, and the convolution gets no gradient: its output is detached.",
    ),
):
    edited("Q21c", name, changes, hint=hint)
