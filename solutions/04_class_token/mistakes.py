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
    hint="Your class token stands at the end. Models, checkpoints and the later lessons expect it as token "
    "0: exchange the two in the list that you join.",
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
    hint="One image alone works, and a batch does not: the class token still has a batch axis of length 1. "
    "`cat` does not broadcast as a sum does; expand the class token to the batch.",
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
    hint="Every image got several class tokens: the copies stand along the token axis. There should be one "
    "per image, so the copies belong along the batch axis.",
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
    hint="You joined along the batch axis, so the class tokens would be images of their own. Join along "
    "the token axis, which grows by one.",
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
    hint="You joined along the width, so tokens become longer. Join along the token axis, which grows by one.",
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
    hint="The class token has the right place and shape, and it cannot be trained: a plain tensor is no "
    "parameter of the module and does not move with it. Wrap it in `nn.Parameter`.",
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
    hint="A gradient reaches your class token, and no optimiser gets it: `requires_grad=True` alone does "
    "not make a tensor a parameter, so `parameters()` does not list it. A module registers "
    "`nn.Parameter` attributes.",
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
    hint="The class token changes from one forward pass to the next: it is drawn there. What is to be "
    "trained is made once, in `__init__`.",
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
    hint="Each place in the batch has a class token of its own. There should be one vector, copied for every image.",
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
    hint="The class token was added to the patch tokens. It should be a token of its own beside them.",
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
    hint="The class token replaces patch 0, which is lost. It should be added as one more token, so that n "
    "tokens become n + 1.",
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
    hint="The class token is made and not joined to the patches: n tokens come back, not n + 1.",
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
    hint="Only the class tokens come back, without the patches. Give both to `cat`.",
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
    hint="Token 0 is the mean of the patches, so it depends on the image. A class token is a learned "
    "vector, the same for all images.",
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
    hint="All numbers of your token 0 are equal: the class token holds one number that is broadcast to the "
    "width. It needs `emb_size` numbers.",
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
    hint="The class token is also added to every patch token. No token but token 0 should depend on it.",
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
    hint="Your class returns None when it is called: `forward` has no `return`.",
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
    hint="There is one position too few: the class token needs one as well.",
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
    hint="The positions are added before the class token is joined, so the class token has none. It needs "
    "a row of its own, row 0.",
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
    hint="The patches get rows 1, 2, …, as they should, and row 0 is not used. It belongs to the class token.",
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
    hint='The two kinds are exchanged: for "learnable" your module adds the sinusoids, and for '
    '"sinusoidal" the learned positions.',
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
    hint='Learned positions are added in every case: `positions="sinusoidal"` makes no difference.',
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
    hint='Sinusoids are added in every case: `positions="learnable"` makes no difference.',
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
    hint="Your sinusoids are a parameter, so training changes them. Use `register_buffer` for tensors that "
    "belong to a module and are not trained.",
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
    hint="Your sinusoids are a plain attribute. They do not move with the module to a GPU, and the sum "
    "fails there. Register them with `register_buffer`.",
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
    hint="Your learned positions are a plain tensor. No optimiser gets them, so they stay as random as they were made.",
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
    hint="Your learned positions move with the module and are not trained: they are a buffer, or have "
    "`requires_grad=False`. What is trained is an `nn.Parameter`.",
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
    hint="Your sinusoids are float64, which makes the sum float64, and the next Linear then fails. numpy "
    "uses float64 by default, and torch float32.",
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
    hint="There are 17 positions whatever the image: that is the number for the default sizes. Compute it "
    "from `img_size` and `patch_size`.",
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
    hint="You counted the patches of one row of the image. Multiply by the number of rows.",
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
    hint="`patch_size ** 2` is the number of pixels in one patch. The number of positions depends on how "
    "many patches an image has.",
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
    hint="The learned positions are right, and the sinusoids are transposed. Check the order of the two "
    "arguments of `getPositionEncoding`.",
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
    hint="The positions are added along the batch axis: all tokens of image k got row k. In (b, n, d) they "
    "belong along n.",
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
    hint="The positions are aligned with the wrong axis: your table has an axis of length 1 where the "
    "tokens should be. Its shape should be (1, n + 1, d), or (n + 1, d).",
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
    hint="Every token gets the same learned row, so it says nothing about the position. Use one row per position.",
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
    hint="The positions are added twice: what is added is two times the table.",
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
    hint="Both kinds are added. Add the one that `positions` names.",
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
    hint="Your tokens are twice as wide: the positions are concatenated. They should be added.",
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
    hint="Tokens and positions are multiplied. Where a sinusoid is zero, the token's number is lost; add them.",
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
    hint="The learned positions are drawn anew in each forward pass. Make them once, in `__init__`.",
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
    hint="The class token of Q3 is missing: positions and patches are there, and token 0 is patch 0.",
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
    hint="The positions are made and not added: the result is the answer to Q3.",
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
    hint="The class token stands at the end, so it gets the last row and patch 0 gets row 0. The class "
    "token should be token 0.",
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
