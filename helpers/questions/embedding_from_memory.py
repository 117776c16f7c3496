"""Lesson 03, blank page: a patch embedding from an empty cell, in any of its forms.

It is judged as Q2 is: by its tokens and by what they depend on, and never by the names of its layers.
"""

from __future__ import annotations

from helpers.questions.patch_embedding import SIZES_AS_WRITTEN, PatchEmbeddingQuestion


class EmbeddingFromMemory(PatchEmbeddingQuestion):
    id = "Q2c"
    title = "Patch embedding from an empty cell"
    signature = f"ImageToTokens({SIZES_AS_WRITTEN}): (b, c, h, w) -> (b, patches, emb_size)"


QUESTIONS = (EmbeddingFromMemory(),)
