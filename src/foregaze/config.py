"""Configurations: whatever comes from outside enters through a `Config`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from foregaze.errors import ConfigError


class Config(BaseModel):
    """Base of all configurations: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyConfig = TypeVar("AnyConfig", bound=Config)

_EXPECTED = {
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "tuple_type": "expected a list",
}
"""Of pydantic's messages those that speak of Python's types."""

_LONGEST_GIVEN = 80
"""Characters of a wrong value that a message repeats."""


def read_config(
    kind: type[AnyConfig], path: str | Path, overrides: Sequence[str] = ()
) -> AnyConfig:
    """A YAML file as a validated configuration.

    Args:
        kind: The configuration's class.
        path: The YAML file.
        overrides: `key=value` pairs that replace entries of the file; keys are dotted paths
            (`stages.0.epochs=3`), values are YAML.

    Raises:
        ConfigError: If the file cannot be read, is not YAML, or does not validate.
    """
    return make_config(kind, read_yaml(path, overrides), str(path))


def read_yaml(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A YAML file as plain keys and values.

    Args:
        path: The YAML file.
        overrides: See `read_config`.

    Raises:
        ConfigError: If the file cannot be read or is not YAML.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not YAML (it is no UTF-8 text)") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2020-13-01
        raise ConfigError(f"{path}: is not YAML ({_one_line(error)})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(content).__name__}")
    for override in overrides:
        _replace(content, override)
    return content


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Plain keys and values from `key=value` pairs; see `read_config`.

    Raises:
        ConfigError: If one is none.
    """
    content: dict[str, Any] = {}
    for override in overrides:
        _replace(content, override)
    return content


def make_config(kind: type[AnyConfig], content: dict[str, Any], source: str) -> AnyConfig:
    """Plain keys and values as a validated configuration.

    Raises:
        ConfigError: One line that names the first wrong key, and the known ones.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_problem(kind, error)}") from error


def _first_problem(kind: type[Config], error: ValidationError) -> str:
    problems = error.errors()
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    where = ".".join(str(part) for part in problem["loc"])
    if unknown:
        known = _known_keys(kind, problem["loc"][:-1])
        return f"unknown key {where!r}; known here: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"key {where!r} is missing"
    what = _EXPECTED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    if not problem["loc"]:  # of all keys together, so that a message names those that it is about
        return what
    return f"{where}: {what} (given: {_shortened(problem['input'])})"


def _known_keys(kind: type[Config], parents: tuple[int | str, ...]) -> list[str]:
    """Keys of the configuration that sits at `parents` inside `kind`."""
    for part in parents:
        if part not in kind.model_fields:  # a place in a list, or a key of a dictionary
            continue
        inner = _inner_types(kind.model_fields[str(part)].annotation)
        kind = next((t for t in inner if issubclass(t, Config)), kind)
    return sorted(kind.model_fields)


def _inner_types(annotation: Any) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [t for part in getattr(annotation, "__args__", ()) for t in _inner_types(part)]


def _replace(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: expected key=value")
    try:
        replacement = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"--set {override!r}: {value!r} is not YAML") from error
    *parents, last = key.split(".")
    target: Any = content
    try:
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
        if isinstance(target, list):
            target[int(last)] = replacement
        else:
            target[last] = replacement
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ConfigError(f"--set {override!r}: there is no such place in the recipe") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def difference(before: Any, now: Any) -> str:
    """The first entry that two different plain configurations do not share, in words."""
    path: list[str] = []
    while isinstance(before, dict) and isinstance(now, dict):
        pairs = ((k, before.get(k, "nothing"), now.get(k, "nothing")) for k in [*before, *now])
        key, before, now = next(pair for pair in pairs if pair[1] != pair[2])
        path.append(str(key))
    return f"{'.'.join(path)} was {_shortened(before)} and is {_shortened(now)}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_GIVEN else f"{text[:_LONGEST_GIVEN]}..."
