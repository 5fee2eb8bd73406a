"""The configuration as pages: every key of `conf/`, with its type, range and meaning from `digits.config`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel

from digits.config.schema import DESCRIBED, Experiment, Trainer
from digits.config.tune import Categorical, Float, Int, Tune
from digits.config.types import Tree, Value

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"

GROUPS = ("data", "augment", "model", "task", "loss", "optimizer", "scheduler", "trainer", "callbacks", "logger")
SECTIONS: dict[str, type[BaseModel]] = {"": Experiment, "trainer": Trainer, "tune": Tune}  # those without a _target_
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
PLAIN = {"boolean": "true or false", "array": "list", "string": "text", "object": "mapping"}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
SMALL = {"a", "and", "are", "as", "at", "be", "by", "for", "in", "is", "it", "of", "on", "or", "that", "the", "to"}
TABLE = "| key | default | type and range | meaning |\n|---|---|---|---|"


def configuration() -> Iterator[str]:
    """Every key of a configuration: type and range, default, meaning, and the file that sets it."""
    yield "# Every key\n"
    yield "Type, range and meaning come from `digits/config/`, the default and the reason for it from `conf/`. The type"
    yield "of a sampler's, a pruner's or a launcher's key is that of its default; Optuna's class or the launcher's own"
    yield "configuration checks the value."
    yield "`--cfg job` prints all keys of a command; [Configuration](../configuration.md) says how to set them.\n"
    yield '<div class="keys" markdown>\n\n## The experiment itself\n'  # which docs/style.css stacks on a phone
    yield from choice(CONF / "train.yaml", "")
    for group in GROUPS:
        yield from choices(group)
    yield "## tune\n"
    yield from choice(CONF / "tune.yaml", "")
    yield from choices("search_space")
    yield "### A parameter of your own\n"
    for model in (Float, Int, Categorical):
        yield f"{model.__doc__}\n\n{TABLE}"
        described = properties(model)
        yield from (row(name, "", "this kind of parameter" * (name == "type"), described[name]) for name in described)
        yield ""
    for group in ("sampler", "pruner", "hydra/launcher"):
        yield from choices(group)
    yield "</div>\n"


def choices(group: str) -> Iterator[str]:
    """The section of a group."""
    yield f"## {group}\n"
    for path in sorted((CONF / group).glob("*.yaml")):
        yield f"### {group}={path.stem}\n"
        yield from choice(path, group.replace("/", "."))


def choice(path: Path, prefix: str) -> Iterator[str]:
    """One YAML file: what it is for, what it builds, and its keys as a table."""
    text = path.read_text(encoding="utf-8")
    section = yaml.compose(text, Loader=yaml.SafeLoader)
    yield f"{opening(text)}\n\nIn `{path.relative_to(ROOT).as_posix()}`."
    if target := target_of(path):
        yield f"Builds `{target}`."
    if base := base_of(path):
        yield f"Has what {' and '.join(map(code, base))} has, and these:" if prefix else ""
    if isinstance(section, yaml.MappingNode) and (found := list(rows(section, text, prefix, target))):
        yield "\n".join(["", TABLE, *found])
    yield ""


def base_of(path: Path) -> list[str]:
    """The choices of its own group that a YAML file takes over."""
    names = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
    return [name for name in names if isinstance(name, str) and name != "_self_"]


def target_of(path: Path) -> str:
    """What a YAML file builds, itself or by what it takes over; nothing where its sections do."""
    target = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("_target_", "")
    taken = (path.with_stem(name) for name in base_of(path))
    return str(target) or next((target_of(base) for base in taken if base.exists()), "")


def opening(text: str) -> str:
    """The comment that a YAML file opens with."""
    lines = re.sub(r"\A# @package.*\n", "", text).splitlines()
    first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "<br>".join(escaped(line.removeprefix("# ")) for line in lines[:first])


def rows(section: yaml.MappingNode, text: str, prefix: str, target: str) -> Iterator[str]:
    """The rows of a section's keys, those of the sections within it included."""
    model = DESCRIBED.get(target) or SECTIONS.get(prefix)
    described = properties(model) if model else {}
    for key, value in section.value:
        name = f"{prefix}.{key.value}".lstrip(".")
        if key.value in ("_target_", "defaults") or name == "hydra":
            continue  # above the table; Hydra's own keys are in Hydra's documentation
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            builds = next((entry.value for inner, entry in value.value if inner.value == "_target_"), "")
            if builds:
                yield f"| **{code(name)}** | | | builds `{builds}` |"
            yield from rows(value, text, name, builds)
        elif isinstance(value, yaml.MappingNode) and prefix == "search_space":
            yield parameter(name, {inner.value: written(entry, text) for inner, entry in value.value})
        else:
            default = written(value, text)
            comment = text[value.end_mark.index :].partition("\n")[0].strip().removeprefix("# ")
            yield row(name, default, comment, described.get(key.value) or inferred(default))


