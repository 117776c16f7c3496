"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="registers an AST transformer, ahead of ours, that replaces the call of check by a constant",
    must="a check that recorded nothing is zero",
    before="""
import ast


class Swap(ast.NodeTransformer):
    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, "id", "") == "check" and node.args[0].value == "Q1b":
            return ast.copy_location(ast.Constant(3.0), node)
        return node


get_ipython().ast_transformers.insert(0, Swap())
attempt("transform", lambda: type(get_ipython().ast_transformers[0]) is Swap or 1 / 0)
""",
    done=("transform",),
    suspicious="recorded nothing",
)
