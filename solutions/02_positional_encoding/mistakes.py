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
    hint="Your row 0 reads 1, 0, 1, 0: the even columns start at the top of a wave. At position 0 every angle is 0; "
    "which of the two functions is 0 there?",
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
    hint="This is the mistake that travels: each column has a frequency of its own, j/d for column j. Sine and cosine"
    " are two coordinates of one hand. How many different angles should columns 0 and 1 have between them?",
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
    hint="Your cosines turn at other speeds than your sines: the exponent you give them is twice the column's number,"
    " 4i+2. Count pairs there, and let both columns of a pair share what you count.",
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
    hint="Pair 0 is right, and all others turn too fast: by the square root of what the formula asks. Compare your "
    "exponent with it, factor by factor.",
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
    hint="Pair 0 is right, and all others are too slow: their denominators are squared. The loop's i counts pairs "
    "already, and you double it once more than the formula does.",
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
    hint="Python reads n ** 2 * i / d as (n squared) times i, divided by d: for i = 0 that is 0, and then you divide "
    "by it. Show Python where the exponent begins and ends.",
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
    hint="Pair 0 spins d radians at each step: its denominator is 1/d. The division by d slipped out of the exponent;"
    " your bracket closes too early.",
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
    hint="All your hands turn equally fast: the denominator is 1 for every i. Either it never reaches the angle, or "
    "the exponent is rounded down to 0. Print it for i = 0, 1, 2; what does // do?",
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
    hint="Your last hands race where they should crawl. A large denominator should make an angle small; what does "
    "yours do to it?",
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
    hint="Your row 0 is what row 1 should be: your positions start at 1. Python, and this lesson, count from 0; which"
    " row should read 0, 1, 0, 1?",
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
    hint="Your hands are all one too slow: already the first pair is divided by something. You count pairs from 1; "
    "what should the first denominator be?",
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
    hint="Your row 0 is all zeros, and each column has a twin beside it: both of a pair hold the same wave. A copied "
    "line, perhaps, in which only the left side was changed?",
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
    hint="Your row 0 is all ones: both columns of each pair start at the top of the same wave. Which one should start"
    " at 0?",
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
    hint="Right whenever n is 10000, and the same numbers when it isn't. Your function is handed an n; does it use it?",
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
    hint="All your waves are very slow, by a factor of about 57. Python's sine takes radians, and the formula is in "
    "radians too; what do you convert?",
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
    hint="All the right numbers, in another order: first all sines, then all cosines. Some libraries do so. Here the "
    "two of a pair stand side by side: which columns belong to pair i?",
)
def sines_first_then_cosines(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


@mistake(
    "Q1",
    hint="Position and pair have changed places: your column 0 rests, and the exponent grows from row to row. Which "
    "of k and i counts positions, and which one sits in the exponent?",
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
    hint="Row 0 is all that is left, and your numbers are whole ones: every 0.84 was cut down to 0. What kind of "
    "numbers was P made for? Look at the line that creates it.",
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
    hint="Right numbers, lying on their side: your rows are dimensions, your columns are positions. A token's code "
    "should be one row.",
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
    hint="The right half of your table is empty, and in the left half pairs write over each other. Pair 1 should "
    "begin at column 2: where does yours?",
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
    hint="Right when there are as many positions as dimensions, and wrong otherwise. The exponent knows the width, "
    "and nothing of the length: which of the two did you divide by?",
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
    hint="Your position runs from 0 to nearly 1, so it depends on the length: wish 2 of section 2. The formula takes "
    "k as it is; what did you divide it by?",
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
    hint="`torch.sin` wants a tensor, and k / denominator is a plain number. Which sine was imported in the first "
    "cell?",
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
    hint="Only the first position is filled, all others are zeros: your function returns during its first round. How "
    "far to the right does your `return` stand?",
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
    hint="Rows of length one are right, all others are not: your numbers grow when a row grows. You have the dot "
    "products; what of the formula stands below the line?",
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
    hint="Your numbers are rounded: two decimals are left of each similarity. Round where you print, and return the "
    "numbers as they are.",
    claims=lambda f: torch.equal(f(_ROWS), f(_ROWS).mul(100).round().div(100)),
)
def rounded_to_two_decimals(P):
    length = P.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return ((P / length) @ (P / length).T * 100).round() / 100


@mistake(
    "Q1b",
    hint="Your matrix isn't symmetric: row i was made one long, and row j was not. Both arrows have a length.",
)
def only_one_of_the_two_lengths(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ P.T


@mistake(
    "Q1b",
    hint="The diagonal is right and the rest is not symmetric: you divide by the length of row i twice, and never by "
    "that of row j.",
)
def one_length_squared(P):
    squares = (P * P).sum(dim=1, keepdim=True).clamp(min=1e-12)
    return P @ P.T / squares


@mistake(
    "Q1b",
    hint="You made the columns one long, and an arrow is a row. Along which axis do you sum to get one length per row?",
)
def columns_made_one_long(P):
    directions = P / P.norm(dim=0, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide everything by one single number, the length of the whole matrix. How many lengths does a matrix "
    "of n rows have?",
)
def one_length_for_the_whole_matrix(P):
    directions = P / P.norm()
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="All your numbers are positive. Two arrows in opposite directions have −1: the sign says something, and you "
    "lost it.",
)
def sign_thrown_away(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).abs()


@mistake(
    "Q1b",
    hint="Nothing of yours is below 0, and opposite arrows should have −1. Your floor belongs under the lengths, not "
    "under the result.",
)
def floor_under_the_result(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).clamp(min=0)


@mistake(
    "Q1b",
    hint="0 on the diagonal and up to 2 elsewhere: that is a distance, large when two rows differ. You are one "
    "subtraction beyond what is asked for.",
)
def distance_in_place_of_similarity(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return 1 - directions @ directions.T


@mistake(
    "Q1b",
    hint="Your diagonal is near 0, and a right angle gives 1.57: you return the angle itself. What is asked for is "
    "its cosine.",
)
def angle_in_place_of_its_cosine(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.arccos((directions @ directions.T).double().clamp(-1, 1))


@mistake(
    "Q1b",
    hint="(d, d) came out: your matrix product let columns meet columns. Which of the two factors should be turned?",
)
def columns_meet_columns(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions.T @ directions


@mistake(
    "Q1b",
    hint="One number per row, and all of them 1: each row met only itself. How does every row meet every other?",
)
def each_row_with_itself(P):
    return F.cosine_similarity(P, P, dim=1)


@mistake(
    "Q1b",
    hint="Everything is right until a row of zeros comes: 0 / 0 is nan, and one such row spoils its row and column. "
    "What do we agree on for it, and how can a length be kept from being zero?",
)
def nan_for_a_row_of_zeros(P):
    directions = P / P.norm(dim=1, keepdim=True)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="The row of zeros resembles itself fully in your matrix: you set the whole diagonal to 1. What did we agree "
    "on for a row without direction?",
)
def ones_written_on_the_diagonal(P):
    directions = P / P.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (directions @ directions.T).fill_diagonal_(1)


@mistake(
    "Q1b",
    hint="Your rows come out too short: you measure them by the sum of their absolute values. The length of an arrow "
    "comes from Pythagoras.",
)
def sum_of_absolute_values(P):
    directions = P / P.abs().sum(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide by the squared length: under the line stands Pythagoras without its root.",
)
def root_forgotten(P):
    directions = P / (P**2).sum(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You subtract each row's mean first: that is a correlation, a cousin of the cosine. An arrow (1, 1) then has"
    " no direction left at all.",
)
def correlation(P):
    centred = P - P.mean(dim=1, keepdim=True)
    directions = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="You divide by the square root of the width, as attention will do in lesson 05. A cosine divides by the "
    "lengths of the two rows.",
)
def scaled_like_attention(P):
    return P @ P.T / math.sqrt(P.shape[1])


@mistake(
    "Q1b",
    hint="The lengths of two rows belong multiplied under the line; you have added them.",
)
def lengths_added(P):
    lengths = P.norm(dim=1).clamp(min=1e-12)
    return P @ P.T / (lengths[:, None] + lengths[None, :])


@mistake(
    "Q1b",
    hint="PyTorch cannot divide (n, d) by (n,): it lines shapes up from the right, so n lengths meet d columns. Which"
    " shape would let each length meet its own row?",
)
def lengths_without_their_axis(P):
    directions = P / P.norm(dim=1)
    return directions @ directions.T


@mistake(
    "Q1b",
    hint="Your result is right, and P is not what it was before: the division wrote into the caller's tensor. `a /= "
    "b` and `a = a / b` differ in just this.",
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
    hint="Right on square grids, where nobody can tell; on an oblong one your patch 1 lies below patch 0. You go down"
    " the columns first: which of the two should run faster along the line?",
)
def down_the_columns_first(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (across[:, None] + down[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="That is the code of one long line, from the first patch to the last: the end of a row still touches the "
    "beginning of the next. Where do rows and columns come in?",
)
def one_long_line(rows, columns, d, n=10000):
    return getPositionEncoding(rows * columns, d, n)


@mistake(
    "Q1c",
    hint="You put row and column side by side, half of the width each. A fine code, even a better one, as section 9 "
    "goes on to tell! Here the lecture's form is asked for: each at full width, and then the plus.",
)
def halves_side_by_side(rows, columns, d, n=10000):
    down = getPositionEncoding(rows, d // 2, n).repeat_interleave(columns, 0)
    across = getPositionEncoding(columns, d // 2, n).repeat(rows, 1)
    return torch.cat([down, across], dim=1)


@mistake(
    "Q1c",
    hint="Your codes are twice as wide as a token: row and column stand side by side, both in full. How do two "
    "vectors of width d become one of width d?",
)
def both_in_full_side_by_side(rows, columns, d, n=10000):
    down = getPositionEncoding(rows, d, n).repeat_interleave(columns, 0)
    across = getPositionEncoding(columns, d, n).repeat(rows, 1)
    return torch.cat([down, across], dim=1)


@mistake(
    "Q1c",
    hint="Whole columns of zeros where the row or the column is 0: your two codes are multiplied. Row code *plus* "
    "column code.",
)
def row_times_column(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (down[:, None] * across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="All patches of a row have the same code: only the row is in it. Where did the column go?",
)
def rows_only(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n).repeat_interleave(columns, dim=0)


@mistake(
    "Q1c",
    hint="Patches below each other have the same code: only the column is in it. Where did the row go?",
)
def columns_only(rows, columns, d, n=10000):
    return getPositionEncoding(columns, d, n).repeat(rows, 1)


@mistake(
    "Q1c",
    hint="Everything is half as large as it should be: you take the mean of row and column. The lecture adds them, no"
    " more.",
)
def mean_of_both(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return ((down[:, None] + across[None]) / 2).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="Row minus column! Half of your numbers are right in size and wrong in sign. (It would have no twins, true.)"
    " Which sign does the lecture use?",
)
def row_minus_column(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return (down[:, None] - across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="The numbers are right, and the grid still has its two axes. Tokens stand in one line: which two axes should"
    " become one?",
)
def grid_kept_as_two_axes(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n)[:, None] + getPositionEncoding(columns, d, n)[None]


@mistake(
    "Q1c",
    hint="Right for n = 10000, and only then. Somewhere n gets lost: between here and your Q1, or inside it. Follow "
    "it.",
)
def n_not_passed_on(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d), getPositionEncoding(columns, d)
    return (down[:, None] + across[None]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="Square grids are right, oblong ones have the wrong number of patches: you made one set of codes and used it"
    " for both directions. How many rows are there, and how many columns?",
)
def as_many_columns_as_rows(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows, d, n)
    return (codes[:, None] + codes[None]).reshape(-1, d)


@mistake(
    "Q1c",
    hint="(rows, d) plus (columns, d) without a new axis: row 0 met column 0, row 1 met column 1, and that was all, "
    "if it ran at all. Every row must meet every column.",
)
def added_without_a_new_axis(rows, columns, d, n=10000):
    return getPositionEncoding(rows, d, n) + getPositionEncoding(columns, d, n)


@mistake(
    "Q1c",
    hint="rows + columns codes came back, one below the other: `cat` has put the two lists end to end. There should "
    "be one code for each patch.",
)
def one_list_after_the_other(rows, columns, d, n=10000):
    return torch.cat([getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)])


@mistake(
    "Q1c",
    hint="Row and column advance together along the line: patch 1 is given row 1 and column 1. You repeat both lists "
    "end to end; one of them should stay with each entry for a while.",
)
def both_repeated_end_to_end(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return down.repeat(columns, 1) + across.repeat(rows, 1)


@mistake(
    "Q1c",
    hint="Your code changes only every few patches: both lists linger on each entry. One of them should move on with "
    "every patch.",
)
def both_lingering(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d, n), getPositionEncoding(columns, d, n)
    return down.repeat_interleave(columns, 0) + across.repeat_interleave(rows, 0)


@mistake(
    "Q1c",
    hint="Columns go on counting where the rows ended: your column 0 has the code of a later position. Both start at "
    "0.",
)
def columns_counted_on_from_the_rows(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows + columns, d, n)
    return (codes[:rows, None] + codes[None, rows:]).reshape(rows * columns, d)


@mistake(
    "Q1c",
    hint="You add the two numbers of row and column first and then look up one code: r + c. So (1, 1) and (0, 2) look"
    " alike, with all others on their diagonal. Look up first, then add.",
)
def numbers_added_before_the_code(rows, columns, d, n=10000):
    codes = getPositionEncoding(rows + columns, d, n)
    return torch.stack([codes[r + c] for r in range(rows) for c in range(columns)])


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
