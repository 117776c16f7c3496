"""Lesson 07: what students really write, right in unusual ways and wrong in usual ones."""

from functools import reduce as fold

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from grading.judging.bank import edited, mistake, right
from helpers.built import stand_ins

# What a notebook holds when Q8 is reached: parts of earlier lessons, of whatever make.
PatchEmbedding, TransformerEncoderBlock = stand_ins.PatchEmbedding, stand_ins.TransformerEncoderBlock


# --- Q8, right -------------------------------------------------------------------------------------------------------


@right("Q8")
class torch_encoder_all_by_itself(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.cut = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size))
        self.places = nn.Parameter(torch.zeros(1, (img_size // patch_size) ** 2 + 1, emb_size))
        layer = nn.TransformerEncoderLayer(
            emb_size, num_heads, expansion * emb_size, drop_p, F.gelu, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(emb_size), enable_nested_tensor=False)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        x = self.cut(images).flatten(2).permute(0, 2, 1)
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1) + self.places
        return self.head(self.encoder(x).select(1, 0))


@right("Q8")
class sequence_first_as_of_old(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.cut = nn.Linear(in_channels * patch_size**2, emb_size)
        self.first = nn.Parameter(torch.randn(emb_size))
        self.places = nn.Parameter(0.02 * torch.randn((img_size // patch_size) ** 2 + 1, 1, emb_size))
        layer = nn.TransformerEncoderLayer(emb_size, num_heads, expansion * emb_size, drop_p)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.mlp_head = nn.Sequential(nn.LayerNorm(emb_size), nn.Linear(emb_size, n_classes))
        self.p = patch_size

    def forward(self, images):
        x = rearrange(images, "b c (h p) (w q) -> (h w) b (c p q)", p=self.p, q=self.p)
        x = torch.cat([self.first.expand(1, x.shape[1], -1), self.cut(x)]) + self.places
        return self.mlp_head(self.encoder(x)[0])


@right("Q8")
class adapter_over_timm(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        from helpers.torchvision_ops import load_torchvision

        load_torchvision()
        from timm.models.vision_transformer import VisionTransformer

        super().__init__()
        self.net = VisionTransformer(
            img_size=img_size, patch_size=patch_size, in_chans=in_channels, num_classes=n_classes, embed_dim=emb_size,
            depth=depth, num_heads=num_heads, mlp_ratio=expansion, pos_drop_rate=drop_p, proj_drop_rate=drop_p,
        )  # fmt: skip

    def forward(self, images):
        return self.net(images)


@right("Q8")
class adapter_over_torchvision(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        from helpers.torchvision_ops import load_torchvision

        super().__init__()
        self.net = load_torchvision().models.VisionTransformer(
            img_size, patch_size, depth, num_heads, emb_size, expansion * emb_size, dropout=drop_p,
            num_classes=n_classes,
        )  # fmt: skip
        self.net.conv_proj = nn.Conv2d(in_channels, emb_size, patch_size, patch_size)

    def forward(self, images):
        return self.net(images)


@right("Q8")
class norm_after_the_choice(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            self.blocks.append(
                TransformerEncoderBlock(emb_size=emb_size, num_heads=num_heads, expansion=expansion, drop_p=drop_p)
            )
        self.head = nn.Sequential(nn.LayerNorm(emb_size), nn.Linear(emb_size, n_classes))

    def forward(self, images):
        x = self.embed(images)
        for block in self.blocks:
            x = block(x)
        first, *_ = x.unbind(dim=1)
        return self.head(first)


@right("Q8")
class a_sequential_that_scores_every_token(nn.Sequential):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__(
            PatchEmbedding(in_channels=in_channels, patch_size=patch_size, emb_size=emb_size, img_size=img_size),
            *(TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)),
            nn.LayerNorm(emb_size),
            nn.Linear(emb_size, n_classes),
        )

    def forward(self, x):
        return super().forward(x)[:, 0, :]


@right("Q8")
class head_and_norm_by_hand(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.ModuleDict(
            {f"block{i}": TransformerEncoderBlock(emb_size, num_heads, expansion, 0.0, drop_p) for i in range(depth)}
        )
        self.scale, self.shift = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.w, self.b = nn.Parameter(torch.randn(n_classes, emb_size) / 8), nn.Parameter(torch.zeros(n_classes))

    def forward(self, images):
        x = fold(lambda x, block: block(x), self.blocks.values(), self.embed(images))
        x = torch.gather(x, 1, torch.zeros(len(x), 1, x.shape[2], dtype=torch.long, device=x.device)).squeeze(1)
        x = (x - x.mean(-1, keepdim=True)) * (x.var(-1, keepdim=True, unbiased=False) + 1e-6).rsqrt()
        return torch.einsum("bd,kd->bk", x * self.scale + self.shift, self.w) + self.b


@right("Q8")
class deep_copies_and_embedding_dropout(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        from copy import deepcopy

        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        one = TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p)
        self.body = nn.Sequential(
            nn.Dropout(drop_p), *[deepcopy(one) for _ in range(depth)], nn.LayerNorm(emb_size, eps=1e-6)
        )
        self.drop = nn.Dropout(drop_p)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        x = self.drop(self.body(self.embed(images)))
        return self.head(x[:, :1].flatten(1))


# --- Q8, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q8",
    hint="The bars are all about equally high: the head reads the mean of all tokens. Here it should read the "
    "class token.",
)
class mean_over_all_tokens(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens.mean(dim=1))


@mistake(
    "Q8",
    hint="The head reads the last token, a patch in the bottom right corner. On which side did lesson 04 put the "
    "class token?",
)
class last_token_read(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, -1])


@mistake(
    "Q8",
    hint="The head reads token 1, which is the first patch. Tokens are counted from 0.",
)
class first_patch_read(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 1])


@mistake(
    "Q8",
    hint="There are logits for every token. One row per image is asked for.",
)
class logits_for_every_token(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.embed(images))))


@mistake(
    "Q8",
    hint="One number of each token is taken, where all numbers of one token are asked for: which of the three axes"
    " b, n, d do you index?",
)
class indexed_the_wrong_axis(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, :, 0])


@mistake(
    "Q8",
    hint="The first image of the batch is taken, with all its tokens: the axes are b, n, d, and the first one "
    "counts images.",
)
class first_image_read(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[0])


@mistake(
    "Q8",
    hint="The head reads all tokens, laid end to end, so it needs n + 1 times as many weights. It should read the "
    "class token.",
)
class all_tokens_flattened(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size * ((img_size // patch_size) ** 2 + 1), n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens.flatten(1))


@mistake(
    "Q8",
    hint="The number of weights does not depend on depth: the same block is used several times. Each block needs "
    "weights of its own.",
)
class one_block_many_times(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(*[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p)] * depth)
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="The outputs are right, and the weights of the blocks are not among the model's parameters: a plain "
    "Python list is not searched by nn.Module.",
)
class blocks_in_a_plain_list(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = [TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        x = self.embed(images)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


@mistake(
    "Q8",
    hint="The model has two blocks, whatever depth is.",
)
class always_two_blocks(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p),
            TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p),
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="num_heads and expansion are exchanged in the call of TransformerEncoderBlock. With the defaults both are 2.",
)
class heads_and_expansion_swapped(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, expansion, num_heads, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="Another num_heads gives the same logits: it does not reach the blocks, which use their default.",
)
class heads_never_told(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[
                TransformerEncoderBlock(emb_size, expansion=expansion, drop_p=drop_p, forward_drop_p=drop_p)
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="Another expansion gives the same number of weights: it does not reach the blocks, which use their default.",
)
class expansion_never_told(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, drop_p=drop_p, forward_drop_p=drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="There are far too many weights: the blocks multiply the expansion by the width themselves, so they need "
    "the factor and not the product.",
)
class expansion_already_multiplied(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion * emb_size, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="In training the same images give the same logits: drop_p does not reach the blocks.",
)
class drop_p_never_told(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(*[TransformerEncoderBlock(emb_size, num_heads, expansion) for _ in range(depth)])
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="With drop_p = 0 numbers are still dropped: a number stands where the argument belongs.",
)
class rate_written_out(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, 0.1, 0.1) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="In evaluation the same images give different logits. `F.dropout` has to be told whether the model is "
    "training.",
)
class dropout_in_eval_too(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)
        self.drop_p = drop_p

    def forward(self, images):
        tokens = F.dropout(self.embed(images), self.drop_p)
        return self.head(self.norm(self.blocks(tokens))[:, 0])


@mistake(
    "Q8",
    hint="What the head reads is not normed: the final norm is not applied, or does not exist.",
)
class final_norm_forgotten(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.blocks(self.embed(images))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="The norm is applied before the blocks. It belongs between the last block and the head.",
)
class norm_before_the_blocks(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.blocks(self.norm(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="The rows add up to 1: these are probabilities. `F.cross_entropy` takes a softmax itself and needs logits.",
)
class softmax_at_the_end(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0]).softmax(dim=-1)


@mistake(
    "Q8",
    hint="The exponentials of each row add up to 1: these are log-probabilities. The head's own numbers are asked for.",
)
class log_softmax_at_the_end(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return F.log_softmax(self.head(tokens[:, 0]), dim=-1)


@mistake(
    "Q8",
    hint="No logit is negative: an activation follows the head. A logit may have any sign.",
)
class relu_at_the_end(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return torch.relu(self.head(tokens[:, 0]))


@mistake(
    "Q8",
    hint="The tokens go from the embedding straight to the head: the blocks are not called.",
)
class blocks_never_called(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        return self.head(self.norm(self.embed(images))[:, 0])


@mistake(
    "Q8",
    hint="Before the head there are more tokens than patches + 1: PatchEmbedding already puts a class token in front.",
)
class a_second_class_token(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))

    def forward(self, images):
        x = torch.cat([self.cls_token.expand(len(images), -1, -1), self.embed(images)], dim=1)
        return self.head(self.norm(self.blocks(x))[:, 0])


@mistake(
    "Q8",
    hint="patch_size and emb_size are exchanged in the call of PatchEmbedding. Pass its arguments by name.",
)
class patch_and_width_swapped(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, emb_size, patch_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="img_size does not reach PatchEmbedding, which makes positions for its default of 32 by 32 pixels.",
)
class img_size_never_told(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="Only images with three channels can be used: in_channels does not reach the embedding.",
)
class always_three_channels(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(3, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="There are always ten logits, whatever n_classes is.",
)
class always_ten_classes(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, 10)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0])


@mistake(
    "Q8",
    hint="An image's logits depend on the other images of the batch: a batch norm takes mean and spread over the "
    "batch. Layer norm (lesson 06) takes them over one token.",
)
class batch_norm_at_the_end(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.BatchNorm1d(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.embed(images))[:, 0]))


@mistake(
    "Q8",
    hint="The most likely class is returned. `argmax` has no gradient; the logits themselves are asked for.",
)
class the_class_instead_of_logits(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.blocks = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):
        tokens = self.norm(self.blocks(self.embed(images)))
        return self.head(tokens[:, 0]).argmax(dim=-1)


FORWARD = "tokens = self.norm(self.blocks(self.embed(images)))"
for name, line, hint in (
    (
        "blocks_side_by_side",
        "tokens = self.norm(sum(block(self.embed(images)) for block in self.blocks))",
        (
            "Every block gets the tokens of the embedding, and their outputs are added. A block should get what the "
            "block before it returned."
        ),
    ),
    (
        "a_shortcut_around_all_blocks",
        "tokens = self.embed(images)\n        tokens = self.norm(tokens + self.blocks(tokens))",
        (
            "The blocks get and return the right tokens, but the norm reads something else than what the last block "
            "returned. What is added to it, or done to it, between the blocks and the head?"
        ),
    ),
    (
        "tokens_detached",
        "tokens = self.norm(self.blocks(self.embed(images).detach()))",
        (
            "The logits are right, and no gradient reaches the images or the embedding, so the embedding never learns. "
            "Which call between the embedding and the blocks cuts the graph?"
        ),
    ),
    (
        "tokens_squashed",
        "tokens = self.norm(self.blocks(self.embed(images).tanh()))",
        "The first block gets other tokens than the embedding returned: a function such as tanh stands in between.",
    ),
    (
        "images_detached",
        "tokens = self.norm(self.blocks(self.embed(images.detach())))",
        (
            "The logits are right and all weights learn, but no gradient reaches the images: they are detached before "
            "the embedding. Saliency maps and adversarial examples need that gradient."
        ),
    ),
    (
        "blocks_without_gradient",
        "with torch.no_grad():\n            tokens = self.norm(self.blocks(self.embed(images)))",
        (
            "The logits are right, and only the head gets a gradient. Everything before it is computed without "
            "autograd, which belongs into evaluation and not into `forward`."
        ),
    ),
    (
        "first_block_left_out",
        "tokens = self.norm(self.blocks[1:](self.embed(images)))",
        "Fewer blocks are called than are made: `forward` leaves out a part of them.",
    ),
    (
        "blocks_called_twice",
        "tokens = self.norm(self.blocks(self.blocks(self.embed(images))))",
        "Each block is called twice in one forward pass. Tokens go through the stack once.",
    ),
):
    edited("Q8", name, {FORWARD: line}, hint=hint)

edited(
    "Q8", "one_block_too_many", {"for _ in range(depth)": "for _ in range(depth + 1)"},
    hint="There is one block more than `depth` says. Count how often your loop makes a block.",
)  # fmt: skip
edited(
    "Q8", "head_without_bias", {"nn.Linear(emb_size, n_classes)": "nn.Linear(emb_size, n_classes, bias=False)"},
    hint="The head has no bias: no parameter of n_classes numbers was found. `nn.Linear` has one unless it is told "
    "not to.",
)  # fmt: skip
edited(
    "Q8", "norm_that_cannot_learn", {"nn.LayerNorm(emb_size)": "nn.LayerNorm(emb_size, elementwise_affine=False)"},
    hint="The final norm has no weights of its own: `elementwise_affine=False` leaves out its factor and its summand.",
)  # fmt: skip


# --- Q9, right -------------------------------------------------------------------------------------------------------


@right("Q9")
def cleared_after_the_step(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train(True)
    loss = loss_fn(model(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return float(loss)


@right("Q9")
def with_a_closure(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()

    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        return loss

    return optimizer.step(closure).detach()


@right("Q9")
def gradients_asked_for_by_name(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    for part in model.modules():
        part.training = True
    loss = loss_fn(model(images), labels)
    weights = list(model.parameters())
    for p, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        p.grad = g
    optimizer.step()
    return loss.detach().cpu().numpy().item()


@right("Q9")
def cleared_by_the_model(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train().zero_grad()
    logits = model(images)
    loss = loss_fn(logits, labels)
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.tolist()


@right("Q9")
def under_enable_grad_with_named_arguments(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    with torch.enable_grad():
        value = loss_fn(model(images), labels)
        for p in model.parameters():
            p.grad = None
        (1.0 * value).backward()
    optimizer.step()
    return np.float32(value.item())


# --- Q9, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q9",
    hint="The first step is right and the second is too long: gradients add up in `.grad` until they are set to zero.",
)
def old_gradients_kept(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The weights do not move: the gradients are set to zero between `backward` and `step`.",
)
def cleared_before_the_step(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The weights do not move: gradients are computed, and the optimizer makes no step.",
)
def step_forgotten(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@mistake(
    "Q9",
    hint="The weights do not move: no gradient is computed before the optimizer's step.",
)
def backward_forgotten(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="Each step uses the gradient of the batch before, or none: the step comes before `backward`.",
)
def step_before_backward(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@mistake(
    "Q9",
    hint="The loss is right and still a tensor with its graph: a list of a hundred such losses keeps a hundred "
    "graphs in memory. One method of a tensor returns it as a Python number.",
)
def loss_with_its_graph(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@mistake(
    "Q9",
    hint="The loss that is returned is computed after the step. It should be the loss that the gradient came from.",
)
def loss_after_the_step(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss_fn(model(images), labels).item()


@mistake(
    "Q9",
    hint="Nothing is returned.",
)
def nothing_returned(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@mistake(
    "Q9",
    hint="With cross-entropy it is right, with another loss_fn it still uses cross-entropy: the argument is not used.",
)
def loss_written_out(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The loss function gets labels first and logits second. It takes the logits first.",
)
def logits_and_labels_swapped(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(labels, model(images))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The loss is computed from probabilities: cross_entropy takes a softmax itself and needs logits.",
)
def softmax_before_the_loss(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images).softmax(dim=-1), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The model comes in evaluation mode and stays in it, so it trains without dropout.",
)
def mode_left_alone(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The model is put into evaluation mode, so it trains without dropout.",
)
def trained_in_eval_mode(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.eval()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The optimizer makes two steps per call; the second uses a gradient that belongs to the weights before "
    "the first.",
)
def two_steps_at_once(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step(), optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="`backward` finds no graph: the forward pass runs under `no_grad`.",
)
def no_grad_while_training(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    with torch.no_grad():
        loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The step is too short: the loss is divided by the batch size once more, though cross_entropy is a mean "
    "already.",
)
def mean_of_the_mean(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels) / len(labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="The step goes in the opposite direction: it makes the loss larger.",
)
def uphill(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad()
    (-loss).backward()
    optimizer.step()
    return loss.item()


@mistake(
    "Q9",
    hint="`optimizer.zero_grad` without parentheses is a name and calls nothing, so old gradients stay.",
)
def parentheses_forgotten(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    model.train()
    loss = loss_fn(model(images), labels)
    optimizer.zero_grad  # noqa: B018
    loss.backward()
    optimizer.step  # noqa: B018
    return loss.item()


# --- Q9b, right ------------------------------------------------------------------------------------------------------


@right("Q9b")
@torch.inference_mode()
def under_inference_mode(model, batches):
    model.train(mode=False)
    hits = [model(images).max(dim=1).indices.eq(labels) for images, labels in batches]
    return torch.cat(hits).float().mean().item()


@right("Q9b")
def all_at_once(model, batches):
    images, labels = (torch.cat(column) for column in zip(*batches, strict=True))
    with torch.no_grad():
        guesses = model.eval()(images).argmax(1)
    return (guesses == labels).double().mean()


@right("Q9b")
def counted_in_numpy(model, batches):
    was = model.training
    model.eval()
    right = total = 0
    with torch.set_grad_enabled(False):
        for images, labels in batches:
            scores = model(images).detach().cpu().numpy()
            right += np.count_nonzero(scores.argmax(-1) == labels.cpu().numpy())
            total += labels.numel()
    model.train(was)
    return np.float64(right) / total


@right("Q9b")
def mean_weighted_by_size(model, batches):
    model.eval()
    shares, sizes = [], []
    with torch.no_grad():
        for images, labels in list(batches):
            shares.append((model(images).softmax(-1).argmax(-1) == labels).float().mean().item())
            sizes.append(len(images))
    return sum(a * n for a, n in zip(shares, sizes, strict=True)) / sum(sizes)


@right("Q9b")
def with_topk_one_image_at_a_time(model, batches):
    model.requires_grad_(False).eval()
    truth = []
    with torch.no_grad():
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                truth.append(int(model(image[None]).topk(1).indices.item() == label.item()))
    return sum(truth) / len(truth)


# --- Q9b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q9b",
    hint="The accuracies of the batches are averaged, so the images of a small last batch count for more than the "
    "others.",
)
def mean_of_batch_means(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).float().mean().item()
            total += 1
    return right / total


@mistake(
    "Q9b",
    hint="The model is in training mode while it is evaluated. `no_grad` does not switch dropout off.",
)
def eval_forgotten(model, batches):
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="The accuracy is right, and each forward pass still records a graph. `eval()` does not switch that off.",
)
def no_grad_forgotten(model, batches):
    model.eval()
    right = total = 0
    for images, labels in batches:
        right += (model(images).argmax(dim=-1) == labels).sum().item()
        total += len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="The number is a hundred times too large: a share between 0 and 1 is asked for.",
)
def in_per_cent(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
    return 100 * right / total


@mistake(
    "Q9b",
    hint="The number of right answers is returned. Divide it by the number of images.",
)
def a_count_not_a_share(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
    return right


@mistake(
    "Q9b",
    hint="`argmax` runs over the images and not over the classes.",
)
def argmax_over_the_batch(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=0)[0] == labels).sum().item()
            total += len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="Only the last batch counts: the counters are set to zero in each batch.",
)
def only_the_last_batch(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right, total = (model(images).argmax(dim=-1) == labels).sum().item(), len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="Only the first batch counts: look at how far the `return` is indented.",
)
def only_the_first_batch(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
            return right / total


@mistake(
    "Q9b",
    hint="The number of right answers is divided by the number of batches and not of images.",
)
def divided_by_batches(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += 1
    return right / total


@mistake(
    "Q9b",
    hint="Batches may come from a generator, which has no length: count the images while you read them.",
)
def asks_for_the_length(model, batches):
    model.eval()
    right = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).float().mean().item()
    return right / len(batches)


@mistake(
    "Q9b",
    hint="The share of wrong answers is returned.",
)
def the_error_rate(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) != labels).sum().item()
            total += len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="The number of right answers is divided by the number of logits and not of images.",
)
def divided_by_all_logits(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += model(images).numel()
    return right / total


@mistake(
    "Q9b",
    hint="The least likely class is taken and not the most likely one.",
)
def argmin_for_argmax(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmin(dim=-1) == labels).sum().item()
            total += len(labels)
    return right / total


@mistake(
    "Q9b",
    hint="A loss is returned. The accuracy is the share of images whose most likely class is the right one.",
)
def mean_loss(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += F.cross_entropy(model(images), labels, reduction="sum").item()
            total += len(labels)
    return right / total


# --- Q10, right ------------------------------------------------------------------------------------------------------


@right("Q10")
def with_einops(weights, grid):
    return rearrange(weights[:, 0, 1:], "heads (h w) -> heads h w", h=grid[0])


@right("Q10")
def unflattened(weights, grid):
    own = torch.select(weights, 1, 0)
    return torch.narrow(own, 1, 1, own.shape[1] - 1).unflatten(-1, tuple(grid))


@right("Q10")
def filled_patch_by_patch(weights, grid):
    h, w = grid
    maps = torch.empty(len(weights), h, w, dtype=weights.dtype, device=weights.device)
    for head in range(len(weights)):
        for place in range(h * w):
            maps[head, place // w, place % w] = weights[head, 0, place + 1]
    return maps


@right("Q10")
def in_numpy(weights, grid):
    return np.stack([one[0][1:].reshape(grid) for one in weights.cpu().numpy()])


@right("Q10")
def by_a_question_of_one_token(weights, grid):
    asks = F.one_hot(torch.tensor(0), weights.shape[-1]).to(weights)
    row = torch.einsum("n,hnm->hm", asks, weights)
    return torch.stack(row[:, 1:].split(grid[1], dim=1), dim=1)


# --- Q10, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q10",
    hint="A column is taken: how much each patch attends to the class token. The row of the class token says what "
    "it attends to.",
)
def who_looks_at_the_class_token(weights, grid):
    return weights[:, 1:, 0].reshape(-1, *grid)


@mistake(
    "Q10",
    hint="The weight of the class token for itself is still there: n + 1 numbers do not fit on a grid of n.",
)
def class_token_left_in(weights, grid):
    return weights[:, 0].reshape(-1, *grid)


@mistake(
    "Q10",
    hint="The last patch is dropped and the class token kept, so everything is shifted by one place.",
)
def last_patch_dropped(weights, grid):
    return weights[:, 0, :-1].reshape(-1, *grid)


@mistake(
    "Q10",
    hint="The row of the first patch is taken. The class token is token 0.",
)
def row_of_the_first_patch(weights, grid):
    return weights[:, 1, 1:].reshape(-1, *grid)


@mistake(
    "Q10",
    hint="The row of the last token is taken. The class token comes first.",
)
def row_of_the_last_token(weights, grid):
    return weights[:, -1, 1:].reshape(-1, *grid)


@mistake(
    "Q10",
    hint="Rows and columns of the map are exchanged.",
)
def map_transposed(weights, grid):
    return weights[:, 0, 1:].reshape(-1, *grid).mT


@mistake(
    "Q10",
    hint="Height and width are exchanged in the reshape. On a square grid both are equal.",
)
def height_and_width_swapped(weights, grid):
    return weights[:, 0, 1:].reshape(-1, grid[1], grid[0])


@mistake(
    "Q10",
    hint="The map is filled column by column. Patches come row by row.",
)
def columns_filled_first(weights, grid):
    return weights[:, 0, 1:].reshape(-1, grid[1], grid[0]).mT


@mistake(
    "Q10",
    hint="The heads are averaged. One map per head is asked for.",
)
def mean_over_heads(weights, grid):
    return weights.mean(dim=0)[0, 1:].reshape(1, *grid)


@mistake(
    "Q10",
    hint="Only one head is returned: an index was used on the axis of the heads.",
)
def only_the_first_head(weights, grid):
    return weights[0, 0, 1:].reshape(*grid)


@mistake(
    "Q10",
    hint="Each map adds up to 1: the weights were divided by their sum. They are asked for as they are, without "
    "the class token's weight for itself.",
)
def rescaled_to_one(weights, grid):
    maps = weights[:, 0, 1:]
    return (maps / maps.sum(dim=-1, keepdim=True)).reshape(-1, *grid)


@mistake(
    "Q10",
    hint="A second softmax makes the weights nearly equal. The weights have been through one already.",
)
def softmax_once_more(weights, grid):
    return weights[:, 0, 1:].softmax(dim=-1).reshape(-1, *grid)


@mistake(
    "Q10",
    hint="The weights are averaged over all queries: how much each patch is attended to by any token. The row of "
    "the class token is asked for.",
)
def mean_over_all_who_look(weights, grid):
    return weights.mean(dim=1)[:, 1:].reshape(-1, *grid)


# --- Q10b, right -----------------------------------------------------------------------------------------------------


@right("Q10b")
def half_and_half(attentions):
    eye = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
    joint = None
    for layer in attentions:
        mixed = 0.5 * layer.mean(0) + 0.5 * eye
        joint = mixed if joint is None else torch.matmul(mixed, joint)
    return joint


@right("Q10b")
def folded_from_the_top(attentions):
    stack = torch.stack(list(attentions)).mean(dim=1)
    stack = stack + torch.eye(stack.shape[-1]).to(stack)
    stack = F.normalize(stack, p=1, dim=-1)
    return fold(lambda above, below: above @ below, reversed(stack.unbind()))


@right("Q10b")
def in_double_numpy(attentions):
    rollout = np.eye(attentions[0].shape[-1])
    for layer in attentions:
        a = layer.double().cpu().numpy().mean(axis=0)
        np.fill_diagonal(a, a.diagonal() + 1)
        rollout = (a / a.sum(axis=1)[:, None]).dot(rollout)
    return rollout


@right("Q10b")
def one_token_at_a_time(attentions):
    n = attentions[0].shape[-1]
    columns = []
    for token in range(n):
        told = F.one_hot(torch.tensor(token), n).to(attentions[0])
        for layer in attentions:
            told = (layer.mean(dim=0) @ told + told) / 2
        columns.append(told)
    return torch.stack(columns, dim=1)


@right("Q10b")
def transposed_and_back(attentions):
    rollout = None
    for layer in attentions:
        a = torch.einsum("hij->ji", layer) / layer.shape[0]
        a = a + torch.diag_embed(torch.ones_like(a[0]))
        a = a / a.sum(dim=0)
        rollout = a if rollout is None else rollout @ a
    return rollout.T


# --- Q10b, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q10b",
    hint="One layer is right, with several they are multiplied in the opposite order: the first layer acts on the "
    "tokens first and so stands on the right.",
)
def product_the_other_way(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = rollout @ mixing
    return rollout


@mistake(
    "Q10b",
    hint="The residual connection is missing: the identity has to be added to each layer's attention.",
)
def shortcut_left_out(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="The rows add up to 2, 4, 8, ...: they are not divided by their sums.",
)
def rows_never_rescaled(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="The columns add up to 1 and the rows do not: the sum is taken along the wrong axis.",
)
def columns_rescaled(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-2, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="The layers are multiplied entry by entry. Attention passes from token to token through all other tokens,"
    " which a matrix product adds up.",
)
def multiplied_entry_by_entry(attentions):
    rollout = torch.ones_like(attentions[0][0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing * rollout
    return rollout


@mistake(
    "Q10b",
    hint="The layers are averaged. Each layer mixes what the layer before it has mixed, so they are multiplied.",
)
def layers_averaged(attentions):
    rollout = 0
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = rollout + mixing / len(attentions)
    return rollout


@mistake(
    "Q10b",
    hint="The largest weight of all heads is taken. The mean over the heads is asked for.",
)
def strongest_head_only(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.amax(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="The heads are added up, so with several heads attention counts for more than the identity. The mean is "
    "asked for.",
)
def heads_summed(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.sum(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="Only the last layer is in the result: the product with the layers before it is missing.",
)
def only_the_last_layer(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing
    return rollout


@mistake(
    "Q10b",
    hint="The identity is added once, at the end, and not in every layer.",
)
def shortcut_added_at_the_end(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        rollout = attention.mean(dim=0) @ rollout
    rollout = rollout + torch.eye(len(rollout)).to(rollout)
    return rollout / rollout.sum(dim=-1, keepdim=True)


@mistake(
    "Q10b",
    hint="A matrix of ones is added: `+ 1` acts on every entry. The identity matrix has ones on its diagonal only.",
)
def ones_everywhere(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + 1
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="There is one result per head: the heads have to be averaged before the layers are multiplied.",
)
def heads_kept_apart(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)
        rollout = mixing @ rollout
    return rollout


@mistake(
    "Q10b",
    hint="The rows go through a softmax once more, which makes them nearly equal. Divide each row by its sum.",
)
def rescaled_by_a_softmax(attentions):
    rollout = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    for attention in attentions:
        mixing = attention.mean(dim=0) + torch.eye(attention.shape[-1]).to(attention)
        mixing = mixing.softmax(dim=-1)
        rollout = mixing @ rollout
    return rollout


# --- Q8b, the blank page: right --------------------------------------------------------------------------------------


@right("Q8b")
def torch_layers_and_a_mean(images, labels):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 64, 8, 8)
            self.where = nn.Parameter(torch.zeros(1, 16, 64).normal_(std=0.02))
            layer = nn.TransformerEncoderLayer(64, 4, 128, 0.0, "gelu", batch_first=True, norm_first=True)
            self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(64), enable_nested_tensor=False)
            self.out = nn.Linear(64, 10)

        def forward(self, x):
            return self.out(self.body(self.patches(4 * x - 2).flatten(2).mT + self.where).mean(1))

    model = Model().to(images.device)
    adam = torch.optim.Adam(model.parameters(), 2e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, 10 * 32)
    for _ in range(10):
        for chosen in torch.randperm(len(images), device=images.device).split(63):
            adam.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            adam.step()
            rate.step()
    return model.eval()


@right("Q8b")
def cut_by_rearrange_and_mirrored(images, labels):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut, self.cls = nn.Linear(192, 48), nn.Parameter(torch.zeros(48))
            self.positions = nn.Parameter(torch.randn(17, 48) / 10)
            self.norms = nn.ModuleList(nn.LayerNorm(48) for _ in range(5))
            self.attend = nn.ModuleList(nn.MultiheadAttention(48, 3, batch_first=True) for _ in range(2))
            self.wide = nn.ModuleList(nn.Linear(48, 192) for _ in range(2))
            self.back = nn.ModuleList(nn.Linear(192, 48) for _ in range(2))
            self.head = nn.Linear(48, 10)

        def forward(self, x):
            x = self.cut(rearrange(3 * (x - 0.6), "b c (h p) (w q) -> b (h w) (p q c)", p=8, q=8))
            x = torch.cat([repeat(self.cls, "d -> b 1 d", b=len(x)), x], 1) + self.positions
            for k in range(2):
                y = self.norms[2 * k](x)
                x = x + self.attend[k](y, y, y)[0]
                x = x + self.back[k](F.gelu(self.wide[k](self.norms[2 * k + 1](x))))
            return self.head(self.norms[4](x)[:, 0])

    model = Model().to(images.device)
    updates = torch.optim.AdamW(model.parameters(), 2.5e-3)
    total = 9 * 32
    rate = torch.optim.lr_scheduler.OneCycleLR(updates, 2.5e-3, total)
    for _ in range(9):
        for chosen in torch.randperm(len(images), device=images.device)[:2000].split(63):
            batch = images[chosen]
            batch = torch.where(torch.rand(len(batch), 1, 1, 1, device=batch.device) < 0.5, batch.flip(-1), batch)
            loss = F.cross_entropy(model(batch), labels[chosen])
            updates.zero_grad()
            loss.backward()
            updates.step()
            rate.step()
    return model.eval()


@right("Q8b")
def unfolded_with_fixed_positions(images, labels):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            angle = torch.arange(17)[:, None] / 10 ** (torch.arange(0, 64, 2) / 16)
            self.register_buffer("where", torch.cat([angle.sin(), angle.cos()], 1) / 4)
            self.embed = nn.Linear(192, 64, bias=False)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, 64))
            options = {"activation": F.gelu, "batch_first": True, "norm_first": True, "dropout": 0.0}
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(64, 2, 256, **options) for _ in range(2))
            self.head = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 10))

        def forward(self, x):
            x = self.embed(F.unfold((x - 0.7) / 0.25, 8, stride=8).transpose(1, 2))
            x = torch.cat((self.cls_token.repeat(len(x), 1, 1), x), dim=1) + self.where
            for block in self.blocks:
                x = block(x)
            return self.head(x[:, 0])

    model = Model().to(images.device)
    updates = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(updates, 2e-3, 9 * 32)
    for _ in range(9):
        for chosen in torch.randperm(len(images), device=images.device).split(63):
            updates.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen], label_smoothing=0.05).backward()
            updates.step()
            rate.step()
    return model.eval()


LOOP, TAIL = "for _ in range(epochs):", "    return model.eval()"
edited("Q8b", "smaller_batches", {"epochs=8, batch=64, lr=2e-3": "epochs=7, batch=48, lr=2e-3"})
edited("Q8b", "four_narrow_heads_of_a_narrow_model", {"d=64, depth=2, heads=4": "d=56, depth=2, heads=7",
                                                      "epochs=8": "epochs=9"})  # fmt: skip

# --- Q8b, wrong ------------------------------------------------------------------------------------------------------

BRIEF = {"epochs=8": "epochs=1"}
MIXED = 'x = x + self.projection(rearrange(weights @ v, "b h n d -> b n (h d)"))'
READ = "return self.head(self.norm(self.blocks(tokens + self.positions))[:, 0])"
for name, changes, hint in (
    ("memory_never_trained", {LOOP: "for _ in range(0):"},
     ("The accuracy is that of guessing: the model that you return has not learned anything from these images. Does "
     "the optimiser change the weights of the model that is returned?")),
    ("memory_two_epochs", {"epochs=8": "epochs=2"},
     "The model has begun to learn and underfits: its accuracy is above guessing and below the goal. Train it longer."),
    ("memory_class_numbers", BRIEF | {READ: READ + ".argmax(-1)"},
     "The model returns class numbers, one per image. The check asks for its logits."),
    ("memory_every_token", BRIEF | {READ: READ.replace("[:, 0]", "")},
     "The model returns logits for every token. Which token belongs to the whole image?"),
    ("memory_softmax", BRIEF | {READ: READ + ".softmax(-1)"},
     "The outputs of your model are probabilities. `F.cross_entropy` applies a softmax itself."),
    ("memory_dropout_left_on",
     BRIEF | {TAIL: "    return model",
              "nn.GELU(), nn.Linear(2 * d, d)": "nn.GELU(), nn.Dropout(0.3), nn.Linear(2 * d, d)"},
     "The same images get different logits in two calls: the returned model is in training mode, with dropout on."),
    ("memory_no_attention_on_the_class_token",
     BRIEF | {MIXED: "x = x + self.projection(x)"},
     "The logits are the same for every image: the class token never receives anything from the patches."),
    ("memory_convolutions_first",
     BRIEF | {"self.embed = nn.Conv2d(3, d, kernel_size=patch, stride=patch)":
              "self.embed = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, d, patch, patch))"},
     ("The pixels of a patch pass through more than one linear map, or patches overlap: your embedding is a "
     "convolutional network. One linear map of separate patches is asked for.")),
    ("memory_patches_by_reshape",
     BRIEF | {"self.embed = nn.Conv2d(3, d, kernel_size=patch, stride=patch)": "self.embed = nn.Linear(192, d)",
              "self.embed(4 * (images - 0.5)).flatten(2).transpose(1, 2)":
              "self.embed(4 * (images - 0.5).reshape(len(images), 16, 192))"},
     ("Your patches come from a plain reshape of the image: each holds six rows of one channel. A patch is a square of "
     "all channels (lesson 01).")),
    ("memory_mean_without_attention",
     {"epochs=8": "epochs=1", MIXED:
      "x = x + self.projection(x)", "[:, 0])": ".mean(1))"},
     "Each patch changes the logits by itself, whatever the other patches show: there is no attention between them."),
    ("memory_without_positions", {"epochs=8": "epochs=1", "tokens + self.positions": "tokens"},
     "Exchanged patches give the same logits: the positions are missing."),
    ("memory_rate_too_large", {"epochs=8": "epochs=1", "lr=2e-3": "lr=3.0"},
     "The logits are very large and mostly wrong: training has diverged. Which number sets the length of a step?"),
    ("memory_prepared_outside",
     {"4 * (images - 0.5)": "images", "model = SmallViT().to(images.device)":
      "model = SmallViT().to(images.device)\n    images = (images - images.mean((0, 2, 3), keepdim=True)) / "
      "images.std((0, 2, 3), keepdim=True)"},
     ("On normalised images the model is good, on images from 0 to 1 it is not: it was trained on normalised images "
     "and does not normalise them itself.")),
):  # fmt: skip
    edited("Q8b", name, changes, hint=hint)

# --- Q10c, the stretch question --------------------------------------------------------------------------------------


@right("Q10c")
def backward_on_the_pixels_only(model, images, labels, patch_size):
    x = images.detach().clone().requires_grad_(True)
    score = model(x)[torch.arange(len(x), device=x.device), labels].sum()
    score.backward(inputs=[x])
    product = (x.grad * x).detach().sum(1)
    b, h, w = product.shape
    return product.reshape(b, h // patch_size, patch_size, w // patch_size, patch_size).sum((2, 4))


@right("Q10c")
def by_average_pooling(model, images, labels, patch_size):
    x = images.clone().requires_grad_()
    hot = F.one_hot(labels, model(x).shape[1]).to(x.dtype)
    gradient = torch.autograd.grad((model(x) * hot).sum(), x)[0]
    return patch_size**2 * F.avg_pool2d((gradient * images).sum(1), patch_size)


@right("Q10c")
def image_by_image(model, images, labels, patch_size):
    maps = []
    for image, label in zip(images, labels, strict=True):
        x = image[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x)[0, label], x)
        maps.append(rearrange(gradient * x, "1 c (h p) (w q) -> h w (c p q)", p=patch_size, q=patch_size).sum(-1))
    return torch.stack(maps)


@right("Q10c")
def by_torch_func(model, images, labels, patch_size):
    def logit(image, label):
        return (model(image[None])[0] * F.one_hot(label, model(images[:1]).shape[1])).sum()

    gradient = torch.stack([torch.func.grad(logit)(image, label) for image, label in zip(images, labels, strict=True)])
    return (gradient * images).unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size).sum((1, 4, 5))


@right("Q10c")
def by_unfold(model, images, labels, patch_size):
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(-F.nll_loss(model(x), labels, reduction="sum"), x)
    columns = F.unfold(gradient * images, patch_size, stride=patch_size).sum(1)
    return columns.reshape(len(images), images.shape[2] // patch_size, -1)


PRODUCT = "gradient * images"
SCORE = "score = logits.gather(1, labels[:, None]).sum()"
SUM = '"b c (h p) (w q) -> b h w", "sum"'
for name, changes, hint in (
    ("gradient_alone", {PRODUCT: "gradient"},
     "You sum the gradient itself. The pixels that it is multiplied by are missing."),
    ("input_alone", {PRODUCT: "images + 0 * gradient"}, "You sum the pixels. The gradient is missing."),
    ("all_logits", {SCORE: "score = logits.sum()"},
     "The gradient is that of the sum of all logits. Take from each row the logit of that image's label."),
    ("largest_logit", {SCORE: "score = logits.max(dim=1).values.sum()"},
     "The gradient is that of the largest logit. The labels are not used."),
    ("probability", {SCORE: "score = logits.softmax(1).gather(1, labels[:, None]).sum()"},
     "The gradient is that of the probability, which depends on all logits. The question asks for the logit."),
    ("loss", {SCORE: "score = F.cross_entropy(logits, labels)"},
     "The gradient is that of the loss. Its sign is the opposite, and it depends on all logits."),
    ("first_label_for_all", {SCORE: "score = logits[:, labels[0]].sum()"},
     "Every image uses the label of the first one."),
    ("mean_over_the_batch", {SCORE: "score = logits.gather(1, labels[:, None]).mean()"},
     "All numbers are too small by the number of images: the logits are averaged over the batch."),
    ("mean_over_a_patch", {SUM: '"b c (h p) (w q) -> b h w", "mean"'},
     "All numbers are too small by the number of values in a patch: they are averaged, not summed."),
    ("absolute_values", {PRODUCT: "(gradient * images).abs()"},
     "No number is negative: absolute values are summed. A patch can also lower the logit."),
    ("squared_gradient", {PRODUCT: "gradient * gradient"}, "You sum the squares of the gradient."),
    ("one_map_per_channel", {'-> b h w", "sum"': '-> b c h w", "sum"'},
     "There is one map per channel. The sum runs over the channels as well."),
    ("rows_and_columns_exchanged", {'-> b h w", "sum"': '-> b w h", "sum"'},
     "Rows and columns of the grid are exchanged."),
    ("pixels_far_apart", {"(h p) (w q)": "(p h) (q w)"},
     ("Your groups of pixels are not patches: each takes every k-th row and column. Which of the two letters is "
     "outside in `(h p)`?")),
    ("weights_collect",
     {"(gradient,) = torch.autograd.grad(score, pixels)": "score.backward()\n    gradient = pixels.grad"},
     "The map is right, and every weight of the model now has a gradient, which the next training step would use."),
):  # fmt: skip
    edited("Q10c", name, changes, hint=hint)
