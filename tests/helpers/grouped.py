"""Settings of a front end, written without their groups."""

from dataclasses import fields


def grouped(settings, **groups):
    """The settings by name with those of a group in it: `grouped({"seed": 1}, learning=TopTLearning)`.

    Args:
        settings: by name, in no group; a group that is given as a whole stays.
        groups: the dataclass of each group, by the name of the setting that it is.
    """
    rest = dict(settings)
    for name, kind in groups.items():
        members = {field.name: rest.pop(field.name) for field in fields(kind) if field.name in rest}
        if members and name not in rest:
            rest[name] = kind(**members)
    return rest
