"""README's tables are those of the code."""

from rich.console import Console

from gear_vla_ros.cli import docs

CONSOLE = Console(quiet=True)


def test_tables_are_written_between_the_marks_and_nothing_else_changes(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{docs.BEGIN}\nstale words\n{docs.END}\nafter\n")
    assert docs.write(readme, True, CONSOLE) == 1
    assert docs.write(readme, False, CONSOLE) == 0
    assert docs.write(readme, True, CONSOLE) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{docs.BEGIN}\n### ")
    assert text.endswith(f"{docs.END}\nafter\n")
    assert "stale words" not in text


def test_every_node_is_described_with_its_topics_and_parameters():
    text = docs.describe_nodes()
    assert "| publishes | `/gear_vla/target` | gear_vla_ros/CartesianTarget | COMMAND |" in text
    assert "| `max_rate_hz` | `10.0` | float, 0.1 to 100 |" in text
    assert text.count("### ") == 10


def test_marks_that_are_missing_are_said(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing")
    assert docs.write(readme, False, CONSOLE) == 1
