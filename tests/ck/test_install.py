"""`iot-farm ck install`, which takes the place of `ck pull repo:...`: offline, repeatable, careful."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

from harness.ck.kernel import require_ck
from harness.errors import MissingPackageError

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "ck-iot-farm-programs"
MACHINES = "ck-iot-farm-machines"


def test_after_an_installation_ck_finds_everything(home):
    """CK lists both repositories, the program and the script, and asks nothing on the way."""
    assert home.ck("find", f"repo:{PROGRAMS}").stdout.strip() == str(home.repos / PROGRAMS)
    assert "request-iot-benchmark" in home.ck("ls", "program").stdout.split()
    script = home.ck("find", "script:benchmark-request-iot-farm")
    assert script.returncode == 0
    assert (Path(script.stdout.strip()) / "benchmarking.py").is_file()
    assert home.ck("find", "script:nope").returncode == 16


def test_nothing_is_found_before(empty_home):
    """The control: without the installation CK knows neither program nor script."""
    assert empty_home.ck("find", "script:benchmark-request-iot-farm").returncode == 16
    done = empty_home.run_program("benchmark-alexnet-single-device-cpu")
    assert done.returncode == 1
    assert "no program(s) found" in done.stdout


def test_registered_software_has_its_true_version(home):
    """Python, TensorFlow and Keras are registered under the versions that are installed."""
    metas = [json.loads(path.read_text()) for path in (home.repos / "local/env").glob("*/.cm/meta.json")]
    found = {
        frozenset(meta["tags"]) & {"python", "tensorflow", "keras"}: meta["customize"]["version"] for meta in metas
    }
    assert found[frozenset({"python"})] == sys.version.split()[0]
    assert found[frozenset({"keras"})] == version("keras")
    tensorflow = {distribution.version for distribution in distributions() if "tensorflow" in distribution.name}
    assert found[frozenset({"tensorflow"})] in tensorflow
    assert len(metas) == 3


def test_a_second_installation_changes_nothing(own_home, snapshot):
    """Installing again ends well, keeps the UIDs of the registered software, and writes no file of the copy."""
    before = snapshot(own_home.repos / PROGRAMS)
    uids = sorted(path.name for path in (own_home.repos / "local/env").iterdir() if path.name != ".cm")
    done = own_home.iot_farm("ck", "install")
    assert done.returncode == 0
    assert done.stdout.count("up to date") == 3
    assert snapshot(own_home.repos / PROGRAMS) == before
    assert sorted(path.name for path in (own_home.repos / "local/env").iterdir() if path.name != ".cm") == uids


def test_nothing_to_read_from(empty_home):
    """It works with standard input closed, and with nobody at the terminal."""
    command = [sys.executable, "-m", "harness", "ck", "install"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        env=empty_home.environ,
        cwd=empty_home.work,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_outdated_file_is_renewed_and_a_changed_entry_is_kept(own_home):
    """What an older version put there is brought up to date; an entry that the user changed is not touched."""
    script = own_home.repos / PROGRAMS / "script/benchmark-request-iot-farm/benchmarking.py"
    ledger = own_home.repos / PROGRAMS / ".iot-farm.json"
    shipped = script.read_text()
    # As an older version of this package would have left it: the file and its line in the ledger agree.
    script.write_text("# older\n")
    document = json.loads(ledger.read_text())
    key = "script/benchmark-request-iot-farm/benchmarking.py"
    document["files"][key] = hashlib.sha256(b"# older\n").hexdigest()
    document["files"]["soft/withdrawn/customize.py"] = hashlib.sha256(b"# gone\n").hexdigest()
    ledger.write_text(json.dumps(document))
    withdrawn = own_home.repos / PROGRAMS / "soft/withdrawn/customize.py"
    withdrawn.parent.mkdir()
    withdrawn.write_text("# gone\n")
    changed = own_home.repos / MACHINES / "machine/farm-5-local/ip"
    changed.write_text('{"node": {"initial": ["10.0.0.1"], "block1": ["10.0.0.2"]}}')
    done = own_home.iot_farm("ck", "install")
    assert done.returncode == 0
    assert script.read_text() == shipped
    assert not withdrawn.exists()
    assert "10.0.0.1" in changed.read_text()
    assert "kept: machine:farm-5-local" in done.stdout
    assert "kept: machine:farm-6-local" not in done.stdout


def test_a_farm_of_the_user_is_kept(empty_home, tmp_path):
    """A farm that the user registered under a name that we ship stays the one that CK and we find."""
    mine = tmp_path / "mine.json"
    mine.write_text('{"node": {"initial": ["127.0.0.1"], "block1": ["10.1.2.3"]}}')
    assert empty_home.iot_farm("ck", "install").returncode == 0
    # Registered in `local` first, as on a machine where this package arrives later.
    shutil.rmtree(empty_home.repos / MACHINES)
    shutil.rmtree(empty_home.repos / "local/repo" / MACHINES)
    empty_home.ck("recache", "repo")
    add = (
        "add",
        "machine:farm-5-local",
        "--access_type=avro",
        f"--avro_config={mine}",
        "--target_os=linux-64",
    )
    assert empty_home.ck(*add).returncode == 0
    done = empty_home.iot_farm("ck", "install")
    assert done.returncode == 0
    assert "kept: machine:farm-5-local of local" in done.stdout
    assert (empty_home.repos / "local/machine/farm-5-local/ip").read_text() == mine.read_text()
    assert not (empty_home.repos / MACHINES / "machine/farm-5-local").exists()
    shown = empty_home.ck("show", "machine").stdout
    assert shown.count("farm-5-local: connected") == 1
    assert "farm-6-local: connected" in shown


def test_adding_a_shipped_name_leaves_the_tracked_files_alone(own_home, tmp_path, snapshot):
    """`ck add machine:farm-5-local` changes the copy in $CK_REPOS; the next installation keeps the user's farm."""
    tracked = snapshot(ROOT / "ck-machines")
    mine = tmp_path / "mine.json"
    mine.write_text('{"node": {"initial": ["127.0.0.1"], "block1": ["10.1.2.3"]}}')
    add = (
        "add",
        "machine:farm-5-local",
        "--access_type=avro",
        f"--avro_config={mine}",
        "--target_os=linux-64",
    )
    done = own_home.ck(*add, answers="y\n")
    assert done.returncode == 0
    assert "Renew (Y/n)?" in done.stdout
    copy = own_home.repos / MACHINES / "machine/farm-5-local/ip"
    assert copy.read_text() == mine.read_text()
    assert own_home.iot_farm("ck", "install").returncode == 0
    assert copy.read_text() == mine.read_text()
    assert snapshot(ROOT / "ck-machines") == tracked


