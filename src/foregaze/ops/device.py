"""Where networks run, by its name."""

import torch

from foregaze.errors import ConfigError


def device_named(name: str) -> torch.device:
    """The device with a name of PyTorch's; "auto" is an accelerator where there is one.

    Raises:
        ConfigError: If there is no such device.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is not available here ({first_line})") from error
    return device
