"""Face settings by their own names, put into the groups that they belong to."""

from dataclasses import fields

from sparsefront.data import FaceIdentification
from sparsefront.data.faces.people_settings import PeopleSettings
from sparsefront.data.faces.picture_settings import PictureSettings

GROUPS = {"people": PeopleSettings, "pictures": PictureSettings}


def face_data(root, *args, **settings):
    """`FaceIdentification(root, ...)`."""
    groups = {}
    for group, kind in GROUPS.items():
        names = [field.name for field in fields(kind)]
        groups[group] = kind(**{name: settings.pop(name) for name in names if name in settings})
    return FaceIdentification(root, *args, **groups, **settings)
