"""OpenCV's program: the wheel exports nothing to C++, so the library is compiled, or comes from elsewhere."""

from __future__ import annotations

import re
from importlib.metadata import distributions

from dliflow.building import Source
from dliflow.errors import Skip

REASON = (
    "the wheel of OpenCV exports nothing to C++; set cpp: {opencv: build} in the config, and dnn and what it needs are "
    "compiled from the source package of the same version, once (594 steps, about 30 minutes of a processor, and 82 MB "
    "from the package index), or cpp: {opencv: FOLDER} to take one of that version that is installed there "
    "(docs/cpp.md)"
)
# As the wheel is made, as far as `cv2.getBuildInformation()` tells and the DNN module uses it: static, with the default
# choice of instructions and of threads. Off is what would be downloaded, or depends on what else the machine has.
SOURCE = Source(
    "opencv-python-headless",
    "opencv",
    (
        *("CMAKE_BUILD_TYPE=Release", "BUILD_LIST=core,imgproc,dnn", "BUILD_SHARED_LIBS=OFF", "BUILD_ZLIB=ON"),
        *(f"BUILD_{name}=OFF" for name in ("TESTS", "PERF_TESTS", "EXAMPLES", "DOCS", "JAVA", "opencv_apps")),
        *(f"WITH_{name}=OFF" for name in ("IPP", "LAPACK", "EIGEN", "OPENCL", "VA", "ITT", "FLATBUFFERS", "UNIFONT")),
        # Of modules that are not compiled, whose libraries would be looked for, or compiled, all the same.
        *(f"WITH_{name}=OFF" for name in ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "OPENJPEG", "JASPER", "OPENEXR")),
        *(f"WITH_{name}=OFF" for name in ("FFMPEG", "GSTREAMER", "V4L", "1394", "OBSENSOR", "GTK", "VTK", "ADE")),
    ),
)
LIBRARIES = ("dnn", "imgproc", "core")


def compile_line(site, library):
    """Against the library in a folder, if it is of the wheel's version; archives become a part of the program."""
    header = _part(library, "include/opencv*/opencv2/core/version.hpp", "include/opencv*/core/version.hpp")
    numbers = re.findall(r"define CV_VERSION_(?:MAJOR|MINOR|REVISION)\s+(\d+)", header.read_text(encoding="utf-8"))
    (wheel,) = (each.version for each in distributions(path=[str(site)], name=SOURCE.package))
    version, wanted = ".".join(numbers), wheel.rpartition(".")[0]  # behind the last dot: the package's own number
    if version != wanted:
        raise Skip(
            f"cpp.opencv: the library in {library} is OpenCV {version}, and the package is {wanted}: that would "
            "compare versions, not languages; name the folder of one of that version, or build"
        )
    file = _part(library, *(f"{place}/libopencv_dnn.{kind}" for kind in ("so", "a") for place in ("lib*", "lib*/*")))
    line = ["-std=c++17", f'-DWHEEL_VERSION="{wanted}"', f"-I{header.parents[2]}"]
    if file.suffix == ".so":
        shared = [str(file.with_name(f"libopencv_{name}.so")) for name in LIBRARIES]
        return [*line, *shared, f"-Wl,-rpath,{file.parent}"]
    archives = sorted(map(str, [*file.parent.glob("libopencv_*.a"), *file.parent.glob("opencv*/3rdparty/*.a")]))
    unused = "-Wl,--gc-sections"  # as OpenCV's own build has it: one names what only other processors' kernels have
    return [*line, unused, "-Wl,--start-group", *archives, "-Wl,--end-group", "-pthread", "-ldl"]


def _part(library, *patterns):
    """The first file of a folder that looks like one of these.

    Raises:
        Skip: when there is none.
    """
    files = [file for pattern in patterns for file in sorted(library.glob(pattern))]
    if not files:
        raise Skip(
            f"cpp.opencv: in {library} lies no OpenCV that programs in C++ can be compiled with, for there is no "
            f"{' and no '.join(patterns)}; name the folder that include and lib of one lie in, or build"
        )
    return files[0]
