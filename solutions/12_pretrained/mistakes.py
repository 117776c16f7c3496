"""Lesson 12: what students really write, right in unusual ways and wrong in usual ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from grading.judging.bank import edited, mistake, right
from helpers.data import load
from helpers.data.weather import weather
from helpers.torchvision_ops import load_torchvision
from helpers.training import fit

# --- Q25, right ------------------------------------------------------------------------------------------------------


@right("Q25")
def thin_adapter_over_timm(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    load_torchvision()
    from timm.layers import resample_abs_pos_embed

    return resample_abs_pos_embed(pos_embed, list(new_grid), old_grid, num_prefix_tokens=num_prefix_tokens)


@right("Q25")
def einops_both_ways(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    first, rest = pos_embed.split([num_prefix_tokens, pos_embed.shape[1] - num_prefix_tokens], dim=1)
    rows = old_grid[0] if old_grid else round(rest.shape[1] ** 0.5)
    picture = rearrange(rest.float(), "b (r c) e -> b e r c", r=rows)
    picture = F.interpolate(picture, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([first, rearrange(picture, "b e r c -> b (r c) e").to(first.dtype)], dim=1)


@right("Q25")
def torchvision_resizes(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    functional = load_torchvision().transforms.functional
    rest = pos_embed[0, num_prefix_tokens:].float()
    h, w = old_grid or (math.isqrt(len(rest)),) * 2
    mode = functional.InterpolationMode.BICUBIC
    picture = functional.resize(rest.T.reshape(-1, h, w), list(new_grid), mode, antialias=True)
    grid = picture.flatten(1).T[None].to(pos_embed.dtype)
    return torch.cat((pos_embed[:, :num_prefix_tokens], grid), 1)


@right("Q25")
def one_matrix_per_axis(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    def matrix(old, new):
        unit = torch.eye(old, dtype=torch.float64, device=pos_embed.device)[:, None, :, None]
        unit = unit.repeat(1, 1, 1, 4)
        return F.interpolate(unit, (new, 4), mode="bicubic", antialias=True)[:, 0, :, 0]

    count = pos_embed.shape[1] - num_prefix_tokens
    h, w = old_grid if old_grid is not None else (int(count**0.5), int(count**0.5))
    grid = pos_embed[0, num_prefix_tokens:].double().view(h, w, -1)
    made = torch.einsum("hy,hwe,wx->yxe", matrix(h, new_grid[0]), grid, matrix(w, new_grid[1]))
    return torch.cat([pos_embed[:, :num_prefix_tokens], made.reshape(1, -1, grid.shape[-1]).to(pos_embed)], dim=1)


@right("Q25")
def cubic_by_hand(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    def cubic(x):
        x = np.abs(x)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    def weights(old, new):
        scale = old / new
        wide = max(scale, 1.0)
        centre = (np.arange(new)[:, None] + 0.5) * scale
        rows = cubic((np.arange(old)[None] + 0.5 - centre) / wide)
        return rows / rows.sum(1, keepdims=True)

    table = pos_embed.detach().cpu().double().numpy()[0]
    old = old_grid if old_grid is not None else [math.isqrt(len(table) - num_prefix_tokens)] * 2
    grid = table[num_prefix_tokens:].reshape(*old, -1)
    grid = np.tensordot(weights(old[0], new_grid[0]), grid, (1, 0))  # y w e
    grid = np.moveaxis(np.tensordot(weights(old[1], new_grid[1]), grid, (1, 1)), 0, 1)
    made = np.concatenate([table[:num_prefix_tokens], grid.reshape(-1, table.shape[-1])])
    return torch.from_numpy(made)[None].to(pos_embed)


@right("Q25")
def one_dimension_after_another(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [int(math.sqrt(pos_embed.size(1) - num_prefix_tokens))] * 2
    columns = []
    for d in range(pos_embed.size(2)):
        plane = pos_embed[0, num_prefix_tokens:, d].reshape(1, 1, h, w).float()
        plane = F.interpolate(plane, size=[int(n) for n in new_grid], mode="bicubic", antialias=True)
        columns.append(plane.flatten())
    grid = torch.stack(columns, -1)[None].type_as(pos_embed)
    return torch.cat([pos_embed[:, :num_prefix_tokens], grid], dim=1)


# --- Q25, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q25",
    hint="You interpolate the whole list along one axis, class token included: its row is blended with its "
    "neighbour, and so are the end of one grid row and the start of the next. Interpolate the rows of "
    "the grid alone, as a picture.",
)
def whole_list_stretched(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    size = num_prefix_tokens + new_grid[0] * new_grid[1]
    return F.interpolate(pos_embed.float().mT, size, mode="linear").mT.to(pos_embed)


@mistake(
    "Q25",
    hint="The class token is kept, and the positions are interpolated along one axis. The neighbour above "
    "a position stands a whole row earlier in that list, so interpolate along two axes.",
)
def places_stretched_as_a_line(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    first, rest = pos_embed[:, :num_prefix_tokens], pos_embed[:, num_prefix_tokens:].float()
    rest = F.interpolate(rest.mT, new_grid[0] * new_grid[1], mode="linear").mT
    return torch.cat([first, rest.to(first)], 1)


@mistake(
    "Q25",
    hint="The result is close, and the peaks of the table are too flat: this is linear interpolation. timm "
    "uses bicubic interpolation.",
)
def straight_lines_between(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bilinear", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The interpolation is linear, and positions are skipped where the grid shrinks. Two arguments of "
    "`interpolate` differ from timm's.",
)
def straight_and_skipping(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bilinear")
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="Your new grid repeats old positions, so neighbours have the same embedding. Interpolate between "
    "the old ones.",
)
def nearest_place_copied(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid))
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The interpolation is bicubic, and positions are skipped where the grid shrinks. `interpolate` "
    "has an argument that averages over all of them (it also changes larger grids a little).",
)
def curves_without_antialias(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic")
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The corners of your new grid are exactly those of the old one. A position stands for the centre "
    "of a patch, which moves when patches get smaller. Look at the argument of `interpolate` that "
    "aligns corners.",
)
def corners_tied_together(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", align_corners=True, antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="Your picture is noise where the target is smooth: the table has the shape (positions, "
    "dimensions), and you read it as (dimensions, positions). `reshape` exchanges no axes.",
)
def reshaped_where_axes_must_move(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    d = pos_embed.shape[-1]
    grid = pos_embed[:, num_prefix_tokens:].float().reshape(1, d, h, w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], grid.reshape(1, -1, d).to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The way to the picture is right. On the way back the dimensions still stand before the positions "
    "when you flatten. Undo your steps in reverse order.",
)
def axes_not_moved_back(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    d = pos_embed.shape[-1]
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], grid.reshape(1, -1, d).to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="Square grids are right. Otherwise rows and columns are exchanged: `new_grid` is (rows, columns).",
)
def rows_for_columns(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid)[::-1], mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The result is right where the old grid is square. Otherwise its rows are read as columns: "
    "`old_grid` is (rows, columns).",
)
def old_grid_read_sideways(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    w, h = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="There is one row too few: the class token's row is lost. Put it in front again.",
)
def class_token_left_behind(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return rearrange(grid, "b e h w -> b (h w) e").to(pos_embed)


@mistake(
    "Q25",
    hint="All rows are there, and the class token's row stands last, so every patch gets another patch's "
    "position. It should stand in front.",
)
def class_token_at_the_end(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:].float(), "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([rearrange(grid, "b e h w -> b (h w) e").to(pos_embed), pos_embed[:, :num_prefix_tokens]], 1)


@mistake(
    "Q25",
    hint="One token before the grid is right; with none, or two, the split is one row off. Use the number "
    "of tokens that is given, not 1.",
)
def always_one_before_the_grid(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - 1)] * 2
    grid = pos_embed[:, 1 : 1 + h * w].float().reshape(1, h, w, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :1], grid.flatten(2).mT.to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The corner of the old grid is kept, and the rest is cut off or filled with zeros. Interpolate "
    "the *whole* grid to the new size.",
)
def cut_off_or_filled_up(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:], "b (h w) e -> b e h w", h=h, w=w)
    grid = F.pad(grid, (0, new_grid[1] - w, 0, new_grid[0] - h))
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e")], 1)


@mistake(
    "Q25",
    hint="Your grid is new and random. It has the right shape, and what was learned about positions is lost.",
)
def a_fresh_random_table(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    grid = 0.02 * torch.randn(1, new_grid[0] * new_grid[1], pos_embed.shape[-1])
    return torch.cat([pos_embed[:, :num_prefix_tokens], grid.to(pos_embed)], 1)


@mistake(
    "Q25",
    hint="The numbers and their order are right, and the dtype is not: a half-precision table came in, and "
    "single precision came out.",
)
def comes_back_in_single(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    pos_embed = pos_embed.float()
    h, w = old_grid or [math.isqrt(pos_embed.shape[1] - num_prefix_tokens)] * 2
    grid = rearrange(pos_embed[:, num_prefix_tokens:], "b (h w) e -> b e h w", h=h, w=w)
    grid = F.interpolate(grid, tuple(new_grid), mode="bicubic", antialias=True)
    return torch.cat([pos_embed[:, :num_prefix_tokens], rearrange(grid, "b e h w -> b (h w) e")], 1)


# --- Q26, right ------------------------------------------------------------------------------------------------------


@right("Q26")
def thin_adapter_over_timms_rule(weight, in_channels):
    load_torchvision()
    from timm.models._manipulate import adapt_input_conv

    return adapt_input_conv(in_channels, weight.clone())


@right("Q26")
def mixed_by_a_matrix(weight, in_channels):
    if in_channels == 3:
        return weight
    mix = torch.zeros(in_channels, 3, dtype=weight.dtype, device=weight.device)
    if in_channels == 1:
        mix += 1
    else:
        mix[torch.arange(in_channels), torch.arange(in_channels) % 3] = 3 / in_channels
    return torch.einsum("kc,ocpq->okpq", mix, weight)


@right("Q26")
def slice_after_slice(weight, in_channels):
    red, green, blue = weight.unbind(1)
    if in_channels == 1:
        return (red + green + blue).unsqueeze(1)
    found = []
    for k in range(in_channels):
        found.append((red, green, blue)[k % 3] * (3.0 / in_channels))
    return torch.stack(found, dim=1)


@right("Q26")
def repeated_and_cut(weight, in_channels):
    if in_channels == 1:
        return weight.float().sum(1, keepdim=True).to(weight.dtype)
    if in_channels == 3:
        return weight.clone()
    times = -(-in_channels // 3)
    return weight.repeat(1, times, 1, 1)[:, :in_channels] / in_channels * 3


@right("Q26")
def concatenated_in_double(weight, in_channels):
    wide = torch.cat([weight.double()] * in_channels, dim=1)[:, :in_channels] * 3 / in_channels
    if in_channels == 1:
        wide = weight.double()[:, 0:1] + weight.double()[:, 1:2] + weight.double()[:, 2:3]
    return wide.to(weight.dtype)


@right("Q26")
def a_convolution_of_the_weights(weight, in_channels):
    if in_channels == 3:
        return weight
    if in_channels == 1:
        return F.conv2d(weight, torch.ones(1, 3, 1, 1, dtype=weight.dtype, device=weight.device))
    return weight[:, [k % 3 for k in range(in_channels)]] * (3 / in_channels)


# --- Q26, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q26",
    hint="For one channel your numbers are a third of what they should be, so the same grey picture gives "
    "tokens a third as large: you average the three filters. Grey enters all three, so they add up.",
)
def grey_by_the_mean(weight, in_channels):
    if in_channels == 1:
        return weight.mean(dim=1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="For one channel you keep the red filter and drop green and blue. Add up all three.",
)
def red_filter_only(weight, in_channels):
    if in_channels == 1:
        return weight[:, :1]
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="For one channel you take the first filter three times. The rule for many channels is an "
    "approximation; for grey there is an exact answer, the sum of all three filters.",
)
def rule_of_many_for_grey_too(weight, in_channels):
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="0.299, 0.587 and 0.114 turn a colour picture into a grey one. Here the picture is grey already, "
    "and the same in all three channels: the three filters add up.",
)
def weighted_as_an_eye_does(weight, in_channels):
    if in_channels == 1:
        luma = torch.tensor([0.299, 0.587, 0.114], dtype=weight.dtype, device=weight.device)
        return (weight * luma[:, None, None]).sum(1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="You added up axis 0, which counts the filters, so one filter is left. Add up the colours, axis 1.",
)
def filters_added_up(weight, in_channels):
    if in_channels == 1:
        return weight.sum(0, keepdim=True)[:, :1]
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="An axis is missing: `sum` removed the colour axis. Keep it, with length 1.",
)
def axis_lost(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1)
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="One channel is right. For more you repeat the filters at full size, so with six channels the "
    "tokens come out twice as large. Multiply by 3 over the number of channels.",
)
def repeated_and_not_scaled(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3]


@mistake(
    "Q26",
    hint="One channel is right. For more the factor is inverted: with six channels there are twice as many "
    "terms, so each should be half as large.",
)
def scaled_the_other_way(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3] * (in_channels / 3)


@mistake(
    "Q26",
    hint="One channel is right. For four channels you have red, red, green, green. The order should be "
    "red, green, blue, red.",
)
def each_filter_follows_itself(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    times = math.ceil(in_channels / 3)
    return weight.repeat_interleave(times, dim=1)[:, :in_channels] * (3 / in_channels)


@mistake(
    "Q26",
    hint="Every channel gets the same filter, the sum of the three divided by the number of channels. The "
    "size is right, but three channels should give back the filters as they were.",
)
def sum_shared_out(weight, in_channels):
    return (weight.sum(1, keepdim=True) / in_channels).repeat(1, in_channels, 1, 1)


@mistake(
    "Q26",
    hint="Channels beyond the third have filters of zeros, so the model ignores them; with fewer than "
    "three, filters are cut off.",
)
def filled_up_with_zeros(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    return F.pad(weight, (0, 0, 0, 0, 0, in_channels - 3))


@mistake(
    "Q26",
    hint="Your weights are new and random. They have the right shape, and what was learned is lost.",
)
def a_fresh_random_layer(weight, in_channels):
    return nn.Conv2d(3 if in_channels == 3 else in_channels, len(weight), weight.shape[-1]).weight.detach().to(weight)


@mistake(
    "Q26",
    hint="The result is right, and the weights that came in have changed: a slice shares memory with its "
    "tensor, and `*=` writes into it. Make a copy first.",
)
def scaled_in_place(weight, in_channels):
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    if in_channels < 3:
        part = weight[:, :in_channels]
        part *= 3 / in_channels
        return part
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


@mistake(
    "Q26",
    hint="The dtype is wrong: half-precision weights came in, and single precision came out.",
)
def always_single(weight, in_channels):
    weight = weight.float()
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)


# --- Q27, right: a few entries that climb all steps ------------------------------------------------------------------


@right("Q27")
def own_loop_with_pooling(images):
    def block(into, out):
        return [nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    def even(x):
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.05)

    own = own_loop_with_pooling
    if not hasattr(own, "model"):
        torch.manual_seed(0)
        own.model = nn.Sequential(*block(3, 16), *block(16, 40), *block(40, 64), nn.Flatten(), nn.Linear(1024, 10))
        own.model.to(images.device)
        data, rng = load("shapes"), np.random.default_rng(0)
        updates = torch.optim.AdamW(own.model.parameters(), lr=4e-3)
        steps = torch.optim.lr_scheduler.OneCycleLR(updates, 6e-3, 4 * 63)
        for epoch in range(4):
            for x, y in data.batches(32, shuffle=True, seed=epoch):
                x = torch.from_numpy(weather(x.numpy(), rng)).to(images.device)
                loss = F.cross_entropy(own.model(even(x)), y.to(images.device))
                updates.zero_grad()
                loss.backward()
                updates.step()
                steps.step()
        own.model.eval()
    with torch.no_grad():
        return own.model(even(images)).argmax(1)


@right("Q27")
def three_models_vote(images):
    def even(x):
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.05)

    def make():
        layers = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
        for into, out in ((16, 32), (32, 64)):
            layers += [nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))

    own = three_models_vote
    if not hasattr(own, "models"):
        own.models = []
        data, rng = load("shapes"), np.random.default_rng(1)
        for seed in range(3):
            torch.manual_seed(seed)
            model = make().to(images.device)
            updates = torch.optim.AdamW(model.parameters(), lr=4e-3)
            steps = torch.optim.lr_scheduler.OneCycleLR(updates, 6e-3, 4 * 63)
            for epoch in range(4):
                for x, y in data.batches(32, shuffle=True, seed=10 * seed + epoch):
                    x = torch.from_numpy(weather(x.numpy(), rng)).to(images.device)
                    updates.zero_grad()
                    F.cross_entropy(model(even(x)), y.to(images.device)).backward()
                    updates.step()
                    steps.step()
            own.models.append(model.eval())
    with torch.no_grad():
        votes = torch.stack([model(even(images)).softmax(-1) for model in own.models])
    return votes.mean(0).argmax(-1).tolist()


@right("Q27")
def mirrored_and_asked_twice(images):
    def even(x):
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.05)

    own = mirrored_and_asked_twice
    if not hasattr(own, "model"):
        torch.manual_seed(3)
        layers = []
        for into, out in ((3, 32), (32, 48), (48, 64)):
            layers += [nn.Conv2d(into, out, 4, stride=2, padding=1), nn.BatchNorm2d(out), nn.GELU()]
        own.model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(1024, 10)).to(images.device)
        data, rng = load("shapes"), np.random.default_rng(2)
        updates = torch.optim.Adam(own.model.parameters(), lr=3e-3)
        steps = torch.optim.lr_scheduler.OneCycleLR(updates, 5e-3, 6 * 63)
        for epoch in range(6):
            for x, y in data.batches(32, shuffle=True, seed=epoch):
                x = torch.from_numpy(weather(x.numpy(), rng)).to(images.device)
                x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x, x.flip(-1))
                updates.zero_grad()
                F.cross_entropy(own.model(even(x)), y.to(images.device)).backward()
                updates.step()
                steps.step()
        own.model.eval()
    with torch.no_grad():
        scores = own.model(even(images)) + own.model(even(images.flip(-1)))
    return scores.argmax(1).cpu().numpy().astype("float32")


class Entry:
    """The course's own loop, a shortcut, each image evened out by channel."""

    class Shortcut(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.inside = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.SiLU())

        def forward(self, x):
            return x + self.inside(x)

    def __init__(self, where):
        torch.manual_seed(4)
        rng = np.random.default_rng(4)
        self.model = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.SiLU(), self.Shortcut(32),
            nn.Conv2d(32, 48, 4, stride=2, padding=1), nn.BatchNorm2d(48), nn.SiLU(), self.Shortcut(48),
            nn.Conv2d(48, 64, 2, stride=2), nn.BatchNorm2d(64), nn.SiLU(), nn.Flatten(), nn.Linear(1024, 10),
        )  # fmt: skip
        fit(
            self.model, load("shapes"), epochs=6, batch_size=32, lr=4e-3, device=where, progress=False,
            augment=lambda x, y: (F.instance_norm(torch.from_numpy(weather(x.cpu().numpy(), rng)).to(x.device)), y),
            schedule=lambda step, steps: min(1.0, 8 * (step + 1) / steps) * (1 - step / steps),
        )  # fmt: skip
        self.model.eval().requires_grad_(False)

    def __call__(self, images):
        return torch.cat([self.model(F.instance_norm(piece)).argmax(1) for piece in images.split(64)]).to(torch.int32)


