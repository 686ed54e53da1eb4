import warnings

from foregaze.cli import messages


def test_a_note_is_one_line_on_stderr(capsys):
    messages.note("a\nb")
    assert capsys.readouterr() == ("", "foregaze: a b\n")


def test_bytes_that_are_no_text_are_escaped():
    assert messages.one_line("photo\udcff.png") == "photo\\udcff.png"


def test_letters_of_any_script_stay():
    assert messages.one_line("Übung 写真  x") == "Übung 写真  x"


def test_warnings_for_users_are_collected_once_and_not_printed(capsys):
    with messages.collected_warnings() as texts:
        for _ in range(2):
            warnings.warn("too small", stacklevel=1)
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
    assert texts == ["too small"]
    assert capsys.readouterr() == ("", "")
