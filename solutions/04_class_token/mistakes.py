"""Lesson 04: what students really write, right in unusual ways and wrong in usual ones."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import pack, rearrange, repeat
from torch import nn

from grading.judging.bank import edited, mistake, reference, right


# What a notebook holds when Q3 is reached: a projection, as the lesson's setup cell gives one, and a code.
class PatchProjection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.look = nn.Conv2d(in_channels, emb_size, patch_size + 2, patch_size, padding=1)

    def forward(self, x):
        return rearrange(self.look(x), "b d y x -> b (y x) d")


def getPositionEncoding(seq_len, d, n=10000):
    angles = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


@reference("Q3")
def pixels_of_each_patch(case):
    """where (n, k): the numbers of patch n's pixels, counted through channel, row and column of the image."""
    _, c, s, _ = case["images"].shape
    numbers = torch.arange(c * s * s).reshape(c, s, s)
    p = case["patch"]
    return {"where": rearrange(numbers, "c (h p1) (w p2) -> (h w) (c p1 p2)", p1=p, p2=p).to(torch.int16)}


@reference("Q4")
def the_real_sinusoids(case):
    tokens = (case["images"].shape[-1] // case["patch"]) ** 2 + 1
    return pixels_of_each_patch(case) | {"sinusoids": getPositionEncoding(tokens, case["width"])}


# --- Q3, right -------------------------------------------------------------------------------------------------------


@right("Q3")
class expanded_as_in_timm(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)


@right("Q3")
class images_in_a_loop(nn.Module):
    def __init__(self, channels=3, p=8, d=64, s=32, **sizes):
        super().__init__()
        p, d = sizes.get("patch_size", p), sizes.get("emb_size", d)
        self.projection = PatchProjection(sizes.get("in_channels", channels), p, d)
        self.cls_token = nn.Parameter(torch.randn(d))

    def forward(self, x):
        return torch.stack([torch.cat([self.cls_token[None], tokens]) for tokens in self.projection(x)])


@right("Q3")
class packed_by_einops(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.embedding = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.rand(1, 1, emb_size))

    def forward(self, x):
        patches = rearrange(self.embedding(x), "b d h w -> b (h w) d")
        start = repeat(self.cls_token, "1 1 d -> b d", b=len(x))
        return pack([start, patches], "b * d")[0]


@right("Q3")
class padded_then_filled(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = F.pad(self.projection(x), (0, 0, 1, 0))
        place = torch.zeros(x.shape[1], 1, device=x.device)
        place[0] = 1
        return x + place * self.cls_token


@right("Q3")
class by_an_embedding_table(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.token = nn.Embedding(1, emb_size)

    def forward(self, x):
        tokens = self.projection(x)
        first = self.token(torch.zeros(len(x), 1, dtype=torch.long, device=x.device))
        return torch.hstack([first, tokens])


@right("Q3")
class an_adapter_over_timm(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        from helpers.torchvision_ops import load_torchvision

        load_torchvision()  # timm needs it, and it doesn't come with every torch
        from timm.layers import PatchEmbed

        self.patch_embed = PatchEmbed(img_size, patch_size, in_channels, emb_size)
        self.cls_token = nn.Parameter(torch.empty(1, 1, emb_size))
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, x):
        x = self.patch_embed(x)
        return torch.cat([self.cls_token.repeat(x.size(0), 1, 1), x], 1)


@right("Q3")
class tokens_in_double(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size).double()
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size, dtype=torch.float64))

    def forward(self, x):
        x = self.projection(x.double())
        return torch.cat([self.cls_token.expand(len(x), 1, -1), x], dim=1)


# --- Q3, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q3",
    hint="Your class token stands at the end. It works, but every model, every checkpoint and every later lesson looks "
    "for it in place 0. In which order does your list name the two?",
)
class class_token_last(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([x, repeat(self.cls_token, "() n e -> b n e", b=len(x))], dim=1)


@mistake(
    "Q3",
    hint="One image alone goes through, a batch doesn't: your class token still has a batch of 1. `cat` does not "
    "stretch axes as a plus sign would; somebody has to make the copies.",
)
class never_repeated(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        return torch.cat([self.cls_token, self.projection(x)], dim=1)


@mistake(
    "Q3",
    hint="Your code makes as many copies of the class token as there are patches: `b` was read from another axis than "
    "the batch. It works only when an image has as many patches as the batch has images.",
)
class as_many_as_patches(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=x.shape[1]), x], dim=1)


