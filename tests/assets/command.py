"""The command `featcx`, called in the process of the tests."""

from click.testing import CliRunner, Result

from featcx_assets import cli

HEAVY = {"torch", "torchvision", "sklearn", "scipy", "matplotlib", "zarr", "mlxtend"}
"""Modules that take seconds to load: what does no arithmetic does without."""


def featcx(*arguments: str) -> Result:
    """What `featcx ARGUMENTS` prints and ends with."""
    return CliRunner().invoke(cli.main, arguments, catch_exceptions=False)


def refused(*arguments: str) -> str:
    """The one line that bad input ends with."""
    result = featcx(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line