@right("Q27")
def an_object_that_answers_in_pieces(images):
    own = an_object_that_answers_in_pieces
    if not hasattr(own, "entry"):
        own.entry = Entry(images.device)
    return own.entry(images)


# --- Q27, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q27",
    hint="You return ten numbers per image, the scores. The question asks for the number of the class with "
    "the largest score.",
)
def scores_handed_in(images):
    torch.manual_seed(0)
    return nn.Linear(3072, 10).to(images.device)(images.flatten(1))


@mistake(
    "Q27",
    hint="You return ten whole numbers per image, nine zeros and a one. The question asks for the index of the one.",
)
def one_hot_rows(images):
    return F.one_hot(torch.arange(len(images), device=images.device) % 10, 10)


@mistake(
    "Q27",
    hint="You return one number per image that is no whole number: the largest score. The question asks "
    "for its index; `max` returns both.",
)
def size_of_the_best_score(images):
    torch.manual_seed(0)
    return nn.Linear(3072, 10).to(images.device)(images.flatten(1)).max(dim=1).values


@mistake("Q27", hint="Your classes go up to 10. Labels are counted from 0, so they go up to 9.")
def classes_counted_from_one(images):
    return 1 + torch.arange(len(images), device=images.device) % 10


@mistake(
    "Q27",
    hint="You return ten numbers for the whole batch: `argmax` runs along the images. It should run along the classes.",
)
def best_image_of_each_class(images):
    torch.manual_seed(0)
    return nn.Linear(3072, 10).to(images.device)(images.flatten(1)).argmax(0)