@pytest.mark.parametrize(
    ("alias", "uid", "entries", "words"),
    [
        ("ck-request-asplos18-iot-farm", "9bb172637b2083c2", {}, "the original repository"),
        ("renamed", "9bb172637b2083c2", {}, "the original repository"),
        ("fork", "00000000000000aa", {"program/request-iot-benchmark": "88b118634abf9491"}, "has program:"),
        ("ck-env", "00000000000000bb", {"os/linux-64": "4258b5fe54828a50"}, "has os:linux-64 too"),
    ],
)
def test_beside_a_repository_with_the_same_entries(empty_home, fake_repository, alias, uid, entries, words):
    """Beside the original, a renamed copy or a repository with the same entries it refuses, and copies nothing."""
    folder = fake_repository(alias, uid, entries)
    assert empty_home.ck("import", "repo", f"--path={folder}", "--quiet").returncode == 0
    done = empty_home.iot_farm("ck", "install")
    assert done.returncode == 2
    assert words in done.stdout
    assert "hint: set CK_REPOS" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (empty_home.repos / PROGRAMS).exists()


def test_beside_an_entry_in_local(empty_home):
    """An entry of the user's own in `local` is named with the command that removes it, and nothing else is advised."""
    assert empty_home.ck("add", "local:os:linux-64").returncode == 0
    done = empty_home.iot_farm("ck", "install")
    assert done.returncode == 2
    assert "the registered repository local has os:linux-64 too" in done.stdout
    assert "ck rm local:os:linux-64" in done.stdout
    assert "ck rm repo:local" not in done.stdout


def test_beside_an_unrelated_repository(empty_home, fake_repository):
    """The control: a repository with entries of its own is no obstacle."""
    folder = fake_repository("unrelated", "00000000000000cc", {"program/other": "00000000000000dd"})
    assert empty_home.ck("import", "repo", f"--path={folder}", "--quiet").returncode == 0
    assert empty_home.iot_farm("ck", "install").returncode == 0


def test_a_moved_folder(own_home, tmp_path):
    """After $CK_REPOS was moved, installing again registers the new places."""
    moved = tmp_path / "moved"
    own_home.repos.rename(moved)
    done = own_home.iot_farm("ck", "install", CK_REPOS=str(moved))
    assert done.returncode == 0, done.stdout
    assert own_home.ck("find", f"repo:{PROGRAMS}", CK_REPOS=str(moved)).stdout.strip() == str(moved / PROGRAMS)
    assert own_home.ck("ls", "repo", CK_REPOS=str(moved)).stdout.split().count(PROGRAMS) == 1