@mistake(
    "Q3",
    hint="Your copies stand side by side in one image (every image got several class tokens). One per image is "
    "wanted: which axis counts the images?",
)
class copies_along_the_tokens(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b (k n) e", b=len(x), k=x.shape[1]), x], dim=1)


@mistake(
    "Q3",
    hint="You joined along the batch: the class tokens would be images of their own. Of b, n, e, which axis grows "
    "by one?",
)
class joined_along_the_batch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=0)


@mistake(
    "Q3",
    hint="You joined along the width: tokens would become longer, not more. Of b, n, e, which axis grows by one?",
)
class joined_along_the_width(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=-1)


@mistake(
    "Q3",
    hint="Right place, right shape, but it can't learn: a plain tensor in a module is invisible to the optimiser, and "
    "stays behind when the module moves. What makes it one of the module's own?",
)
class a_plain_tensor(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = torch.randn(1, 1, emb_size)

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token.to(x), "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="A gradient reaches your class token, and no optimiser knows it: `requires_grad=True` alone does not make a "
    "tensor a parameter of the module. `parameters()` does not list it. What does a module collect by itself?",
    claims=lambda make: "cls_token" not in dict(make().named_parameters()),
)
class a_tensor_that_requires_grad(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = torch.randn(1, 1, emb_size, requires_grad=True)

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token.to(x), "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="Your class token is a parameter that stands in a plain Python list, where a module does not look: "
    "`parameters()` does not list it, so it is never trained. Store it as an attribute of its own.",
    claims=lambda make: all(p.numel() != 64 or "token" not in n for n, p in make().named_parameters()),
)
class a_parameter_in_a_plain_list(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.extra = [nn.Parameter(torch.randn(1, 1, emb_size))]

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.extra[0].to(x), "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="The class token learns, and `forward` copies it into a tensor that it makes on the CPU, whatever the device "
    "of the images. On a GPU this stops: make it where the input is, with `device=x.device`.",
)
class copied_on_the_default_device(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        first = torch.zeros(len(x), 1, x.shape[-1], device="cpu") + self.cls_token.to("cpu", torch.float32)
        return torch.cat([first, x.to("cpu")], dim=1)


@mistake(
    "Q3",
    hint="Your class token is another one in every forward pass: it is drawn there. What is to be learned must be made "
    "once, where layers are made.",
)
class drawn_in_each_forward(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)

    def forward(self, x):
        x = self.projection(x)
        self.cls_token = torch.randn(1, 1, x.shape[-1], device=x.device)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="Each place in the batch has a class token of its own, so the first image is asked another question than the "
    "second. One vector, and copies of it.",
)
class one_for_each_place_in_the_batch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(64, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([self.cls_token[: len(x)], x], dim=1)


@mistake(
    "Q3",
    hint="Your class token was added to the patches; it should stand beside them, as one more token.",
)
class added_to_the_patches(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return x + repeat(self.cls_token, "() n e -> b n e", b=len(x))


@mistake(
    "Q3",
    hint="The class token was written over patch 0, which is lost. It should come in addition, so that n tokens "
    "become n + 1.",
)
class in_place_of_the_first_patch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x[:, 1:]], dim=1)


@mistake(
    "Q3",
    hint="The class token is made, and never joins the patches: n tokens come back, not n + 1.",
)
class never_joined(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q3",
    hint="Only the class tokens come back; the patches got lost on the way. Two things are joined: name both.",
)
class class_tokens_alone(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return repeat(self.cls_token, "() n e -> b n e", b=len(x))


@mistake(
    "Q3",
    hint="Token 0 is the mean of the patches, so it knows the image already. A class token starts without any "
    "knowledge of the image: it is the same for all, and learned.",
)
class mean_as_class_token(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([x.mean(1, keepdim=True), x], dim=1)


@mistake(
    "Q3",
    hint="The class token is a parameter, but the gradient ends before it: something cuts the copy that `forward` uses "
    "off from the original (`.data`, `.detach()`, or `requires_grad=False`).",
)
class cut_off_from_learning(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token.data, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="Your class token is 64 wide whatever `emb_size` says, and fits only the default.",
)
class sixty_four_wide(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 64))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q3",
    hint="All numbers of your token 0 are equal: the class token holds one number, stretched to the width. It should "
    "hold as many as any other token.",
)
class a_single_number(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 1))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n () -> b n e", b=len(x), e=x.shape[-1]), x], dim=1)


