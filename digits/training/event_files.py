"""TensorBoard's files in the run's directory, whatever that is called."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger


class EventFiles(TensorBoardLogger):
    """Lightning's, which takes `$HOME` in a folder's name for the variable and writes to another folder."""

    @property
    def log_dir(self) -> str:
        """The folder of the files."""
        version = self.version if isinstance(self.version, str) else f"version_{self.version}"
        return str(Path(self.root_dir, version, self.sub_dir or ""))
