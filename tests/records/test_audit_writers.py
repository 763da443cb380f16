"""Many processes file records into one folder at once."""

from benchmarks.audit.writers import Written, write_together
from harness.records.store import make_folder


def test_every_record_of_every_writer_is_there(tmp_path):
    """4 processes x 20: 80 records, 80 lines in the index, one chain."""
    assert write_together(tmp_path, 4, 20) == Written(asked=80, records=80, lines=80, problems=0)


def test_a_neighbour_s_file_that_vanishes_stops_no_writer(tmp_path):
    """A temporary file that another writer renames between listing and looking at it is none of ours."""
    (tmp_path / ".run.json.gone").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is looked at
    make_folder(tmp_path)
