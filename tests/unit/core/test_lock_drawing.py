"""The picture of the lock in the documentation is the table in the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_picture_of_the_lock_in_the_docs_is_drawn_from_the_table_in_core():
    done = subprocess.run([sys.executable, str(ROOT / "scripts/draw_lock.py"), "--check"], check=False)
    assert done.returncode == 0, "run: python scripts/draw_lock.py"
