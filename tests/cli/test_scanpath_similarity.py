def test_scanpaths_are_compared_with_the_observers(run, osie_root, tmp_path):
    rows = ["image,observer,order,x,y,duration_ms"]
    rows += [f"1001.jpg,0,{order},{20 + order},{30},200" for order in range(4)]
    (tmp_path / "scanpaths.csv").write_text("\n".join(rows) + "\n")
    command = ("evaluate", "--dataset", "osie", "--root", osie_root)
    outcome = run(*command, "--scanpaths", "mine=scanpaths.csv", "--output", "out")
    assert outcome.code == 0
    assert "ScanMatch" in outcome.out
    assert (tmp_path / "out" / "scanpaths-mine.json").is_file()
    assert "ScanMatch" in (tmp_path / "out" / "scanpaths-mine.md").read_text()
    assert "expected NAME=FILE" in run(*command, "--scanpaths", "scanpaths.csv").error()


def test_scanpath_reports_are_not_replaced_unasked(run, osie_root, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scanpaths-mine.json").write_text("earlier")
    command = ("evaluate", "--dataset", "osie", "--root", osie_root)
    error = run(*command, "--scanpaths", "mine=s.csv", "--output", "out").error()
    assert "scanpaths-mine.json: exists already" in error
    assert "each name once" in run(*command, "--scanpaths", "a/b=s.csv").error()
    assert "belong to --model" in run(*command, "--scanpaths", "m=s.csv", "--json", "x").error()
