"""Base of every record that crosses a boundary or is stored as a document: frozen, keyword-only, nothing extra."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen document part. Unknown fields are refused, and so are NaN and infinities."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        ser_json_timedelta="float",
    )