@mistake(
    "Q3",
    hint="The patches pass through your class token on their way: each has it added, besides the one in front. Behind "
    "token 0 nothing should know of it.",
)
class joined_and_added(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        token = repeat(self.cls_token, "() n e -> b n e", b=len(x))
        return torch.cat([token, x + token], dim=1)


@mistake(
    "Q3",
    hint="Your class is built without complaint and hands back None when it is called: a `forward` ends with a "
    "`return`.",
)
class nothing_returned(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


# --- Q4, right -------------------------------------------------------------------------------------------------------


@right("Q4")
class both_kinds_made_one_used(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))
        self.positions = positions

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if self.positions == "learnable" else self.sinusoids_positions)


@right("Q4")
class with_an_axis_for_the_batch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        n = img_size * img_size // patch_size // patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size))
        if positions == "sinusoidal":
            code = getPositionEncoding(n + 1, emb_size)[None]
            self.register_buffer("sinusoids_positions", code, persistent=False)
        else:
            self.learnable_positions = nn.Parameter(torch.zeros(1, n + 1, emb_size))

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.projection(x)], dim=1)
        x += self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions
        return x


@right("Q4")
class frozen_parameter_for_sinusoids(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n, learn = (img_size // patch_size) ** 2, positions == "learnable"
        start = torch.randn(n + 1, emb_size) if learn else getPositionEncoding(n + 1, emb_size).float()
        name = "learnable_positions" if learn else "sinusoids_positions"
        self.register_parameter(name, nn.Parameter(start, requires_grad=learn))
        self.name = name

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + getattr(self, self.name)


@right("Q4")
class an_embedding_table_and_own_waves(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.register_buffer("places", torch.arange(n))
        if positions == "learnable":
            self.learnable_positions = nn.Embedding(n, emb_size)
            return
        angles = np.arange(n)[:, None] / 10000 ** (np.arange(0, emb_size, 2) / emb_size)
        waves = np.zeros((n, emb_size), np.float32)
        waves[:, 0::2], waves[:, 1::2] = np.sin(angles), np.cos(angles)
        self.learnable_positions = None
        self.register_buffer("sinusoids_positions", torch.from_numpy(waves))

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.projection(x)], dim=1)
        return x + (
            self.sinusoids_positions if self.learnable_positions is None else self.learnable_positions(self.places)
        )


@right("Q4")
class class_and_patches_placed_apart(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.patches = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(seq_len=n, d=emb_size))

    @property
    def places(self):
        return self.learnable_positions if "learnable_positions" in self._parameters else self.sinusoids_positions

    def forward(self, x):
        patches = rearrange(self.patches(x), "b d h w -> b (h w) d") + self.places[1:]
        first = (self.cls_token + self.places[0]).expand(len(x), -1, -1)
        return torch.cat([first, patches], dim=1)


@right("Q4")
class code_asked_for_in_each_forward(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.learnable_positions = nn.Parameter(torch.randn(n, emb_size)) if positions == "learnable" else None

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        if self.learnable_positions is not None:
            return x + self.learnable_positions
        return x + getPositionEncoding(x.shape[1], x.shape[2]).to(x)


@right("Q4")
class an_adapter_over_torchvision(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.conv_proj = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, emb_size))
        self.seq_length = (img_size // patch_size) ** 2 + 1
        self.pos_embedding = nn.Parameter(torch.empty(1, self.seq_length, emb_size).normal_(std=0.02))
        if positions == "sinusoidal":
            self.pos_embedding.requires_grad_(False)
            self.pos_embedding.copy_(getPositionEncoding(self.seq_length, emb_size))

    def forward(self, x):
        n, _, h, w = x.shape
        x = self.conv_proj(x)
        x = x.reshape(n, x.shape[1], -1).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(n, -1, -1), x], dim=1)
        return x + self.pos_embedding


