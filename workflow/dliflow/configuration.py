"""A configuration: a model in a framework, its API and variant, at a precision, on a device, with launch parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass

PYTHON, CPP = "python", "cpp"  # the APIs of frameworks


def family(framework: str) -> str:
    """What a framework is, in whatever version: `openvino` of `openvino` and of `openvino@2025.3`."""
    return framework.partition("@")[0]


@dataclass(frozen=True)
class Configuration:
    """What a row of the tables is of, before anything is known of it.

    Attributes:
        api: `python` or `cpp`: in which language the framework is called.
        parameters: `default`, or how the framework's launch parameters were found.
    """

    model: str
    framework: str
    api: str
    variant: str
    precision: str
    device: str
    parameters: str = "default"

    @property
    def identity(self) -> dict[str, str]:
        """Its columns in the tables; the launch parameters count only where something is measured."""
        return {key: value for key, value in asdict(self).items() if key != "parameters"}

    def path(self, pattern: str, **others: object) -> str:
        """A path of `study.paths` for it.

        Args:
            others: what the pattern has beside a configuration, such as `batch_size`.
        """
        return pattern.format(**asdict(self), **others)
