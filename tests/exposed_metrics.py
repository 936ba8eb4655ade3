"""What a service says at /metrics, read by Prometheus' own parser."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.raw_http import send

GET = b'GET /metrics HTTP/1.1\r\nHost: service\r\n\r\n'


class Exposed:
    """The samples of one reading."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """All samples of this name with these labels together, less the prefix of all names."""
        return sum(sample.value for sample in self.found(name, labels))

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has."""
        return {sample.labels[label] for sample in self.found(name, {})}

    def found(self, name: str, labels: dict[str, str]) -> list[Any]:
        full = f'model_serving_{name}'
        return [
            sample
            for sample in self.samples
            if sample.name == full and labels.items() <= sample.labels.items()
        ]


def read_metrics(url: str) -> Exposed:
    return Exposed(send(url, GET).body.decode())
