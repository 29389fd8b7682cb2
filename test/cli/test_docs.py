"""The pages' tables are those of the code."""

import io

import pytest
from rich.console import Console

from gear_vla_ros.cli import docs

CONSOLE = Console(quiet=True)


@pytest.fixture
def share(tmp_path):
    (tmp_path / "docs").mkdir()
    for page in docs.PAGES:
        (tmp_path / page).write_text(f"before\n{docs.BEGIN}\nstale words\n{docs.END}\nafter\n")
    return tmp_path


BEGINS = {"README.md": "| node | what it does |\n", "docs/nodes.md": "## action_node\n"}


@pytest.mark.parametrize(("page", "begins"), BEGINS.items())
def test_tables_are_written_between_the_marks_and_nothing_else_changes(share, page, begins):
    assert docs.write(share, True, CONSOLE) == 1
    assert docs.write(share, False, CONSOLE) == 0
    assert docs.write(share, True, CONSOLE) == 0
    text = (share / page).read_text()
    assert text.startswith(f"before\n{docs.BEGIN}\n{begins}")
    assert text.endswith(f"{docs.END}\nafter\n")
    assert "stale words" not in text


@pytest.mark.parametrize("page", docs.PAGES)
def test_one_page_that_differs_is_enough(share, page):
    docs.write(share, False, CONSOLE)
    (share / page).write_text(f"{docs.BEGIN}\nchanged\n{docs.END}\n")
    assert docs.write(share, True, CONSOLE) == 1


def test_every_node_is_described_with_its_topics_and_parameters():
    text = docs.describe_nodes()
    assert "| publishes | `/gear_vla/target` | gear_vla_ros/CartesianTarget | COMMAND |" in text
    assert "| `max_rate_hz` | `10.0` | float, 0.1 to 100 |" in text
    assert text.count("## ") == 10


def test_every_node_is_listed_with_its_place_in_the_reference():
    text = docs.list_nodes()
    assert "| [target_node](docs/nodes.md#target_node) | " in text
    assert text.count("docs/nodes.md#") == 10


@pytest.mark.parametrize("page", docs.PAGES)
def test_marks_that_are_missing_are_said(share, page):
    (share / page).write_text("nothing")
    assert docs.write(share, False, CONSOLE) == 1


def test_without_a_source_tree_that_is_said(tmp_path):
    console = Console(record=True, quiet=False, file=io.StringIO(), width=200)
    assert docs.write(tmp_path, False, console) == 1
    assert "README.md: not there" in console.export_text()
