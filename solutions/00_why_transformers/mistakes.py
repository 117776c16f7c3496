"""Lesson 00: what students really write, right in unusual ways and wrong in usual ones."""

import torch
from torch import nn

from grading.judging.bank import edited, mistake, right

# --- Q00a, right -----------------------------------------------------------------------------------------------------


@right("Q00a")
def backwards_from_the_output(kernels, strides):
    side = 1
    for k, s in zip(reversed(kernels), reversed(strides), strict=True):
        side = (side - 1) * s + k
    return side


@right("Q00a")
def closed_formula_with_cumprod(kernels, strides):
    import numpy as np

    before = np.cumprod([1, *strides[:-1]])
    return 1 + ((np.array(kernels) - 1) * before).sum()


@right("Q00a")
def two_nested_loops(kernels, strides):
    total = 1
    for i in range(len(kernels)):
        step = 1
        for j in range(i):
            step *= strides[j]
        total += kernels[i] * step - step
    return float(total)


@right("Q00a")
def recursion_on_the_first_layer(kernels, strides):
    if not kernels:
        return 1
    rest = recursion_on_the_first_layer(kernels[1:], strides[1:])
    return (rest - 1) * strides[0] + kernels[0]


@right("Q00a")
def a_set_of_pixels(kernels, strides):
    seen = {0}
    for k, s in list(zip(kernels, strides, strict=True))[::-1]:
        seen = {s * place + offset for place in seen for offset in range(k)}
    return max(seen) - min(seen) + 1


@right("Q00a")
def by_the_gradient_of_ones(kernels, strides):
    import torch.nn.functional as F

    with torch.enable_grad():
        line = torch.ones(1, 1, 4096, dtype=torch.float64, requires_grad=True)
        out = line
        for k, s in zip(kernels, strides, strict=True):
            out = F.conv1d(out, torch.ones(1, 1, k, dtype=torch.float64) / k, stride=s)
        out[0, 0, 0].backward()
    places = line.grad[0, 0].nonzero()
    return places.max() - places.min() + 1


@right("Q00a")
def first_and_last_pixel_as_a_tensor(kernels, strides):
    first, last = torch.tensor(0), torch.tensor(0)
    for layer in range(len(kernels) - 1, -1, -1):
        first = first * strides[layer]
        last = last * strides[layer] + kernels[layer] - 1
    return last - first + 1


@right("Q00a")
def with_accumulate_and_sum(kernels, strides):
    from itertools import accumulate
    from operator import mul

    jumps = [1, *accumulate(strides, mul)]
    return 1 + sum(jump * (kernel - 1) for jump, kernel in zip(jumps, kernels, strict=False))


