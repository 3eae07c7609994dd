"""The session and dbt log in alike, whichever way the settings chose. No AWS account is at hand to log in to."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

import pytest
import redshift_connector
from dbt.adapters.redshift.connections import get_connection_method
from dbt.config.runtime import load_profile
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.settings import ENV_PREFIX, load_settings
from ab_pipeline.warehouse.redshift import RedshiftWarehouse

# what neither sets, or only one of the two
_OWN = {"application_name", "timeout", "tcp_keepalive", "auto_create", "db_groups", "serverless_acct_id"}


class AskedError(Exception):
    """Instead of a connection: what was asked of the driver."""


@pytest.mark.parametrize(
    "way",
    [
        {"USER": "etl", "PASSWORD": "hunter2"},
        {"USER": "etl", "PASSWORD": "hunter2", "SSLMODE": "disable", "PORT": "5440"},
        {"CLUSTER_ID": "prod", "USER": "etl", "REGION": "eu-west-1", "SSLMODE": "verify-full"},
        {"CLUSTER_ID": "prod"},
        {"WORKGROUP": "prod", "REGION": "eu-west-1", "IAM_PROFILE": "etl"},
    ],
    ids=["password", "tunnel", "cluster_user", "cluster_identity", "workgroup"],
)
def test_both_ask_the_driver_for_the_same(way: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(f"{ENV_PREFIX}REDSHIFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{ENV_PREFIX}TARGET", "redshift")
    for name, value in {"HOST": "prod.example.com", "DATABASE": "dev", **way}.items():
        monkeypatch.setenv(f"{ENV_PREFIX}REDSHIFT_{name}", value)

    def connect(**arguments: Any) -> None:
        raise AskedError({name: value for name, value in arguments.items() if value and name not in _OWN})

    monkeypatch.setattr(redshift_connector, "connect", connect)
    with pytest.raises(AskedError) as by_session, RedshiftWarehouse(load_settings()).open():
        pass
    set_invocation_context(os.environ)
    set_from_args(Namespace(PROFILES_DIR=str(PROJECT_DIR), PROJECT_DIR=str(PROJECT_DIR)), None)
    credentials: Any = load_profile(str(PROJECT_DIR), {}, None, "redshift").credentials
    with pytest.raises(AskedError) as by_dbt:
        get_connection_method(credentials)()
    assert by_session.value.args == by_dbt.value.args
    assert credentials.retries == 0
