"""What people and other programs ask of the store: jobs, reviews, acknowledgements; orders and fuel have their own.

Each command is one durable transaction with its line in the audit trail. Bad input is refused before anything
is written. Times are site times, given by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from controller.records.command_base import ChangedMeanwhileError, StoreCommands
from controller.records.measured_tables import AlarmRow
from controller.records.people_tables import JobRow
from controller.records.planning_tables import PlanRow
from controller.records.views import OVER
from controller.records.writing import add_job, add_job_event, find_job, judge
from optimizer.problem import JobProblem
from sites.errors import InputError, InputFault, shorten


class Commands(StoreCommands):
    """What people and other programs ask of one site."""

    def submit_jobs(self, jobs: Sequence[JobProblem], *, who: str, at_utc: datetime, source: str = "jobs") -> None:
        """Queue jobs, all or none.

        Raises:
            InputError: a name that is taken, in the store or twice here.
        """
        with Session(self._engine) as session:
            faults = [
                _name_taken(source, index, job.name)
                for index, job in enumerate(jobs)
                if find_job(session, self._site, job.name) is not None
                or any(job.name == other.name for other in jobs[:index])
            ]
            if faults:
                raise InputError(faults)
            for index, job in enumerate(jobs):
                try:
                    add_job(session, self._site, job, who=who, at_utc=at_utc)
                except IntegrityError as error:
                    raise InputError([_name_taken(source, index, job.name)]) from error
                self._audit(session, who, "jobs submit", job.name, at_utc)
            session.commit()

    def cancel_job(self, name: str, *, who: str, at_utc: datetime) -> None:
        """Cancel a job that is not over.

        Raises:
            ChangedMeanwhileError: it is done, failed or cancelled already.
            InputError: no such job.
        """
        with Session(self._engine) as session:
            row = find_job(session, self._site, name)
            if row is None:
                known = session.scalars(select(JobRow.name).where(JobRow.site == self._site).limit(5)).all()
                mend = f"name one of the jobs, e.g. {', '.join(known)}" if known else "there are no jobs yet"
                raise InputError.single(source="jobs", field="name", found=name, mend=mend)
            alive = update(JobRow).where(JobRow.id == row.id, JobRow.state.not_in(OVER))
            cancelled = session.execute(alive.values(state="cancelled", updated_utc=at_utc))
            if not isinstance(cancelled, CursorResult) or cancelled.rowcount != 1:
                session.refresh(row)
                raise ChangedMeanwhileError.single(
                    source="jobs", field="state", found=row.state, mend="only a job that is not over can be cancelled"
                )
            add_job_event(session, row.id, at_utc, "cancelled", f"by {who}")
            self._audit(session, who, "jobs cancel", name, at_utc)
            session.commit()

    def review_plan(self, plan_id: str, *, approve: bool, who: str, why: str, at_utc: datetime) -> None:
        """Approve or reject a plan that waits for review.

        Raises:
            InputError: no such plan, it waits no longer, or no reason was given for a rejection.
        """
        if not approve and not why.strip():
            raise InputError.single(source="review", field="why", found=why, mend="say why the plan is rejected")
        verdict = "approved" if approve else "rejected"
        with Session(self._engine) as session:
            row = session.get(PlanRow, plan_id)
            if row is None or row.site != self._site:
                raise InputError.single(
                    source="review", field="plan", found=plan_id, mend="give the id of a plan: mdc review list"
                )
            if not judge(session, plan_id, approve=approve, who=who, why=why, at_utc=at_utc):
                session.refresh(row)
                raise ChangedMeanwhileError.single(
                    source="review", field="plan", found=row.review, mend="only a pending plan can be reviewed"
                )
            self._audit(session, who, f"review {verdict}", f"{plan_id}: {why}", at_utc)
            session.commit()

    def acknowledge_alarm(self, alarm_id: str, *, who: str, at_utc: datetime) -> None:
        """Note that a person has seen an alarm.

        Raises:
            InputError: no such alarm.
        """
        with Session(self._engine) as session:
            row = session.get(AlarmRow, alarm_id)
            if row is None or row.site != self._site:
                raise InputError.single(
                    source="alarm", field="id", found=alarm_id, mend="give the id of an alarm: mdc alarms list"
                )
            if row.acknowledged_utc is None:
                row.acknowledged_utc, row.acknowledged_by = at_utc, who
                self._audit(session, who, "alarm acknowledged", f"{row.code} {row.subject}", at_utc)
            session.commit()

    def refuse(self, action: str, detail: str, *, who: str, at_utc: datetime) -> None:
        """Note a command that was not allowed."""
        with Session(self._engine) as session:
            self._audit(session, who, action, detail, at_utc, outcome="refused")
            session.commit()


def _name_taken(source: str, index: int, name: str) -> InputFault:
    mend = "give each job a name that no other has had"
    return InputFault(source=source, field=f"[{index}].name", found=shorten(name), mend=mend)
