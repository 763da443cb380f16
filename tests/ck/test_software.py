"""`ck detect soft`, `ck install package`, `ck detect platform.gpgpu`: true versions, no questions, clear reasons."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

PROGRAMS = "ck-iot-farm-programs"


def _environments(home, *tags):
    """Meta of every `local:env` entry that has all of these tags."""
    metas = [json.loads(path.read_text()) for path in sorted((home.repos / "local/env").glob("*/.cm/meta.json"))]
    return [meta for meta in metas if set(tags) <= set(meta["tags"])]


def _has(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _forget_software(home):
    for entry in (home.repos / "local/env").iterdir():
        shutil.rmtree(entry)


def test_detect_tensorflow(own_home):
    """`ck detect soft --tags=lib,tensorflow` finds the virtual environment's and registers its true version."""
    _forget_software(own_home)
    done = own_home.ck("detect", "soft", "--tags=lib,tensorflow")
    assert done.returncode == 0, done.stdout
    assert "Enter version" not in done.stdout
    (meta,) = _environments(own_home, "lib", "tensorflow")
    true = meta["customize"]["version"]
    assert {"host-os-linux-64", "target-os-linux-64", "64bits", f"v{true}", f"v{true.split('.')[0]}"} <= set(
        meta["tags"]
    )
    assert meta["customize"]["full_path"].startswith(sys.prefix)
    assert "v1.5.0" not in meta["tags"]


def test_detect_again_asks_nothing(home):
    """CK's question about an entry that is there already gets its default answer when nobody is at the terminal."""
    before = [path.name for path in (home.repos / "local/env").iterdir()]
    for arguments in (
        ("soft", "--tags=lib,tensorflow"),
        ("soft:compiler.python",),
        ("soft", "--tags=lib,keras-request"),
    ):
        done = home.ck("detect", *arguments)
        assert done.returncode == 0, done.stdout
        assert "(no terminal: default)" in done.stdout
    assert sorted(path.name for path in (home.repos / "local/env").iterdir()) == sorted(before)


def test_answers_in_a_pipe_are_read(home):
    """A pipe with answers in it is read before a default is taken."""
    done = home.ck("detect", "soft", "--tags=lib,tensorflow", answers="n\nn\n")
    assert done.returncode == 0, done.stdout
    assert "no terminal" not in done.stdout


@pytest.fixture
def bare_python(tmp_path):
    """A Python with ck and without TensorFlow, Keras and pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True, timeout=120)
    site = next((tmp_path / "bare/lib").glob("python*/site-packages"))
    for package in ("ck", "requests", "yaml", "urllib3", "idna", "certifi", "charset_normalizer"):
        found = next(
            (Path(entry) / package for entry in sys.path if (Path(entry) / package / "__init__.py").is_file()), None
        )
        if found is not None:
            (site / package).symlink_to(found)
    return tmp_path / "bare/bin/python"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("detect", "soft", "--tags=lib,tensorflow"), 16, "tensorflow is not installed for"),
        (("detect", "soft", "--tags=lib,keras"), 16, "keras is not installed for"),
        (("install", "package", "--tags=lib,tensorflow,v1.5.0,vcpu,vprebuilt"), 1, "pip could not install"),
        (("install", "package:lib-keras-2.1.3-request"), 1, "pip could not install"),
    ],
)
def test_absent_packages(home, bare_python, arguments, code, words):
    """What is not installed, and what pip cannot install, ends with one line of CK and a non-zero code."""
    done = subprocess.run(
        [str(bare_python), "-m", "ck", *arguments],
        env={name: value for name, value in home.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("CK error:")]
    assert words in line


@pytest.mark.parametrize(
    ("selection", "alias", "code"),
    [
        (("--tags=lib,tensorflow,v1.5.0,vcpu,vprebuilt",), "lib-tensorflow-1.5.0-cpu", 0),
        (("--tags=lib,tensorflow,v1.5.0,vcuda,vprebuilt",), "lib-tensorflow-1.5.0-cuda", None),
        (
            ("--tags=lib,tensorflow,v1.5.0,vsrc", "--env.CK_HOST_CPU_NUMBER_OF_PROCESSORS=1"),
            "lib-tensorflow-1.5.0-src-cpu",
            1,
        ),
    ],
)
def test_packages_of_the_appendix(home, selection, alias, code):
    """Each of A.7's selections matches exactly one package: it registers what is there, or says why it cannot."""
    done = home.ck("install", "package", *selection)
    assert f"Package found: {alias} " in done.stdout
    assert "More than one package" not in done.stdout
    if code is not None:
        assert done.returncode == code, done.stdout
    if done.returncode == 0:
        (meta,) = _environments(home, "lib", "tensorflow")
        assert "v1.5.0" not in meta["tags"]
    else:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("CK error:")]
        assert "is built without CUDA" in line or "cannot be built from its sources any more" in line
    if alias.endswith("-cuda") and _has("tensorflow-cpu"):
        assert done.returncode == 1  # the CPU build never passes for the CUDA build