# --- Q00a, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q00a",
    hint="Three layers of kernel 3 see 7 pixels, and your result is 10: each layer adds its whole kernel. "
    "A kernel of 3 that is centred on a pixel you already count adds how many new pixels?",
)
def whole_kernels_added(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + kernel * jump
        jump = jump * stride
    return field


@mistake(
    "Q00a",
    hint="A single layer of stride 2 already gives too large a result, because its own stride is counted. "
    "A stride moves the pixels of the *next* layer apart. Check the order of your two update lines.",
)
def own_stride_counted(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        jump = jump * stride
        field = field + (kernel - 1) * jump
    return field


@mistake(
    "Q00a",
    hint="The result is right as long as every stride is 1, and too small after a stride. How many pixels "
    "of the image lie between two neighbouring positions of a map made with stride 2?",
)
def strides_ignored(kernels, strides):
    field, jump = 1, 1
    for kernel in kernels:
        field = field + (kernel - 1) * jump
    return field


@mistake(
    "Q00a",
    hint="The result is right with one stride and wrong with two: the distances are added. After a stride "
    "of 2 a position is 2 pixels wide, and a second stride of 2 doubles that width.",
)
def strides_added(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - 1) * jump
        jump = jump + stride - 1
    return field


@mistake(
    "Q00a",
    hint="Only the stride of the previous layer enters your result; the strides before it are lost. Your "
    "line replaces the old value of `jump` where it should multiply it.",
)
def only_the_last_stride(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - 1) * jump
        jump = stride
    return field


@mistake(
    "Q00a",
    hint="Every stride stretches all that was seen so far. A stride has no effect on the layers *before* "
    "it. (Your rule would be right for going from the last layer back to the first.)",
)
def recursion_in_the_wrong_direction(kernels, strides):
    field = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = (field - 1) * stride + kernel
    return field


@mistake(
    "Q00a",
    hint="One layer is right, and every further layer of kernel 3 multiplies your result by three. Count "
    "on paper how many pixels two layers of kernel 3 see on a line: the number is not 9.",
)
def kernels_multiplied(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field * (1 + (kernel - 1) * jump)
        jump = jump * stride
    return field


@mistake(
    "Q00a",
    hint="Your result is always one pixel too small. The field before the first layer is one pixel, not zero.",
)
def started_with_nothing(kernels, strides):
    field, jump = 0, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - 1) * jump
        jump = jump * stride
    return field


@mistake(
    "Q00a",
    hint="Your result is that of the first layer, however many layers there are: the `return` stands inside the loop.",
)
def returned_inside_the_loop(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - 1) * jump
        jump = jump * stride
        return field


@mistake(
    "Q00a",
    hint="Your result is 1 plus half of each kernel, which reaches from the middle to one edge. The field "
    "has two sides (and the two halves of an even kernel differ).",
)
def one_side_only(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel // 2) * jump
        jump = jump * stride
    return field


@mistake(
    "Q00a",
    hint="All your layers use the product of all strides, so the first layer already counts strides that "
    "come after it. The step should grow from layer to layer.",
)
def every_stride_for_every_layer(kernels, strides):
    import math

    field = 1
    for kernel in kernels:
        field = field + (kernel - 1) * math.prod(strides)
    return field


@mistake(
    "Q00a",
    hint="Your field grows by kernel minus stride. The stride decides how many outputs there are; it does "
    "not reduce what one output depends on.",
)
def kernel_minus_stride(kernels, strides):
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - stride) * jump
        jump = jump * stride
    return field


# --- Q00b, right -----------------------------------------------------------------------------------------------------


@right("Q00b")
def with_backward_and_a_leaf(model, image):
    leaf = image.detach().clone().requires_grad_(True)
    out = model(leaf)
    middle = out[:, :, out.shape[2] // 2, out.shape[3] // 2]
    middle.sum().backward()
    return leaf.grad.abs().sum(1).squeeze(0)


@right("Q00b")
def with_a_one_sent_backwards(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    wish = torch.zeros_like(out)
    wish[0, :, (out.size(-2) - 1) // 2, (out.size(-1) - 1) // 2] = 1
    out.backward(wish)
    total = 0
    for colour in image.grad[0]:
        total = total + torch.maximum(colour, -colour)
    return total


@right("Q00b")
def with_torch_func(model, image):
    def centre(x):
        out = model(x)
        return out[0, :, out.shape[-2] // 2, out.shape[-1] // 2].sum()

    return torch.func.grad(centre)(image).abs().sum((0, 1))


@right("Q00b")
def with_a_jacobian(model, image):
    def centre(x):
        out = model(x)
        return out[0, :, out.shape[-2] // 2, out.shape[-1] // 2]

    slopes = torch.autograd.functional.jacobian(centre, image)  # k 1 c h w
    return torch.einsum("kbchw -> bchw", slopes)[0].norm(p=1, dim=0)


@right("Q00b")
def one_pixel_after_the_other_in_float64(model, image):
    import copy

    exact, x = copy.deepcopy(model).double(), image.double()
    c, h, w = x.shape[1:]
    eps = 1e-5
    nudges = eps * torch.eye(c * h * w, dtype=torch.float64, device=x.device).view(-1, c, h, w)
    with torch.no_grad():
        there = torch.cat([exact(x + part) for part in nudges.split(64)])
        back = torch.cat([exact(x - part) for part in nudges.split(64)])
    slope = (there - back).sum(1)[:, there.shape[2] // 2, there.shape[3] // 2] / (2 * eps)
    return slope.view(c, h, w).abs().sum(0)


@right("Q00b")
def in_numpy_at_the_end(model, image):
    import numpy as np

    x = image.clone().requires_grad_()
    y = model(x)
    y[..., y.shape[-2] // 2, y.shape[-1] // 2].sum().backward()
    return np.abs(x.grad.cpu().numpy()[0]).sum(axis=0)


@right("Q00b")
def with_a_hook_on_the_image(model, image):
    caught = []
    x = image.clone().requires_grad_()
    x.register_hook(caught.append)
    with torch.enable_grad():
        y = model(x)
        sum(y[0, k, y.shape[2] // 2, y.shape[3] // 2] for k in range(y.shape[1])).backward()
    return caught[0].squeeze(0).abs().sum(dim=0).detach()


@right("Q00b")
def the_image_given_back_clean(model, image):
    image.requires_grad_()
    image.grad = None
    y = model(image)
    y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    found = image.grad[0].abs().sum(0)
    image.grad = None
    image.requires_grad_(False)
    return found


# --- Q00b, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q00b",
    hint="Every pixel of the image has a gradient, because you differentiate the sum of the whole output. "
    "Differentiate one position of the output.",
)
def the_whole_output_asked(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    (gradient,) = torch.autograd.grad(out.sum(), image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="`torch.autograd.grad` differentiates one number, and your tensor holds one number per output "
    "channel. Make one number of the channels at the centre.",
)
def channels_of_the_centre_not_added(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2]
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="`torch.autograd.grad` returns a tuple with one gradient for each input. Your code indexes the "
    "tuple as if it were the gradient.",
)
def tuple_of_gradients_indexed(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    slope = torch.autograd.grad(centre, image)
    return slope.abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="Your map is bright in a corner: you differentiate the output's first row and column. Take the "
    "position in the middle of the output.",
)
def the_corner_asked(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    (gradient,) = torch.autograd.grad(out[0, :, 0, 0].sum(), image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="The pixels are right, and some of your numbers are negative, so the three colours cancel each "
    "other in the sum. Take absolute values: the sign does not matter for whether the output depends "
    "on a pixel.",
)
def signs_kept(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].sum(dim=0)


@mistake(
    "Q00b",
    hint="Your numbers are never negative, but too small: the colours cancelled each other in the sum "
    "before you took the absolute value. Exchange the two steps.",
)
def absolute_value_too_late(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].sum(dim=0).abs()


@mistake(
    "Q00b",
    hint="You differentiate one channel of the output only. Add up the channels at the centre before you "
    "compute the gradient.",
)
def one_output_channel(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, 0, out.shape[2] // 2, out.shape[3] // 2]
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="Only the red channel of each pixel is counted. Index 0 of the gradient is the image in the "
    "batch; the next axis holds the colours, which should be added up.",
)
def red_only(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0, 0].abs()


@mistake(
    "Q00b",
    hint="All your numbers are a third of the target's: you average over the three colours. The question "
    "asks for their sum.",
)
def colours_averaged(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().mean(dim=0)


@mistake(
    "Q00b",
    hint="You keep the largest of the three colours of each pixel. The question asks for their sum.",
)
def strongest_colour(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().amax(dim=0)


@mistake(
    "Q00b",
    hint="Height and width are exchanged where you pick the centre, so the answer is right for square "
    "images only. Axis 2 of the output is its height and axis 3 its width.",
)
def height_and_width_exchanged(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    h, w = out.shape[-2:]
    centre = out[0, :, w // 2, h // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="The answer is right where the output is as large as the image, and wrong without padding or "
    "after a stride. Compute the middle from the size of the *output*, not of the image.",
)
def the_middle_of_the_image(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    h, w = image.shape[-2:]
    centre = out[0, :, h // 2, w // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="You multiply the gradient by the image, so dark pixels vanish from your map however much the "
    "output depends on them. The question asks for the gradient alone.",
)
def gradient_times_image(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return (gradient * image)[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="Your numbers are squared: large ones are too large and small ones too small. The question asks "
    "for absolute values.",
)
def slopes_squared(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].pow(2).sum(dim=0)


@mistake(
    "Q00b",
    hint="The largest number of your map is exactly 1, because you divide by the maximum. Maps of two "
    "networks can then not be compared. Return the gradients as they are.",
)
def divided_by_the_largest(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    found = gradient[0].abs().sum(dim=0)
    return found / found.max()


@mistake(
    "Q00b",
    hint="The first call is right and the second gives twice as much: `backward` *adds* to the gradient "
    "that the image still holds from the last call. Work on a copy of the image.",
)
def gradients_pile_up(model, image):
    image.requires_grad_()
    out = model(image)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    return image.grad[0].abs().sum(dim=0)


@mistake(
    "Q00b",
    hint="Your map has three axes, and two are asked for: the colour axis is still there. Add up the three "
    "values of each pixel.",
)
def colours_left_standing(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient[0].abs()


@mistake(
    "Q00b",
    hint="The batch axis is still there, so your shape is (1, h, w). Remove it: the batch holds one image.",
)
def batch_left_standing(model, image):
    image = image.clone().requires_grad_()
    out = model(image)
    centre = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(centre, image)
    return gradient.abs().sum(dim=1)


@mistake(
    "Q00b",
    hint="Your result is the image itself with its colours added up; the model does not enter it. The "
    "question asks how the centre of the output changes when a pixel changes.",
)
def the_image_itself(model, image):
    return image[0].abs().sum(dim=0)


# --- Q00c, the stretch question --------------------------------------------------------------------------------------


@right("Q00c")
def in_multiply_adds_first(side, d, kernel=3):
    n = side**2
    convolution = n * d * (d * kernel * kernel)
    attention = 4 * n * d * d + 2 * n * n * d
    return 2 * convolution, 2 * attention


@right("Q00c")
def by_the_parameters_of_layers(side, d, kernel=3):
    count = lambda layer: sum(p.numel() for p in layer.parameters())  # noqa: E731
    n = side * side
    linear = 4 * count(nn.Linear(d, d, bias=False))
    return 2 * n * count(nn.Conv2d(d, d, kernel, bias=False)), 2 * n * (linear + 2 * n * d)


@right("Q00c")
def counted_by_torch(side, d, kernel=3):
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(side * side, d)
    counts = []
    with FlopCounterMode(display=False) as counter:
        nn.functional.conv2d(torch.zeros(1, d, side, side), torch.zeros(d, d, kernel, kernel), padding=kernel // 2)
    counts.append(counter.get_total_flops())
    with FlopCounterMode(display=False) as counter:
        matrix = torch.zeros(d, d)
        q, k, v = x @ matrix, x @ matrix, x @ matrix
        (q @ k.T) @ v @ matrix
    counts.append(counter.get_total_flops())
    return tuple(counts)


@right("Q00c")
def a_list_of_floats(width_of_grid, channels, k=3):
    n, d = float(width_of_grid**2), float(channels)
    return [2.0 * n * (k * d) ** 2, 8.0 * n * d**2 + 4.0 * n**2 * d]


@right("Q00c")
def matrix_products_as_a_function(side, d, kernel=3):
    def product(a, b, c):
        return 2 * a * b * c

    n = side * side
    attention = 4 * product(n, d, d) + product(n, d, n) + product(n, n, d)
    return product(n, kernel * kernel * d, d), attention


edited(
    "Q00c", "multiplications_only",
    {"2 * n * kernel**2 * d**2": "n * kernel**2 * d**2", "4 * 2 * n * d**2": "4 * n * d**2",
     "scores = 2 * n**2 * d": "scores = n**2 * d", "weighted_sums = 2 * n**2 * d": "weighted_sums = n**2 * d"},
    hint="All your counts are half of the target: you count multiplications, and the additions are missing.",
)  # fmt: skip
edited(
    "Q00c", "kernel_side_once", {"kernel**2 * d**2": "kernel * d**2"},
    hint="Your convolution uses the kernel's side once. A kernel of 3 x 3 has nine weights for each pair of channels.",
)  # fmt: skip
edited(
    "Q00c", "one_output_channel", {"kernel**2 * d**2": "kernel**2 * d"},
    hint="Your convolution has a single output channel (or a kernel that sees one input channel). Here d channels are "
    "read and d are written.",
)  # fmt: skip
edited(
    "Q00c", "side_in_place_of_positions", {"n = side * side": "n = side"},
    hint="Your n is the side of the grid. The grid has side · side positions.",
)  # fmt: skip
edited(
    "Q00c", "output_layer_forgotten", {"4 * 2 * n * d**2": "3 * 2 * n * d**2"},
    hint="You count three linear layers. Queries, keys, values and the output each have one.",
)  # fmt: skip
edited(
    "Q00c", "scores_alone", {"weighted_sums = 2 * n**2 * d": "weighted_sums = 0"},
    hint="Half of the work on pairs is missing: after the scores, each output is a weighted sum of n values.",
)  # fmt: skip
edited(
    "Q00c", "weighted_sum_of_numbers", {"weighted_sums = 2 * n**2 * d": "weighted_sums = 2 * n**2"},
    hint="One of the two steps on pairs is too small: a score is a dot product of width d, and a value has d numbers.",
)  # fmt: skip
edited(
    "Q00c", "linear_layers_on_pairs", {"4 * 2 * n * d**2": "4 * 2 * n**2 * d"},
    hint="Your linear layers grow with n². A linear layer sees one token at a time, and has d · d weights.",
)  # fmt: skip
edited(
    "Q00c", "one_linear_layer", {"4 * 2 * n * d**2": "2 * n * d**2"},
    hint="You count one linear layer. Attention has four: for queries, keys, values and the output.",
)  # fmt: skip
edited(
    "Q00c", "without_the_linear_layers", {"4 * 2 * n * d**2": "0"},
    hint="The linear layers of attention are missing; only the work on pairs is counted.",
)  # fmt: skip
edited(
    "Q00c",
    "pairs_counted_once_for_each_neighbour",
    {"scores = 2 * n**2 * d": "scores = n * (n - 1) * d"},
    hint="You count each pair of two different tokens once. Attention computes a score for all n² ordered "
    "pairs, a token "
    "with itself included, and each costs 2 · d operations.",
)
edited(
    "Q00c", "three_by_three_written_out", {"kernel**2": "9"},
    hint="Your convolution is right for kernel = 3 alone: the argument `kernel` plays no part.",
)  # fmt: skip
edited(
    "Q00c",
    "exchanged",
    {"return convolution, linear + scores + weighted_sums": "return linear + scores + weighted_sums, convolution"},
    hint="The two numbers stand in the other order: the convolution comes first.",
)
edited(
    "Q00c",
    "the_sum_alone",
    {"return convolution, linear + scores + weighted_sums": "return [convolution + linear + scores + weighted_sums]"},
    hint="You return one number, the sum of both layers. Two were asked for.",
)