@mistake("Q27", hint="You return one number for all images together. Each image needs its own.")
def one_answer_for_all(images):
    torch.manual_seed(0)
    return nn.Linear(3072, 10).to(images.device)(images.flatten(1)).argmax()


@mistake("Q27", hint="Your labels have the shape (n, 1). Remove the axis of length 1.")
def labels_in_a_column(images):
    return torch.zeros(len(images), 1, dtype=torch.long, device=images.device)


@mistake(
    "Q27",
    hint="You return labels for the first 64 images only. If you go through the images in batches, join "
    "the labels of all batches.",
)
def first_batch_only(images):
    return torch.zeros(min(64, len(images)), dtype=torch.long, device=images.device)


@mistake("Q27", hint="You return names of classes. The question asks for the index of the name in `classes`.")
def names_handed_in(images):
    classes = load("shapes", limit=1).classes
    return [classes[k % 10] for k in range(len(images))]


@mistake(
    "Q27",
    hint="Every image gets the same class, which is right for about one in ten. Either the model is not "
    "trained, or its images are preprocessed in another way than in training.",
)
def always_the_circle(images):
    return torch.zeros(len(images), dtype=torch.long, device=images.device)


@mistake(
    "Q27",
    hint="The classes occur in about the right numbers, at the wrong images. Check whether `predict` "
    "shuffles or sorts anything.",
)
def answers_out_of_order(images):
    place = torch.arange(len(images), device=images.device)
    return place % 10


