"""Small published tables, as the files of leaderboards/published have them."""

HEADER = "paper,table,domain,method,group,metric,value,variant,note"


def write_published(folder, **papers):
    """Write `folder`/NAME.csv of each paper's lines, which begin at the table; gives the folder."""
    folder.mkdir(exist_ok=True)
    for paper, lines in papers.items():
        text = "".join(f"{paper},{line}\n" for line in lines)
        (folder / f"{paper}.csv").write_text(f"{HEADER}\n{text}", encoding="utf-8")
    return folder
