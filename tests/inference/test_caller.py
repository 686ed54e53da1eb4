import sys
import warnings

from foregaze.inference.caller import warn_caller


def test_the_place_is_the_line_that_calls():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = sys._getframe().f_lineno + 1
        warn_caller("look here")
    (warning,) = caught
    assert (str(warning.message), warning.category) == ("look here", UserWarning)
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_lines_of_foregaze_are_passed_over():
    inside = {"__name__": "foregaze.somewhere", "warn_caller": warn_caller}
    exec(compile("def call():\n    warn_caller('look there')", "inside.py", "exec"), inside)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = sys._getframe().f_lineno + 1
        inside["call"]()
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


def test_a_name_that_only_begins_like_ours_is_a_callers():
    outside = {"__name__": "foregaze_study", "warn_caller": warn_caller}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile("warn_caller('look there')", "study.py", "exec"), outside)
    assert [warning.filename for warning in caught] == ["study.py"]