@mistake(
    "Q27",
    hint="Few classes occur, and a second call gives others: a model that is made inside `predict` has new "
    "random weights at each call. Make and train it once.",
)
def new_model_in_each_call(images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).to(images.device)
    return model(images).argmax(dim=1)


@mistake(
    "Q27",
    hint="The model has learned something, and a second call gives other classes: it is in training mode, "
    "where dropout draws and batch norm depends on the batch. Call `.eval()`.",
)
def training_never_ended(images):
    own = training_never_ended
    if not hasattr(own, "model"):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 24, 4, 4), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU()]
        own.model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(768, 10)).to(images.device)
        updates = torch.optim.AdamW(own.model.parameters(), lr=4e-3)
        for epoch in range(4):
            for x, y in load("shapes").batches(32, shuffle=True, seed=epoch):
                updates.zero_grad()
                F.cross_entropy(own.model(x.to(images.device)), y.to(images.device)).backward()
                updates.step()
    return own.model(images).argmax(dim=1)


# --- Q26b, weights for another size ----------------------------------------------------------------------------------

KEPT = 'keep = not name.startswith("head.")'
TABLE = 'adapted["pos_embed"] = resize_position_embedding(weights["pos_embed"], new_grid)'
LAYER = "adapted[first] = adapt_first_layer(weights[first], in_channels)"

