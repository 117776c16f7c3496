"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack


def paste(saved, kit):
    record = {"text/plain": "recorded", "application/vnd.vitlab.answer": "AAAA"}
    for cell in saved["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "3.0"}},
                {"output_type": "display_data", "metadata": {}, "data": record},
            ]
            cell["execution_count"] = 1


ATTACK = Attack(
    attempts="pastes the saved outputs of somebody who was right under its own checks, records included",
    must="saved outputs are thrown away unread",
    edit=paste,
)
