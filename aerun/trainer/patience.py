"""The end of a training that has brought nothing better for a while."""

from typing import Any

from pytorch_lightning.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Ends training after so many epochs without a lower `monitor`.

    A run that it ended, and that goes on nevertheless since more epochs were asked for, is given as many again.
    """

    def __init__(self, monitor: str, epochs: int) -> None:
        super().__init__(monitor, patience=epochs)

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, EarlyStopping.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the count of epochs; the limit is that of the settings."""
        super().load_state_dict({**state_dict, "patience": self.patience})
        if self.wait_count >= self.patience:
            self.wait_count = self.stopped_epoch = 0
