"""Where the checkout's folders are."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "lightning_configs"
IMPORT_PATH = os.pathsep.join(map(str, (ROOT / "src", ROOT)))  # for programs that tests start from this checkout
