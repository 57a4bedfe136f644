import pytest

from sparsefront.whole_file import whole_file, write_whole


def test_a_text_is_written_into_a_folder_that_was_not_there_and_replaces_another(tmp_path):
    path = tmp_path / "new" / "table.md"
    for text in ("first", "Ψ"):
        write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def write_half(path):
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_what_is_cut_short_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_to_ends_in_the_suffix_by_which_a_format_is_chosen(tmp_path):
    with whole_file(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.touch()
