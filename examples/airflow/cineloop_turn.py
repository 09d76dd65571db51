"""An Airflow DAG: one turn of the loop a night, after the doctor has looked.

Copy it into the `dags` folder of an Airflow 2.4 or newer whose workers have Cineloop and reach the workspace, and set
the Airflow variable `cineloop_workspace`. A turn that was killed is finished by its retry; the same state is not
turned twice, so a run by hand does no harm.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

with (
    DAG(
        dag_id="cineloop_turn",
        schedule="30 3 * * *",
        start_date=datetime(2026, 1, 1),
        catchup=False,  # a turn takes all that has come since the last one: missed nights need no turn of their own
        max_active_runs=1,
        default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
        tags=["cineloop"],
    ) as dag
):
    environment = {"CINELOOP_WORKSPACE": "{{ var.value.cineloop_workspace }}"}

    # exit code 1 where something is wrong: then no model is made from it
    doctor = BashOperator(task_id="doctor", bash_command="cineloop doctor", env=environment, append_env=True)
    # exit code 0 also for "refused" and "nothing new": those are answers; the JSON is in the task's log
    turn = BashOperator(
        task_id="turn",
        bash_command="cineloop turn --json",
        env=environment,
        append_env=True,
        execution_timeout=timedelta(hours=6),
    )
    doctor >> turn