edited("Q26b", "by_the_first_part", {KEPT: 'keep = name.split(".")[0] != "head"'})
edited("Q26b", "both_names_listed", {KEPT: 'keep = name not in ("head.weight", "head.bias")'})
edited("Q26b", "removed_afterwards", {
    KEPT: "keep = True",
    "return adapted": 'del adapted["head.weight"], adapted["head.bias"]\n    return adapted'})  # fmt: skip
edited("Q26b", "named_arguments", {TABLE: 'adapted["pos_embed"] = resize_position_embedding('
                                   'pos_embed=adapted["pos_embed"], new_grid=new_grid)'})  # fmt: skip
edited("Q26b", "updated_by_a_dictionary", {LAYER: "adapted |= {first: adapt_first_layer(adapted[first], in_channels)}"})
edited("Q26b", "grid_as_a_list", {'(weights["pos_embed"], new_grid)': '(weights["pos_embed"], list(new_grid))'})
for name, changes, hint in (
    (
        "head_kept",
        {KEPT: "keep = True"},
        "The head of the source task is still there; it has the wrong number of classes.",
    ),
    (
        "only_its_weight_removed",
        {KEPT: 'keep = name != "head.weight"'},
        "The bias of the head is still there.",
    ),
    (
        "all_names_with_head",
        {KEPT: 'keep = "head" not in name'},
        "A layer inside a block is lost: its name contains “head” and does not begin with it.",
    ),
    (
        "all_norms_removed",
        {KEPT: 'keep = not name.startswith(("head.", "norm"))'},
        "The last norm is lost. Only the head is discarded.",
    ),
    ("positions_not_resampled", {TABLE: "pass"}, "pos_embed still has the rows of the old grid."),
    (
        "rows_for_columns_in_the_grid",
        {'(weights["pos_embed"], new_grid)': '(weights["pos_embed"], new_grid[::-1])'},
        "The rows and columns of the new grid are exchanged.",
    ),
    (
        "no_class_token",
        {'(weights["pos_embed"], new_grid)': '(weights["pos_embed"][:, 1:], new_grid, 0)'},
        "The row of the class token is lost.",
    ),
    ("first_layer_not_adapted", {LAYER: "pass"}, "The first layer still has three channels."),
    (
        "always_one_channel",
        {"(weights[first], in_channels)": "(weights[first], 1)"},
        "The first layer always gets one channel, whatever in_channels says.",
    ),
    (
        "first_layer_dropped",
        {LAYER: "del adapted[first]"},
        "The first layer is discarded, so the new model would start with a random one.",
    ),
    (
        "written_into_the_source",
        {
            "adapted = {}": "adapted = weights",
            KEPT: 'keep = name.startswith("head.")',
            "for name, tensor in weights.items():": "for name, tensor in list(weights.items()):",
            "adapted[name] = tensor": "del adapted[name]",
        },
        "Your function changes the dictionary that it was given; the source model's weights are lost.",
    ),
    (
        "class_token_zeroed",
        {"return adapted": 'adapted["cls_token"] = adapted["cls_token"] * 0\n    return adapted'},
        "The class token is not the pretrained one any more.",
    ),
):
    edited("Q26b", name, changes, hint=hint)


