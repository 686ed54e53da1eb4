from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from foregaze.config import Config, difference, make_config, parse_overrides, read_config
from foregaze.errors import ConfigError


class Engine(Config):
    cylinders: int = Field(4, ge=1)
    fuel: Literal["petrol", "none"] = "petrol"


class Wheel(Config):
    radius_cm: float

    @model_validator(mode="after")
    def _rolls(self) -> "Wheel":
        if self.radius_cm <= 0:
            raise ValueError(f"a wheel of {self.radius_cm} cm does not roll")
        return self


class Car(Config):
    name: str
    engine: Engine = Engine()
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    by_place: dict[str, Wheel] = Field(default_factory=dict)


def written(folder: Path, text: str) -> Path:
    path = folder / "car.yaml"
    path.write_text(text)
    return path


def message_of(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(Car, path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_becomes_a_validated_configuration(tmp_path):
    path = written(tmp_path, "name: mini\nengine: {cylinders: 3}\nwheels: [{radius_cm: 25}]\n")
    car = read_config(Car, path)
    assert car == Car(
        name="mini", engine=Engine(cylinders=3), wheels=(Wheel(radius_cm=25.0),), spare=None
    )


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Engine().cylinders = 8


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("name=beetle", {"name": "beetle"}),
        ("engine.cylinders=6", {"engine": {"cylinders": 6}}),
        ("spare.radius_cm=1e1", {"spare": {"radius_cm": 10.0}}),  # YAML 1.1 reads a string there
        ("wheels.1.radius_cm=9", {"wheels": [{"radius_cm": 20.0}, {"radius_cm": 9.0}]}),
        ("wheels.0={radius_cm: 7}", {"wheels": [{"radius_cm": 7.0}, {"radius_cm": 30.0}]}),
        ("wheels=[]", {"wheels": []}),
        ("name=a=b", {"name": "a=b"}),
    ],
)
def test_an_override_replaces_one_entry(tmp_path, override, found):
    path = written(tmp_path, "name: mini\nwheels: [{radius_cm: 20}, {radius_cm: 30}]\n")
    car = read_config(Car, path, [override])
    assert car.model_dump(mode="json", include=set(found), exclude_unset=True) == found


def test_later_overrides_win(tmp_path):
    path = written(tmp_path, "name: mini\n")
    assert read_config(Car, path, ["name=first", "name=second"]).name == "second"


@pytest.mark.parametrize("override", ["name", "=3", ""])
def test_an_override_without_key_or_value_says_what_is_expected(tmp_path, override):
    path = written(tmp_path, "name: mini\n")
    assert message_of(path, override) == f"--set {override!r}: expected key=value"


@pytest.mark.parametrize(
    "override", ["wheels.4.radius_cm=1", "wheels.x.radius_cm=1", "wheels.2=1", "name.first=a"]
)
def test_an_override_of_a_place_that_is_not_there_is_refused(tmp_path, override):
    path = written(tmp_path, "name: mini\nwheels: [{radius_cm: 20}, {radius_cm: 30}]\n")
    assert message_of(path, override) == f"--set {override!r}: there is no such place in the recipe"


@pytest.mark.parametrize("value", ["[1, 2", "2020-13-01"])
def test_an_override_that_is_no_yaml_says_so(tmp_path, value):
    path = written(tmp_path, "name: mini\n")
    assert message_of(path, f"name={value}") == f"--set 'name={value}': '{value}' is not YAML"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: mini\ncolour: red\n", "unknown key 'colour'; known here: by_place, engine, name"),
        ("name: a\nengine: {gears: 5}\n", "unknown key 'engine.gears'; known here: cylinders, f"),
        (
            "name: a\nwheels: [{radius_cm: 1}, {size: 1}]\n",
            "'wheels.1.size'; known here: radius_cm",
        ),
        ("name: a\nspare: {radius_cm: 1, flat: no}\n", "'spare.flat'; known here: radius_cm"),
        ("name: a\nby_place: {rear: {x: 1}}\n", "'by_place.rear.x'; known here: radius_cm"),
        ("engine: {}\n", "key 'name' is missing"),
        ("name: a\nwheels: [{}]\n", "key 'wheels.0.radius_cm' is missing"),
        ("name: a\nengine: {cylinders: 0}\n", "greater than or equal to 1 (given: 0)"),
        ("name: a\nengine: {fuel: tea}\n", "Input should be 'petrol' or 'none' (given: 'tea')"),
        ("name: [1]\n", "name: Input should be a valid string (given: [1])"),
        ("name: a\nwheels: [{radius_cm: -1}]\n", "wheels.0: a wheel of -1.0 cm does not roll"),
        ("- 1\n- 2\n", "expected keys and values, found list"),
        ("", "expected keys and values, found NoneType"),
        ("name: [1,\n", "is not YAML (while parsing a flow node"),
        ("name: 2020-13-01\n", "is not YAML (month must be in 1..12)"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_that_names_the_first_problem(tmp_path, text, message):
    path = written(tmp_path, text)
    assert message_of(path).startswith(f"{path}: ")
    assert message in message_of(path)


def test_a_long_wrong_value_is_cut(tmp_path):
    path = written(tmp_path, f"name: [{'x' * 5000}]\n")
    assert message_of(path).endswith("xxx...)")
    assert len(message_of(path)) < len(str(path)) + 150


def test_a_missing_file_is_named(tmp_path):
    assert message_of(tmp_path / "no.yaml").startswith(f"{tmp_path / 'no.yaml'}: cannot be read")


def test_a_file_that_is_no_text_cannot_be_read(tmp_path):
    path = tmp_path / "car.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    assert message_of(path).endswith("is not YAML (it is no UTF-8 text)")


def test_plain_values_say_where_they_come_from():
    with pytest.raises(ConfigError, match=r"^model\.safetensors: unknown key 'x'"):
        make_config(Engine, {"x": 1}, "model.safetensors")


def test_pairs_become_keys_and_values():
    given = ["a=3", "b.c=[1, 2]", "b.d=text", "e=-ids", "f=null"]
    expected = {"a": 3, "b": {"c": [1, 2], "d": "text"}, "e": "-ids", "f": None}
    assert parse_overrides(given) == expected
    assert parse_overrides([]) == {}
    with pytest.raises(ConfigError, match="--set 'a': expected key=value"):
        parse_overrides(["a"])


def test_the_first_difference_of_two_configurations_is_told():
    before = {"a": 1, "b": {"c": [1, 2], "d": "x" * 200}}
    assert difference(before, before | {"b": {"c": [1], "d": ""}}) == "b.c was [1, 2] and is [1]"
    assert difference(before, {"b": before["b"]}) == "a was 1 and is 'nothing'"
    assert difference({}, {"stage": {"name": None}}).startswith("stage was 'nothing' and is {")
    cut = difference(before, {"a": 1, "b": {"c": [1, 2], "d": 3}})
    assert cut.endswith("... and is 3")
    assert len(cut) < 120
