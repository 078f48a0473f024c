"""The bar of ``progress=True``."""

from __future__ import annotations

from typing import Any


class Bars:
    """A bar of tqdm for each stage, one after the other."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress=True needs tqdm: pip install tqdm, or pass a function") from error
        self._tqdm = tqdm
        self._bar: Any | None = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move on to a step of a stage."""
        if self._bar is None or stage != self._stage:
            self.close()
            self._bar = self._tqdm(total=total or None, desc=stage, unit_scale=True, leave=False)
            self._stage = stage
        # A stage may begin anew, with another fold or on all rows.
        self._bar.total = total or None
        self._bar.n = done
        self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
