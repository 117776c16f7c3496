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
    hint="Every token looks at a comb: single pixels, spread evenly over the whole image. In a bracket the right-hand "
    "letter runs fastest. Which should run faster along an image's row: the patches, or the pixels inside one?",
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
    hint="Your patches are whole, but you read the page downwards: token 1 looks at the patch below token 0. In the "
    "bracket that makes the tokens, which letter should run fastest?",
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
    hint="Where it runs at all, your tokens are places inside a patch, each holding that place of every patch. On the "
    "right of the arrow the patches should be counted by the second axis; what have you put there?",
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
    hint="Grey images work, colour images stop at the Linear: it expects a third of the numbers that arrive. What "
    "does a pixel bring along besides its place?",
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
    hint="It works only for patches of a single pixel. A patch has a height and a width; your Linear has heard of one "
    "of them.",
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
    hint="It works only when the image is one single patch. Your Linear is prepared for all the pixels of an image; "
    "how many arrive at it at a time?",
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
    hint="In no case does the length of what reaches your Linear agree with what it expects. Its first argument is "
    "that of the input, its second that of the output; and the input is one flattened patch.",
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
    hint="Three channels are fine, one or two are not: somewhere in your Linear stands a 3 that has a name.",
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
    hint="Perfect with the default sizes, and with no others: your Linear counts by a number you worked out by hand. "
    "Let Python do the sum, from the arguments.",
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
    hint="However large a patch should be, yours is 8 pixels wide: the default is written where the argument's name "
    "belongs.",
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
    hint="A patch size was given to the letters that count patches. It fits only where an image happens to be as many "
    "patches wide as a patch is pixels wide. Which letters measure the inside of a patch?",
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
    hint="einops can't guess a size: a bracket with two unknown letters could be split in many ways. Which letters do "
    "you know the size of? Tell it, after the pattern.",
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
    hint="A letter gets lost on the way through the arrow. Nothing may vanish in a rearrangement: every letter of the "
    "left side needs its place on the right.",
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
    hint="Letters appear on the right that were never there on the left. Height and width arrive whole; where do you "
    "split them?",
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
    hint="One letter, twice in one pattern: einops takes the same letter for the same axis. A patch has two sides; "
    "even if they are equally long they need two names.",
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
    hint="One axis too many: your tokens still lie in a grid of rows and columns. A sequence is a line; what do the "
    "brackets on the right do?",
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
    hint="The images of the batch have melted into one long list of tokens. Whose is token 20? Keep the batch an axis "
    "of its own.",
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
    hint="Three times as many tokens as patches: red, green and blue of one place have become tokens of their own. "
    "One patch, one token: where does the channel belong?",
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
    hint="The right shape, scrambled: each of your tokens looks at strips of pixel rows, for a reshape alone reads "
    "memory in order. Somewhere axes must change places (lesson 01 has the picture).",
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
    hint="`unfold` gave you its patches in the last axis, and a reshape does not swap axes: it only cuts the same row "
    "of numbers elsewhere. Which call really exchanges two axes?",
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
    hint="Your tokens are never negative: something after the projection cuts them off. The embedding is a matrix and "
    "a bias; the bends come later, inside the blocks.",
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
    hint="No number in your tokens falls below -0.17: that is the floor of one well-known activation. Good instinct, "
    "wrong place; what does the question ask for between patch and token?",
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
    hint="The numbers in each of your tokens add up to zero: they were normalised on the way out. The blocks will do "
    "that when they need it (lesson 06); here a plain projection is asked for.",
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
    hint="An image with twice the contrast gives the very same tokens: the patches are normalised before your matrix "
    "sees them. Some models do that; a projection alone can't, and a projection alone is asked for.",
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
    hint="The same image gives other tokens each time it is asked: something throws dice. Dropout has its place after "
    "the positions are added; the projection itself should be the same every time.",
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
    hint="The same image gives other tokens each time, and the module owns no weights at all: your Linear is born "
    "anew in every forward pass. What is learned must be made once. Where?",
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
    hint="The tokens are right and nothing will ever be learned: `model.parameters()` is empty. A module does not "
    "look into a plain Python list; there is a container that it knows.",
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
    hint="In an empty image all patches are the same, your tokens are not: each place adds something of its own. Well "
    "thought ahead, but positions are the next lesson's.",
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
    hint="One token more than there are patches. You are a lesson ahead: the class token joins in lesson 04.",
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
    hint="Every token sees the whole image: one enormous matrix makes all tokens from all pixels at once. A patch "
    "embedding is small, and is used again for every patch.",
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
    hint="Each patch has a matrix of its own. Then a cat would have to be learned anew at every place. How many "
    "Linears does the question speak of?",
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
    hint="Your tokens know only the mean colour of their patch: shuffle its pixels, and nothing changes. The pixels "
    "should be laid side by side, not averaged.",
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
    hint="All your tokens are alike, whatever the image: the weights start at zero. Biases may; a matrix of zeros "
    "looks at nothing.",
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
    hint="Each image came out as a single vector: the tokens were averaged. The transformer wants them one by one; it "
    "will do its own summing up.",
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
    hint="PyTorch says that a module can't be given layers before `Module.__init__()` was called. The first line of "
    "your own `__init__` should see to that.",
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
    hint="Your class is built without complaint, and hands back None when it is called. A forward pass ends with a "
    "word that says: this is the result.",
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
    hint="Far too many tokens: your window moves on by one pixel, so the patches overlap. How far should it step to "
    "land beside the last one?",
)
class no_stride(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Each token sees a single pixel, the top left one of its patch, and steps over all the others. The steps are "
    "right; how large is the window?",
)
class kernel_of_one_pixel(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=1, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Small 3 x 3 windows, a habit from CNNs: each token sees a corner of its patch, or more than its patch, "
    "never just all of it. Whose size should the kernel have?",
)
class kernel_of_three(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=3, stride=patch_size, padding=1)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your patches are shifted: the first ones hang half out of the image, over padding. The image divides "
    "evenly; does it need a border?",
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
    hint='PyTorch refuses: "same" padding and a stride contradict each other, for a stride makes the picture smaller '
    "on purpose. What would the padding be for?",
)
class same_padding(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, patch_size, patch_size, padding="same")

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="The last two axes stand in the wrong order: one row per feature, one column per patch. A convolution puts "
    "its output channels first; a transformer wants them last.",
)
class no_transpose(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2)


