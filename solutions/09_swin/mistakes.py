"""Lesson 09: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch import nn

from grading.judging.bank import edited, mistake, reference, right


# What a notebook holds when later questions are reached: the answers to Q15 and Q17.
def window_partition(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b r c) p q d", p=window_size, q=window_size)


def relative_position_index(window_size):
    row, column = torch.arange(window_size**2) // window_size, torch.arange(window_size**2) % window_size
    down, across = row[:, None] - row + window_size - 1, column[:, None] - column + window_size - 1
    return down * (2 * window_size - 1) + across


# --- Q15, right ------------------------------------------------------------------------------------------------------


@right("Q15")
def view_and_permute(x, window_size):
    B, H, W, C = x.shape
    m = window_size
    x = x.view(B, H // m, m, W // m, m, C)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, m, m, C)


@right("Q15")
def loops_over_windows(x, window_size):
    B, H, W, _ = x.shape
    found = []
    for b in range(B):
        for top in range(0, H, window_size):
            for left in range(0, W, window_size):
                found.append(x[b, top : top + window_size, left : left + window_size])
    return torch.stack(found)


@right("Q15")
def unfold_twice(x, window_size):
    tiles = x.unfold(1, window_size, window_size).unfold(2, window_size, window_size)  # b r c d p q
    return tiles.permute(0, 1, 2, 4, 5, 3).flatten(0, 2)


@right("Q15")
def split_and_stack(x, window_size):
    rows = torch.stack(x.split(window_size, dim=1), 1)
    both = torch.stack(rows.split(window_size, dim=3), 2)
    return both.reshape(-1, window_size, window_size, x.shape[-1])


@right("Q15")
def functional_unfold(x, window_size):
    B, _, _, C = x.shape
    columns = F.unfold(x.permute(0, 3, 1, 2), window_size, stride=window_size)
    return rearrange(columns, "b (c p q) n -> (b n) p q c", c=C, p=window_size, b=B)


@right("Q15")
def by_index(x, window_size):
    B, H, W, C = x.shape
    m, wide = window_size, W // window_size
    k = torch.arange(B * (H // m) * wide, device=x.device)
    image, window = k // ((H // m) * wide), k % ((H // m) * wide)
    row = (window // wide)[:, None, None] * m + torch.arange(m, device=x.device)[:, None]
    column = (window % wide)[:, None, None] * m + torch.arange(m, device=x.device)
    return x[image[:, None, None], row, column]


@right("Q15")
def in_double(x, window_size):
    return rearrange(x.double(), "b (r p) (c q) d -> (b r c) p q d", p=window_size, q=window_size)


# --- Q15, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q15",
    hint="Numbers that are neighbours in memory share a window: for a 4 x 4 grid your first window holds "
    "one whole row. `view` keeps the order in memory, so it cannot cut windows alone.",
)
def viewed_straight(x, window_size):
    return x.reshape(-1, window_size, window_size, x.shape[-1])


@mistake(
    "Q15",
    hint="You split into six axes and merge them again in the order in which they stand. The axis that "
    "counts rows of windows and the axis of rows inside a window have to be separated first: exchange "
    "axes before you merge.",
)
def permute_forgotten(x, window_size):
    B, H, W, C = x.shape
    m = window_size
    x = x.view(B, H // m, m, W // m, m, C)
    return x.permute(0, 1, 2, 4, 3, 5).reshape(-1, m, m, C)


@mistake(
    "Q15",
    hint="The windows are whole and numbered column by column: the second lies *below* the first. The "
    "column of windows should change fastest.",
)
def windows_column_by_column(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b c r) p q d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="The windows are whole, and window 0 of all images comes first, then window 1 of all. The first "
    "letter in a bracket changes slowest; here that should be the image.",
)
def images_run_fastest(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (r c b) p q d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="Every window is transposed: rows and columns inside it are exchanged.",
)
def transposed_inside(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b r c) q p d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="Your windows hold every second (or third) token instead of neighbours. In a bracket such as `(r "
    "p)` the right-hand letter changes fastest; it should be the position inside the window.",
)
def strided_like_a_comb(x, window_size):
    return rearrange(x, "b (p r) (q c) d -> (b r c) p q d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="`window_size` is used as the number of windows. It is the number of tokens along the side of one window.",
)
def size_taken_for_count(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b r c) p q d", r=window_size, c=window_size)


@mistake(
    "Q15",
    hint="The windows are right, and there are two axes too many: (B, rows, columns, M, M, C). Attention "
    "treats windows like images of a batch, so merge them into the first axis.",
)
def axes_not_merged(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> b r c p q d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="Images and windows are still two axes. Merge them into one, as the signature says.",
)
def batch_kept_apart(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> b (r c) p q d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="The tokens of a window are in one axis of length M². Here a window keeps its two axes; they are "
    "merged later.",
)
def flattened_inside(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b r c) (p q) d", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="The channels were moved to the front. In this lesson they stay last: (B, H, W, C).",
)
def channels_first(x, window_size):
    return rearrange(x, "b (r p) (c q) d -> (b r c) d p q", p=window_size, q=window_size)


@mistake(
    "Q15",
    hint="You read (B, H, W, C) as (B, C, H, W), so the grid was cut along columns and channels.",
)
def read_as_channels_first(x, window_size):
    tiles = x.unfold(2, window_size, window_size).unfold(3, window_size, window_size)
    return rearrange(tiles, "b c r s p q -> (b r s) p q c")


# --- Q15b, right -----------------------------------------------------------------------------------------------------


@right("Q15b")
def views_backwards(windows, window_size, H, W):
    B = int(windows.shape[0] / (H * W / window_size / window_size))
    x = windows.view(B, H // window_size, W // window_size, window_size, window_size, -1)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(B, H, W, -1)


@right("Q15b")
def pasted_one_by_one(windows, window_size, H, W):
    m, per_image = window_size, (H // window_size) * (W // window_size)
    x = windows.new_zeros(len(windows) // per_image, H, W, windows.shape[-1])
    for k, window in enumerate(windows):
        image, place = divmod(k, per_image)
        row, column = divmod(place, W // m)
        x[image, row * m : (row + 1) * m, column * m : (column + 1) * m] = window
    return x


@right("Q15b")
def concatenated(windows, window_size, H, W):
    across = W // window_size
    strips = [torch.cat(list(windows[i : i + across]), dim=1) for i in range(0, len(windows), across)]
    down = H // window_size
    return torch.stack([torch.cat(strips[i : i + down], dim=0) for i in range(0, len(strips), down)])


@right("Q15b")
def functional_fold(windows, window_size, H, W):
    n = (H // window_size) * (W // window_size)
    columns = rearrange(windows, "(b n) p q c -> b (c p q) n", n=n)
    return F.fold(columns, (H, W), window_size, stride=window_size).permute(0, 2, 3, 1)


@right("Q15b")
def einops_without_batch(windows, window_size, H, W):
    x = rearrange(windows, "(b r c) p q d -> b r p c q d", r=H // window_size, c=W // window_size)
    return x.reshape(len(x), H, W, windows.size(-1))


@right("Q15b")
def channels_through_pixel_shuffle(windows, window_size, H, W):
    r, c = H // window_size, W // window_size
    x = rearrange(windows, "(b r c) p q d -> b (d p q) r c", r=r, c=c)
    return F.pixel_shuffle(x, window_size).permute(0, 2, 3, 1)


# --- Q15b, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q15b",
    hint="The first row of your grid is the whole first window. Before you merge axes, exchange the rows "
    "inside a window with the columns of windows, as when the grid was cut.",
)
def reshaped_straight(windows, window_size, H, W):
    return windows.reshape(-1, H, W, windows.shape[-1])


@mistake(
    "Q15b",
    hint="The windows are put down column by column; they were cut row by row.",
)
def filled_by_columns(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(b c r) p q d -> b (r p) (c q) d", r=H // m, c=W // m)


@mistake(
    "Q15b",
    hint="Each image got windows of other images: the first axis is read as if the image changed fastest.",
)
def images_mixed(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(r c b) p q d -> b (r p) (c q) d", r=H // m, c=W // m)


@mistake(
    "Q15b",
    hint="Each window is in its place and transposed: its rows became columns. In the picture compare its "
    "top right with its bottom left.",
)
def turned_over(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(b r c) q p d -> b (r p) (c q) d", r=H // m, c=W // m)


@mistake(
    "Q15b",
    hint="The tokens of a window are spread over the whole grid. In a bracket the position inside the "
    "window must change faster than the number of the window, so it stands on the right.",
)
def woven_like_a_comb(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(b r c) p q d -> b (p r) (q c) d", r=H // m, c=W // m)


@mistake(
    "Q15b",
    hint="Square grids are right. On others the number of windows in a row is computed from H; use W.",
)
def height_and_width_swapped(windows, window_size, H, W):
    m = window_size
    B = len(windows) * m * m // (H * W)
    x = windows.view(B, W // m, H // m, m, m, -1)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, -1)


@mistake(
    "Q15b",
    hint="You took the length of the first axis for the batch. It counts images *and* windows: divide it "
    "by the number of windows in one image.",
)
def batch_is_the_first_axis(windows, window_size, H, W):
    m = window_size
    B = windows.shape[0]
    return windows.view(B, H // m, W // m, m, m, -1).permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, -1)


@mistake(
    "Q15b",
    hint="Only one image comes back: the code assumes a batch of one. Compute the number of images from "
    "the number of windows.",
)
def one_image_assumed(windows, window_size, H, W):
    m = window_size
    n = (H // m) * (W // m)
    return rearrange(windows[:n], "(r c) p q d -> 1 (r p) (c q) d", r=H // m)


@mistake(
    "Q15b",
    hint="The values are in place, and the batch axis is missing, or merged with the rows. The result has "
    "four axes: (B, H, W, C).",
)
def images_in_a_tower(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(b r c) p q d -> (b r p) (c q) d", r=H // m, c=W // m)


@mistake(
    "Q15b",
    hint="Six axes came back: the windows are ordered by row and column and not merged into one grid.",
)
def not_melted_together(windows, window_size, H, W):
    m = window_size
    return rearrange(windows, "(b r c) p q d -> b r p c q d", r=H // m, c=W // m)


# --- Q16a, right -----------------------------------------------------------------------------------------------------


@right("Q16a")
def rolled_axis_by_axis(x, shift):
    return x.roll(-shift, 1).roll(-shift, 2)


@right("Q16a")
def cut_and_swapped(x, shift):
    rows, columns = shift % x.shape[1], shift % x.shape[2]
    x = torch.cat([x[:, rows:], x[:, :rows]], dim=1)
    return torch.cat([x[:, :, columns:], x[:, :, :columns]], dim=2)


@right("Q16a")
def indexed_round_the_corner(x, shift):
    rows = (torch.arange(x.shape[1], device=x.device) + shift) % x.shape[1]
    columns = (torch.arange(x.shape[2], device=x.device) + shift) % x.shape[2]
    return x[:, rows][:, :, columns]


@right("Q16a")
def padded_by_itself(x, shift):
    H, W = x.shape[1:3]
    tiled = repeat(x, "b h w c -> b (u h) (v w) c", u=2, v=2)
    top, left = shift % H, shift % W
    return tiled[:, top : top + H, left : left + W]


@right("Q16a")
def one_row_at_a_time(x, shift):
    out = torch.empty_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = x[:, (i + shift) % x.shape[1], (j + shift) % x.shape[2]]
    return out


# --- Q16a, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q16a",
    hint="Every number is in its place, but the result is computed by NumPy, so no gradient can flow back "
    "to x. In training this line raises an error. `torch.roll` does the same inside the graph.",
)
def numpy_has_it_too(x, shift):
    import numpy as np

    return torch.as_tensor(np.roll(x.cpu().numpy(), (-shift, -shift), axis=(1, 2))).to(x.device)


@mistake(
    "Q16a",
    hint="Your grid moved down and to the right: `roll` by a positive number moves entries towards larger "
    "indices. Row `shift` should become row 0.",
)
def rolled_down_and_right(x, shift):
    return torch.roll(x, (shift, shift), (1, 2))


@mistake(
    "Q16a",
    hint="Only the rows moved. Shift the columns as well.",
)
def only_rows(x, shift):
    return torch.roll(x, -shift, 1)


@mistake(
    "Q16a",
    hint="Only the columns moved. Shift the rows as well.",
)
def only_columns(x, shift):
    return torch.roll(x, -shift, 2)


@mistake(
    "Q16a",
    hint="Images and rows moved, and columns did not: axis 0 is the batch. Rows and columns are axes 1 and 2.",
)
def batch_rolled(x, shift):
    return torch.roll(x, (-shift, -shift), (0, 1))


@mistake(
    "Q16a",
    hint="Columns and channels moved, and rows did not: these are the axes of (B, C, H, W). Here the order "
    "is (B, H, W, C).",
)
def channels_rolled(x, shift):
    return torch.roll(x, (-shift, -shift), (2, 3))


@mistake(
    "Q16a",
    hint="Without `dims`, `torch.roll` flattens the tensor first, so tokens move from one row to the next. "
    "Give it the two axes.",
)
def rolled_flat(x, shift):
    return torch.roll(x, -shift)


@mistake(
    "Q16a",
    hint="What left the grid at the top is lost, and zeros came in. A cyclic shift brings it back at the other end.",
)
def zeros_come_in(x, shift):
    out = torch.zeros_like(x)
    if shift >= 0:
        out[:, : x.shape[1] - shift, : x.shape[2] - shift] = x[:, shift:, shift:]
    else:
        out[:, -shift:, -shift:] = x[:, :shift, :shift]
    return out


@mistake(
    "Q16a",
    hint="The grid got smaller: what was cut off at the top and on the left should come back at the other edge.",
)
def cut_off(x, shift):
    return x[:, shift:, shift:]


@mistake(
    "Q16a",
    hint="Rows and columns moved in opposite directions. Both shifts have the same sign.",
)
def signs_differ(x, shift):
    return torch.roll(x, (-shift, shift), (1, 2))


@mistake(
    "Q16a",
    hint="The grid moved by a fixed number. Use the argument `shift`.",
)
def always_by_one(x, shift):
    return torch.roll(x, (-1, -1), (1, 2))


@mistake(
    "Q16a",
    hint="A negative shift should undo a positive one. Yours ignores the sign.",
)
def sign_thrown_away(x, shift):
    return torch.roll(x, (-abs(shift), -abs(shift)), (1, 2))


# --- Q16, right ------------------------------------------------------------------------------------------------------


@right("Q16")
def nine_regions_as_in_the_paper(H, W, window_size, shift):
    if shift == 0:
        n = (H // window_size) * (W // window_size)
        return torch.zeros(n, window_size**2, window_size**2)
    image = torch.zeros(1, H, W, 1)
    slices = (slice(0, -window_size), slice(-window_size, -shift), slice(-shift, None))
    count = 0
    for h in slices:
        for w in slices:
            image[:, h, w] = count
            count += 1
    flat = window_partition(image, window_size).view(-1, window_size**2)
    difference = flat.unsqueeze(1) - flat.unsqueeze(2)
    return difference.masked_fill(difference != 0, -100.0).masked_fill(difference == 0, 0.0)


@right("Q16")
def minus_infinity(H, W, window_size, shift):
    down, across = torch.arange(H) >= H - shift, torch.arange(W) >= W - shift
    region = 2 * down[:, None] + across
    tiles = rearrange(region, "(r p) (c q) -> (r c) (p q)", p=window_size, q=window_size)
    other = tiles[:, :, None] != tiles[:, None]
    return torch.zeros(other.shape).masked_fill(other, float("-inf"))


@right("Q16")
def two_one_dimensional_masks(H, W, window_size, shift):
    def along(length):
        wrapped = (torch.arange(length) >= length - shift).view(-1, window_size)
        return wrapped[:, :, None] == wrapped[:, None, :]  # windows, m, m

    same = along(H)[:, None, :, None, :, None] & along(W)[None, :, None, :, None, :]
    return torch.where(same.flatten(0, 1).flatten(1, 2).flatten(2), 0.0, -1e9)


@right("Q16")
def rolled_coordinates(H, W, window_size, shift):
    rows = torch.arange(H).roll(-shift)[:, None].expand(H, W)
    columns = torch.arange(W).roll(-shift)[None].expand(H, W)
    jump_down = rows < torch.arange(H)[:, None]
    jump_across = columns < torch.arange(W)[None]
    both = torch.stack([jump_down, jump_across], -1)[None].float()
    tokens = window_partition(both, window_size).flatten(1, 2)
    apart = (tokens[:, :, None] - tokens[:, None]).abs().sum(-1)
    return -1e4 * (apart > 0)


@right("Q16")
def pair_by_pair(H, W, window_size, shift):
    m = window_size
    mask = torch.zeros((H // m) * (W // m), m * m, m * m)
    for k in range(len(mask)):
        top, left = divmod(k, W // m)
        places = [(top * m + i, left * m + j) for i in range(m) for j in range(m)]
        side = [(y >= H - shift, x >= W - shift) for y, x in places]
        for a in range(m * m):
            for b in range(m * m):
                if side[a] != side[b]:
                    mask[k, a, b] = -100
    return mask


@right("Q16")
def with_numpy(H, W, window_size, shift):
    import numpy as np

    region = 2 * (np.arange(H)[:, None] >= H - shift) + (np.arange(W)[None] >= W - shift)
    m = window_size
    tiles = region.reshape(H // m, m, W // m, m).transpose(0, 2, 1, 3).reshape(-1, m * m)
    return np.where(tiles[:, :, None] == tiles[:, None], 0, -10000)


# --- Q16, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q16",
    hint="Your mask blocks pairs in the windows at the top and on the left. After a shift up and to the "
    "left, the rows and columns that wrapped around are at the bottom and on the right.",
)
def regions_at_the_wrong_edge(H, W, window_size, shift):
    region = 2 * (torch.arange(H) < shift)[:, None] + (torch.arange(W) < shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Your mask is boolean. Added to a score, True counts as +1, which favours a pair rather than "
    "blocking it. The mask is added: 0 for allowed pairs, and a large negative number for blocked "
    "ones.",
)
def bools_returned(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return tiles[:, :, None] != tiles[:, None]


@mistake(
    "Q16",
    hint="Your mask holds 1 for allowed pairs and 0 for blocked ones, as for a product. This mask is "
    "*added* to the scores before the softmax.",
)
def ones_and_zeros(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return (tiles[:, :, None] == tiles[:, None]).float()


@mistake(
    "Q16",
    hint="Your mask is inverted: it blocks pairs of the same region and allows the others.",
)
def inside_out(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] == tiles[:, None])


@mistake(
    "Q16",
    hint="The right pairs are marked, with the wrong sign: +100 before a softmax gives a pair all the weight.",
)
def plus_a_hundred(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return 100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="A score that is lowered by 1 keeps about a third of its weight, and the weight should vanish. "
    "Use a much larger number.",
)
def minus_one_is_not_much(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -1.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="You return the difference of the labels itself. Any difference should become the same large negative number.",
)
def difference_of_labels(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1).float()
    return tiles[:, :, None] - tiles[:, None]


@mistake(
    "Q16",
    hint="Only tokens that wrapped around the lower edge are told apart. The grid also wraps from right to left.",
)
def rows_alone(H, W, window_size, shift):
    region = (torch.arange(H) >= H - shift)[:, None].expand(H, W)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Only tokens that wrapped around the right edge are told apart. The grid also wraps from bottom to top.",
)
def columns_alone(H, W, window_size, shift):
    region = (torch.arange(W) >= W - shift)[None].expand(H, W)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="All is right but the corner, where four regions meet and two of yours have the same label: 0 + 1 "
    "and 1 + 0 are the same number.",
)
def labels_that_collide(H, W, window_size, shift):
    region = (torch.arange(H) >= H - shift)[:, None].int() + (torch.arange(W) >= W - shift).int()
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Your mask separates tokens of different *unshifted* windows. The shift is made so that these "
    "attend to each other; only tokens that wrapped around an edge of the image are separated.",
)
def old_windows_kept_apart(H, W, window_size, shift):
    m = window_size
    number = (torch.arange(H) // m)[:, None] * (W // m) + torch.arange(W) // m
    rolled = number.roll((-shift, -shift), (0, 1))
    tiles = window_partition(rolled[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Your border lies one row and one column too early. As many rows wrapped around as `shift` says.",
)
def one_row_too_many(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift - 1)[:, None] + (torch.arange(W) >= W - shift - 1)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Your border lies one row and one column too late: `>` leaves out row H - shift and column W - shift, which "
    "wrapped around as well. Use `>=`.",
)
def border_one_too_late(H, W, window_size, shift):
    region = 2 * (torch.arange(H) > H - shift)[:, None] + (torch.arange(W) > W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="The border of your rows lies one too late: row H - shift wrapped around as well. The columns are right.",
)
def border_of_the_rows_one_too_late(H, W, window_size, shift):
    region = 2 * (torch.arange(H) > H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="The border of your columns lies one too late: column W - shift wrapped around as well. The rows are right.",
)
def border_of_the_columns_one_too_late(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) > W - shift)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="Your shift is always half a window. Use the argument `shift`.",
)
def always_half_a_window(H, W, window_size, shift):
    s = window_size // 2
    region = 2 * (torch.arange(H) >= H - s)[:, None] + (torch.arange(W) >= W - s)
    tiles = window_partition(region[None, :, :, None], window_size).flatten(1)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="The labels are right, and `view` cuts them into strips of rows. Use `window_partition`.",
)
def labels_viewed_straight(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    tiles = region.reshape(-1, window_size**2)
    return -100.0 * (tiles[:, :, None] != tiles[:, None])


@mistake(
    "Q16",
    hint="You compare all tokens of the grid with each other, (H·W, H·W). Attention is computed within "
    "windows, so cut the labels into windows first.",
)
def compared_before_cutting(H, W, window_size, shift):
    region = 2 * (torch.arange(H) >= H - shift)[:, None] + (torch.arange(W) >= W - shift)
    flat = region.flatten()
    return -100.0 * (flat[:, None] != flat)


@mistake(
    "Q16",
    hint="Your mask blocks nothing. A window that wrapped around an edge holds tokens from two ends of the "
    "image, which should not attend to each other.",
)
def nothing_blocked(H, W, window_size, shift):
    return torch.zeros((H // window_size) * (W // window_size), window_size**2, window_size**2)


# --- Q17, right ------------------------------------------------------------------------------------------------------


@right("Q17")
def meshgrid_as_in_the_paper(window_size):
    coords = torch.stack(torch.meshgrid(torch.arange(window_size), torch.arange(window_size), indexing="ij"))
    flat = coords.flatten(1)
    relative = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0).contiguous()
    relative += window_size - 1
    relative[:, :, 0] *= 2 * window_size - 1
    return relative.sum(-1)


@right("Q17")
def the_other_way_round(window_size):
    m = window_size
    place = torch.arange(m * m)
    down, across = place // m - (place // m)[:, None] + m - 1, place % m - (place % m)[:, None] + m - 1
    return across * (2 * m - 1) + down


@right("Q17")
def dictionary_of_steps(window_size):
    places = [(y, x) for y in range(window_size) for x in range(window_size)]
    known = {}
    rows = []
    for y, x in places:
        rows.append([known.setdefault((y - v, x - u), len(known)) for v, u in places])
    return torch.tensor(rows)


@right("Q17")
def numpy_and_unique(window_size):
    import numpy as np

    y, x = np.divmod(np.arange(window_size**2), window_size)
    steps = np.stack([y[:, None] - y, x[:, None] - x], -1)
    _, index = np.unique(steps.reshape(-1, 2), axis=0, return_inverse=True)
    return torch.as_tensor(index.reshape(window_size**2, window_size**2))


@right("Q17")
def counted_from_the_last(window_size):
    m = window_size
    y, x = torch.arange(m).repeat_interleave(m), torch.arange(m).repeat(m)
    return (2 * m - 1) ** 2 - 1 - ((y[:, None] - y + m - 1) * (2 * m - 1) + x[:, None] - x + m - 1)


@right("Q17")
def wrapped_like_negative_numbers(window_size):
    m, side = window_size, 2 * window_size - 1
    y, x = torch.arange(m).repeat_interleave(m), torch.arange(m).repeat(m)
    return ((y[:, None] - y) % side * side + (x[:, None] - x) % side).int()


@right("Q17")
def padded_convolution_grid(window_size):
    m, side = window_size, 2 * window_size - 1
    grid = torch.arange(side * side).view(side, side)
    rows = [grid[m - 1 - i : side - i, m - 1 - j : side - j].flatten() for i in range(m) for j in range(m)]
    return torch.stack(rows)


# --- Q17, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q17",
    hint="You add the two offsets, so one down and none to the right has the same number as none down and "
    "one to the right. Multiply the offset of the rows by 2M - 1.",
)
def steps_added_up(window_size):
    y, x = torch.arange(window_size**2) // window_size, torch.arange(window_size**2) % window_size
    return (y[:, None] - y + window_size - 1) + (x[:, None] - x + window_size - 1)


@mistake(
    "Q17",
    hint="All offsets are told apart, with gaps: the offset of the rows is multiplied by 2M, so the last "
    "numbers lie behind the table's end. From -(M - 1) to M - 1 there are 2M - 1 numbers.",
)
def rows_too_far_apart(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return (y[:, None] - y + m - 1) * (2 * m) + (x[:, None] - x + m - 1)


@mistake(
    "Q17",
    hint="All offsets are told apart, and some numbers are negative: Python would read the table from its "
    "end. Add M - 1 to both offsets first.",
)
def negative_numbers_left(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return (y[:, None] - y) * (2 * m - 1) + (x[:, None] - x)


@mistake(
    "Q17",
    hint="Left and right have the same number, and so have up and down: you took absolute values. An "
    "offset has a direction.",
)
def distances_instead(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return (y[:, None] - y).abs() * (2 * m - 1) + (x[:, None] - x).abs()


@mistake(
    "Q17",
    hint="You subtract the numbers of the tokens (or multiply by M, which is the same): one down and one "
    "to the left has the number of M - 1 to the right. An offset across takes 2M - 1 values, so "
    "multiply by that.",
)
def flat_numbers_subtracted(window_size):
    n = window_size**2
    return torch.arange(n)[:, None] - torch.arange(n) + n - 1


@mistake(
    "Q17",
    hint="Every pair has a number of its own, so no two pairs share a bias. Pairs with the same offset "
    "should have the same number.",
)
def every_pair_for_itself(window_size):
    n = window_size**2
    return torch.arange(n * n).view(n, n)


@mistake(
    "Q17",
    hint="Your number depends on the key's position alone, so the bias would be absolute. It should depend "
    "on the offset between query and key.",
)
def absolute_position(window_size):
    n = window_size**2
    return torch.arange(n).expand(n, n)


@mistake(
    "Q17",
    hint="The offsets of rows and columns came back side by side, on a third axis. Make one number of the two.",
)
def two_numbers_each(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return torch.stack([y[:, None] - y + m - 1, x[:, None] - x + m - 1], -1)


@mistake(
    "Q17",
    hint="The numbers are right, in one axis of length M⁴. Here they keep two axes: query and key.",
)
def one_long_row(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return ((y[:, None] - y + m - 1) * (2 * m - 1) + (x[:, None] - x + m - 1)).flatten()


@mistake(
    "Q17",
    hint="Your number contains the offset of the rows alone. Add the offset of the columns.",
)
def only_steps_down(window_size):
    m = window_size
    y = torch.arange(m * m) // m
    return (y[:, None] - y + m - 1) * (2 * m - 1) + torch.zeros(m * m, dtype=torch.long)


@mistake(
    "Q17",
    hint="All offsets are told apart, and the largest number lies behind the table's last row: add M - 1, not M.",
)
def starts_at_m(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return (y[:, None] - y + m) * (2 * m - 1) + (x[:, None] - x + m)


@mistake(
    "Q17",
    hint="The numbers are right, and they are floating point numbers, which cannot index a table.",
)
def decimals(window_size):
    m = window_size
    y, x = torch.arange(m * m) // m, torch.arange(m * m) % m
    return ((y[:, None] - y + m - 1) * (2 * m - 1) + (x[:, None] - x + m - 1)).float()


@mistake(
    "Q17",
    hint="Your M² tokens are numbered with 2M - 1 per row, and a row of the window has M. The factor 2M - "
    "1 belongs to the offsets.",
)
def rows_of_the_table_taken_for_the_window(window_size):
    m, side = window_size, 2 * window_size - 1
    y, x = torch.arange(m * m) // side, torch.arange(m * m) % side
    return (y[:, None] - y + m - 1) * side + (x[:, None] - x + m - 1)


# --- Q17b, right -----------------------------------------------------------------------------------------------------


@right("Q17b")
class as_the_paper_writes_it(nn.Module):
    def __init__(self, dim, num_heads, window_size, qkv_bias=True):
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window_size))
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        B_, N, C = x.shape
        qkv = self.qkv(x).reshape(B_, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * self.scale, qkv[1], qkv[2]
        attn = q @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(N, N, -1)
        attn = attn + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            nW = mask.shape[0]
            attn = attn.view(B_ // nW, nW, self.num_heads, N, N) + mask.unsqueeze(1).unsqueeze(0)
            attn = attn.view(-1, self.num_heads, N, N)
        return self.proj((attn.softmax(-1) @ v).transpose(1, 2).reshape(B_, N, C))


@right("Q17b")
class fused_attention(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.h = num_heads
        self.relative_position_bias_table = nn.Parameter(torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.keys, self.queries, self.values = (nn.Linear(dim, dim) for _ in range(3))
        self.projection = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "w n (h d) -> w h n d", h=self.h) for f in (self.queries, self.keys, self.values))
        bias = self.relative_position_bias_table[self.index].movedim(-1, 0)[None]
        if mask is not None:
            bias = bias + mask.repeat(len(x) // len(mask), 1, 1)[:, None]
        bias = bias.to(q).expand(len(x), -1, -1, -1)
        return self.projection(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))


@right("Q17b")
class einsum_with_heads_last(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.h, self.index = num_heads, relative_position_index(window_size)
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        self.out = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.to_qkv(x), "w n (d h t) -> t w n h d", t=3, h=self.h)
        energy = torch.einsum("wihd,wjhd->wijh", q, k) / q.shape[-1] ** 0.5
        energy = energy + self.relative_position_bias_table[self.index.to(x.device)]
        if mask is not None:
            energy = energy + torch.cat([mask] * (len(x) // len(mask)))[..., None]
        mixed = torch.einsum("wijh,wjhd->wihd", energy.softmax(2), v)
        return self.out(mixed.reshape(x.shape))


@right("Q17b")
class multihead_attention_from_torch(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.relative_position_bias_table = nn.Parameter(0.1 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size))

    def forward(self, x, mask=None):
        bias = self.relative_position_bias_table[self.index].permute(2, 0, 1)  # h n m
        bias = bias.expand(len(x), *bias.shape)
        if mask is not None:
            bias = bias + mask.repeat(len(x) // len(mask), 1, 1).unsqueeze(1)
        return self.attention(x, x, x, attn_mask=bias.flatten(0, 1), need_weights=False)[0]


@right("Q17b")
class window_by_window(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.heads = num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.table = nn.Parameter(torch.zeros(num_heads, (2 * window_size - 1) ** 2))
        self.index = relative_position_index(window_size)

    def forward(self, x, mask=None):
        done = []
        for number, tokens in enumerate(x):
            heads = []
            for h, (q, k, v) in enumerate(
                zip(*(part.chunk(self.heads, -1) for part in self.qkv(tokens).chunk(3, -1)), strict=True)
            ):
                energy = q @ k.T / math.sqrt(q.shape[-1]) + self.table[h][self.index.to(x.device)]
                if mask is not None:
                    energy = energy + mask[number % len(mask)]
                heads.append(F.softmax(energy, -1) @ v)
            done.append(self.proj(torch.cat(heads, -1)))
        return torch.stack(done)


@right("Q17b")
class table_as_a_small_image(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        side = 2 * window_size - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(side, side, num_heads))
        place = torch.arange(window_size**2)
        self.y, self.x = place // window_size, place % window_size
        self.m, self.heads = window_size, num_heads
        self.mix = nn.Conv1d(dim, 3 * dim, 1)
        self.end = nn.Conv1d(dim, dim, 1)

    def forward(self, x, mask=None):
        q, k, v = self.mix(x.mT).reshape(len(x), 3, self.heads, -1, x.shape[1]).unbind(1)  # w h d n
        down, across = self.y[:, None] - self.y + self.m - 1, self.x[:, None] - self.x + self.m - 1
        energy = q.mT @ k * q.shape[2] ** -0.5 + self.relative_position_bias_table[down, across].permute(2, 0, 1)
        if mask is not None:
            energy = energy.unflatten(0, (-1, len(mask))) + mask[:, None]
            energy = energy.flatten(0, 1)
        return self.end((v @ energy.softmax(-1).mT).flatten(1, 2)).mT


# --- Q17b, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q17b",
    hint="No entry of the table changes the output: the bias is not added to the scores.",
)
class positions_forgotten(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The bias is right, and the scores are too small: you divide by the root of the whole width. "
    "Within one head an entry of QKᵀ is a sum over the width of that head.",
)
class scaled_by_the_whole_width(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(x.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The bias is right, and the scores are too large: the formula divides QKᵀ by the root of the head's width.",
)
class scale_left_out(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The bias is added to the *weights*, so a row no longer adds up to 1. In softmax(QKᵀ/√d + B) it "
    "stands inside the softmax.",
)
class bias_after_the_softmax(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange((energy.softmax(-1) + bias) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="Your bias is too small: it is divided by √d together with QKᵀ. In the formula it stands behind the fraction.",
)
class bias_scaled_too(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias / math.sqrt(q.shape[-1])
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="A larger entry of the table lowers the weight of its pair in your answer: the bias is "
    "subtracted. The formula adds it.",
)
class bias_taken_away(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy - bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="You multiply the scores by the bias. The formula adds it.",
)
class bias_multiplied(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy * bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The table gives (M², M², heads), and `view` reads this as (heads, M², M²) without moving "
    "anything, so the numbers of all heads are mixed. Exchange the axes.",
)
class viewed_instead_of_permuted(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = self.relative_position_bias_table[self.index].reshape(self.num_heads, *self.index.shape)
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The answer is right when all columns of the table are equal: all your heads read the first "
    "column. Each head has its own.",
)
class first_column_for_all(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias[:1]
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="All your heads read the mean of the columns. Each head has its own column.",
)
class heads_share_a_mean(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias.mean(0)
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The entries of the table are used in reading order: `relative_position_index` does not enter. It "
    "says which row of the table belongs to which pair.",
)
class table_read_in_order(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        n = x.shape[1]
        rows = torch.arange(n * n) % len(self.relative_position_bias_table)
        bias = rearrange(self.relative_position_bias_table[rows], "(n m) h -> h n m", n=n)
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="Without a mask the output is right, and with one it stays the same: `mask` is not added to the scores.",
)
class mask_forgotten(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="You add the mask to the weights: a blocked pair gets a weight of about -100 instead of 0. Add it "
    "to the scores, before the softmax.",
)
class mask_after_the_softmax(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        weights = energy.softmax(-1)
        if mask is not None:
            weights = weights + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(weights @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="One image works, and two do not: you repeat mask 0 for the first windows, then mask 1, and so "
    "on. The windows come image by image: masks 0, 1, 2, then 0, 1, 2 again.",
)
class each_mask_several_times(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (k b) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="All windows use the mask of the first window. There is one mask for each.",
)
class first_mask_for_all(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + mask[0]
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="Every window uses the sum of all masks. There is one mask for each.",
)
class masks_added_up(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + mask.sum(0)
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="You multiply the scores by the mask: where it is 0 the score is lost, and where it is -100 its "
    "sign is reversed. Add it.",
)
class mask_multiplied(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy * repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="You subtract the mask from the scores, so the blocked pairs get all the weight. Add it.",
)
class mask_taken_away(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy - repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The weights add up to 1 over the queries: the softmax runs along the wrong axis. For each query "
    "the weights of the keys should add up to 1.",
)
class softmax_over_queries(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-2) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The scores are used as weights as they are. The softmax is missing.",
)
class softmax_forgotten(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The scores are products of queries with queries, so the keys get no gradient. Use queries and keys.",
)
class queries_for_keys(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ q.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The weights average the keys, so the values get no gradient. Use the values.",
)
class keys_for_values(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ k, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The outputs are right, and the table gets no gradient: it is detached somewhere.",
)
class table_without_learning(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table.detach()[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="The check finds no parameter with (2M - 1)² rows and a column for each head: a plain tensor is "
    "not registered in the module, and no optimiser gets it.",
)
class table_is_no_parameter(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = torch.zeros((2 * window_size - 1) ** 2, num_heads)
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="Your layer adds x to its result. The block around it does that; here attention alone is asked for.",
)
class residual_inside(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "w n (t h d) -> t w h n d", t=3, h=self.num_heads)
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return x + self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


@mistake(
    "Q17b",
    hint="`view` reads (tokens, heads, d) as (heads, tokens, d), so a head holds pieces of several tokens. "
    "Exchange those two axes.",
)
class heads_cut_by_view(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * window_size - 1) ** 2, num_heads))
        self.register_buffer("index", relative_position_index(window_size), persistent=False)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = (part.reshape(len(x), self.num_heads, x.shape[1], -1) for part in self.qkv(x).chunk(3, -1))
        energy = q @ k.mT / math.sqrt(q.shape[-1])
        bias = rearrange(self.relative_position_bias_table[self.index], "n m h -> h n m")
        energy = energy + bias
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))
        return self.proj(rearrange(energy.softmax(-1) @ v, "w h n d -> w n (h d)"))


# --- Q18, right ------------------------------------------------------------------------------------------------------


@reference("Q18")
def normed_neighbours(case):
    x = torch.as_tensor(case["x"])
    x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
    raw = rearrange(x, "b (h p) (w q) c -> b h w (p q c)", p=2, q=2)
    return {"blocks": F.layer_norm(raw, raw.shape[-1:]), "raw": raw}


@right("Q18")
class slices_as_in_the_paper(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x):
        H, W = x.shape[1:3]
        if H % 2 or W % 2:
            x = F.pad(x, (0, 0, 0, W % 2, 0, H % 2))
        x0, x1, x2, x3 = x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]
        return self.reduction(self.norm(torch.cat([x0, x1, x2, x3], -1)))


@right("Q18")
class unshuffled_pixels(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.map = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x.permute(0, 3, 1, 2), (0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return self.map(self.norm(F.pixel_unshuffle(x, 2).permute(0, 2, 3, 1)))


@right("Q18")
class unfolded(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False))

    def forward(self, x):
        B, H, W, _ = x.shape
        columns = (
            F.unfold(x.permute(0, 3, 1, 2), 2, stride=2, padding=0)
            if not (H % 2 or W % 2)
            else F.unfold(F.pad(x.permute(0, 3, 1, 2), (0, W % 2, 0, H % 2)), 2, stride=2)
        )
        return self.layers(columns.mT).reshape(B, (H + 1) // 2, (W + 1) // 2, -1)


@right("Q18")
class zeros_glued_on(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim, eps=1e-6)
        self.weight = nn.Parameter(torch.randn(4 * dim, 2 * dim) / dim**0.5)

    def forward(self, x):
        if x.shape[1] % 2:
            x = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
        if x.shape[2] % 2:
            x = torch.cat([x, torch.zeros_like(x[:, :, :1])], 2)
        return self.norm(rearrange(x, "b (h p) (w q) c -> b h w (q c p)", p=2, q=2)) @ self.weight


@right("Q18")
class four_maps_added(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.maps = nn.ModuleList([nn.Linear(dim, 2 * dim, bias=False) for _ in range(4)])

    def forward(self, x):
        B, H, W, C = x.shape
        full = x.new_zeros(B, H + H % 2, W + W % 2, C)
        full[:, :H, :W] = x
        normed = self.norm(torch.cat([full[:, i::2, j::2] for i in (1, 0) for j in (1, 0)], -1)).chunk(4, -1)
        return sum(f(part) for f, part in zip(self.maps, normed, strict=True))


@right("Q18")
class torchvisions_own(nn.Module):
    def __init__(self, dim):
        super().__init__()
        from helpers.torchvision_ops import load_torchvision

        load_torchvision()
        from torchvision.models.swin_transformer import PatchMerging as Theirs

        self.inner = Theirs(dim)

    def forward(self, x):
        return self.inner(x)


# --- Q18, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q18",
    hint="One of the four neighbours is used twice and one never: two of your slices are the same. Compare "
    "the row and the column of all four.",
)
class one_neighbour_twice(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 1::2, 0::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="You cut the grid into four quarters and join those, so the four tokens are no neighbours. `0::2` "
    "takes every second one from 0 on.",
)
class halves_instead_of_neighbours(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([q for half in x.chunk(2, 1) for q in half.chunk(2, 2)], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="Your tokens are a linear map of the neighbours plus a constant: `nn.Linear` has a bias unless "
    "`bias=False` is given.",
)
class bias_slipped_in(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="The norm is missing: your tokens are a linear map of the neighbours. It stands between joining and mapping.",
)
class norm_left_out(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(x)


@mistake(
    "Q18",
    hint="Your norm comes last, over 2C numbers, as in Swin V2. Here it stands before the linear map, over 4C numbers.",
)
class norm_behind_the_map(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(2 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.norm(self.reduction(x))


@mistake(
    "Q18",
    hint="You normalise each token over its own C numbers before joining. Here the norm runs over all 4C numbers.",
)
class each_token_normed_alone(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = self.norm(x)
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(x)


@mistake(
    "Q18",
    hint="You average the four neighbours, which loses their arrangement. Join them to 4C numbers.",
)
class neighbours_averaged(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = reduce(x, "b (h p) (w q) c -> b h w c", "mean", p=2, q=2)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="You take the largest of the four neighbours, as max-pooling does. Join them to 4C numbers.",
)
class largest_neighbour_wins(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = reduce(x, "b (h p) (w q) c -> b h w c", "max", p=2, q=2)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="You take one of four neighbours and drop three. Join all four to 4C numbers.",
)
class only_one_of_four(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = x[:, ::2, ::2]
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="Your map has 4C outputs, so the width would grow fourfold at every stage. It should have 2C.",
)
class width_stays_four(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 4 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="Your map has C outputs. It should have 2C: half the rows, half the columns, twice the width.",
)
class width_back_to_one(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="The tokens are right, in one axis: (B, H/2 · W/2, 2C). Here the grid keeps its two axes.",
)
class tokens_in_a_line(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x)).flatten(1, 2)


@mistake(
    "Q18",
    hint="With an odd number of rows or columns the last one is lost. Pad it with zeros.",
)
class odd_row_dropped(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="The zeros were added at the top and on the left, so all blocks moved by one. `F.pad` takes "
    "(before, after) from the last axis on; add them behind.",
)
class zeros_on_top(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, x.shape[2] % 2, 0, x.shape[1] % 2, 0))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="An odd edge is filled with a copy of the last row or column. The question asks for zeros.",
)
class edge_repeated(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = torch.cat([x, x[:, -1:]], 1) if x.shape[1] % 2 else x
        x = torch.cat([x, x[:, :, -1:]], 2) if x.shape[2] % 2 else x
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="Even grids are right. With an odd number of rows the slices have different lengths and cannot be "
    "joined. Pad the grid with zeros first.",
)
class padding_forgotten(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="A row and a column of zeros are added every time, also where the size is even.",
)
class always_padded(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, 1, 0, 1))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="`reshape` joins numbers that are neighbours in memory: four tokens of one row, instead of a block of 2 x 2.",
)
class view_without_moving(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = x.reshape(len(x), x.shape[1] // 2, x.shape[2] // 2, -1)
        return self.reduction(self.norm(x))


@mistake(
    "Q18",
    hint="There is an activation such as ReLU or GELU: your tokens are no linear map of the normalised "
    "neighbours. This layer has none.",
)
class a_bend_too_many(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return F.gelu(self.reduction(self.norm(x)))


@mistake(
    "Q18",
    hint="The numbers are right, and your norm has no weight and bias, so pretrained ones could not be loaded.",
)
class norm_that_never_learns(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.reduction = (
            nn.LayerNorm(4 * dim, elementwise_affine=False),
            nn.Linear(4 * dim, 2 * dim, bias=False),
        )

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x))


# --- Q17c, the Swin block --------------------------------------------------------------------------------------------

OPEN_FORWARD = "x = x + self.attend(self.norm1(x))"
LAST_FORWARD = "return x + self.mlp(self.norm2(x))"
PAD = "F.pad(x, (0, 0, 0, -W % M, 0, -H % M))"
SHIFT_RULE = "shift = self.shift if min(Hp, Wp) > M else 0"
BACK = "return cyclic_shift(x, -shift)[:, :H, :W]"
CUT = "window_partition(cyclic_shift(x, shift), M)"

edited("Q17c", "norms_of_other_names", {"self.norm1": "self.ln_1", "self.norm2": "self.ln_2"})
edited("Q17c", "padded_by_a_list", {PAD: "F.pad(x, [0, 0, 0, (M - W % M) % M, 0, (M - H % M) % M])"})
edited("Q17c", "two_variables", {OPEN_FORWARD: "y = self.attend(self.norm1(x))\n        x = y + x"})
edited(
    "Q17c", "zeros_concatenated",
    {
        f"x = {PAD}": "x = torch.cat([x, x.new_zeros(len(x), -H % M, W, x.shape[-1])], 1)\n"
        "        x = torch.cat([x, x.new_zeros(*x.shape[:2], -W % M, x.shape[-1])], 2)"
    },
)  # fmt: skip
edited(
    "Q17c", "shift_only_if_needed",
    {
        CUT: "window_partition(cyclic_shift(x, shift) if shift else x, M)",
        BACK: "x = cyclic_shift(x, -shift) if shift else x\n        return x[:, :H, :W].contiguous()",
    },
)  # fmt: skip
edited(
    "Q17c", "reshape_for_flatten",
    {
        ".flatten(1, 2)": ".reshape(-1, M * M, x.shape[-1])",
        "windows.unflatten(1, (M, M))": "windows.view(-1, M, M, x.shape[-1])",
    },
)  # fmt: skip
for name, changes, hint in (
    (
        "norms_after_the_additions",
        {OPEN_FORWARD: "x = self.norm1(x + self.attend(x))", LAST_FORWARD: "return self.norm2(x + self.mlp(x))"},
        "Your norms come after the addition (post-norm). In the two equations each branch normalises its own input.",
    ),
    (
        "no_norm_before_attention",
        {OPEN_FORWARD: "x = x + self.attend(x)"},
        "The windows receive tokens that are not normalised: the first LayerNorm is missing or not used.",
    ),
    (
        "no_norm_before_mlp",
        {LAST_FORWARD: "return x + self.mlp(x)"},
        "The feed-forward network receives tokens that are not normalised: the second LayerNorm is not used.",
    ),
    (
        "no_first_residual",
        {OPEN_FORWARD: "x = self.attend(self.norm1(x))"},
        "The first residual connection is missing: the output of attention replaces the tokens.",
    ),
    (
        "no_second_residual",
        {LAST_FORWARD: "return self.mlp(self.norm2(x))"},
        "The second residual connection is missing: the output of the feed-forward network replaces the tokens.",
    ),
    (
        "mlp_of_the_block_input",
        {
            OPEN_FORWARD: "first = x\n        x = x + self.attend(self.norm1(x))",
            LAST_FORWARD: "return x + self.mlp(self.norm2(first))",
        },
        "The feed-forward branch reads the input of the block. It should read the tokens after attention.",
    ),
    (
        "residual_of_the_normed",
        {OPEN_FORWARD: "x = self.norm1(x)\n        x = x + self.attend(x)"},
        "Your first residual connection adds to the normalised tokens. The residual stream itself is never normalised.",
    ),
    (
        "one_norm_twice",
        {"self.norm2(x)": "self.norm1(x)"},
        "Both branches use the same LayerNorm, so they share its weights.",
    ),
    (
        "never_shifted_back",
        {BACK: "return x[:, :H, :W]"},
        "The grid is not shifted back, so the residual adds tokens of different places.",
    ),
    (
        "shifted_back_the_wrong_way",
        {BACK: "return cyclic_shift(x, shift)[:, :H, :W]"},
        "The second shift goes in the same direction as the first. Undo it.",
    ),
    (
        "mask_not_passed",
        {"self.attn(windows, mask)": "self.attn(windows)"},
        "The grid is shifted and attention gets no mask, so opposite edges attend to each other.",
    ),
    (
        "never_shifted",
        {SHIFT_RULE: "shift = 0"},
        "Your block never shifts the grid, whatever `shift` says.",
    ),
    (
        "always_shifted",
        {SHIFT_RULE: "shift = self.shift"},
        "A grid that is a single window is shifted too. Its mask then separates tokens that belong together.",
    ),
    (
        "mask_of_the_unpadded_grid",
        {"shifted_window_mask(Hp, Wp, M, shift)": "shifted_window_mask(H - H % M or M, W - W % M or M, M, shift)"},
        "Your mask is made for the grid without the padding, so it has too few windows or the wrong borders.",
    ),
    (
        "padded_at_the_top",
        {PAD: "F.pad(x, (0, 0, -W % M, 0, -H % M, 0))"},
        "The zeros stand on the left and above; they belong on the right and below.",
    ),
    (
        "cut_before_the_way_back",
        {BACK: "return cyclic_shift(x[:, :H, :W], -shift)"},
        "You cut off the padding before shifting back. At that moment the zeros are not at the edge.",
    ),
    (
        "always_one_window_of_zeros",
        {PAD: "F.pad(x, (0, 0, 0, M - W % M, 0, M - H % M))"},
        "A size that divides gets a whole window of zeros as well. How many zeros does such a size need?",
    ),
    (
        "padded_before_the_norm",
        {
            OPEN_FORWARD: "(H, W), M = x.shape[1:3], self.window_size\n"
            "        wide = F.pad(x, (0, 0, 0, -W % M, 0, -H % M))\n"
            "        x = x + self.attend(self.norm1(wide))[:, :H, :W]"
        },
        "Your zeros are added before the first norm, which turns them into its bias. Add them after it.",
    ),
    (
        "detached_branch",
        {OPEN_FORWARD: "x = x + self.attend(self.norm1(x)).detach()"},
        "The numbers are right, and no gradient flows through the attention branch: look for detach or no_grad.",
    ),
):
    edited("Q17c", name, changes, hint=hint)


# --- Q18b, the blank page --------------------------------------------------------------------------------------------


@reference("Q18b")
def every_order_of_offsets(case):
    """Output and input gradient for each numbering of offsets and each order of fused queries, keys and values."""
    from helpers.questions.swin_block import block_weights

    d, h, m, shift = case["dim"], case["num_heads"], case["window_size"], case["shift"]
    w = {name: torch.from_numpy(array).double() for name, array in block_weights(case["seed"], d).items()}
    biases = torch.from_numpy(case["biases"]).double()
    row, column = torch.arange(m * m) // m, torch.arange(m * m) % m
    down, across = row[:, None] - row + m - 1, column[:, None] - column + m - 1
    wide = 2 * m - 1
    numberings = [down * wide + across, across * wide + down]
    numberings += [index.T for index in numberings]
    stacked = torch.cat([torch.cat([w[k], w[b][:, None]], 1) for k, b in (("q", "bq"), ("k", "bk"), ("v", "bv"))])
    orders = [stacked.reshape(3, d, d + 1), rearrange(stacked, "(h three e) i -> three (h e) i", h=h, three=3)]
    _, H, W, _ = case["x"].shape
    edge = [torch.arange(size) >= size - shift for size in (H, W)]
    regions = (2 * edge[0][:, None] + edge[1])[None, :, :, None]
    parts = window_partition(regions, m).flatten(1)
    blocked = parts[:, :, None] != parts[:, None]
    outs, slopes = [], []
    for index in numberings:
        for order in orders:
            x = torch.from_numpy(case["x"]).double().requires_grad_()
            y = F.layer_norm(x, (d,), w["norm1"], w["bnorm1"]).roll((-shift, -shift), (1, 2))
            y = window_partition(y, m).flatten(1, 2)
            q, k, v = (rearrange(F.linear(y, o[:, :d], o[:, d]), "w n (h e) -> w h n e", h=h) for o in order)
            scores = q @ k.mT / math.sqrt(d // h) + biases[index].permute(2, 0, 1)
            hidden = blocked.repeat(len(scores) // len(blocked), 1, 1)[:, None]
            y = scores.masked_fill(hidden, -100.0 if shift else 0.0) if shift else scores
            y = rearrange(y.softmax(-1) @ v, "w h n e -> w n (h e)")
            y = F.linear(y, w["o"], w["bo"]).unflatten(1, (m, m))
            y = rearrange(y, "(b r c) p q d -> b (r p) (c q) d", r=H // m, c=W // m).roll((shift, shift), (1, 2))
            z = x + y
            hidden_layer = F.gelu(F.linear(F.layer_norm(z, (d,), w["norm2"], w["bnorm2"]), w["w1"], w["b1"]))
            out = z + F.linear(hidden_layer, w["w2"], w["b2"])
            outs.append(out.detach())
            slopes.append(torch.autograd.grad((out * torch.from_numpy(case["aim"]).double()).sum(), x)[0])
    return {"ways": torch.stack(outs).float().numpy(), "slopes": torch.stack(slopes).float().numpy()}


QKV = 'rearrange(self.qkv(x), "b w n (three h e) -> three b w h n e", three=3, h=self.heads)'
FORWARD_1, FORWARD_2 = (
    "x = x + self.mixed(self.before(x))",
    "return x + self.narrow(F.gelu(self.wide(self.between(x))))",
)
ROLL = "x = x.roll((-self.offset, -self.offset), (1, 2))"
ROLL_BACK = "return x.roll((self.offset, self.offset), (1, 2))"
BLOCKED = "scores = scores.masked_fill((parts[:, :, None] != parts[:, None])[:, None], -torch.inf)"
BIAS = " + self.biases[self.pairs].movedim(-1, 0)"
INDEX = "steps[..., 0] * (2 * window_size - 1) + steps[..., 1]"

edited("Q18b", "columns_first", {INDEX: "steps[..., 1] * (2 * window_size - 1) + steps[..., 0]"})
edited("Q18b", "from_query_to_key", {"at[:, None] - at": "at - at[:, None]"})
edited("Q18b", "heads_outside", {QKV: QKV.replace("(three h e)", "(h three e)")})
edited(
    "Q18b", "mask_of_minus_a_thousand",
    {BLOCKED: "scores = scores - 1000.0 * (parts[:, :, None] != parts[:, None])[:, None]"},
)  # fmt: skip
edited(
    "Q18b", "three_layers",
    {
        "self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)":
        "self.queries, self.keys = nn.Linear(dim, dim), nn.Linear(dim, dim)\n"
        "        self.values, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)",
        f"q, k, v = {QKV}":
        'q, k, v = (rearrange(f(x), "b w n (h e) -> b w h n e", h=self.heads) '
        "for f in (self.queries, self.keys, self.values))",
    },
)  # fmt: skip
edited(
    "Q18b", "table_with_heads_first",
    {
        "torch.zeros((2 * window_size - 1) ** 2, num_heads)": "torch.zeros(num_heads, (2 * window_size - 1) ** 2)",
        BIAS: " + self.biases[:, self.pairs]",
    },
)  # fmt: skip
for name, changes, hint in (
    (
        "memory_post_norm",
        {
            FORWARD_1: "x = self.before(x + self.mixed(x))",
            FORWARD_2: "return self.between(x + self.narrow(F.gelu(self.wide(x))))",
        },
        "Your norms stand after the additions. In this block each branch begins with its norm.",
    ),
    (
        "memory_no_scale",
        {" * q.shape[-1] ** -0.5": ""},
        "Your scores are not divided by the root of the width of a head.",
    ),
    (
        "memory_scaled_by_the_whole_width",
        {" * q.shape[-1] ** -0.5": " * x.shape[-1] ** -0.5"},
        "Your scores are divided by the root of the whole width. A score sums over the width of one head.",
    ),
    (
        "memory_no_bias",
        {BIAS: ""},
        "The table of relative position biases is not added to the scores.",
    ),
    (
        "memory_offsets_collide",
        {INDEX: "steps[..., 0] + steps[..., 1]"},
        "Different offsets share a bias: one row down and one column right get the same number.",
    ),
    (
        "memory_one_bias_for_all_heads",
        {BIAS: " + self.biases[self.pairs][..., :1].movedim(-1, 0)"},
        "All heads use the biases of the first. Each head has a column of its own.",
    ),
    (
        "memory_no_mask",
        {BLOCKED: "pass"},
        "After the shift, tokens from opposite edges attend to each other: the mask is missing.",
    ),
    (
        "memory_mask_of_the_first_rows",
        {">= size - self.offset": "< self.offset"},
        "Your mask separates the first rows and columns. After the shift, which rows came from the other edge?",
    ),
    (
        "memory_not_shifted_back",
        {ROLL_BACK: "return x"},
        "The tokens do not come back to their places before they are added to the residual stream.",
    ),
    (
        "memory_never_shifted",
        {ROLL: "pass", ROLL_BACK: "return x", BLOCKED: "pass"},
        "Your block ignores `shift`.",
    ),
    (
        "memory_shifted_down",
        {
            ROLL: "x = x.roll((self.offset, self.offset), (1, 2))",
            ROLL_BACK: "return x.roll((-self.offset, -self.offset), (1, 2))",
        },
        "Your grid is rolled down and to the right. Row `shift` should become the first row.",
    ),
    (
        "memory_strips_for_windows",
        {
            'rearrange(x, "b (r p) (c q) d -> b (r c) (p q) d", **cut)': "x.reshape(len(x), -1, self.side**2, "
            "x.shape[-1])",
            'rearrange(x, "b (r c) (p q) d -> b (r p) (c q) d", r=H // self.side, **cut)': "x.reshape(len(x), H, W, "
            "-1)",
        },
        "Your windows are strips of consecutive tokens. A window of M x M needs a permutation of axes.",
    ),
    (
        "memory_softmax_over_queries",
        {"scores.softmax(-1)": "scores.clamp(min=-1e4).softmax(-2)"},
        "Your weights add up to 1 over the queries. The softmax runs over the keys.",
    ),
    (
        "memory_relu",
        {"F.gelu": "F.relu"},
        "The attention half agrees; the activation of the feed-forward network is ReLU, and GELU was asked for.",
    ),
    (
        "memory_no_residual",
        {FORWARD_1: "x = self.mixed(self.before(x))"},
        "The output of attention replaces the tokens: the first residual connection is missing.",
    ),
):
    edited("Q18b", name, changes, hint=hint)


# --- Q18c, stretch ---------------------------------------------------------------------------------------------------

COSINE = "F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT"
FACTOR = "logit_scale.clamp(max=math.log(100)).exp()"
NEAR = "delta.sign() * torch.log2(1 + 8 * delta.abs() / (M - 1)) / 3"
BIAS_V2 = "16 * torch.sigmoid(bias_network(near)).permute(2, 0, 1)"

edited("Q18c", "by_lengths", {COSINE: "q @ k.mT / (q.norm(dim=-1)[..., None] * k.norm(dim=-1)[..., None, :])"})
edited("Q18c", "minimum_after_exp", {FACTOR: "logit_scale.exp().clamp(max=100.0)"})
edited("Q18c", "library_cosine", {COSINE: "F.cosine_similarity(q[..., :, None, :], k[..., None, :, :], dim=-1)"})
edited("Q18c", "natural_logarithm", {NEAR: "delta.sign() * torch.log1p(8 * delta.abs() / (M - 1)) / math.log(8)"})
edited(
    "Q18c", "as_einsum",
    {
        COSINE: 'torch.einsum("whnd, whmd -> whnm", F.normalize(q, dim=-1), F.normalize(k, dim=-1))',
        BIAS_V2: 'rearrange(16 * bias_network(near).sigmoid(), "n m h -> h n m")',
    },
)  # fmt: skip
edited("Q18c", "flat_offsets", {"bias_network(near)": "bias_network(near.reshape(-1, 2)).reshape(M * M, M * M, -1)"})
for name, changes, hint in (
    ("dot_products", {COSINE: "q @ k.mT"}, "Your scores grow with the length of q and k: they are dot products."),
    (
        "scaled_dot_products",
        {COSINE: "q @ k.mT / math.sqrt(q.shape[-1])"},
        "These are the scaled dot products of the first version. Cosines need the lengths of the vectors.",
    ),
    (
        "only_queries_normalised",
        {COSINE: "F.normalize(q, dim=-1) @ k.mT"},
        "Queries have length 1 and keys keep theirs. A cosine divides by both lengths.",
    ),
    (
        "cosines_scaled_by_width",
        {COSINE: "F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT / math.sqrt(q.shape[-1])"},
        "Your cosines are divided by the root of the width as well. They lie between -1 and 1 without it.",
    ),
    (
        "normalised_over_tokens",
        {COSINE: "F.normalize(q, dim=-2) @ F.normalize(k, dim=-2).mT"},
        "You normalise along the tokens. The length of a token is taken over its width, the last axis.",
    ),
    ("scale_without_exp", {FACTOR: "logit_scale.clamp(max=100)"}, "logit_scale is the logarithm of the factor."),
    ("no_limit", {FACTOR: "logit_scale.exp()"}, "Your factor can become larger than 100."),
    (
        "limit_of_the_logarithm",
        {FACTOR: "logit_scale.clamp(max=1.0).exp()"},
        "Your limit acts far too early: a factor of 100 belongs to a logarithm of about 4.6.",
    ),
    (
        "divided_by_the_factor",
        {"scores = scores * logit": "scores = scores / logit"},
        "You divide by the factor. In this formula a larger factor makes the weights more peaked.",
    ),
    ("bias_not_added", {"(scores + bias)": "scores"}, "The bias is computed or not, but the scores are used alone."),
    (
        "bias_without_sigmoid",
        {BIAS_V2: "16 * bias_network(near).permute(2, 0, 1)"},
        "The network's output is multiplied by 16 without the sigmoid.",
    ),
    (
        "bias_without_sixteen",
        {BIAS_V2: "torch.sigmoid(bias_network(near)).permute(2, 0, 1)"},
        "Your bias lies between 0 and 1. The formula makes it 16 times as large.",
    ),
    (
        "linear_offsets",
        {NEAR: "8 * delta / (M - 1)"},
        "Your offsets are scaled, but not compressed by the logarithm.",
    ),
    (
        "offsets_without_scale",
        {NEAR: "delta.sign() * torch.log2(1 + delta.abs()) / 3"},
        "The logarithm is there; the offset inside it is not scaled by 8 / (M - 1).",
    ),
    (
        "offsets_without_sign",
        {NEAR: "torch.log2(1 + 8 * delta.abs() / (M - 1)) / 3"},
        "Left and right, above and below give the same offset: the sign is lost.",
    ),
    (
        "offsets_from_query_to_key",
        {"place[:, None] - place": "place - place[:, None]"},
        "Your offsets point from the query to the key. Exchange what is subtracted.",
    ),
    (
        "columns_before_rows",
        {"bias_network(near)": "bias_network(near.flip(-1))"},
        "Your offsets list columns first. The network expects (rows, columns).",
    ),
    (
        "factor_detached",
        {FACTOR: "logit_scale.detach().clamp(max=math.log(100)).exp()"},
        "The numbers are right, and logit_scale gets no gradient: it is detached or turned into a plain number.",
    ),
):
    edited("Q18c", name, changes, hint=hint)
