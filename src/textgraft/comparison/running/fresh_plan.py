"""The plan of a comparison before anything is measured: what there is to run if time allows."""

from __future__ import annotations

from pathlib import Path

from textgraft.comparison.preparing import DEV_ROWS_AT_LEAST, Material
from textgraft.comparison.records.plan import (
    ComparisonPlan,
    PlannedContender,
    Programme,
    Request,
    TrialPlan,
)
from textgraft.comparison.running.measuring import command, machine


def new_plan(request: Request, material: Material, sizes: list[int], threads: int) -> ComparisonPlan:
    """Describe what there is to measure; what it costs is not known yet.

    Args:
        request: What is asked for.
        material: What the trials draw on.
        sizes: Training sizes wanted, ascending.
        threads: That everything is computed on.
    """
    splits = material.splits
    takes_all = sizes[-1] >= len(splits.train)
    contenders = {contender.name: contender for contender in material.entrants.contenders}
    programmes = {
        name: Programme(
            sizes=contender.sizes(sizes, len(splits.train)),
            seeds=1 if contender.fixed_sizes else request.seeds,
            is_sure=contender.draws_nothing and takes_all,
            configurations=min(request.tuning, len(contender.grid)),
            is_pretrained=contender.asked_about == "BERT",
        )
        for name, contender in contenders.items()
    }
    return ComparisonPlan(
        request=request,
        data_hash=material.data_hash,
        title=Path(splits.train.source).name,
        source=splits.train.source,
        command=command(),
        machine=machine(),
        threads=threads,
        contenders={
            name: PlannedContender(
                contender.title, [settings.given() for settings in contender.grid[: request.tuning]]
            )
            for name, contender in contenders.items()
        },
        dev_rule=f"a quarter of the training size, at least {DEV_ROWS_AT_LEAST} rows",
        rates={},
        programmes=programmes,
        seconds=0.0,
        plan=TrialPlan(
            trials=[],
            configurations={name: own.configurations for name, own in programmes.items()},
            seconds=0.0,
        ),
    )
