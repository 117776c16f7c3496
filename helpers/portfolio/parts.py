"""The parts that later lessons build on: what each is called, and whose question it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part; `called` is its name in its own lesson, where that is another one."""

    name: str
    question: str
    lesson: str
    called: str = ""


PARTS = {
    part.name: part
    for part in (
        Part("getPositionEncoding", "Q1", "02_positional_encoding"),
        Part("PatchEmbedding", "Q4", "04_class_token"),
        Part("PatchProjection", "Q2", "03_patch_embedding", called="PatchEmbedding"),
        Part("MultiHeadAttention", "Q5", "05_attention"),
        Part("ResidualAdd", "Q6", "06_encoder_block"),
        Part("FeedForwardBlock", "Q7", "06_encoder_block"),
        Part("TransformerEncoderBlock", "Q7b", "06_encoder_block"),
        Part("ViT", "Q8", "07_vision_transformer"),
    )
}
