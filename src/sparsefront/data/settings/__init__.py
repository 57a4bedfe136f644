"""How data modules read: frozen dataclasses, which YAML writes as a mapping under `reading`."""

from sparsefront.data.settings.array_reading import ArrayReading
from sparsefront.data.settings.download_reading import DownloadReading
from sparsefront.data.settings.face_reading import FaceReading
from sparsefront.data.settings.file_reading import FileReading
from sparsefront.data.settings.people_settings import PeopleSettings

__all__ = ["ArrayReading", "DownloadReading", "FaceReading", "FileReading", "PeopleSettings"]
