"""Reading text."""

from data import Case

from jobs import Job, copying

JOB = Job(
    title="reading text",
    note="""Three columns with two tabs between, from disk cache to arrays with numbered ids. palate also judges every row and
    looks for pairs that are rated twice; pandas reads with one thread.""",
    cases=(Case("reading"), Case("reading", data="jester")),
    contenders={"palate": "palate.reading", "pandas": "pandas.reading"},
    limit=copying(lambda task: 2 * task.text.stat().st_size),
    limited_by="copy of the text",
)
