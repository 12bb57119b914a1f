"""What files of people's grades may hold, and which error names the row that is wrong."""

import pytest

from benchkit.errors import DataError
from benchkit.judging.annotation.population import find_judgements
from benchkit.report.calibration.judged_answers import answers_of_judgements
from benchkit.report.calibration.people_labels import read_people_labels
from tests.support.labelled_store import LabelledStore

HEADER = "rater,criterion,system,task,case_id,grade,weight\n"


def read(folder, *lines):
    path = folder / "labels.csv"
    path.write_text(HEADER + "\n".join(lines))
    return read_people_labels([path]).table


def test_space_around_names_and_grades_does_not_count(tmp_path):
    lines = (
        "ann ,rating, one,tea,c1,2 ,",
        "ann,rating,one,tea,c2,NA,",
        "ann,rating,one,tea,c3, 1,2",
    )
    table = read(tmp_path, *lines)
    assert table["grade"].to_list() == [2, 1] and table["weight"].to_list() == [1, 2]
    assert set(table["rater"]) == {"ann"} and set(table["system"]) == {"one"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('ann,rating,one,tea,c1,"1,5",', "row 2, column 'grade': '1,5' is not a grade"),
        ("ann,rating,one,tea,c1,inf,", "row 2, column 'grade': 'inf' is not a grade"),
        ("ann,rating,one,tea,c1,2,x", "row 2, column 'weight': 'x' is not a weight"),
        ("ann,rating,one,tea,c1,2,0", "row 2: weight 0 is not positive"),
        ("ann,rating,one,tea,c1,2,-3", "row 2: weight -3 is not positive"),
        (" ,rating,one,tea,c1,2,", "row 2: no rater"),
        ("ann,rating,one,tea,,2,", "row 2: no case_id"),
    ],
)
def test_wrong_cells_are_refused_with_their_row(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, "ann,rating,one,tea,c0,2,", line)


def test_grades_off_the_judge_s_scale_are_refused(tmp_path):
    store = LabelledStore(tmp_path, cases=10, n=12, annotators=1)
    labels = tmp_path / "off.csv"
    header, first, *others = store.labels.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("grade")] = "99"
    labels.write_text("\n".join([header, ",".join(cells), *others]))
    judgements = find_judgements([store.store], "plum")
    with pytest.raises(DataError, match="grade 99 is not on the scale 0-3"):
        list(answers_of_judgements(judgements, read_people_labels([labels])))