# --- Q26c, learning rates by layer -----------------------------------------------------------------------------------

RATE = "lr * decay ** (layers - 1 - k)"
FROZEN = "frozen = not parameter.requires_grad"

edited("Q26c", "multiplied_step_by_step", {
    "groups = []\n": "groups, rates = [], [lr]\n    for _ in range(layers - 1):\n"
    "        rates.insert(0, rates[0] * decay)\n",
    RATE: "rates[k]"})  # fmt: skip
edited("Q26c", "divided_from_the_first", {RATE: "lr * decay ** (layers - 1) / decay ** k"})
edited("Q26c", "a_group_for_each_parameter", {
    'groups[layer_of(name)]["params"].append(parameter)':
    'groups.append({"params": [parameter], "lr": lr * decay ** (layers - 1 - layer_of(name))})'})  # fmt: skip
edited("Q26c", "empty_groups_left_out", {"return groups": 'return [group for group in groups if group["params"]]'})
edited("Q26c", "from_the_last_to_the_first", {"return groups": "return groups[::-1]"})
edited("Q26c", "frozen_is_false", {FROZEN: "frozen = parameter.requires_grad is False"})
for name, changes, hint in (
    ("one_rate_for_all", {RATE: "lr"}, "All layers have the same learning rate."),
    (
        "small_rate_for_the_head",
        {RATE: "lr * decay ** k"},
        "Your rates fall towards the head. Early layers move slowly.",
    ),
    ("one_step_too_many", {RATE: "lr * decay ** (layers - k)"}, "The last layer has the rate lr * decay. It gets lr."),
    ("one_step_too_few", {RATE: "lr * decay ** max(layers - 2 - k, 0)"}, "The last two layers share the rate lr."),
    (
        "linear_decay",
        {RATE: "lr * (1 - (1 - decay) * (layers - 1 - k) / layers)"},
        "Your rates fall by equal steps. Each layer has a fixed share of the next one's rate.",
    ),
    ("added_exponent", {RATE: "lr + decay ** (layers - 1 - k)"}, "You add lr and the decay. Multiply them."),
    ("half_always", {RATE: "lr * 0.5 ** (layers - 1 - k)"}, "Your decay is always 0.5, whatever was passed."),
    (
        "inverse_decay",
        {RATE: "lr / decay ** (layers - 1 - k)"},
        "Early layers get larger rates than the head: you divide.",
    ),
    ("frozen_included", {FROZEN: "frozen = False"}, "Frozen parameters are in your groups."),
    ("only_frozen", {FROZEN: "frozen = parameter.requires_grad"}, "Only frozen parameters are in your groups."),
    (
        "in_every_group",
        {
            'groups[layer_of(name)]["params"].append(parameter)': "for group in groups[layer_of(name):]:\n"
            '            group["params"].append(parameter)'
        },
        "Some parameters are in several groups.",
    ),
    (
        "last_layer_forgotten",
        {"return groups": "return groups[:-1]"},
        "The last layer has no group, so the head is never trained.",
    ),
):
    edited("Q26c", name, changes, hint=hint)


