"""Lesson 02: what students really write, right in unusual ways and wrong in usual ones.

`getPositionEncoding` below stands for the student's own Q1, which Q1c is meant to call and which has the same name in a
notebook.
"""

import math
from math import cos, sin

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat

from grading.judging.bank import edited, mistake, right


def getPositionEncoding(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


# --- Q1, right -------------------------------------------------------------------------------------------------------


@right("Q1")
def one_outer_division(seq_len, d, n=10000):
    P = torch.empty(seq_len, d)
    angle = torch.arange(seq_len).unsqueeze(1) / n ** (torch.arange(0, d, 2) / d)
    P[:, 0::2] = torch.sin(angle)
    P[:, 1::2] = torch.cos(angle)
    return P


@right("Q1")
def exponential_of_a_logarithm(length, width, base=10000, dtype=torch.float32):
    position = torch.arange(length, dtype=dtype).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2, dtype=dtype) * (-math.log(base) / width))
    P = torch.zeros(length, width, dtype=dtype)
    P[:, 0::2], P[:, 1::2] = torch.sin(position * rate), torch.cos(position * rate)
    return P


@right("Q1")
def numpy_in_double_precision(seq_len, d, n=10000):
    P = np.zeros((seq_len, d))
    for k in range(seq_len):
        for i in np.arange(d // 2):
            denominator = np.power(n, 2 * i / d)
            P[k, 2 * i] = np.sin(k / denominator)
            P[k, 2 * i + 1] = np.cos(k / denominator)
    return P


@right("Q1")
def complex_hands(seq_len, d, n=10000):
    speed = float(n) ** (-torch.arange(0, d, 2).double() / d)
    hands = torch.exp(1j * torch.outer(torch.arange(seq_len).double(), speed))
    return torch.view_as_real(hands).flip(-1).flatten(1)


@right("Q1")
def each_row_turned_from_the_one_before(seq_len, d, n=10000):
    step = torch.tensor([n ** (-2 * i / d) for i in range(d // 2)], dtype=torch.float64)
    rows = [torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(d // 2, 1)]
    for _ in range(seq_len - 1):
        s, c = rows[-1].T
        rows.append(torch.stack([s * step.cos() + c * step.sin(), c * step.cos() - s * step.sin()], 1))
    return torch.stack(rows).reshape(seq_len, d)


@right("Q1")
def a_cosine_is_a_sine_a_quarter_turn_on(seq_len, d, n=10000):
    j = torch.arange(d, dtype=torch.float64)
    angle = torch.arange(seq_len, dtype=torch.float64)[:, None] / n ** ((j - j % 2) / d)
    return torch.sin(angle + (j % 2) * math.pi / 2)


@right("Q1")
def plain_lists(seq_len, d, n=10000):
    waves = (math.sin, math.cos)
    return [[waves[j % 2](k / n ** ((j // 2 * 2) / d)) for j in range(d)] for k in range(seq_len)]


@right("Q1")
def with_rearrange(seq_len, d, n=10000):
    angle = torch.einsum("k,i->ki", torch.arange(seq_len).float(), torch.pow(n, -torch.arange(d // 2) * 2 / d))
    return rearrange([angle.sin(), angle.cos()], "two k i -> k (i two)")


# --- Q1, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q1",
    hint="Your numbers are in half precision (float16), which keeps about three digits. The code is needed in float32, "
    "as torch makes tensors by default.",
    claims=lambda f: torch.as_tensor(f(4, 4)).dtype == torch.float16,
)
def half_precision(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).half()


@mistake(
    "Q1",
    hint="Your row 0 reads 1, 0, 1, 0: the even columns hold a cosine. At position 0 every angle is 0, and "
    "the even columns should be 0 there.",
)
def sine_and_cosine_swapped(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = cos(k / denominator)
            P[k, 2 * i + 1] = sin(k / denominator)
    return P


@mistake(
    "Q1",
    hint="This is a common mistake in published code: each column has a frequency of its own, with the "
    "exponent j/d for column j. Columns 2i and 2i+1 form a pair and should use one angle.",
)
def every_column_its_own_frequency(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            P[k, 2 * i] = sin(k / n ** (2 * i / d))
            P[k, 2 * i + 1] = cos(k / n ** ((2 * i + 1) / d))
    return P


@mistake(
    "Q1",
    hint="Your cosines have other frequencies than your sines: their exponent is twice the column's "
    "number, 4i+2. Use the number of the pair for both columns of a pair.",
)
def twice_the_column_in_the_exponent_of_the_cosine(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            P[k, 2 * i] = sin(k / n ** (2 * i / d))
            P[k, 2 * i + 1] = cos(k / n ** (2 * (2 * i + 1) / d))
    return P


@mistake(
    "Q1",
    hint="Pair 0 is right, and all others are too fast: their denominators are the square root of what the "
    "formula asks for. Compare your exponent with the formula, factor by factor.",
)
def factor_two_forgotten_in_the_exponent(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (i / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Pair 0 is right, and all others are too slow: their denominators are squared. The loop's i "
    "already steps over columns, and your exponent doubles it once more than the formula does.",
)
def doubled_twice_in_the_exponent(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * (2 * i) / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Python reads `n ** 2 * i / d` as (n squared) times i, divided by d. For i = 0 that is 0, and you "
    "divide by it. Put the whole exponent into brackets.",
)
def exponent_without_brackets(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n**2 * i / d
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Pair 0 turns by d radians per position: its denominator is 1/d. The division by d stands outside "
    "the exponent, because a bracket closes too early.",
)
def bracket_closed_before_the_division(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i) / d
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="All pairs have the same frequency: the denominator is 1 for every i. Either it does not enter "
    "the angle, or the exponent is rounded down to 0. Print the denominator for i = 0, 1, 2, and "
    "check what `//` does.",
)
def all_hands_equally_fast(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i // d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="The last pairs are the fastest, and they should be the slowest. A large denominator should make "
    "an angle small: divide by it.",
)
def multiplied_in_place_of_divided(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(k * denominator)
            P[k, 2 * i + 1] = cos(k * denominator)
    return P


@mistake(
    "Q1",
    hint="Your row 0 holds what row 1 should hold: positions start at 1. They should start at 0, so that "
    "row 0 reads 0, 1, 0, 1.",
)
def positions_counted_from_one(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin((k + 1) / denominator)
            P[k, 2 * i + 1] = cos((k + 1) / denominator)
    return P


@mistake(
    "Q1",
    hint="All pairs are too slow, the first one included: pairs are counted from 1. With i = 0 the first "
    "denominator is 1.",
)
def pairs_counted_from_one(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * (i + 1) / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Your row 0 is all zeros: both columns of a pair hold the sine. The odd column should hold the cosine.",
)
def sine_in_both_columns(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = sin(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Your row 0 is all ones: both columns of a pair hold the cosine. The even column should hold the "
    "sine, which is 0 at position 0.",
)
def cosine_in_both_columns(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = cos(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="The numbers are right when n is 10000 and stay the same for any other n. Use the argument `n` in "
    "the denominator.",
)
def ten_thousand_written_out(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = 10000 ** (2 * i / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="All frequencies are too small by a factor of about 57. `sin` takes radians, and the angles of "
    "the formula are in radians already: convert nothing.",
)
def angles_taken_for_degrees(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(math.radians(k / denominator))
            P[k, 2 * i + 1] = cos(math.radians(k / denominator))
    return P


@mistake(
    "Q1",
    hint="The numbers are right and stand in another order: first all sines, then all cosines. Some "
    "libraries do so. Here the two columns of a pair are neighbours: pair i has the columns 2i and "
    "2i+1.",
)
def sines_first_then_cosines(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


@mistake(
    "Q1",
    hint="Position and pair are exchanged: column 0 is constant, and the exponent grows from row to row. "
    "In the formula k is the position, and i, the pair, stands in the exponent.",
)
def position_and_pair_exchanged(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * k / d)
            P[k, 2 * i] = sin(i / denominator)
            P[k, 2 * i + 1] = cos(i / denominator)
    return P


@mistake(
    "Q1",
    hint="Row 0 is right, and all other numbers are cut down to whole numbers: 0.84 became 0. Look at the "
    "line that makes P: its dtype is an integer type.",
)
def kept_as_whole_numbers(seq_len, d, n=10000):
    P = np.zeros((seq_len, d), dtype=int)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return torch.tensor(P)


@mistake(
    "Q1",
    hint="The numbers are right and the result is transposed: rows are dimensions and columns are "
    "positions. The code of one position should be one row.",
)
def lying_on_its_side(seq_len, d, n=10000):
    P = torch.zeros(d, seq_len)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[2 * i, k] = sin(k / denominator)
            P[2 * i + 1, k] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="The right half of your table is empty, and in the left half pairs overwrite each other. Pair i "
    "should start at column 2i.",
)
def pairs_written_over_each_other(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, i] = sin(k / denominator)
            P[k, i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="The result is right when there are as many positions as dimensions, and wrong otherwise. The "
    "exponent divides by d, the width; you divide by the length.",
)
def length_in_the_exponent(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / seq_len)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Your positions run from 0 to nearly 1, so the code depends on the length of the sequence "
    "(requirement 2 of section 2). The formula takes k as it is, undivided.",
)
def position_as_a_fraction(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(k / seq_len / denominator)
            P[k, 2 * i + 1] = cos(k / seq_len / denominator)
    return P


@mistake(
    "Q1",
    hint="`torch.sin` needs a tensor, and k / denominator is a plain number. Use the sine of `math`, or make tensors.",
)
def sine_of_torch_for_a_number(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = torch.sin(k / denominator)
            P[k, 2 * i + 1] = torch.cos(k / denominator)
    return P


@mistake(
    "Q1",
    hint="Only the first position is filled and all others are zeros: the `return` stands inside the loop.",
)
def returned_inside_the_loop(seq_len, d, n=10000):
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)
            P[k, 2 * i] = sin(k / denominator)
            P[k, 2 * i + 1] = cos(k / denominator)
        return P


_ROWS = torch.tensor([[3.0, 4.0], [1.0, 0.2], [-0.3, 2.0]])


# --- Q1b, right ------------------------------------------------------------------------------------------------------


@right("Q1b")
def normalised_by_torch(P):
    unit = F.normalize(P, dim=-1)
    return unit @ unit.T


@right("Q1b")
def broadcast_to_all_pairs(P, eps=1e-8):
    return F.cosine_similarity(P[:, None], P[None], dim=-1, eps=eps)


@right("Q1b")
def two_loops_and_plain_numbers(rows):
    rows = rows.tolist()
    S = torch.zeros(len(rows), len(rows))
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            length = math.hypot(*a) * math.hypot(*b)
            S[i, j] = math.fsum(x * y for x, y in zip(a, b, strict=True)) / length if length > 0 else 0
    return S


@right("Q1b")
def numpy_with_where(P):
    P = np.asarray(P.detach().cpu(), np.float64)
    lengths = np.sqrt((P**2).sum(1))
    outer = np.outer(lengths, lengths)
    return np.where(outer > 0, P @ P.T / np.where(outer > 0, outer, 1), 0)


@right("Q1b")
def einsum_and_nan_to_num(P):
    dots = torch.einsum("id,jd->ij", P, P)
    lengths = torch.einsum("id,id->i", P, P).sqrt()
    return torch.nan_to_num(dots / lengths[:, None] / lengths[None, :])


@right("Q1b")
def from_the_diagonal_of_the_products(P):
    G = P.double() @ P.double().mT
    scale = G.diagonal().clamp_min(1e-30).rsqrt()
    return scale[:, None] * G * scale


@right("Q1b")
def from_distances_on_the_unit_sphere(P):
    P = P.double()
    lengths = P.square().sum(1, keepdim=True).sqrt()
    unit = P / (lengths + 1e-12)
    apart = (unit[:, None] - unit[None]).square().sum(-1)
    squares = unit.square().sum(1)
    return (squares[:, None] + squares[None] - apart) / 2


@right("Q1b")
def a_module_row_by_row(P):
    measure = torch.nn.CosineSimilarity(dim=-1)
    return torch.stack([measure(row.expand_as(P), P) for row in P])


@right("Q1b")
def divided_twice_with_a_floor(P):
    norms = torch.linalg.vector_norm(P, dim=1)
    norms = torch.where(norms == 0, torch.ones_like(norms), norms)
    S = P @ P.t()
    S = S / norms
    return (S.T / norms).T


# --- Q1b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q1b",
    hint="Rows of length one are right, and all others are not: your numbers grow with the length of a "
    "row. Divide the dot products by the lengths of both rows.",
)
def dot_products_only(P):
    return P @ P.T


@mistake(
    "Q1b",
    hint="The lecture's `cosine_similarity(vec1, vec2)` compares two vectors. Here the function gets one matrix P and "
    "compares each of its rows with each other row: `cosine_similarity(P)` returns a matrix (n, n).",
)
def two_vectors_as_in_the_lecture(vec1, vec2):
    return torch.dot(vec1, vec2) / (torch.norm(vec1) * torch.norm(vec2))


@mistake(
    "Q1b",
    hint="Your numbers are rounded to two decimals. Return them unrounded, and round where you print.",
    claims=lambda f: torch.equal(f(_ROWS), f(_ROWS).mul(100).round().div(100)),
)
def rounded_to_two_decimals(P):
    length = P.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return ((P / length) @ (P / length).T * 100).round() / 100


@mistake(
    "Q1b",
    hint="Your matrix is not symmetric: row i was divided by its length and row j was not. Divide by both lengths.",
)
def only_one_of_the_two_lengths(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ P.T


@mistake(
    "Q1b",
    hint="The diagonal is right and the rest is not symmetric: you divide twice by the length of row i and "
    "never by that of row j.",
)
def one_length_squared(P):
    squares = (P * P).sum(dim=1, keepdim=True).clamp(min=1e-12)
    return P @ P.T / squares


@mistake(
    "Q1b",
    hint="You normalise the columns. The vectors are the rows of P: sum along the axis that leaves one length per row.",
)
def columns_made_one_long(P):
    directions = P / P.norm(dim=0, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide by one single number, the norm of the whole matrix. A matrix of n rows has n lengths.",
)
def one_length_for_the_whole_matrix(P):
    directions = P / P.norm()
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="All your numbers are positive. Two vectors in opposite directions have the similarity −1: keep the sign.",
)
def sign_thrown_away(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).abs()


@mistake(
    "Q1b",
    hint="None of your numbers is below 0, and opposite vectors should have −1. The lower bound belongs to "
    "the lengths, not to the result.",
)
def floor_under_the_result(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).clamp(min=0)


@mistake(
    "Q1b",
    hint="Your result is 0 on the diagonal and up to 2 elsewhere: it is the cosine distance, 1 minus the "
    "similarity. Return the similarity.",
)
def distance_in_place_of_similarity(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return 1 - directions @ directions.T


@mistake(
    "Q1b",
    hint="Your diagonal is near 0, and a right angle gives 1.57: you return the angle. The question asks "
    "for its cosine.",
)
def angle_in_place_of_its_cosine(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.arccos((directions @ directions.T).double().clamp(-1, 1))


@mistake(
    "Q1b",
    hint="Your result has the shape (d, d): the product compares columns with columns. Transpose the other factor.",
)
def columns_meet_columns(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions.T @ directions


@mistake(
    "Q1b",
    hint="Your result has one number per row, and all are 1: each row was compared with itself only. "
    "Compare every row with every row.",
)
def each_row_with_itself(P):
    return F.cosine_similarity(P, P, dim=1)


@mistake(
    "Q1b",
    hint="All is right except for a row of zeros: 0 / 0 is nan, and it spoils one row and one column of "
    "the result. The question asks for 0 there; keep the length from being zero.",
)
def nan_for_a_row_of_zeros(P):
    directions = P / P.norm(dim=1, keepdim=True)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="The row of zeros has similarity 1 with itself, because you set the whole diagonal to 1. The "
    "question asks for 0 there.",
)
def ones_written_on_the_diagonal(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).fill_diagonal_(1)


@mistake(
    "Q1b",
    hint="You divide by the sum of the absolute values. The length of a vector is the square root of the "
    "sum of its squares.",
)
def sum_of_absolute_values(P):
    directions = P / P.abs().sum(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide by the squared length: the square root is missing.",
)
def root_forgotten(P):
    directions = P / (P**2).sum(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You subtract the mean of each row first, which gives the correlation. The cosine uses the rows as they are.",
)
def correlation(P):
    centred = P - P.mean(dim=1, keepdim=True)
    directions = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide by the square root of the width, as attention does (lesson 05). A cosine divides by "
    "the lengths of the two rows.",
)
def scaled_like_attention(P):
    return P @ P.T / math.sqrt(P.shape[1])


@mistake(
    "Q1b",
    hint="You add the lengths of the two rows in the denominator. The formula multiplies them.",
)
def lengths_added(P):
    lengths = P.norm(dim=1).clamp(min=1e-12)
    return P @ P.T / (lengths[:, None] + lengths[None, :])


@mistake(
    "Q1b",
    hint="PyTorch cannot divide (n, d) by (n,): shapes are aligned from the right, so the n lengths meet "
    "the d columns. Give the lengths the shape (n, 1).",
)
def lengths_without_their_axis(P):
    directions = P / P.norm(dim=1)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="The result is right, and P has changed: the division wrote into the caller's tensor. `a /= b` "
    "changes `a` in place, and `a = a / b` makes a new tensor.",
)
def written_into_the_input(P):
    P /= P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return P @ P.T


# --- Q1c, right ------------------------------------------------------------------------------------------------------


@right("Q1c")
def two_loops_over_the_grid(rows, columns, d, n=10000):
    codes = getPositionEncoding(max(rows, columns), d, n)
    return torch.stack([codes[r] + codes[c] for r in range(rows) for c in range(columns)])


@right("Q1c")
def repeat_and_interleave(rows, columns, d, n=10000):
    down = getPositionEncoding(rows, d, n).repeat_interleave(columns, dim=0)
    across = getPositionEncoding(columns, d, n).repeat(rows, 1)
    return down + across


@right("Q1c")
def quotient_and_remainder(rows, columns, d, n=10000):
    k = torch.arange(rows * columns)
    codes = getPositionEncoding(rows + columns, d, n)
    return codes[k // columns] + codes[k % columns]


@right("Q1c")
def repeats_of_einops(rows, columns, d, n=10000):
    down = repeat(getPositionEncoding(rows, d, n), "r d -> (r c) d", c=columns)
    across = repeat(getPositionEncoding(columns, d, n), "c d -> (r c) d", r=rows)
    return down + across


@right("Q1c")
def meshgrid_of_indices(rows, columns, d, n=10000):
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    table = getPositionEncoding(max(rows, columns), d, n)
    return (table[y] + table[x]).flatten(0, 1)


@right("Q1c")
def waves_written_anew_in_numpy(rows, columns, d, n=10000):
    j = np.arange(d)
    speed = float(n) ** (-(j - j % 2) / d)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.sin(y[:, None] * speed + j % 2 * np.pi / 2) + np.sin(x[:, None] * speed + j % 2 * np.pi / 2)


@right("Q1c")
def product_with_ones(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return torch.kron(down, torch.ones(columns, 1)) + torch.kron(torch.ones(rows, 1), across)


@right("Q1c")
def a_list_filled_patch_by_patch(height, width, size, base=10000, verbose=False):
    result = []
    for r in range(height):
        for c in range(width):
            code = getPositionEncoding(r + 1, size, base)[-1] + getPositionEncoding(c + 1, size, base)[-1]
            result.append(code.tolist())
    return result


# --- Q1c, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q1c",
    hint="Square grids are right. On others your patch 1 lies below patch 0: the patches run down the "
    "columns first. The column should change fastest.",
)
def down_the_columns_first(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (across[:, None] + down[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="Your result is the code of one long line, from the first patch to the last. Use one code for the "
    "row of a patch and one for its column.",
)
def one_long_line(rows, columns, d, n=10000):
    return getPositionEncoding(rows * columns, d, n)


@mistake(
    "Q1c",
    hint="Row and column stand side by side, with half of the width each. Section 9 shows that this is a "
    "good code too. The question asks for the lecture's form: two codes of full width, added.",
)
def halves_side_by_side(rows, columns, d, n=10000):
    down = getPositionEncoding(rows, d // 2, n).repeat_interleave(columns, 0)
    across = getPositionEncoding(columns, d // 2, n).repeat(rows, 1)
    return torch.cat([down, across], dim=1)


@mistake(
    "Q1c",
    hint="Your codes are twice as wide as a token: the codes of row and column stand side by side. Add "
    "them, so that the width stays d.",
)
def both_in_full_side_by_side(rows, columns, d, n=10000):
    down = getPositionEncoding(rows, d, n).repeat_interleave(columns, 0)
    across = getPositionEncoding(columns, d, n).repeat(rows, 1)
    return torch.cat([down, across], dim=1)


@mistake(
    "Q1c",
    hint="Whole columns are zero where the row or the column is 0, because the two codes are multiplied. "
    "The question asks for their sum.",
)
def row_times_column(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (down[:, None] * across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="All patches of a row have the same code: it holds the row alone. Add the code of the column.",
)
def rows_only(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n).repeat_interleave(columns, dim=0)


@mistake(
    "Q1c",
    hint="All patches of a column have the same code: it holds the column alone. Add the code of the row.",
)
def columns_only(rows, columns, d, n=10000):
    return getPositionEncoding(columns, d, n).repeat(rows, 1)


@mistake(
    "Q1c",
    hint="All numbers are half as large as they should be: you take the mean of both codes. The question "
    "asks for their sum.",
)
def mean_of_both(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return ((down[:, None] + across[None]) / 2).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="You subtract the code of the column from that of the row: part of the numbers have the wrong "
    "sign. The question asks for the sum.",
)
def row_minus_column(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (down[:, None] - across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="The numbers are right, and the result still has one axis for rows and one for columns. Merge the "
    "two into one axis of patches.",
)
def grid_kept_as_two_axes(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n)[:, None] + getPositionEncoding(columns, d, n)[None]


@mistake(
    "Q1c",
    hint="The result is right for n = 10000 only. Pass `n` on to `getPositionEncoding`, and use it there.",
)
def n_not_passed_on(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d), getPositionEncoding(columns, d)
    return (down[:, None] + across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="Square grids are right, and others have the wrong number of patches: one set of codes is used "
    "for both directions. Make one for the rows and one for the columns.",
)
def as_many_columns_as_rows(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows, d, n)
    return (codes[:, None] + codes[None]).reshape(-1, d)


@mistake(
    "Q1c",
    hint="You add (rows, d) and (columns, d) without a new axis: row 0 is added to column 0, row 1 to "
    "column 1, and so on, if the shapes fit at all. Every row must be added to every column.",
)
def added_without_a_new_axis(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n) + getPositionEncoding(columns, d, n)


@mistake(
    "Q1c",
    hint="Your result has rows + columns codes: `cat` has put one list behind the other. There should be "
    "one code for each patch.",
)
def one_list_after_the_other(rows, columns, d, n=10000):
    return torch.cat([getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)])


@mistake(
    "Q1c",
    hint="Row and column change together along the line: patch 1 has row 1 and column 1. Both lists are "
    "repeated as a whole; the row should stay the same for as many patches as there are columns.",
)
def both_repeated_end_to_end(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return down.repeat(columns, 1) + across.repeat(rows, 1)


@mistake(
    "Q1c",
    hint="Your code changes only every few patches: both lists repeat each entry. The column should change "
    "with every patch.",
)
def both_lingering(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return down.repeat_interleave(columns, 0) + across.repeat_interleave(rows, 0)


@mistake(
    "Q1c",
    hint="Your column 0 has the code of a later position: columns are counted on from the last row. Both "
    "counts start at 0.",
)
def columns_counted_on_from_the_rows(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows + columns, d, n)
    return (codes[:rows, None] + codes[None, rows:]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="You add the numbers of row and column and take the code of r + c, so (1, 1) and (0, 2) have the "
    "same code. Take the code of each number first, then add the two codes.",
)
def numbers_added_before_the_code(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows + columns, d, n)
    return torch.stack([codes[r + c] for r in range(rows) for c in range(columns)])


SUM = "row_codes[:, None] + column_codes[None]"
edited(
    "Q1c", "sum_divided_by_the_root_of_two", {SUM: f"({SUM}) / 2**0.5"},
    hint="All numbers are too small by the root of two. The question asks for the plain sum of both codes.",
)  # fmt: skip
edited(
    "Q1c", "columns_from_the_right", {SUM: "row_codes[:, None] + column_codes.flip(0)[None]"},
    hint="The columns are counted from the right: the last patch of a row has the code of column 0.",
)  # fmt: skip
edited(
    "Q1c", "larger_of_both_codes", {SUM: "torch.maximum(row_codes[:, None], column_codes[None])"},
    hint="You take the larger of the two codes, number by number. The question asks for their sum.",
)  # fmt: skip


# --- Q1d -------------------------------------------------------------------------------------------------------------


@right("Q1d")
def expanded_without_copies(rows, columns, d, n=10000):
    of_rows = getPositionEncoding(rows, d // 2, n)[:, None].expand(-1, columns, -1)
    of_columns = getPositionEncoding(columns, d // 2, n)[None].expand(rows, -1, -1)
    return torch.cat([of_rows, of_columns], -1).flatten(0, 1)


@right("Q1d")
def row_and_column_of_each_patch(rows, columns, d, n=10000):
    longest = getPositionEncoding(max(rows, columns), d // 2, n)
    k = torch.arange(rows * columns)
    return torch.cat([longest[k // columns], longest[k % columns]], dim=1)


@right("Q1d")
def with_two_loops(rows, columns, d, n=10000):
    table = getPositionEncoding(max(rows, columns), d // 2, n)
    return torch.stack([torch.cat([table[r], table[c]]) for r in range(rows) for c in range(columns)])


@right("Q1d")
def repeated_by_einops(rows, columns, d, n=10000):
    down = repeat(getPositionEncoding(rows, d // 2, n), "r d -> (r c) d", c=columns)
    across = repeat(getPositionEncoding(columns, d // 2, n), "c d -> (r c) d", r=rows)
    return torch.hstack([down, across])


@right("Q1d")
def from_the_formula(rows, columns, d, n=10000):
    half = d // 2
    P = np.zeros((rows, columns, d))
    speed = float(n) ** (-np.arange(0, half, 2) / half)
    for start, k in ((0, np.arange(rows)[:, None, None]), (half, np.arange(columns)[None, :, None])):
        P[:, :, start : start + half : 2] = np.sin(k * speed)
        P[:, :, start + 1 : start + half : 2] = np.cos(k * speed)
    return P.reshape(rows * columns, d)


edited(
    "Q1d",
    "repeats_exchanged",
    {
        "of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)": (
            "of_rows.repeat(columns, 1), of_columns.repeat_interleave(rows, 0)"
        )
    },
    hint="Your patches come column by column: the two kinds of repetition are exchanged.",
)
edited(
    "Q1d",
    "columns_first",
    {
        "of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)": (
            "of_columns.repeat(rows, 1), of_rows.repeat_interleave(columns, 0)"
        )
    },
    hint="Your first half is the encoding of the column. The row comes first.",
)
edited(
    "Q1d", "both_interleaved", {"of_columns.repeat(rows, 1)": "of_columns.repeat_interleave(rows, 0)"},
    hint="Both of your encodings are repeated element by element, so the column changes only every `rows` patches.",
)  # fmt: skip
edited(
    "Q1d",
    "both_repeated",
    {"of_rows.repeat_interleave(columns, 0)": "of_rows.repeat(columns, 1)"},
    hint="Both of your encodings are repeated as a whole, so the row changes with every patch. Along a row of "
    "patches it "
    "must stay.",
)
edited(
    "Q1d",
    "added_as_in_q1c",
    {
        "torch.cat([of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)], dim=1)": (
            "(getPositionEncoding(rows, d, n)[:, None] + getPositionEncoding(columns, d, n)).flatten(0, 1)"
        )
    },
    hint="Row and column encodings are added, as in Q1c. Here each has its own half of the width.",
)
edited(
    "Q1d", "full_width_each", {"d // 2": "d"},
    hint="Each encoding has the full width d, so the result is 2·d wide. Each half has d/2 numbers.",
)  # fmt: skip
edited(
    "Q1d",
    "full_width_cut_in_half",
    {
        "getPositionEncoding(rows, d // 2, n)": "getPositionEncoding(rows, d, n)[:, : d // 2]",
        "getPositionEncoding(columns, d // 2, n)": "getPositionEncoding(columns, d, n)[:, : d // 2]",
    },
    hint="Each half is the first half of an encoding of width d. Its pairs are too fast: ask for an encoding of "
    "width d/2.",
)
edited(
    "Q1d",
    "columns_from_the_second_half",
    {
        "getPositionEncoding(rows, d // 2, n)": "getPositionEncoding(rows, d, n)[:, : d // 2]",
        "getPositionEncoding(columns, d // 2, n)": "getPositionEncoding(columns, d, n)[:, d // 2 :]",
    },
    hint="Rows and columns share the pairs of one encoding of width d: rows get the fast half, columns the slow "
    "one. Each "
    "should be a whole encoding of width d/2.",
)
edited(
    "Q1d", "n_forgotten", {"(rows, d // 2, n)": "(rows, d // 2)", "(columns, d // 2, n)": "(columns, d // 2)"},
    hint="Your encodings always use n = 10000: the argument n is not handed on.",
)  # fmt: skip
edited(
    "Q1d", "n_for_the_rows_only", {"(columns, d // 2, n)": "(columns, d // 2)"},
    hint="n reaches the encoding of the rows and not that of the columns.",
)  # fmt: skip
edited(
    "Q1d", "square_only", {"getPositionEncoding(columns, d // 2, n)": "getPositionEncoding(rows, d // 2, n)",
                           "of_columns.repeat(rows, 1)": "of_columns.repeat(columns, 1)"},
    hint="Your columns use the encoding of the rows. On square grids this cannot be seen.",
)  # fmt: skip
JOINED = "torch.cat([of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)], dim=1)"
edited(
    "Q1d", "n_for_the_columns_only", {"(rows, d // 2, n)": "(rows, d // 2)"},
    hint="n reaches the encoding of the columns and not that of the rows.",
)  # fmt: skip
edited(
    "Q1d", "rows_in_both_halves", {"of_columns.repeat(rows, 1)": "of_rows.repeat_interleave(columns, 0)"},
    hint="Both halves are the encoding of the row, so all patches of one row are equal.",
)  # fmt: skip
edited(
    "Q1d", "columns_in_both_halves", {"of_rows.repeat_interleave(columns, 0)": "of_columns.repeat(rows, 1)"},
    hint="Both halves are the encoding of the column, so all patches of one column are equal.",
)  # fmt: skip
edited(
    "Q1d", "joined_below_each_other", {"dim=1)": "dim=0)"},
    hint="The two halves are joined along axis 0, so the result has twice as many rows and half of the width. Join "
    "them along the width.",
)  # fmt: skip
edited(
    "Q1d", "stacked_on_a_new_axis", {JOINED: JOINED.replace("torch.cat", "torch.stack").replace("dim=1", "dim=0")},
    hint="`torch.stack` puts the two halves on a new axis of length 2. `torch.cat` joins them along the width.",
)  # fmt: skip
edited(
    "Q1d", "stacked_in_the_middle", {JOINED: JOINED.replace("torch.cat", "torch.stack")},
    hint="`torch.stack` puts a new axis of length 2 between patch and width. `torch.cat` joins the halves along the "
    "width.",
)  # fmt: skip
edited(
    "Q1d", "added_at_half_the_width",
    {JOINED: "of_rows.repeat_interleave(columns, 0) + of_columns.repeat(rows, 1)"},
    hint="You add the encodings of row and column, so the result is d/2 wide. Concatenate them.",
)  # fmt: skip
edited(
    "Q1d", "a_quarter_each", {"d // 2": "d // 4"},
    hint="Each of your encodings is d/4 wide, so the result has half of the width. Each needs d/2 numbers.",
)  # fmt: skip
edited(
    "Q1d", "one_line_of_width_d", {JOINED: "getPositionEncoding(rows * columns, d, n)"},
    hint="This is the encoding of the running number of the patch at width d, as in Q1. Row and column are not "
    "separated.",
)  # fmt: skip
edited(
    "Q1d", "one_line_twice",
    {JOINED: "torch.cat([getPositionEncoding(rows * columns, d // 2, n)] * 2, dim=1)"},
    hint="Both halves are the encoding of the running number of the patch. The first half is that of its row, the "
    "second that of its column.",
)  # fmt: skip
edited(
    "Q1d", "second_half_empty",
    {"of_columns.repeat(rows, 1)": "torch.zeros_like(of_columns.repeat(rows, 1))"},
    hint="The second half holds zeros only. It is the encoding of the column.",
)  # fmt: skip
edited(
    "Q1d", "counted_from_one",
    {"(rows, d // 2, n)": "(rows + 1, d // 2, n)[1:]", "(columns, d // 2, n)": "(columns + 1, d // 2, n)[1:]"},
    hint="Your rows and columns are counted from 1. The first row and the first column have the position 0.",
)  # fmt: skip
edited(
    "Q1d", "transposed", {JOINED: JOINED + ".T"},
    hint="Your result is transposed: one row per dimension. One row per patch was asked for.",
)  # fmt: skip
edited(
    "Q1d", "with_a_batch_axis", {JOINED: JOINED + "[None]"},
    hint="Your result has an additional first axis of length 1. The shape is (rows * columns, d).",
)  # fmt: skip
edited(
    "Q1d", "cut_to_whole_numbers", {JOINED: JOINED + ".long()"},
    hint="Your result holds whole numbers only: sine and cosine were cut to -1, 0 and 1 by an integer dtype.",
)  # fmt: skip


@mistake(
    "Q1d",
    hint="Your patch k has the row k // rows and the column k % rows. A row holds `columns` patches, so divide by "
    "`columns`. On square grids this cannot be seen.",
)
def divided_by_the_number_of_rows(rows, columns, d, n=10000):
    longest = getPositionEncoding(max(rows, columns), d // 2, n)
    k = torch.arange(rows * columns)
    return torch.cat([longest[k // rows], longest[k % rows]], dim=1)


def _sines_then_cosines(length, width, n):
    angle = torch.arange(length)[:, None] / n ** (2 * torch.arange(width // 2) / width)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


@mistake(
    "Q1d",
    hint="In each half all sines come first and then all cosines, as in MAE's code. In Q1 sine and cosine alternate.",
)
def sines_then_cosines(rows, columns, d, n=10000):
    of_rows, of_columns = _sines_then_cosines(rows, d // 2, n), _sines_then_cosines(columns, d // 2, n)
    return torch.cat([of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)], dim=1)


@mistake("Q1d", hint="The numbers of row and column alternate in your result. The row has the first half of the width.")
def interleaved(rows, columns, d, n=10000):
    of_rows = getPositionEncoding(rows, d // 2, n).repeat_interleave(columns, 0)
    of_columns = getPositionEncoding(columns, d // 2, n).repeat(rows, 1)
    return torch.stack([of_rows, of_columns], -1).flatten(1)


@mistake("Q1d", hint="Your result still has the grid as two axes: (rows, columns, d). One row per patch was asked for.")
def grid_not_flattened(rows, columns, d, n=10000):
    of_rows = getPositionEncoding(rows, d // 2, n)[:, None].expand(-1, columns, -1)
    of_columns = getPositionEncoding(columns, d // 2, n)[None].expand(rows, -1, -1)
    return torch.cat([of_rows, of_columns], -1)


# --- Q1e, the stretch question ---------------------------------------------------------------------------------------


@right("Q1e")
def as_complex_numbers(x, rows, columns, n=100):
    pairs = x.shape[1] // 4
    speed = n ** (-torch.arange(pairs, device=x.device) / pairs)
    k = torch.arange(rows * columns, device=x.device)[:, None]
    angle = torch.cat([k // columns * speed, k % columns * speed], 1)
    hands = torch.view_as_complex(x.reshape(len(x), -1, 2))
    return torch.view_as_real(hands * torch.polar(torch.ones_like(angle), angle)).flatten(1)


@right("Q1e")
def half_by_half(x, height, width, base=100):
    def rotate(part, place):
        pairs = part.shape[1] // 2
        angle = place[:, None] / base ** (torch.arange(pairs, device=x.device) / pairs)
        out = torch.empty_like(part)
        out[:, 0::2] = part[:, 0::2] * angle.cos() - part[:, 1::2] * angle.sin()
        out[:, 1::2] = part[:, 0::2] * angle.sin() + part[:, 1::2] * angle.cos()
        return out

    first, second = x.chunk(2, dim=1)
    y, x_ = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = (y.flatten().to(x.device), x_.flatten().to(x.device))
    return torch.cat([rotate(first, places[0]), rotate(second, places[1])], dim=1)


@right("Q1e")
def with_a_turned_copy(x, rows, columns, n=100):
    turned = torch.stack([-x[:, 1::2], x[:, 0::2]], -1).flatten(1)
    pairs = x.shape[1] // 4
    speed = n ** (-torch.arange(pairs, device=x.device) / pairs)
    r = torch.arange(rows, device=x.device).repeat_interleave(columns)
    c = torch.arange(columns, device=x.device).repeat(rows)
    angle = torch.cat([torch.outer(r, speed), torch.outer(c, speed)], 1).repeat_interleave(2, dim=1)
    return x * angle.cos() + turned * angle.sin()


@right("Q1e")
def matrices_of_rotation(x, rows, columns, n=100):
    pairs = x.shape[1] // 4
    tokens = []
    for k, token in enumerate(x):
        place = torch.tensor([k // columns] * pairs + [k % columns] * pairs, device=x.device)
        i = torch.arange(pairs, device=x.device).repeat(2)
        angle = place / n ** (i / pairs)
        matrix = torch.stack(
            [torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], 1
        )
        tokens.append((matrix @ token.reshape(-1, 2, 1)).reshape(-1))
    return torch.stack(tokens)


@right("Q1e")
def grid_with_einops(x, rows, columns, n=100):
    grid = rearrange(x, "(r c) (half i two) -> r c half i two", r=rows, half=2, two=2)
    i = torch.arange(grid.shape[3], device=x.device)
    speed = n ** (-i / len(i))
    down, across = torch.arange(rows, device=x.device), torch.arange(columns, device=x.device)
    angle = torch.stack(
        [
            (down[:, None] * speed)[:, None].expand(rows, columns, -1),
            (across[:, None] * speed).expand(rows, columns, -1),
        ],
        2,
    )
    a, b = grid.unbind(-1)
    out = torch.stack((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)
    return rearrange(out, "r c half i two -> (r c) (half i two)")


edited(
    "Q1e",
    "rotated_backwards",
    {
        "a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()": (
            "a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin()"
        )
    },
    hint="Your pairs turn the other way round: the signs of the two sines are exchanged.",
)
edited(
    "Q1e", "no_rotation", {"a * angle.cos() - b": "a * angle.cos() + b"},
    hint="The lengths of your pairs change, and a rotation keeps them. One of the two sines needs a minus sign.",
)  # fmt: skip
edited(
    "Q1e", "row_and_column_exchanged",
    {"[row[:, None] * speed, column[:, None] * speed]": "[column[:, None] * speed, row[:, None] * speed]"},
    hint="Your first half turns by the column and your second half by the row.",
)  # fmt: skip
edited(
    "Q1e", "rows_in_both_halves",
    {"[row[:, None] * speed, column[:, None] * speed]": "[row[:, None] * speed, row[:, None] * speed]"},
    hint="Both halves turn by the row. Patches of one row cannot be told apart.",
)  # fmt: skip
edited(
    "Q1e",
    "one_line_in_both_halves",
    {
        "row = torch.arange(rows, device=x.device).repeat_interleave(columns)": (
            "row = torch.arange(rows * columns, device=x.device)"
        ),
        "column = torch.arange(columns, device=x.device).repeat(rows)": "column = row",
    },
    hint="Your angles come from the running number of the token. Row and column are asked for.",
)
edited(
    "Q1e",
    "column_by_column",
    {
        "torch.arange(rows, device=x.device).repeat_interleave(columns)": (
            "torch.arange(rows, device=x.device).repeat(columns)"
        ),
        "torch.arange(columns, device=x.device).repeat(rows)": (
            "torch.arange(columns, device=x.device).repeat_interleave(rows)"
        ),
    },
    hint="Your tokens come column by column. They are in reading order.",
)
edited(
    "Q1e", "halves_as_pairs", {"x[:, 0::2], x[:, 1::2]": "x.chunk(2, dim=1)"},
    hint="Your pairs consist of a column of the first half and one of the second. Neighbouring columns form a pair.",
)  # fmt: skip
edited(
    "Q1e", "not_interleaved", {"torch.stack(rotated, dim=-1).flatten(1)": "torch.cat(rotated, dim=1)"},
    hint="Your rotated even columns come first and the odd ones after them. They were neighbours in x.",
)  # fmt: skip
edited(
    "Q1e", "speeds_of_the_whole_width", {"/ pairs)": "/ (2 * pairs))"},
    hint="The speeds fall too slowly: pair i has the exponent i / (d/4), because each half has d/4 pairs.",
)  # fmt: skip
edited(
    "Q1e", "speeds_too_steep", {"-torch.arange(pairs, device=x.device)": "-2 * torch.arange(pairs, device=x.device)"},
    hint="The speeds fall twice as fast as asked: i already counts pairs, so there is no factor 2 in the exponent.",
)  # fmt: skip
edited(
    "Q1e",
    "all_pairs_equally_fast",
    {"speed = n ** (-torch.arange(pairs, device=x.device) / pairs)": "speed = torch.ones(pairs, device=x.device)"},
    hint="All pairs turn by one radian per step. Each next pair should be slower.",
)
edited(
    "Q1e", "hundred_written_out", {"speed = n **": "speed = 100 **"},
    hint="Your speeds always use 100: the argument n plays no part.",
)  # fmt: skip
edited(
    "Q1e",
    "positions_from_one",
    {
        "torch.arange(rows, device=x.device)": "torch.arange(1, rows + 1, device=x.device)",
        "torch.arange(columns, device=x.device)": "torch.arange(1, columns + 1, device=x.device)",
    },
    hint="Rows and columns are counted from 1. The token at row 0, column 0 must stay as it is.",
)
edited(
    "Q1e", "added_in_place_of_rotated",
    {"a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()": "a + angle.sin(), b + angle.cos()"},
    hint="An encoding is added to your tokens. A rotation multiplies: nothing is added.",
)  # fmt: skip
edited(
    "Q1e", "result_detached", {"a, b = x[:, 0::2], x[:, 1::2]": "a, b = x.detach()[:, 0::2], x.detach()[:, 1::2]"},
    hint="The numbers are right, and no gradient reaches x: it is detached.",
)  # fmt: skip
