"""The base of every section of a study file, and the error for a file that cannot be used."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class StudyError(ValueError):
    """A study that cannot be used; the message is one line for the person who wrote it."""


class Part(BaseModel):
    """A section of a study file: frozen, without unknown keys, each field described by the text below it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def digested(self) -> dict[str, Any]:
        """Return the values that fingerprints depend on."""
        return self.model_dump(mode="json")
