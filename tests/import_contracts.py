"""A contract of imports that import-linter has not: pyproject.toml names it."""

import re

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class IndependentModels(Contract):
    """No model imports another; a version imports its model, because what stays the same is not copied."""

    package = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        models = graph.find_children(str(self.package))
        wrong = [
            f'{model} imports {imported}'
            for model in sorted(models)
            for imported in graph.find_modules_directly_imported_by(model) & models
            if without_version(model) != without_version(imported)
        ]
        return ContractCheck(kept=not wrong, metadata={'wrong': wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata['wrong']:
            output.print_error(line)


def without_version(module: str) -> str:
    """The module of the model itself: digits_model for digits_model_2."""
    return re.sub(r'_[0-9]+$', '', module)
