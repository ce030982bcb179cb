"""Takes the README's pictures of a running console.

``python -m benchmarks.picture [--address http://127.0.0.1:8080] [--out docs/images]`` with ``make run`` going on:
the first page at 1440 px, light and dark, and at 390 px, as PNG of 256 colours. Needs Chromium and Pillow.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.browser import chromium, set_view, whole_page_png

VIEWS = (("console", 1440, False, 1310), ("console-dark", 1440, True, 1310), ("console-phone", 390, False, 1700))
"""Name, width in px, dark, height that is kept in px."""


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8080")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        for name, width, dark, height in VIEWS:
            set_view(browser, width=width, height=900, dark=dark)
            browser.get(f"{given.address}/")
            time.sleep(1)
            file = given.out / f"{name}.png"
            whole_page_png(browser, file, width=width, dark=dark)
            with Image.open(file) as picture:
                kept = picture.convert("RGB").crop((0, 0, width, min(height, picture.height)))
            kept.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