@mistake(
    "Q2b",
    hint="The shape is right and the numbers sit in the wrong rows: your tokens see many patches each. A reshape (or "
    "view) gives axes new lengths, it never lets two axes change places.",
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
    hint="Patches whole, order wrong: token 1 looks at the patch below token 0. By moving the features to the end you "
    "also exchanged height and width. Look at how many axes your transpose touches, and when.",
)
class width_before_height(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).transpose(1, 3).flatten(1, 2)


@mistake(
    "Q2b",
    hint="Everything behind the batch became one long vector. `flatten` begins where you tell it to: which of the "
    "axes b, d, h, w should melt into one?",
)
class flattened_too_early(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(1)


@mistake(
    "Q2b",
    hint="Four axes came back: what you return is still a picture, of few pixels and many channels. How does a "
    "picture become a line?",
)
class still_a_picture(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x)


@mistake(
    "Q2b",
    hint="Four axes came back, the features nicely at the end, the patches still in a grid. One step is missing, and "
    "you know its name.",
)
class a_grid_with_features_last(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).permute(0, 2, 3, 1)


@mistake(
    "Q2b",
    hint="The convolution waits for an image with as many channels as a token has numbers. Channels in first, "
    "channels out second: which of the two does the image bring?",
)
class in_and_out_channels_exchanged(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(emb_size, in_channels, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your kernel is as wide as the image is long in patches: the number of patches was taken for their size. "
    "img_size // patch_size counts; what measures?",
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
    hint="However large a patch should be, your kernel is 8 pixels wide: the default is written where the argument's "
    "name belongs.",
)
class eight_wide_for_ever(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=8, stride=8)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Colour is fine, one or two channels are not: a 3 stands in your convolution where a name belongs.",
)
class three_channels_always(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(3, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your tokens are never negative. After a convolution the hand writes a ReLU by itself; this convolution is "
    "only a matrix in disguise, and nothing follows it.",
)
class relu_by_habit(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return F.relu(self.projection(x)).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="An image alone gives other tokens than the same image in a batch: a batch norm has slipped in. The patch "
    "embedding looks at one patch at a time.",
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
    hint="A stem of small convolutions and pooling: your tokens look over the border of their patch, and bend what "
    "they see. A fine idea (lesson 10 builds it). Here one single convolution is asked for.",
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
    hint="Your tokens know only the mean colour of their patch: pooling came first, and the pattern inside was gone. "
    "Let the kernel itself see every pixel.",
)
class pooled_first(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = nn.Sequential(nn.AvgPool2d(patch_size), nn.Conv2d(in_channels, emb_size, kernel_size=1))

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Right tokens, by the road of Q2: a cut and a Linear. This question asks for the other road, where one layer "
    "cuts and projects at once.",
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
    hint="The module owns no weights, and gives other tokens every time: its convolution is born anew in each forward "
    "pass. Where are layers made, so that they stay?",
)
class a_new_convolution_in_each_forward(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.sizes = in_channels, emb_size, patch_size, patch_size

    def forward(self, x):
        return nn.Conv2d(*self.sizes).to(x.device)(x).flatten(2).transpose(1, 2)


@mistake(
    "Q2b",
    hint="Your class is built without complaint, and hands back None when it is called. A forward pass ends with a "
    "word that says: this is the result.",
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
