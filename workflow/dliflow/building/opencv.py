"""OpenCV has no program."""

from __future__ import annotations

REASON = (
    "the wheel of OpenCV exports nothing to C++; build core, imgproc and dnn of the same version from its source "
    "package, or take your distribution's libopencv-dev if it is of that version; then add workflow/cpp/opencv.cpp "
    "and a compile_line in workflow/dliflow/building/opencv.py (docs/cpp.md)"
)
