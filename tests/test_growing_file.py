"""A file that another process appends to is read line by line."""

from benchkit.files.growing_file import GrowingFile


def test_each_complete_line_is_read_once(tmp_path):
    path = tmp_path / "log"
    growing = GrowingFile(path)
    assert growing.read_new_lines() == []
    path.write_bytes(b"one\ntw")
    assert growing.read_new_lines() == [b"one"]
    assert growing.read_new_lines() == []
    text = "o ä\n".encode()
    with path.open("ab") as file:
        file.write(text[:3])  # half a letter
    assert growing.read_new_lines() == []
    with path.open("ab") as file:
        file.write(text[3:] + b"\nfour\n")
    assert growing.read_new_lines() == ["two ä".encode(), b"", b"four"]
