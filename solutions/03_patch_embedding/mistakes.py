"""Lesson 03: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn

from grading.judging.bank import also, edited, mistake, reference, right


@reference("Q2")
def pixels_of_each_patch(case):
    """where (n, k): the numbers of patch n's pixels, counted through channel, row and column of the image."""
    c, s, p = case["channels"], case["image"], case["patch"]
    numbers = torch.arange(c * s * s).reshape(c, s, s)
    return {"where": rearrange(numbers, "c (h p1) (w p2) -> (h w) (c p1 p2)", p1=p, p2=p).to(torch.int16)}


@reference("Q2b")
def the_same_pixels(case):
    return pixels_of_each_patch(case)


# --- Q2, right -------------------------------------------------------------------------------------------------------


@right("Q2")
class channel_first_without_a_bias(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, bias=False):
        super().__init__()
        self.cut = Rearrange("b c (rows y) (cols x) -> b (rows cols) (c y x)", x=patch_size, y=patch_size)
        self.project = nn.Linear(in_channels * patch_size**2, emb_size, bias=bias)

    def forward(self, images):
        return self.project(self.cut(images))


@right("Q2")
class any_other_order_of_pixels(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p2 c p1)", p1=patch_size, p2=patch_size),
            nn.Flatten(2),
            nn.LazyLinear(emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@right("Q2")
class reshape_and_permute(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.p, self.g = patch_size, img_size // patch_size
        self.weight = nn.Parameter(torch.randn(in_channels * patch_size**2, emb_size) / math.sqrt(patch_size))
        self.bias = nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        b, c = x.shape[:2]
        x = x.reshape(b, c, self.g, self.p, self.g, self.p)
        x = x.permute(0, 2, 4, 3, 5, 1).reshape(b, self.g * self.g, -1)
        return x @ self.weight + self.bias


@right("Q2")
class loops_over_patches(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.patch_size = patch_size
        self.fc = nn.Linear(patch_size * patch_size * in_channels, emb_size)

    def forward(self, x):
        p, tokens = self.patch_size, []
        for i in range(0, x.shape[2], p):
            for j in range(0, x.shape[3], p):
                tokens.append(self.fc(x[:, :, i : i + p, j : j + p].flatten(1)))
        return torch.stack(tokens, dim=1)


@right("Q2")
class functional_unfold(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.unfold = nn.Unfold(patch_size, stride=patch_size)
        self.linear = nn.Linear(in_channels * patch_size * patch_size, emb_size)
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return self.linear(self.unfold(x).mT)


@right("Q2")
class a_convolution_already(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, **options):
        super().__init__()
        self.proj = nn.Conv2d(in_channels, emb_size, patch_size, patch_size, **options)

    def forward(self, x):
        return rearrange(self.proj(x), "b d h w -> b (h w) d")


@right("Q2")
class in_double_precision(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h a) (w z) -> b (h w) (a z c)", a=patch_size, z=patch_size),
            nn.Linear(patch_size**2 * in_channels, emb_size, dtype=torch.float64),
        )

    def forward(self, x):
        return self.projection(x.double())


@right("Q2")
class einsum_with_an_orthogonal_start(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        p, c = patch_size, in_channels
        start = torch.empty(emb_size, c * p * p)
        nn.init.orthogonal_(start)
        self.kernel = nn.Parameter(start.view(emb_size, c, p, p))

    def forward(self, x):
        p = self.kernel.shape[-1]
        patches = x.unfold(2, p, p).unfold(3, p, p)  # b c h w p p
        return torch.einsum("bchwyx,dcyx->bhwd", patches, self.kernel).flatten(1, 2)


# --- Q2, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q2",
    hint="Every token depends on single pixels that are spread evenly over the whole image. Within a "
    "bracket of an einops pattern the right-hand letter changes fastest: along an image row that "
    "should be the pixel inside a patch.",
)
class a_comb_instead_of_a_patch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (p1 h) (p2 w) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your patches are whole, and token 1 belongs to the patch below token 0. In the bracket that "
    "makes the tokens the column should change fastest, so its letter stands on the right.",
)
class tokens_column_by_column(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (w h) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Each of your tokens holds one pixel position of every patch. On the right of the arrow, the "
    "second axis should count the patches.",
)
class places_as_tokens(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (p1 p2) (h w c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Grey images work, and colour images stop at the Linear, which expects a third of the numbers "
    "that arrive. Count the channels as well.",
)
class channels_not_counted(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your answer works only for patches of a single pixel. A patch has a height and a width, and the "
    "size of your Linear counts one of the two.",
)
class one_side_of_the_patch_only(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your answer works only when the image is one single patch. The Linear expects all pixels of the "
    "image, and it gets those of one patch.",
)
class a_whole_image_expected(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(img_size * img_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="What reaches your Linear never has the length that it expects. The first argument of `nn.Linear` "
    "is the length of its input, one flattened patch; the second is that of its output.",
)
class in_and_out_exchanged(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(emb_size, patch_size * patch_size * in_channels),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Three channels work, and one or two do not: the size of your Linear contains a 3. Use `in_channels`.",
)
class three_channels_for_ever(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(3 * patch_size**2, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your answer works with the default sizes only: the size of your Linear is written as a number. "
    "Compute it from the arguments.",
)
class the_sum_done_by_hand(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(192, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your patches have 8 x 8 pixels whatever `patch_size` says: the default is written where the "
    "argument's name belongs.",
)
class eight_for_ever(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=8, p2=8),
            nn.Linear(8 * 8 * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The patch size was given to the letters that count patches. It fits only where an image is as "
    "many patches wide as a patch is pixels wide. Give it to the letters that measure the inside of a "
    "patch.",
)
class size_given_to_the_wrong_letters(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", h=patch_size, w=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="einops cannot split an axis into two letters of unknown size. Give the size of the letters that "
    "you know, behind the pattern.",
)
class sizes_never_told(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)"),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="A letter of the left side is missing on the right. `rearrange` drops no axis: every letter needs "
    "a place on the right.",
)
class the_channel_lost(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Letters appear on the right that do not exist on the left. Split height and width on the left: "
    "`(h p1)` and `(w p2)`.",
)
class never_split_on_the_left(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c h w -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="One letter stands twice on one side of the pattern. The two sides of a patch need two letters, "
    "even if they are equally long.",
)
class one_letter_for_both_sides(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p) (w p) -> b (h w) (p p c)", p=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your result has one axis too many: the tokens still form a grid of rows and columns. Brackets on "
    "the right merge two axes into one.",
)
class a_grid_and_no_sequence(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b h w (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The images of the batch are merged into one long list of tokens. Keep the batch as an axis of its own.",
)
class batch_melted_into_the_tokens(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> (b h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="You return three times as many tokens as there are patches: each colour of a patch has become a "
    "token. The channel belongs to the numbers within a token.",
)
class a_token_for_each_channel(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (c h w) (p1 p2)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The shape is right and the content is not: each token holds strips of pixel rows, because a "
    "reshape keeps the order in memory. Axes must be exchanged before it (lesson 01 has the picture).",
)
class reshape_and_hope(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.linear = nn.Linear(patch_size * patch_size * in_channels, emb_size)

    def forward(self, x):
        return self.linear(x.reshape(len(x), self.num_patches, -1))


@mistake(
    "Q2",
    hint="`unfold` returns the patches in the last axis, and a reshape does not exchange axes. Use a call "
    "that does, such as `transpose`.",
)
class unfold_reshaped_instead_of_transposed(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.patch_size = patch_size
        self.linear = nn.Linear(patch_size * patch_size * in_channels, emb_size)

    def forward(self, x):
        columns = F.unfold(x, self.patch_size, stride=self.patch_size)  # b k n
        return self.linear(columns.reshape(columns.shape[0], columns.shape[2], columns.shape[1]))


@mistake(
    "Q2",
    hint="Your tokens are never negative: an activation follows the projection. The embedding is a linear "
    "map with a bias; activations come later, inside the blocks.",
)
class relu_behind_the_projection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="No number in your tokens is below -0.17, the minimum of GELU. Between patch and token the "
    "question asks for a linear map alone.",
)
class gelu_behind_the_projection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
            nn.GELU(),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The numbers in each of your tokens add up to zero: they were normalised. The encoder blocks will "
    "normalise them (lesson 06); the question asks for a linear map alone.",
)
class layer_norm_behind_the_projection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
            nn.LayerNorm(emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="An image with twice the contrast gives the same tokens: the patches are normalised before the "
    "projection. Some models do that; the question asks for a linear map alone.",
)
class layer_norm_before_the_projection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        k = patch_size * patch_size * in_channels
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.LayerNorm(k),
            nn.Linear(k, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The same image gives other tokens at each call, which is what dropout does. Dropout is applied "
    "after the positions are added; the projection itself has none.",
)
class dropout_behind_the_projection(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
            nn.Dropout(0.1),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="The same image gives other tokens at each call, and the module has no weights: the Linear is "
    "made anew in every forward pass. Layers are made once, in `__init__`.",
)
class a_new_linear_in_each_forward(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.patch_size, self.emb_size = patch_size, emb_size

    def forward(self, x):
        p = self.patch_size
        patches = rearrange(x, "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=p, p2=p)
        return nn.Linear(patches.shape[-1], self.emb_size).to(x.device)(patches)


@mistake(
    "Q2",
    hint="The tokens are right and nothing can be trained: `model.parameters()` is empty. A module does "
    "not register layers in a plain Python list; `nn.ModuleList` is made for that.",
)
class layers_in_a_plain_list(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = [
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        ]

    def forward(self, x):
        for layer in self.projection:
            x = layer.to(x.device)(x)
        return x


@mistake(
    "Q2",
    hint="The tokens are right and no gradient reaches the weights: the forward pass runs without gradients "
    "(`torch.no_grad()`, `.detach()` or `.data`), so training changes nothing.",
    claims=lambda make: not make(1, 2, 5, 4)(torch.ones(1, 1, 4, 4)).requires_grad,
)
class projected_without_gradients(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    @torch.no_grad()
    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="`forward` fills a tensor that it makes on the CPU, whatever the device of the images. On a GPU this stops: "
    "make it where the input is, with `device=x.device`.",
)
class filled_on_the_default_device(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.p, self.n = patch_size, img_size // patch_size
        self.projection = nn.Linear(patch_size * patch_size * in_channels, emb_size)

    def forward(self, x):
        tokens = torch.zeros(len(x), self.n**2, self.projection.out_features, device="cpu")
        for k in range(self.n**2):
            row, column = self.p * (k // self.n), self.p * (k % self.n)
            patch = x[:, :, row : row + self.p, column : column + self.p].flatten(1)
            tokens[:, k] = self.projection(patch).to(tokens.device)
        return tokens


@mistake(
    "Q2",
    hint="In an image of zeros all patches are the same, and your tokens differ: something is added that "
    "depends on the position. Positions follow in lesson 04.",
)
class positions_added_already(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )
        self.positions = nn.Parameter(torch.randn((img_size // patch_size) ** 2, emb_size))

    def forward(self, x):
        return self.projection(x) + self.positions


@mistake(
    "Q2",
    hint="You return one token more than there are patches. The class token follows in lesson 04.",
)
class class_token_added_already(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, x):
        x = self.projection(x)
        return torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)


@mistake(
    "Q2",
    hint="Every token depends on the whole image: one large matrix makes all tokens from all pixels. A "
    "patch embedding applies one small matrix to every patch.",
)
class one_matrix_for_the_whole_image(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        n = (img_size // patch_size) ** 2
        self.projection = nn.Sequential(
            nn.Flatten(), nn.Linear(in_channels * img_size**2, n * emb_size), nn.Unflatten(1, (n, emb_size))
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Each patch has a matrix of its own, so what is learned at one position is of no use at another. "
    "The question asks for a single Linear that is applied to all patches.",
)
class a_matrix_for_each_patch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        n, k = (img_size // patch_size) ** 2, in_channels * patch_size**2
        self.cut = Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size)
        self.weight = nn.Parameter(torch.randn(n, k, emb_size) / k**0.5)

    def forward(self, x):
        return torch.einsum("bnk,nkd->bnd", self.cut(x), self.weight)


@mistake(
    "Q2",
    hint="Your tokens depend on the mean colour of their patch alone: they stay the same when its pixels "
    "are reordered. Flatten the pixels; do not average them.",
)
class the_mean_of_each_patch(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.patch_size = patch_size
        self.linear = nn.Linear(in_channels, emb_size)

    def forward(self, x):
        means = F.avg_pool2d(x, self.patch_size)  # b c h w
        return self.linear(means.flatten(2).transpose(1, 2))


@mistake(
    "Q2",
    hint="All your tokens are the same, whatever the image: the weights are zero. Biases may start at "
    "zero; a weight matrix of zeros gives the same output for every input.",
)
class weights_all_zero(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )
        nn.init.zeros_(self.projection[1].weight)

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Each image gave a single vector, because the tokens were averaged. The transformer needs all tokens.",
)
class averaged_over_the_tokens(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x).mean(dim=1)


@mistake(
    "Q2",
    hint="PyTorch says that a module cannot be given layers before `Module.__init__()` was called. Call "
    "`super().__init__()` in the first line of your `__init__`.",
)
class super_forgotten(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2",
    hint="Your class returns None when it is called: `forward` has no `return`.",
)
class return_forgotten(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        self.projection(x)


# --- Q2b, right ------------------------------------------------------------------------------------------------------


@right("Q2b")
class positional_sizes_and_einops(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.proj = nn.Conv2d(in_channels, emb_size, patch_size, patch_size)

    def forward(self, x):
        return rearrange(self.proj(x), "b d h w -> b (h w) d")


@right("Q2b")
class inside_a_sequential_without_a_bias(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, bias=False):
        super().__init__()
        size = (patch_size, patch_size)
        self.projection = nn.Sequential(
            nn.Conv2d(in_channels, emb_size, kernel_size=size, stride=size, padding="valid", bias=bias),
            nn.Flatten(start_dim=2),
            Rearrange("b d n -> b n d"),
        )

    def forward(self, images):
        return self.projection(images)


@right("Q2b")
class functional_with_own_parameters(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.kernels = nn.Parameter(torch.randn(emb_size, in_channels, patch_size, patch_size) * 0.02)
        self.bias = nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        grid = F.conv2d(x, self.kernels, self.bias, stride=self.kernels.shape[-1])
        return grid.permute(0, 2, 3, 1).flatten(1, 2)


@right("Q2b")
class a_loop_over_places(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, emb_size, patch_size)
        self.patch_size = patch_size

    def forward(self, x):
        p = self.patch_size
        bands = x.split(p, dim=2)
        places = [self.conv(patch)[:, :, 0, 0] for band in bands for patch in band.split(p, dim=3)]
        return torch.stack(places, 1)


@right("Q2b")
class dense_convolution_then_every_pth_place(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, emb_size, patch_size)
        self.p = patch_size

    def forward(self, x):
        grid = self.conv(x)[:, :, :: self.p, :: self.p]  # b d h w
        b, d, h, w = grid.shape
        return grid.reshape(b, d, h * w).swapaxes(1, 2)


@right("Q2b")
class channels_last_in_double(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        p = patch_size
        self.conv = nn.Conv2d(in_channels, emb_size, p, p, dtype=torch.float64).to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.conv(x.double()).movedim(1, -1).flatten(1, 2).contiguous()


@right("Q2b")
class a_lazy_convolution(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.LazyConv2d(emb_size, patch_size, stride=patch_size)
        self.num_patches = (img_size // patch_size) ** 2

    def forward(self, x):
        return self.projection(x).view(len(x), -1, self.num_patches).mT


@right("Q2b")
class three_dimensional_convolution(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        size = (in_channels, patch_size, patch_size)
        self.conv = nn.Conv3d(1, emb_size, kernel_size=size, stride=size)

    def forward(self, x):
        return self.conv(x.unsqueeze(1)).flatten(2).transpose(-1, -2)


# --- Q2b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q2b",
    hint="You return far too many tokens: the window moves on by one pixel, so the patches overlap. The "
    "stride should be as large as the patch.",
)
class no_stride(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Each token depends on a single pixel, the top left one of its patch. The stride is right, and "
    "the kernel should be as large as the patch.",
)
class kernel_of_one_pixel(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=1, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The kernel is 3 x 3, as is usual in CNNs, so a token depends on a part of its patch, or on more "
    "than its patch. The kernel should be as large as the patch.",
)
class kernel_of_three(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=3, stride=patch_size, padding=1)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your patches are shifted: the first ones lie partly outside the image, over the padding. The "
    "image divides evenly, so no padding is needed.",
)
class padded(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        p = patch_size
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=p, stride=p, padding=p // 2)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint='PyTorch refuses the padding "same" together with a stride. The image divides evenly, so no '
    "padding is needed.",
)
class same_padding(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, patch_size, patch_size, padding="same")

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The last two axes are exchanged: one row per feature and one column per patch. A convolution "
    "puts its output channels into axis 1; a transformer needs them last.",
)
class no_transpose(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2)


@mistake(
    "Q2b",
    hint="The shape is right and the numbers are in the wrong rows: each token mixes many patches. A "
    "reshape (or view) never exchanges axes.",
)
class reshape_instead_of_transpose(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches, self.emb_size = (img_size // patch_size) ** 2, emb_size
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).reshape(len(x), self.num_patches, self.emb_size)


@mistake(
    "Q2b",
    hint="The patches are whole, and token 1 belongs to the patch below token 0. When you moved the "
    "features to the end, height and width were exchanged as well. Check which two axes your "
    "transpose exchanges.",
)
class width_before_height(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).transpose(1, 3).flatten(1, 2)


@mistake(
    "Q2b",
    hint="All axes behind the batch were merged into one. `flatten` takes the first axis to merge as an "
    "argument: of b, d, h, w only h and w should be merged.",
)
class flattened_too_early(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(1)


@mistake(
    "Q2b",
    hint="Your result has four axes: the patches still form a grid. Merge height and width into one axis of patches.",
)
class still_a_picture(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2b",
    hint="Your result has four axes, with the features at the end: the patches still form a grid. Merge "
    "its two axes into one.",
)
class a_grid_with_features_last(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).permute(0, 2, 3, 1)


@mistake(
    "Q2b",
    hint="Your convolution expects as many input channels as a token has numbers. The first argument of "
    "`nn.Conv2d` is the number of input channels, the second that of output channels.",
)
class in_and_out_channels_exchanged(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(emb_size, in_channels, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The kernel is as wide as the image has patches: the number of patches was taken for their size. "
    "`img_size // patch_size` is a number of patches.",
)
class number_of_patches_as_their_size(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        size = img_size // patch_size
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=size, stride=size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The kernel has 8 x 8 pixels whatever `patch_size` says: the default is written where the "
    "argument's name belongs.",
)
class eight_wide_for_ever(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=8, stride=8)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Three channels work, and one or two do not: your convolution contains a 3. Use `in_channels`.",
)
class three_channels_always(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(3, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your tokens are never negative: a ReLU follows the convolution. The question asks for a linear map alone.",
)
class relu_by_habit(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return F.relu(self.projection(x)).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="An image alone gives other tokens than the same image in a batch: there is a batch "
    "normalisation. A patch embedding treats each patch by itself.",
)
class batch_norm_by_habit(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size), nn.BatchNorm2d(emb_size)
        )

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your tokens depend on pixels beyond their patch, and not linearly: the answer is a stem of small "
    "convolutions. Lesson 10 builds one; here a single convolution is asked for.",
)
class a_cnn_stem(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            nn.Conv2d(in_channels, emb_size, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(patch_size)
        )

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your tokens depend on the mean colour of their patch alone: pooling comes first. Let the kernel "
    "cover every pixel of the patch.",
)
class pooled_first(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(nn.AvgPool2d(patch_size), nn.Conv2d(in_channels, emb_size, kernel_size=1))

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The tokens are right, and they are computed as in Q2, by cutting and a Linear. This question "
    "asks for one convolution that cuts and projects at once.",
)
class the_answer_of_q2_again(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2b",
    hint="The module has no weights, and gives other tokens at each call: its convolution is made anew in "
    "every forward pass. Layers are made once, in `__init__`.",
)
class a_new_convolution_in_each_forward(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.sizes = in_channels, emb_size, patch_size, patch_size

    def forward(self, x):
        return nn.Conv2d(*self.sizes).to(x.device)(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your class returns None when it is called: `forward` has no `return`.",
)
class nothing_returned(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        x = self.projection(x)
        x.flatten(2).transpose(1, 2)


# --- Q2c, the blank page ---------------------------------------------------------------------------------------------


@reference("Q2c")
def the_same_pixels_again(case):
    return pixels_of_each_patch(case)


also("Q2c", of="Q2")
also("Q2c", of="Q2b", mistakes=False)


# --- Q2d, the stretch question ---------------------------------------------------------------------------------------


@right("Q2d")
def eigenvectors_of_the_covariance(patches, d):
    _, directions = torch.linalg.eigh(torch.cov(patches.T))
    return directions.flip(1)[:, :d]


@right("Q2d")
def whole_svd_of_double_precision(rows, count):
    rows = rows.double()
    _, _, vh = torch.linalg.svd(rows - rows.mean(0, keepdim=True))
    return vh.mT[:, :count]


@right("Q2d")
def left_vectors_of_the_transpose(patches, d):
    columns = patches.T - patches.T.mean(1, keepdim=True)
    u, _, _ = torch.linalg.svd(columns, full_matrices=False)
    return -u[:, :d]


@right("Q2d")
def sorted_by_hand(patches, d):
    centred = patches - patches.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    return vectors[:, values.argsort(descending=True)[:d]]


@right("Q2d")
def in_numpy(patches, d):
    import numpy as np

    a = patches.cpu().numpy()
    _, _, vh = np.linalg.svd(a - a.mean(axis=0), full_matrices=False)
    return vh[:d].T


edited(
    "Q2d", "not_centred", {"patches - patches.mean(dim=0)": "patches"},
    hint="The mean is not subtracted, so your first filter points to the mean patch. Variance is measured around it.",
)  # fmt: skip
edited(
    "Q2d", "one_mean_for_all", {"patches.mean(dim=0)": "patches.mean()"},
    hint="A single number is subtracted from all patches. The mean patch has k numbers, one for each pixel.",
)  # fmt: skip
edited(
    "Q2d", "each_patch_centred", {"patches.mean(dim=0)": "patches.mean(dim=1, keepdim=True)"},
    hint="Each patch has lost its own mean. Subtract the mean over all patches, pixel by pixel.",
)  # fmt: skip
edited(
    "Q2d", "smallest_variance", {"components[:d].T": "components[-d:].T"},
    hint="Your filters are the directions of smallest variance: the rows are sorted from large to small.",
)  # fmt: skip
edited(
    "Q2d", "smallest_first", {"components[:d].T": "components[:d].flip(0).T"},
    hint="The right directions, in the wrong order: the largest variance comes first.",
)  # fmt: skip
edited(
    "Q2d", "not_transposed", {"components[:d].T": "components[:d]"},
    hint="Your filters stand in rows, (d, k). Columns were asked for: (k, d).",
)  # fmt: skip
edited(
    "Q2d", "columns_of_the_right_vectors", {"components[:d].T": "components[:, :d]"},
    hint="You take the columns of Vh. Its rows are the directions.",
)  # fmt: skip
edited(
    "Q2d",
    "left_vectors",
    {"_, _, components": "components, _, _", "components[:d].T": "components[: patches.shape[1], :d]"},
    hint="You take U. Its columns have one number for each patch; a direction has one number for each pixel.",
)
edited(
    "Q2d",
    "scaled_by_the_singular_values",
    {"_, _, components": "_, spread, components", "components[:d].T": "(components * spread[:, None])[:d].T"},
    hint="Your filters have the singular values as lengths. Each should have length 1.",
)
edited(
    "Q2d", "all_of_them", {"components[:d].T": "components.T"},
    hint="You return all directions: d of them were asked for.",
)  # fmt: skip
edited(
    "Q2d", "standardised",
    {"centred = patches - patches.mean(dim=0)": "centred = (patches - patches.mean(dim=0)) / patches.std(dim=0)"},
    hint="Each pixel is divided by its standard deviation, which changes the directions. Only the mean is subtracted.",
)  # fmt: skip


@mistake("Q2d", hint="Your covariance matrix has one row per patch. Between pixels it has the shape (k, k).")
def covariance_of_the_patches(patches, d):
    _, directions = torch.linalg.eigh(torch.cov(patches))
    return directions.flip(1)[: patches.shape[1], :d]


@mistake(
    "Q2d", hint="eigh sorts from small to large: your filters are the directions of smallest variance, smallest first."
)
def eigenvectors_not_reversed(patches, d):
    _, directions = torch.linalg.eigh(torch.cov(patches.T))
    return directions[:, :d]


@mistake("Q2d", hint="The first d patches are made orthogonal. Their directions are not those of largest variance.")
def first_patches_made_orthogonal(patches, d):
    centred = patches - patches.mean(0)
    return torch.linalg.qr(centred[:d].T)[0]


@mistake("Q2d", hint="Random orthogonal directions: the patches play no part in them.")
def random_directions(patches, d):
    return torch.linalg.qr(torch.randn(patches.shape[1], d, device=patches.device))[0]
