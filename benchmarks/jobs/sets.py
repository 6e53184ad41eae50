"""What the priors of rated sets cost."""

from data import Case

from jobs import Job, multiplying
from jobs.als import operations

JOB = Job(
    title="a Gibbs sweep with the rated sets of both sides",
    note="No peer has these priors. The plain sweep is the yardstick: the goal is at most 1.8 (1.3) times its time.",
    cases=(Case("sets", 16, must=1 / 1.8, aim=1 / 1.3),),
    contenders={"palate": "palate.linked_gibbs", "plain sweep": "palate.gibbs"},
    passes=6,
    limit=multiplying(operations),
    limited_by="matrix product of the plain sweep",
)