def test_any_tensorflow(home):
    """Without a version there is a menu; its first choice, and --quiet, is the CPU build."""
    menu = home.ck("install", "package", "--tags=lib,tensorflow", answers="0\n")
    assert menu.returncode == 0, menu.stdout
    assert menu.stdout.index(" 0) TensorFlow for CPUs") < menu.stdout.index(" 1) TensorFlow for CUDA")
    assert home.ck("install", "package", "--tags=lib,tensorflow", "--quiet").returncode == 0


def test_keras(home):
    """`ck install package:lib-keras-2.1.3-request` registers the true version under the tags the program needs."""
    done = home.ck("install", "package:lib-keras-2.1.3-request")
    assert done.returncode == 0, done.stdout
    assert f"Keras 2.1.3 is represented here by keras {version('keras')}" in done.stdout
    (meta,) = _environments(home, "lib", "keras-request")
    assert meta["customize"]["version"] == version("keras")
    assert "v2.1.3" not in meta["tags"]


def test_unknown_package(home):
    """Tags that fit no package end with CK's code for "not found"."""
    assert home.ck("install", "package", "--tags=lib,tensorflow,v9.9.9").returncode == 16


def test_installing_leaves_one_of_each(home):
    """Detecting and installing register the same entry, so that `ck run` has no menu to open."""
    home.ck("detect", "soft", "--tags=lib,tensorflow")
    home.ck("install", "package", "--tags=lib,tensorflow,v1.5.0,vcpu,vprebuilt")
    home.ck("install", "package:lib-keras-2.1.3-request")
    assert len(_environments(home, "lib", "tensorflow")) == 1
    assert len(_environments(home, "lib", "keras")) == 1


def test_no_cuda_device(home):
    """Without a GPU `ck detect platform.gpgpu --cuda` warns, and answers with an empty list."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    done = home.ck("detect", "platform.gpgpu", "--cuda", **hidden)
    assert done.returncode == 0, done.stdout
    assert "WARNING: no CK-enabled GPGPU devices found" in done.stdout
    answer = home.ck("detect", "platform.gpgpu", "--cuda", "--out=json", **hidden)
    assert json.loads(answer.stdout) == {"return": 0, "features": {"gpgpu": []}}


DRIVER = """
#include <string.h>
#include <stddef.h>
int cuInit(unsigned f) { return 0; }
int cuDeviceGetCount(int *n) { *n = 2; return 0; }
int cuDriverGetVersion(int *v) { *v = 8000; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, d ? "Tegra X1" : "NVIDIA Tegra X2", n); return 0; }
int cuDeviceTotalMem_v2(size_t *b, int d) { *b = (size_t)8 << 30; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) {
  *v = a == 75 ? (d ? NEWER : 6) : a == 76 ? (d ? 0 : 2) : 1;
  return 0;
}
"""


def _driver(folder: Path, newer: int) -> dict[str, str]:
    """A libcuda of our own with two devices: 6.2 and NEWER.0."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler, to stand in for the driver's library")
    source = folder / "driver.c"
    source.write_text(DRIVER)
    command = [compiler, "-shared", "-fPIC", f"-DNEWER={newer}", "-o", str(folder / "libcuda.so.1"), str(source)]
    subprocess.run(command, check=True, timeout=60)
    return {"LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"}


def test_cuda_devices(home, tmp_path):
    """Devices are told to CK as it expects them: name, number, capability and the microarchitecture that CK derives."""
    done = home.ck("detect", "platform.gpgpu", "--cuda", "--out=json", **_driver(tmp_path, 8))
    assert done.returncode == 0, done.stdout
    first, second = json.loads(done.stdout)["features"]["gpgpu"]
    assert first["gpgpu"] == {"microarchitecture": "Pascal", "name": "NVIDIA Tegra X2", "type": "cuda"}
    assert first["gpgpu_id"] == {"gpgpu_device_id": "0"}
    assert first["gpgpu_misc"]["gpu compute capability"] == "6.2"
    assert first["gpgpu_misc"]["compute_capability2"] == "sm_62"
    assert second["gpgpu"]["microarchitecture"] == "Ampere"


def test_a_device_newer_than_ck(home, tmp_path):
    """CK 2.6.4 stops at a capability that its table lacks; the note says that the GPU keys do not depend on it."""
    done = home.ck("detect", "platform.gpgpu", "--cuda", **_driver(tmp_path, 9))
    assert done.returncode == 1
    assert "Compute capability of your CUDA device is not recognized (9.0)" in done.stdout
    assert "note: the table in CK 2.6.4 ends at compute capability 8.6" in done.stdout
