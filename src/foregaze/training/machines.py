"""Several machines that fit one branch together, each with the same command and a shared disk.

The first one claims the output, computes what training reads, says which branches are to be
trained, and assembles and scores models. The others wait for its word and take part in the fitting
alone. They find each other as Lightning's processes do, by the environment: NODE_RANK, MASTER_ADDR
and MASTER_PORT; words are passed one port above.
"""

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from foregaze.errors import ConfigError, OutputError

VARIABLES = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
_MEETING = timedelta(minutes=10)
"""For all machines to be started."""
_PATIENCE = timedelta(days=7)
"""For the first machine's word: features of a large data set take their time."""


class Machines:
    """This machine among others.

    Args:
        count: How many there are.

    Raises:
        ConfigError: If the environment does not say which one this is, or where the first one is.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.rank = 0
        if count == 1:
            return
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise ConfigError(
                f"trainer.num_nodes is {count}: set {', '.join(missing)} on each machine: its "
                "number from 0, and address and port of the first one"
            )
        rank, port = (os.environ[name] for name in ("NODE_RANK", "MASTER_PORT"))
        if not rank.isdecimal() or int(rank) >= count:
            raise ConfigError(f"NODE_RANK is {rank!r}, expected a number from 0 to {count - 1}")
        if not port.isdecimal() or not 0 < int(port) < 65535:
            raise ConfigError(f"MASTER_PORT is {port!r}, expected a number from 1 to 65534")
        self.rank = int(rank)

    @property
    def leads(self) -> bool:
        """Whether this is the first one, which does what is done once."""
        return self.rank == 0

    def meet(self) -> None:
        """Find the others, so that all notice when the first one is gone.

        Raises:
            OutputError: If the first one does not answer, or its port is taken.
        """
        if self.count > 1:
            self._store()

    def tell(self, topic: str, word: Sequence[Any]) -> None:
        """Say something to the others, as JSON; to be called by the first one."""
        if self.count > 1:
            self._store().set(topic, json.dumps(word))

    def hear(self, topic: str) -> Any:
        """Wait for what the first one says.

        Raises:
            OutputError: If it is gone.
        """
        store = self._store()
        try:
            return json.loads(store.get(topic))
        except RuntimeError as error:  # of torch.distributed
            raise _silent(error) from error

    def _store(self) -> Any:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]) + 1
        try:
            return _connected(address, port, self.leads)
        except RuntimeError as error:
            raise _silent(error) from error


def _silent(error: RuntimeError) -> OutputError:
    return OutputError(
        f"the first machine at {os.environ['MASTER_ADDR']} does not answer, or has no port above "
        f"{os.environ['MASTER_PORT']} ({str(error).splitlines()[0]}); start all of them again, "
        "with --resume"
    )


@cache
def _connected(address: str, port: int, leads: bool) -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore(address, port, None, leads, _MEETING, wait_for_workers=False)
    store.set_timeout(_PATIENCE)
    return store
