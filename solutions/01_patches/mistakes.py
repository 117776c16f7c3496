"""Lesson 01: what students really write, right in unusual ways and wrong in usual ones."""

import torch
import torch.nn.functional as F
from einops import rearrange

from grading.judging.bank import edited, mistake, right


def _numbered(split):
    """What an answer to Q0a makes of the 4 x 4 image whose pixels are numbered, in patches of 2."""
    return split(torch.arange(16.0).reshape(1, 1, 4, 4), 2)


# --- Q0a, right ------------------------------------------------------------------------------------------------------


@right("Q0a")
def two_loops(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    h, w = images.shape[-2:]
    if h % ph or w % pw:
        raise ValueError("does not divide")
    patches = []
    for y in range(0, h, ph):
        for x in range(0, w, pw):
            patches.append(images[:, :, y : y + ph, x : x + pw])
    return torch.stack(patches, dim=1)


@right("Q0a")
def with_einops(x, p, pattern="b c (rows ph) (columns pw) -> b (rows columns) c ph pw"):
    ph, pw = (p, p) if isinstance(p, int) else p
    if x.shape[2] % ph != 0 or x.shape[3] % pw != 0:
        raise ValueError(f"{tuple(x.shape)} into {ph} x {pw}")
    return rearrange(x, pattern, ph=ph, pw=pw)


@right("Q0a")
def tensor_unfold_twice(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    if images.size(2) % ph or images.size(3) % pw:
        raise ValueError("does not divide")
    windows = images.unfold(2, ph, ph).unfold(3, pw, pw)  # b c rows columns ph pw
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


@right("Q0a")
def functional_unfold_in_float64(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError("does not divide")
    columns = F.unfold(images.double(), (ph, pw), stride=(ph, pw))  # b, c*ph*pw, n
    return columns.transpose(1, 2).reshape(b, -1, c, ph, pw)


@right("Q0a")
def convolution_with_a_one_in_each_kernel(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError("does not divide")
    kernels = torch.eye(c * ph * pw, device=images.device).reshape(-1, c, ph, pw)
    picked = F.conv2d(images, kernels, stride=(ph, pw))  # b, c*ph*pw, rows, columns
    return picked.flatten(2).transpose(1, 2).unflatten(2, (c, ph, pw))


@right("Q0a")
def numpy_swapaxes(images, patch_size):
    import numpy as np

    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    array = np.asarray(images.detach().cpu())
    b, c, h, w = array.shape
    if (h % ph, w % pw) != (0, 0):
        raise ValueError("does not divide")
    array = array.reshape(b, c, h // ph, ph, w // pw, pw).swapaxes(3, 4)  # b c rows columns ph pw
    return np.moveaxis(array, 1, 3).reshape(b, -1, c, ph, pw)


@right("Q0a")
def chunks_of_chunks(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    rows, height_left = divmod(images.shape[2], ph)
    columns, width_left = divmod(images.shape[3], pw)
    if height_left + width_left > 0:
        raise ValueError("does not divide")
    bands = images.chunk(rows, dim=2)
    return torch.stack([patch for band in bands for patch in band.chunk(columns, dim=3)], 1)


@right("Q0a")
def a_list_of_lists_built_image_by_image(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h // ph * ph != h or w // pw * pw != w:
        raise ValueError("does not divide")
    columns = w // pw
    n = h // ph * columns
    return [[image[:, k // columns * ph :, k % columns * pw :][:, :ph, :pw] for k in range(n)] for image in images]


@right("Q0a")
def gathered_by_index(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError("does not divide")
    y = torch.arange(h).view(-1, 1, ph, 1)  # rows 1 ph 1
    x = torch.arange(w).view(1, -1, 1, pw)  # 1 columns 1 pw
    return images[:, :, y, x].flatten(2, 3).movedim(1, 2)


# --- Q0a, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q0a",
    hint="Your patch 0 of the numbered image reads 0, 1, 2, 3: four neighbours in one row, not a square. A "
    "reshape keeps the order of the numbers in memory, so some axes must be exchanged before the last "
    "reshape.",
)
def one_reshape_and_no_permute(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    return images.reshape(b, (h // ph) * (w // pw), c, ph, pw)


@mistake(
    "Q0a",
    hint="Every patch is whole, and your patch 1 lies below patch 0: the patches are numbered column by "
    "column. Along the patch axis the column should change fastest.",
)
def patches_column_by_column(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 4, 2, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="The patches are right and in the right order, but each is transposed: patch 0 reads 0, 4 in its "
    "first row where the image reads 0, 1. Look at the last two numbers of your permute.",
)
def pixels_transposed_inside(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 5, 3).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="The 4 x 4 image is right, where there are as many patches as a patch has pixels, and all others "
    "are wrong. When a side is split into two axes, the number of patches comes first and the size of "
    "a patch second.",
)
def count_and_size_swapped_in_the_reshape(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, ph, rows, pw, columns)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your patch 0 holds 0, 2, 8, 10: every second pixel of the whole image. After the reshape, check "
    "which axis counts patches and which counts the pixels within one.",
)
def every_other_pixel(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, ph, rows, pw, columns)
    return cut.permute(0, 3, 5, 1, 2, 4).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="`unfold` cuts the patches rightly, and the permute after it mixes them: your patch 0 is as wide "
    "as the image. Print the shape just before the permute and name its six axes; their order is not "
    "the one that your permute assumes.",
)
def the_permute_of_another_route(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    windows = images.unfold(2, ph, ph).unfold(3, pw, pw)
    return windows.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your reshape names the sizes in the order rows, columns, ph, pw. A reshape reads the pixels in the order of "
    "memory, one image row after the other, so this cuts each image row into strips: patch 1 of the numbered image "
    "starts with 4. Which size follows `rows` when one image column is cut into patches?",
    claims=lambda split: _numbered(split)[0, 1].flatten()[0] == 4,
)
def rows_and_columns_before_the_pixels(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, columns, ph, pw)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your permute puts the pixel row of a patch right behind the batch. Patch 0 of the numbered image "
    "holds 0, 1, 8, 9, and the last two belong to another patch. Write the name of each axis under "
    "your permute: the two that count patches belong right behind the batch.",
    claims=lambda split: _numbered(split)[0, 0].flatten().tolist() == [0, 1, 8, 9],
)
def pixel_row_in_front(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Every patch is whole, and the rows of patches are in reverse order: patch 0 of the numbered "
    "image starts with 8, the first pixel of the lower half. Patch 0 should be the one at the top "
    "left.",
    claims=lambda split: _numbered(split)[0, 0].flatten()[0] == 8,
)
def rows_from_the_bottom(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw).flip(2)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="One channel is right. With three channels each patch holds pixels of a single colour from three "
    "places, because the channel axis was not moved. Before the last reshape it should stand behind "
    "the two axes that count patches.",
)
def channels_left_in_front(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 1, 2, 4, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your patches have the axes (ph, pw, c), as matplotlib expects them. The question asks for (c, "
    "ph, pw), PyTorch's order. Change the position of the channel in your permute.",
)
def channels_behind_the_pixels(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, rows * columns, ph, pw, c)


@mistake(
    "Q0a",
    hint="Each of your patches is already one vector. Here a patch still has the axes (c, ph, pw); "
    "flattening follows in lesson 03.",
)
def flattened_to_vectors(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c * ph * pw)


@mistake(
    "Q0a",
    hint="Your result still has one axis for the rows and one for the columns of the grid. A transformer "
    "needs a sequence: merge the two into one axis.",
)
def grid_left_as_two_axes(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    return images.reshape(b, c, h // ph, ph, w // pw, pw).permute(0, 2, 4, 1, 3, 5)


@mistake(
    "Q0a",
    hint="Your result is (n, b, …), so `result[0]` is patch 0 of every image. `torch.stack` puts its new "
    "axis in front unless `dim` says otherwise.",
)
def stacked_in_front(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    h, w = images.shape[2:]
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    patches = []
    for y in range(0, h, ph):
        for x in range(0, w, pw):
            patches.append(images[:, :, y : y + ph, x : x + pw])
    return torch.stack(patches)


@mistake(
    "Q0a",
    hint="Images and patches share one axis: `torch.cat` joins along an existing axis, and yours is the "
    "batch. `torch.stack` makes a new axis.",
)
def concatenated_along_the_batch(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    h, w = images.shape[2:]
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    patches = []
    for y in range(0, h, ph):
        for x in range(0, w, pw):
            patches.append(images[:, :, y : y + ph, x : x + pw])
    return torch.cat(patches)


@mistake(
    "Q0a",
    hint="Only the first image was returned. Your code indexes the batch axis; keep it, also when the "
    "batch holds a single image.",
)
def first_image_only(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    image = images[0]
    c, h, w = image.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    return image.reshape(c, h // ph, ph, w // pw, pw).permute(1, 3, 0, 2, 4).reshape(-1, c, ph, pw)


@mistake(
    "Q0a",
    hint="`F.unfold` returns (b, pixels of a patch, patches), with the patches in the last axis, and your "
    "code reads them from the second. Exchange the two axes before you reshape.",
)
def unfold_read_the_wrong_way_round(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    return F.unfold(images, (ph, pw), stride=(ph, pw)).reshape(b, -1, c, ph, pw)


@mistake(
    "Q0a",
    hint="You return more patches than fit side by side: each begins one pixel after the one before, so "
    "they overlap. The step should be as large as the patch.",
)
def overlapping_windows(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    windows = images.unfold(2, ph, 1).unfold(3, pw, 1)
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(b, -1, c, ph, pw)


@mistake(
    "Q0a",
    hint="Square images work, and others fail at the reshape: the number of patches along one side is used "
    "for both. Compute one number for the rows and one for the columns.",
)
def as_many_columns_as_rows(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows = columns = h // ph
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="A patch size such as (2, 3) stops your code: it was given a pair where it expects one number. "
    "The question allows both; turn a single number into a pair first.",
)
def one_number_only(images, patch_size):
    p = patch_size
    b, c, h, w = images.shape
    if h % p or w % p:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {p} x {p}")
    rows, columns = h // p, w // p
    cut = images.reshape(b, c, rows, p, columns, p)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, p, p)


@mistake(
    "Q0a",
    hint="Your code reads the pair (ph, pw) as (width, height). PyTorch names the height first, as in b, "
    "c, h, w. Look at the line that unpacks the pair.",
)
def width_before_height(images, patch_size):
    pw, ph = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    if h % ph or w % pw:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="An image that does not divide stops with an error about shapes. The question asks for a "
    "ValueError that names the sizes: test them before you cut, and raise it yourself.",
)
def left_to_reshape_to_complain(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="The last rows and columns of an image that does not divide are in no patch, and nothing says so: "
    "`unfold` drops them without an error. Raise the ValueError yourself.",
)
def remainder_dropped(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    windows = images.unfold(2, ph, ph).unfold(3, pw, pw)
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(b, -1, c, ph, pw)


@mistake(
    "Q0a",
    hint="A height that does not divide is refused, and a width that does not is accepted. Test both sides.",
)
def only_the_height_is_checked(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    divides = h % ph == 0
    if not divides:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your code refuses an image only when both sides fail to divide. One side that does not divide is "
    "enough: check `and` and `or` in your condition.",
)
def one_good_side_is_enough(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    divides = h % ph == 0 or w % pw == 0
    if not divides:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="You compare areas. An image of 6 x 8 pixels has three times the area of a 4 x 4 patch, and three "
    "such patches cannot be cut from it. Each side must divide by itself.",
)
def areas_divide(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    divides = (h * w) % (ph * pw) == 0
    if not divides:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


@mistake(
    "Q0a",
    hint="Your function refuses exactly those images that it should accept. A remainder of 0 means that "
    "the side divides, and 0 counts as False in a condition.",
)
def condition_upside_down(images, patch_size):
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    divides = h % ph or w % pw
    if not divides:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    cut = images.reshape(b, c, rows, ph, columns, pw)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, rows * columns, c, ph, pw)


# --- Q0b, right ------------------------------------------------------------------------------------------------------


@right("Q0b")
def written_into_an_empty_canvas(patches, height, width):
    b, n, c, ph, pw = patches.shape
    canvas = torch.empty(b, c, height, width, device=patches.device)
    for k in range(n):
        row, column = divmod(k, width // pw)
        canvas[:, :, row * ph : (row + 1) * ph, column * pw : (column + 1) * pw] = patches[:, k]
    return canvas


@right("Q0b")
def joined_with_einops(patches, height, width):
    rows = height // patches.shape[-2]
    return rearrange(patches, "b (rows columns) c ph pw -> b c (rows ph) (columns pw)", rows=rows)


@right("Q0b")
def bands_glued_together(tokens, h, w):
    columns = w // tokens.shape[-1]
    bands = [torch.cat(list(band.unbind(1)), dim=-1) for band in tokens.split(columns, dim=1)]
    return torch.cat(bands, dim=-2)


@right("Q0b")
def functional_fold_in_float64(patches, height, width):
    ph, pw = patches.shape[-2:]
    columns = patches.double().flatten(2).transpose(1, 2)  # b, c*ph*pw, n
    return F.fold(columns, (height, width), (ph, pw), stride=(ph, pw))


@right("Q0b")
def transposed_convolution(patches, height, width, bias=None):
    b, n, c, ph, pw = patches.shape
    kernels = torch.eye(c * ph * pw, device=patches.device).reshape(-1, c, ph, pw)
    grid = patches.flatten(2).transpose(1, 2).reshape(b, c * ph * pw, height // ph, width // pw)
    return F.conv_transpose2d(grid, kernels, bias, stride=(ph, pw))


@right("Q0b")
def numpy_block(patches, height, width):
    import numpy as np

    array = patches.detach().cpu().numpy()
    columns = width // array.shape[-1]
    return np.stack([np.block([list(i[k : k + columns]) for k in range(0, len(i), columns)]) for i in array])


@right("Q0b")
def pixel_by_pixel_lookup(patches, height, width):
    ph, pw = patches.shape[-2:]
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    k = (y // ph) * (width // pw) + x // pw
    return patches.movedim(2, 1)[:, :, k, y % ph, x % pw]  # b c height width


# --- Q0b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q0b",
    hint="The first row of your image reads 0, 1, 2, 3, which is the whole of patch 0. A reshape keeps the "
    "order of the numbers in memory; axes must be exchanged before it, as they were when the image "
    "was cut.",
)
def reshape_and_hope(patches, height, width):
    b, n, c, ph, pw = patches.shape
    return patches.reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Your permute is the one that cuts an image. To undo it, each axis must return to where it came "
    "from. Name the six axes you have now, then name them in the order that an image needs.",
)
def the_permute_of_split_again(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="The channel is in front, as it should be, and each patch still fills a stretch of one image row. "
    "In an image row, the pixel columns of the first patch are followed by those of the patch to its "
    "right.",
)
def rows_and_columns_not_interleaved(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 1, 2, 4, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Neighbouring pixels of your image come from different patches. A height is (rows, ph), with the "
    "pixel index ph changing fastest; in yours the patch index changes fastest.",
)
def woven(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 4, 1, 5, 2).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Each patch is whole, and they are placed column by column: patch 1 lies below patch 0. It should "
    "lie to the right of it. Check which of your axes counts the rows.",
)
def laid_column_by_column(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, columns, rows, c, ph, pw)
    return grid.permute(0, 3, 2, 4, 1, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Every patch is in its place and transposed: its rows run downwards. In your permute, ph belongs "
    "right behind the rows and pw right behind the columns.",
)
def pixels_on_their_side(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 1, 5, 2, 4).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="One channel is right. With three, the colours of a pixel come from three different patches. The "
    "patches arrive as (b, n, c, …), and your first reshape names the axes in another order.",
)
def channel_read_before_the_patches(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, c, rows, columns, ph, pw)
    return grid.permute(0, 1, 2, 4, 3, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Square images are right, and others are scrambled: the number of rows is computed from the width "
    "and the number of columns from the height. Their product is the same, so no error is raised.",
)
def rows_counted_along_the_width(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = width // pw, height // ph
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="You take the square root of the number of patches, as if every grid were square. Compute rows "
    "and columns from the height and the width that are given.",
)
def root_of_n(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows = columns = int(n**0.5)
    if rows * columns != n:
        raise ValueError(f"{n} patches do not fill {rows} rows of {columns}")
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(b, c, height, width)


@mistake(
    "Q0b",
    hint="Square images are right. On others the place of patch k is wrong, because k is divided by the "
    "number of rows. Divide it by the number of patches in one row.",
)
def place_found_by_rows(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = [[patches[:, (r * rows + k) % n] for k in range(columns)] for r in range(rows)]
    return torch.cat([torch.cat(band, dim=-1) for band in grid], dim=-2)


@mistake(
    "Q0b",
    hint="All pixels are in place, and the channel axis comes last, as matplotlib expects it. PyTorch's "
    "order is b, c, h, w.",
)
def image_with_channels_last(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 1, 4, 2, 5, 3).reshape(b, height, width, c)


@mistake(
    "Q0b",
    hint="Square images are right, and others come back with height and width exchanged. Look at the sizes "
    "in your last reshape.",
)
def width_and_height_exchanged_at_the_end(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches.reshape(b, rows, columns, c, ph, pw)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(b, c, width, height)


@mistake(
    "Q0b",
    hint="All patches stand in a single line, so the image is very wide or very tall. Start a new row "
    "after as many patches as fit into the width.",
)
def one_long_strip(patches, height, width):
    return torch.cat(list(patches.unbind(1)), dim=-1)


@mistake(
    "Q0b",
    hint="`F.fold` expects (b, pixels of a patch, patches), with the patches in the last axis, and yours "
    "are in the second. No error is raised when the number of values is the same.",
)
def fold_fed_the_wrong_way_round(patches, height, width):
    b, n, c, ph, pw = patches.shape
    return F.fold(patches.reshape(b, c * ph * pw, n), (height, width), (ph, pw), stride=(ph, pw))


@mistake(
    "Q0b",
    hint="One image was returned where a batch was given. Your code takes the first image by an index.",
)
def only_the_first_of_the_batch(patches, height, width):
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw
    grid = patches[0].reshape(rows, columns, c, ph, pw)
    return grid.permute(2, 0, 3, 1, 4).reshape(c, height, width)


# --- Q0c, the stretch question ---------------------------------------------------------------------------------------


@right("Q0c")
def two_loops_that_add_and_count(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    total, count = patches.new_zeros(b, c, height, width), patches.new_zeros(height, width)
    columns = (width - p) // stride + 1
    for k in range(n):
        y, x = stride * (k // columns), stride * (k % columns)
        total[:, :, y : y + p, x : x + p] += patches[:, k]
        count[y : y + p, x : x + p] += 1
    return total / count


@right("Q0c")
def count_of_one_image(patches, height, width, stride):
    p = patches.size(3)
    flat = rearrange(patches, "b n c y x -> b (c y x) n")
    ones = torch.ones(1, p * p, patches.size(1), device=patches.device)
    count = F.fold(ones, (height, width), kernel_size=p, stride=stride)  # 1 1 height width
    return F.fold(flat, (height, width), kernel_size=p, stride=stride) / count


@right("Q0c")
def as_a_transposed_convolution(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    rows = (height - p) // stride + 1
    maps = patches.reshape(b, rows, n // rows, c, p * p).permute(0, 3, 4, 1, 2)  # b c p*p rows columns
    kernel = torch.eye(p * p, device=patches.device).reshape(p * p, 1, p, p)
    put = lambda m: F.conv_transpose2d(m, kernel, stride=stride)  # noqa: E731
    total = put(maps.flatten(0, 1)).reshape(b, c, height, width)
    return total / put(torch.ones(1, p * p, rows, n // rows, device=patches.device))


@right("Q0c")
def gradient_of_unfold(images_cut, h, w, step):
    p = images_cut.shape[-1]
    flat = images_cut.flatten(2).mT
    ones = torch.ones(len(flat), images_cut.shape[2], h, w, device=flat.device)
    times = F.fold(F.unfold(ones, p, stride=step), (h, w), p, stride=step)
    return F.fold(flat, output_size=(h, w), kernel_size=(p, p), stride=(step, step)).div(times)


@right("Q0c")
def with_index_add(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    places = torch.arange(height * width, device=patches.device).reshape(1, 1, height, width)
    places = places.unfold(2, p, stride).unfold(3, p, stride).reshape(-1)  # n*p*p
    values = patches.permute(0, 2, 1, 3, 4).reshape(b, c, -1)
    total = patches.new_zeros(b, c, height * width).index_add(2, places, values)
    count = torch.bincount(places, minlength=height * width)
    return (total / count).reshape(b, c, height, width)


edited(
    "Q0c",
    "added_and_not_divided",
    {"return total / count": "return total"},
    hint="Where patches overlap your values are sums. The mean is their sum divided by how many patches cover "
    "the pixel.",
)
edited(
    "Q0c", "divided_by_the_largest_count", {"return total / count": "return total / count.max()"},
    hint="All pixels are divided by one number. Near the border fewer patches cover a pixel than in the middle.",
)  # fmt: skip
edited(
    "Q0c", "divided_by_the_number_of_patches", {"return total / count": "return total / patches.shape[1]"},
    hint="You divide by the number of all patches. Only the patches that cover the pixel count.",
)  # fmt: skip
edited(
    "Q0c",
    "pixels_out_of_order",
    {"patches.flatten(2).transpose(1, 2)": "patches.flatten(2).reshape(len(patches), -1, patches.shape[1])"},
    hint="Your reshape mixes patches: two axes were to be exchanged, and reshape keeps the order in memory.",
)
edited(
    "Q0c", "channels_behind_the_pixels", {"patches.flatten(2)": "patches.permute(0, 1, 3, 4, 2).flatten(2)"},
    hint="The colours are mixed: F.fold expects each patch flattened as channel, row, column.",
)  # fmt: skip
edited(
    "Q0c", "rows_and_columns_of_a_patch_exchanged", {"patches.flatten(2)": "patches.mT.flatten(2)"},
    hint="Inside each patch rows and columns are exchanged.",
)  # fmt: skip
edited(
    "Q0c", "sizes_exchanged", {"(height, width)": "(width, height)"},
    hint="Height and width are exchanged. On a square image this cannot be seen.",
)  # fmt: skip
edited(
    "Q0c", "stride_of_the_patch", {"stride=stride": "stride=p"},
    hint="Your patches are put back side by side, at a stride of p. Use the stride with which they were cut.",
)  # fmt: skip
edited(
    "Q0c", "detached", {"return total / count": "return (total / count).detach()"},
    hint="The image is right, but no gradient flows back to the patches: it is detached.",
)  # fmt: skip


@mistake("Q0c", hint="Where patches overlap your image has the values of the last patch alone: each patch overwrites.")
def the_last_patch_wins(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    image = patches.new_zeros(b, c, height, width)
    columns = (width - p) // stride + 1
    for k in range(n):
        y, x = stride * (k // columns), stride * (k % columns)
        image[:, :, y : y + p, x : x + p] = patches[:, k]
    return image


@mistake("Q0c", hint="Your image has the values of the first patch that covers a pixel; later ones are ignored.")
def the_first_patch_wins(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    image = patches.new_zeros(b, c, height, width)
    columns = (width - p) // stride + 1
    for k in reversed(range(n)):
        y, x = stride * (k // columns), stride * (k % columns)
        image[:, :, y : y + p, x : x + p] = patches[:, k]
    return image


@mistake(
    "Q0c",
    hint="Your running mean gives later patches more weight: (old + new) / 2 is the mean of two values only.",
)
def halved_again_and_again(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    image, seen = patches.new_zeros(b, c, height, width), patches.new_zeros(height, width)
    columns = (width - p) // stride + 1
    for k in range(n):
        y, x = stride * (k // columns), stride * (k % columns)
        old, was = image[:, :, y : y + p, x : x + p].clone(), seen[y : y + p, x : x + p] > 0
        image[:, :, y : y + p, x : x + p] = torch.where(was, (old + patches[:, k]) / 2, patches[:, k])
        seen[y : y + p, x : x + p] = 1
    return image


@mistake("Q0c", hint="Your patches are placed column by column. They come in reading order, row by row.")
def placed_column_by_column(patches, height, width, stride):
    b, n, c, p, _ = patches.shape
    total, count = patches.new_zeros(b, c, height, width), patches.new_zeros(height, width)
    rows = (height - p) // stride + 1
    for k in range(n):
        y, x = stride * (k % rows), stride * (k // rows)
        total[:, :, y : y + p, x : x + p] += patches[:, k]
        count[y : y + p, x : x + p] += 1
    return total / count