def test_unusable_folders(empty_home, tmp_path):
    """A $CK_REPOS that is a file, or that holds a space (CK quotes no path), is refused with one line."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "with space"):
        done = empty_home.iot_farm("ck", "install", CK_REPOS=str(place))
        assert done.returncode == 2
        assert "Traceback" not in done.stdout
        assert str(place) in done.stdout
    assert not (tmp_path / "with space").exists()


def test_local_repository_that_is_not_there(empty_home, tmp_path):
    """A CK_LOCAL_REPO that CK would not create is refused before anything is copied; an existing one is used."""
    done = empty_home.iot_farm("ck", "install", CK_LOCAL_REPO=str(tmp_path / "gone"))
    assert done.returncode == 2
    assert "CK_LOCAL_REPO is" in done.stdout
    assert not empty_home.repos.exists()
    (tmp_path / "mine").mkdir()
    assert empty_home.iot_farm("ck", "install", CK_LOCAL_REPO=str(tmp_path / "mine")).returncode == 0
    assert (tmp_path / "mine/repo" / PROGRAMS).is_dir()


def _environment(home, tag):
    """Folder of the only `local:env` entry with this tag."""
    (meta,) = [
        path
        for path in (home.repos / "local/env").glob("*/.cm/meta.json")
        if tag in json.loads(path.read_text())["tags"]
    ]
    return meta.parents[1]


def _copy_environment(home, tag, uid, version, **customize):
    """Another `local:env` entry like that one, for another version and perhaps another file."""
    copy = home.repos / "local/env" / uid
    shutil.copytree(_environment(home, tag), copy)
    meta = json.loads((copy / ".cm/meta.json").read_text())
    meta["customize"] |= {"version": version, **customize}
    meta["setup"] |= {"version": version, "version_split": [int(part) for part in version.split(".")]}
    meta["tags"] = [name for name in meta["tags"] if not name.startswith("v")] + [f"v{version}"]
    (copy / ".cm/meta.json").write_text(json.dumps(meta))
    return copy


def test_software_that_changed(own_home):
    """What is registered for an older version of the same file, or for a file that is gone, is removed."""
    older = _copy_environment(own_home, "tensorflow", "00000000000000a1", "2.0.0")
    gone = _copy_environment(own_home, "python", "00000000000000a2", "3.9.0", full_path="/gone/bin/python")
    current = _environment(own_home, "keras")
    done = own_home.iot_farm("ck", "install")
    assert done.returncode == 0
    assert not older.exists()
    assert not gone.exists()
    assert current.exists()
    assert "note:" not in done.stdout


def test_another_python_of_the_user(own_home):
    """A second Python that the user registered stays, and it is said that CK will ask."""
    theirs = _copy_environment(own_home, "python", "00000000000000a3", "3.10.0", full_path="/bin/sh")
    done = own_home.iot_farm("ck", "install")
    assert done.returncode == 0
    assert theirs.exists()
    assert "note: `ck run` will ask which Python to take: /bin/sh, " in done.stdout


def test_without_tensorflow(empty_home, tmp_path):
    """Without TensorFlow the entries are installed, and the command ends with the way to get it."""
    _hide(tmp_path, "tensorflow")
    done = empty_home.iot_farm("ck", "install", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 5
    assert "error: TensorFlow is not installed for" in done.stdout
    assert "pip install 'ck-iot-farm[cpu]'" in done.stdout
    assert empty_home.ck("find", "script:benchmark-request-iot-farm").returncode == 0


def _hide(folder, module):
    """Make Python start as if a module were not installed; `folder` goes to PYTHONPATH."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        f"util.find_spec = lambda name, package=None: None if name == {module!r} else real(name, package)\n"
    )


def test_two_at_once(own_home):
    """A second installation in the same folder is turned away while one is at work."""
    with (own_home.repos / ".iot-farm-install.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = own_home.iot_farm("ck", "install")
    assert done.returncode == 2
    assert "another `iot-farm ck install` is at work" in done.stdout


def test_python_3_12_without_imp():
    """A Python whose module imp is gone is refused, and the way out is named; with imp it is let through."""

    def find(name):
        return None if name == "imp" else importlib.util.find_spec(name)

    with pytest.raises(MissingPackageError, match=r"imp.*Python 3\.13") as caught:
        require_ck((3, 13, 0), find)
    assert "Python 3.11" in caught.value.hint
    assert caught.value.exit_code == 5
    require_ck((3, 11, 7), lambda name: None if name == "imp" else object())
    require_ck((3, 13, 0), lambda _: object())


def test_without_ck(empty_home, tmp_path):
    """Where ck is not installed the command says how to get it, and makes no folder."""
    _hide(tmp_path, "ck")
    done = empty_home.iot_farm("ck", "install", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 5
    assert "Collective Knowledge is not installed" in done.stdout
    assert "pip install ck==2.6.4" in done.stdout
    assert not empty_home.repos.exists()
