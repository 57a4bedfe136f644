"""Where a message of jsonargparse is about, out of its account of where it has been."""

import re
from dataclasses import dataclass, field

ENTRY = re.compile(r"Entry '([^']*)':\s*")
"""How a message about an entry of a list begins."""
TEXT_NONE = "'None'"
"""The value where somebody wrote the text None though null may be written."""


@dataclass
class Place:
    """Where a message is about: the dotted setting, the class whose it is, the named entries around it."""

    setting: str = ""
    owner: str = ""
    entries: list[str] = field(default_factory=list)
    found: str | None = None

    def __str__(self) -> str:
        name = f"`{self.setting}`" if self.setting else "this setting"
        return f"{name} of {self.owner.rpartition('.')[2]}" if self.owner else name

    @property
    def before(self) -> str:
        """Which entry of a list it is about."""
        return f"Entry {self.entries[-1]!r}: " if self.entries else ""


def innermost(text: str, place: Place | None = None) -> tuple[Place, str]:
    """Take the account of where apart, line by line, until what is wrong is left."""
    place = place or Place()
    while True:
        if found := ENTRY.match(text):
            place.entries.append(found[1])
        elif found := re.match(r'Parser key "([^"]+)"(?: element \d+)?:\s*', text):
            place.setting = found[1].removeprefix("fit.").removeprefix("init_args.")
        elif found := re.match(r"Problem with given class_path '([^']+)':\s*", text):
            if not re.match(_MORE, text[found.end() :]):
                place.found = found[1]
                return place, text[found.end() :]
            place.owner = found[1]
        elif found := re.match(r"- Expected a path but (.*?) either not accessible.*?\n\s*- ", text, re.DOTALL):
            place.found = found[1]
        elif found := re.match(r"Type .*? expects a function or a callable class: ", text, re.DOTALL):
            text = found[0] + _without_tail(text[found.end() :], place)
        elif found := re.match(_UNION, text, re.DOTALL):
            return _of_union(found, place)
        else:
            return place, text
        text = text[found.end() :]


_MORE = r"Parser key|Entry|Problem|Option|Does not|Group|Required|the following"
_UNION = (
    r"Does not validate against any of the Union subtypes.*?Errors:\n(.*)"
    r"\n\s*Given value type: .*?\n\s*Given value: ?(.*)"
)


def _without_tail(text: str, place: Place) -> str:
    """What stands before the value, which says the class, or is what was found."""
    cause, got, value = text.rpartition(". Got value: ")
    if not got:
        return text
    if inner := re.match(r"Namespace\((?:init_args=NestedArg\(.*\), )?class_path='([^']+)'", value, re.DOTALL):
        place.owner = inner[1]
    else:
        place.found = place.found or value.strip()
    return cause


def _of_union(found: re.Match[str], place: Place) -> tuple[Place, str]:
    """The alternative that got farthest, or all that would have been right."""
    first = re.match(r"\s*", found[1])
    bullet = "\n" + (first[0] if first else "") + "- "
    alternatives = [one.strip().removeprefix("- ") for one in ("\n" + found[1]).split(bullet) if one.strip()]
    deeper = [one for one in alternatives if re.search("Parser key|class_path|import path|Entry '|Option '", one)]
    if deeper:
        place.found = place.found or found[2].strip()
        return innermost(deeper[0], place)
    kinds = [one.partition(". Got value: ") for one in alternatives if "NoneType" not in one]
    value = next((inner for _, _, inner in kinds if inner), found[2].strip())
    if value == "None" and len(kinds) < len(alternatives):
        value = TEXT_NONE
    return place, f"{' or '.join(kind for kind, _, _ in kinds)}. Got value: {value}"