@right("Q4")
class the_lectures_line(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.learnable_positions = nn.Parameter(torch.randn(n, emb_size)) if positions == "learnable" else None
        if positions == "sinusoidal":
            self.register_buffer("sinusoids_positions", torch.from_numpy(getPositionEncoding(n, emb_size)))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.sinusoids_positions if self.learnable_positions is None else self.learnable_positions)


# --- Q4, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q4",
    hint="One position too few: you counted the patches. Who else stands in the line of tokens?",
)
class one_position_short(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Positions came before the class token: the patches have one each, the class token has none. It needs a row, "
    "row 0, like everybody else.",
)
class positions_before_the_token(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q4",
    hint="Patches get rows 1, 2, …, as they should; row 0 is made and never used. To whom does it belong?",
)
class row_zero_left_over(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        rows = self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions
        x = self.projection(x) + rows[1:]
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q4",
    hint='The two kinds have changed places: asked for "learnable", your module adds the sinusoids, and the other way '
    "round.",
)
class kinds_exchanged(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions != "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint='Whatever is asked for, learned positions are added: `positions="sinusoidal"` makes no difference.',
)
class always_learnable(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + self.learnable_positions


@mistake(
    "Q4",
    hint='Whatever is asked for, sinusoids are added: `positions="learnable"` makes no difference.',
)
class always_sinusoidal(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + self.sinusoids_positions


@mistake(
    "Q4",
    hint="Your sinusoids are a parameter: right at the start, and something else after the first step of training. "
    "What holds numbers that nobody trains?",
)
class sinusoids_trained(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        learn = positions == "learnable"
        self.positions = nn.Parameter(torch.randn(n, emb_size) if learn else getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + self.positions


@mistake(
    "Q4",
    hint="Your sinusoids are a plain attribute. Here that works, but when the module moves to a GPU they stay behind, "
    "and the sum fails. How does a module learn that a tensor belongs to it?",
)
class sinusoids_left_behind(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.positions = getPositionEncoding(n, emb_size)

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + self.positions


@mistake(
    "Q4",
    hint="Your learned positions are a plain tensor: no optimiser hears of them, so they stay as random as they began.",
)
class learnable_but_plain(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = torch.randn(n, emb_size)
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your learned positions move with the module, and never learn: they are kept as a buffer, or with "
    "`requires_grad=False`. Which of the three ways of keeping a tensor is for what is trained?",
)
class learnable_in_a_buffer(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.register_buffer("learnable_positions", torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your table is a parameter, but no gradient reaches it: `forward` adds a copy that was cut off "
    "(`.data` or `.detach()`).",
)
class learnable_cut_off(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions.data if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your sinusoids are float64, and one float64 summand makes the whole sum float64; the next Linear then "
    "refuses. numpy computes so by default, torch doesn't.",
)
class sinusoids_in_double(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", torch.as_tensor(getPositionEncoding(n, emb_size)).double())

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Seventeen positions, whatever the image: that is the count for the defaults. Compute it from `img_size` and "
    "`patch_size`.",
)
class seventeen_for_ever(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(17, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(17, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="You counted the patches of one row of the image. How many rows are there?",
)
class one_row_of_patches(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = img_size // patch_size + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="`patch_size ** 2` counts the pixels of one patch. Positions are for patches: how many fit into the image?",
)
class pixels_counted(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = patch_size**2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="The learned kind is fine; your code came out lying on its side. In which order does `getPositionEncoding` "
    "take its two numbers?",
)
class code_on_its_side(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(emb_size, n))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your positions are added along the batch: image k got row k, all its tokens the same. Which axis of "
    "(b, n, d) should they lie along?",
)
class rows_along_the_batch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, 1, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size)[:, None])

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        rows = self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions
        return x + rows[: len(x)]


@mistake(
    "Q4",
    hint="Positions and batch meet on the wrong axis: your table has an axis of length 1 in the middle, where the "
    "tokens should be, and fits an image alone only by making many of it.",
)
class an_axis_in_the_middle(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, 1, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size)[:, None])

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Every token gets the same learned row, so no token can tell where it stands. One row per position.",
)
class one_row_for_all(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(1, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your positions are counted twice: what is added is two times what stands in the table.",
)
class added_twice(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        rows = self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions
        x += rows
        return x + rows


@mistake(
    "Q4",
    hint="Both kinds are added at once. One or the other, as `positions` says.",
)
class both_added(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + self.learnable_positions + self.sinusoids_positions


@mistake(
    "Q4",
    hint="Your tokens became twice as wide: positions were joined on, where they should be added.",
)
class joined_on(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        rows = self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions
        return torch.cat([x, rows.expand(len(x), -1, -1)], dim=-1)


@mistake(
    "Q4",
    hint="Tokens and positions are multiplied. Where a sinusoid is zero, that wipes the token's number out for good; a "
    "sum loses nothing.",
)
class multiplied(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x * (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Your learned positions are drawn anew in each forward pass, so no token is ever twice at the same place.",
)
class other_positions_each_time(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        self.positions = positions

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        code = getPositionEncoding(x.shape[1], x.shape[2]).to(x.device)
        return x + (torch.randn_like(x[:1]) if self.positions == "learnable" else code)


@mistake(
    "Q4",
    hint="The class token got lost on the way from Q3: positions and patches are there, and token 0 is patch 0.",
)
class without_a_class_token(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        n = (img_size // patch_size) ** 2
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


@mistake(
    "Q4",
    hint="Positions are made and never added: what comes back is the answer to Q3.",
)
class never_added(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)


@mistake(
    "Q4",
    hint="The class token has moved to the end; with the table as it is, it gets the last row and patch 0 gets row 0. "
    "Token 0 is the class token's place.",
)
class token_last_with_its_position(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        n = (img_size // patch_size) ** 2 + 1
        if positions == "learnable":
            self.learnable_positions = nn.Parameter(torch.randn(n, emb_size))
        else:
            self.register_buffer("sinusoids_positions", getPositionEncoding(n, emb_size))

    def forward(self, x):
        x = self.projection(x)
        x = torch.cat([x, repeat(self.cls_token, "() n e -> b n e", b=len(x))], dim=1)
        return x + (self.learnable_positions if hasattr(self, "learnable_positions") else self.sinusoids_positions)


# --- Q4b, the stretch question ---------------------------------------------------------------------------------------


@right("Q4b")
class AsAMatrixProduct(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q, self.scale = nn.Parameter(torch.zeros(1, dim)), dim**-0.5

    def forward(self, tokens):
        weights = F.softmax(tokens @ self.q.T * self.scale, dim=1)  # b n 1
        return (weights.mT @ tokens)[:, 0]


@right("Q4b")
class WithALinearLayer(nn.Module):
    def __init__(self, emb_size):
        super().__init__()
        self.score = nn.Linear(emb_size, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x):
        w = (self.score(x) / x.size(-1) ** 0.5).softmax(-2)
        return (w * x).sum(-2)


@right("Q4b")
class ByTorchsAttention(nn.Module):
    def __init__(self, emb_size):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, emb_size))

    def forward(self, x):
        return F.scaled_dot_product_attention(self.query.expand(len(x), -1, -1), x, x).squeeze(1)


@right("Q4b")
class ByEinsum(nn.Module):
    def __init__(self, emb_size):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        scores = torch.einsum("bnd,d->bn", x, self.token) / x.shape[2] ** 0.5
        return torch.einsum("bn,bnd->bd", torch.softmax(scores, 1), x)


@right("Q4b")
class ImageByImage(nn.Module):
    def __init__(self, emb_size):
        super().__init__()
        self.register_parameter("seed", nn.Parameter(torch.zeros(emb_size, 1)))

    def forward(self, x):
        pooled = []
        for tokens in x:
            e = torch.exp((tokens @ self.seed)[:, 0] / tokens.shape[1] ** 0.5)
            pooled.append((e / e.sum()) @ tokens)
        return torch.stack(pooled)


edited(
    "Q4b", "random_at_the_start", {"torch.zeros(emb_size)": "torch.randn(emb_size)"},
    hint="Your query is drawn at random. Zeros were asked for, so that pooling starts from the mean.",
)  # fmt: skip
edited(
    "Q4b", "ones_at_the_start", {"torch.zeros(emb_size)": "torch.ones(emb_size)"},
    hint="Your query starts as ones, so that tokens with a large sum weigh more from the start.",
)  # fmt: skip
edited(
    "Q4b", "not_scaled", {" / x.shape[-1] ** 0.5": ""},
    hint="Your scores are not divided by the root of d.",
)  # fmt: skip
edited(
    "Q4b", "divided_by_the_width", {" / x.shape[-1] ** 0.5": " / x.shape[-1]"},
    hint="Your scores are divided by d. Its root was asked for.",
)  # fmt: skip
edited(
    "Q4b", "root_of_the_number_of_tokens", {"x.shape[-1] ** 0.5": "x.shape[1] ** 0.5"},
    hint="Your scores are divided by the root of the number of tokens. The width belongs there.",
)  # fmt: skip
edited(
    "Q4b", "softmax_over_the_batch", {"softmax(dim=1)": "softmax(dim=0)"},
    hint="Your weights add up to 1 over the images of the batch. They should add up to 1 over the tokens of one image.",
)  # fmt: skip
edited(
    "Q4b", "mean_of_weighted_tokens", {".sum(dim=1)": ".mean(dim=1)"},
    hint="Your result is n times too small: the weights add up to 1 already, so the weighted tokens are added.",
)  # fmt: skip
edited(
    "Q4b", "without_softmax", {"scores.softmax(dim=1)": "scores"},
    hint="Your weights are the scores themselves: without a softmax they do not add up to 1.",
)  # fmt: skip
edited(
    "Q4b", "sigmoid", {"scores.softmax(dim=1)": "scores.sigmoid()"},
    hint="Your weights are sigmoids, each between 0 and 1. They do not add up to 1.",
)  # fmt: skip
edited(
    "Q4b",
    "divided_by_their_sum",
    {"scores.softmax(dim=1)": "(scores + 1e-9) / (scores + 1e-9).sum(dim=1, keepdim=True)"},
    hint="Your scores are divided by their sum, without the exponential. Negative scores give negative weights.",
)
edited(
    "Q4b", "a_plain_tensor", {"nn.Parameter(torch.zeros(emb_size))": "torch.zeros(emb_size)"},
    hint="Your module has nothing to learn: the query is a plain tensor and no nn.Parameter.",
)  # fmt: skip
edited(
    "Q4b", "query_detached", {"x @ self.query /": "x @ self.query.detach() /"},
    hint="The values are right, and no gradient reaches the query: it is detached.",
)  # fmt: skip
edited(
    "Q4b", "weights_detached", {"weights = scores.softmax(dim=1)": "weights = scores.softmax(dim=1).detach()"},
    hint="The values are right, but no gradient passes through the weights: they are detached.",
)  # fmt: skip
edited(
    "Q4b",
    "the_best_token_alone",
    {"(weights[:, :, None] * x).sum(dim=1)": "x[torch.arange(len(x)), weights.argmax(dim=1)]"},
    hint="You return the one token with the largest weight. All tokens belong into the mean, each with its weight.",
)
edited(
    "Q4b", "one_token_axis_left", {".sum(dim=1)": ".sum(dim=1, keepdim=True)"},
    hint="Your result is (b, 1, d). The axis of the tokens should be gone.",
)  # fmt: skip
edited(
    "Q4b", "tokens_not_added_up", {".sum(dim=1)": ""},
    hint="Your tokens are weighted and not yet added up: the result is still (b, n, d).",
)  # fmt: skip
edited(
    "Q4b", "mean_only", {"(weights[:, :, None] * x).sum(dim=1)": "x.mean(dim=1)"},
    hint="You return the plain mean: the query plays no part.",
)  # fmt: skip


@mistake("Q4b", hint="Your module learns more than the query: linear layers for keys and values were not asked for.")
class with_keys_and_values(nn.Module):
    def __init__(self, emb_size):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(emb_size))
        self.keys, self.values = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x):
        weights = (self.keys(x) @ self.query / x.shape[-1] ** 0.5).softmax(1)
        return (weights[:, :, None] * self.values(x)).sum(1)