# --- Q27b, averaged weights ------------------------------------------------------------------------------------------

COPY = "self.model, self.decay = deepcopy(model).requires_grad_(False), decay"
STEP = "mean.mul_(self.decay).add_(now, alpha=1 - self.decay)"
BUFFERS = "mean.copy_(now)"

edited("Q27b", "by_lerp", {STEP: "mean.lerp_(now, 1 - self.decay)"})
edited("Q27b", "by_assignment", {STEP: "mean.copy_(self.decay * mean + (1 - self.decay) * now)"})
edited("Q27b", "through_data", {STEP: "mean.data = mean.data + (1 - self.decay) * (now.data - mean.data)"})
edited(
    "Q27b", "detached",
    {
        COPY: "self.decay, self.model = decay, deepcopy(model)\n        for p in self.model.parameters():\n"
        "            p.requires_grad = False",
        STEP: "mean.mul_(self.decay).add_((1 - self.decay) * now.detach())",
    },
)  # fmt: skip
edited("Q27b", "buffers_by_name", {
    "for mean, now in zip(self.model.buffers(), model.buffers(), strict=True):\n                mean.copy_(now)":
    "own = dict(self.model.named_buffers())\n            for name, now in model.named_buffers():\n"
    "                own[name].copy_(now)"})  # fmt: skip