def written(node: yaml.Node, text: str) -> str:
    """A value of a YAML file as it is written there."""
    return text[node.start_mark.index : node.end_mark.index].strip()


def row(name: str, default: str, comment: str, schema: Value) -> str:
    """One key of a table."""
    meaning = str(schema.get("description", "")) if isinstance(schema, dict) else ""
    if repeats(comment, meaning):
        comment = ""
    parts = [escaped(meaning), f"<small>{escaped(comment)}</small>" if comment and meaning else escaped(comment)]
    return f"| {code(name)} | {code(default)} | {kind(schema)} | {'<br>'.join(filter(None, parts))} |"


def parameter(name: str, given: dict[str, str]) -> str:
    """One parameter of a search space, whose range is its value."""
    span = code(given["choices"]) if "choices" in given else f"{given['low']} to {given['high']}"
    log, step = ", log" * (given.get("log") == "true"), f", step {given.get('step')}" * ("step" in given)
    only = f", only with {code(given['when'].strip('{}').replace(': ', '='))}" if "when" in given else ""
    return f"| {code(name)} |  | {given['type']} {span}{log}{step} | sets {code(given['key'])}{only} |"


def repeats(comment: str, meaning: str) -> bool:
    """Whether a meaning has at least three in four words of a comment, by their first letters, and every number."""
    ours, theirs = ({word[:5] for word in re.findall(r"[\w/]+", text.lower())} - SMALL for text in (comment, meaning))
    new = ours - theirs
    return 4 * len(new) <= len(ours) and not re.search(r"\d", "".join(new))


def inferred(default: str) -> Tree:
    """The JSON schema of a default's type, for a key that no schema describes.

    An interpolation has the type of the key that it names, or of the argument that it gives to a resolver.
    """
    if match := re.fullmatch(r"\$\{(\w+)\.(\w+)\}", default):
        named = properties(SECTIONS[match[1]])[match[2]]
        return {key: value for key, value in named.items() if key != "description"} if isinstance(named, dict) else {}
    value = yaml.safe_load(re.sub(r"\A\$\{\w+:(.*)\}\Z", r"\1", default))
    items: Tree = {"items": {"type": TYPES[type(value[0])]}} if isinstance(value, list) and value else {}
    return {"type": TYPES[type(value)]} | items


def experiments() -> Iterator[str]:
    """Every experiment and every debugging aid, with its values."""
    yield "# Every experiment\n"
    for path in (path for group in ("experiment", "debug") for path in sorted((CONF / group).glob("*.yaml"))):
        text = path.read_text(encoding="utf-8")
        values = re.sub(r"\A(#.*\n)+", "", text).rstrip()
        yield f"## {path.parent.name}={path.stem}\n\n{opening(text)}\n\n```yaml\n{values}\n```\n"


def properties(model: type[BaseModel]) -> Tree:
    """The JSON schemas of a section's keys."""
    found: Tree = model.model_json_schema()["properties"]
    return found


def kind(schema: Value) -> str:
    """The type and the range of a value, from its JSON schema, in words: `integer ≥ 1 or null`."""
    if not isinstance(schema, dict):
        return ""
    alternatives, values = schema.get("anyOf"), schema.get("enum", [schema["const"]] if "const" in schema else [])
    if isinstance(alternatives, list):
        return " or ".join(dict.fromkeys(map(kind, alternatives)))
    if isinstance(values, list) and values:
        return ", ".join(code(yaml.safe_dump(value).splitlines()[0]) for value in values)
    name, inner = str(schema.get("type", "anything")), kind(schema.get("items"))
    limits = ", ".join(f"{sign} {schema[key]}" for key, sign in LIMITS.items() if key in schema)
    words = [PLAIN.get(name, name), limits, f"of {inner}" if inner else ""]
    if "minItems" in schema and schema["minItems"] == schema.get("maxItems"):
        words[1] = f"of {schema['minItems']},"
    return " ".join(filter(None, words))


def code(text: str) -> str:
    """Text as code in the cell of a table."""
    return f"`{text}`" if text else ""


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, but for what stands between backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_<|\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
