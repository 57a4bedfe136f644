"""Face settings by their own names, put into the groups that they belong to."""

from sparsefront.data import FaceIdentification
from sparsefront.data.settings import FaceReading, PeopleSettings
from tests.helpers.grouped import grouped


def face_data(root, positive="Halle_Berry", **settings):
    """`FaceIdentification(root, ...)`."""
    return FaceIdentification(
        root, **grouped({"positive": positive, **settings}, people=PeopleSettings, reading=FaceReading)
    )