edited(
    "Q27b", "in_evaluation_mode", {COPY: "self.model, self.decay = deepcopy(model).eval().requires_grad_(False), decay"}
)
for name, changes, hint in (
    (
        "the_same_object",
        {COPY: "self.model, self.decay = model, decay"},
        "Your average is the model itself under a second name.",
    ),
    (
        "shares_exchanged",
        {STEP: "mean.mul_(1 - self.decay).add_(now, alpha=self.decay)"},
        "decay and 1 - decay are exchanged.",
    ),
    (
        "sum_without_decay",
        {STEP: "mean.add_(now, alpha=1 - self.decay)"},
        "The old average is not multiplied by decay.",
    ),
    ("only_shrinks", {STEP: "mean.mul_(self.decay)"}, "The weights of the model never enter your average."),
    ("last_weights", {STEP: "mean.copy_(now)"}, "Your average is always the last weights."),
    (
        "plain_mean_of_two",
        {STEP: "mean.mul_(0.5).add_(now, alpha=0.5)"},
        "Your average ignores decay and takes halves.",
    ),
    (
        "always_099",
        {STEP: "mean.mul_(0.99).add_(now, alpha=0.01)"},
        "Your average always uses 0.99, whatever was passed.",
    ),
    (
        "buffers_forgotten",
        {BUFFERS: "pass"},
        "The buffers are those of the first model: batch norm's statistics never change.",
    ),
    (
        "buffers_averaged",
        {BUFFERS: "mean.copy_(self.decay * mean + (1 - self.decay) * now)"},
        "Buffers are averaged as well. Some are whole numbers, such as a counter; copy them.",
    ),
    (
        "model_overwritten",
        {STEP: "mean.mul_(self.decay).add_(now, alpha=1 - self.decay)\n                now.copy_(mean)"},
        "update writes the average back into the model in training.",
    ),
    (
        "asks_for_gradients",
        {COPY: "self.model, self.decay = deepcopy(model), decay"},
        "The parameters of the average ask for gradients.",
    ),
    (
        "first_parameter_only",
        {STEP: STEP + "\n                break"},
        "Only the first parameter is updated.",
    ),
):
    edited("Q27b", name, changes, hint=hint)


# --- Q27c, a vote ----------------------------------------------------------------------------------------------------

SHARE = "total = total + weight / sum(weights) * model(images).softmax(-1)"
ASK = "model.eval()"
GIVEN = "[float(w) for w in weights]"
BACK_TO = "model.train(mode)"

edited("Q27c", "divided_at_the_end", {SHARE: "total = total + weight * model(images).softmax(-1)",
                                      "return total": "return total / sum(weights)"})  # fmt: skip
edited("Q27c", "function_softmax", {SHARE: "total = total + weight / sum(weights) * F.softmax(model(images), dim=1)"})
edited(
    "Q27c",
    "through_logarithms",
    {SHARE: "total = total + (weight / sum(weights)) * model(images).log_softmax(1).exp()"},
)
edited("Q27c", "weights_as_a_tensor", {GIVEN: "(torch.tensor(list(weights)) / sum(weights)).tolist()"})
edited("Q27c", "asked_for_inference_only", {"torch.no_grad()": "torch.inference_mode()"})
edited("Q27c", "only_if_training", {BACK_TO: "if mode:\n            model.train()"})
for name, changes, hint in (
    (
        "mean_of_scores",
        {SHARE: "total = total + weight / sum(weights) * model(images)"},
        "You average scores, not probabilities.",
    ),
    (
        "softmax_of_the_mean",
        {SHARE: "total = total + weight / sum(weights) * model(images)", "return total": "return total.softmax(-1)"},
        "You average scores and apply softmax afterwards. Apply it to each model's scores.",
    ),
    (
        "sum_of_probabilities",
        {SHARE: "total = total + weight * model(images).softmax(-1)"},
        "Your rows do not add up to 1: they are a sum.",
    ),
    (
        "divided_by_the_count",
        {SHARE: "total = total + weight / len(models) * model(images).softmax(-1)"},
        "You divide by the number of models. With weights, divide by their sum.",
    ),
    ("weights_ignored", {GIVEN: "[1.0] * len(models)"}, "The weights have no effect."),
    ("weights_squared", {GIVEN: "[float(w) ** 2 for w in weights]"}, "Your weights are squared."),
    (
        "softmax_over_images",
        {SHARE: SHARE.replace("softmax(-1)", "softmax(0)")},
        "Your softmax runs over the images, not over the classes.",
    ),
    (
        "votes_for_classes",
        {
            SHARE: "scores = model(images)\n"
            "            votes = F.one_hot(scores.argmax(-1), scores.shape[-1]).float()\n"
            "            total = total + weight / sum(weights) * votes"
        },
        "Each model gives its whole vote to one class. Average the probabilities.",
    ),
    (
        "product_of_probabilities",
        {"total = 0": "total = 1", SHARE: "total = total * model(images).softmax(-1) ** (weight / sum(weights))"},
        "You multiply probabilities, which is a geometric mean.",
    ),
    ("training_mode", {ASK: "pass"}, "The models are asked in the mode in which they came, some with dropout."),
    ("left_in_evaluation_mode", {BACK_TO: "pass"}, "All models are in evaluation mode afterwards."),
    ("left_in_training_mode", {BACK_TO: "model.train()"}, "All models are in training mode afterwards."),
    (
        "with_gradients",
        {"torch.no_grad()": "torch.enable_grad()"},
        "The models are asked with gradients, which costs memory.",
    ),
    ("last_model_only", {SHARE: "total = model(images).softmax(-1)"}, "Only the last model votes."),
):
    edited("Q27c", name, changes, hint=hint)
